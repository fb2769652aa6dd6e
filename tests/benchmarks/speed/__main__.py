"""Measures the speed of a run: `python -m tests.benchmarks.speed [FIGURE …] [--functions N] [--runs N] [--json FILE]`.

Real time; the client and the HTTP sandbox are separate processes. All figures of a table are measured in one run of
this command and are medians. `--quick`: 100 functions, once.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.speed import cloud
from tests.benchmarks.speed.cost import PACKAGE_BYTES, cpu, many, memory
from tests.benchmarks.speed.frontier import bound_s, makespan_s, polled
from tests.benchmarks.speed.predicted import predicted
from tests.benchmarks.speed.strategies import OURS, STRATEGIES

SLOTS = 20
LOGNORMAL = "lognormal:2,0.4"
MIXTURE = "9*fixed:1+1*fixed:30"
UNTOLD = ("--no-quota-manager", "--no-quota-details")
ASSUMED = {"operations_per_folder": 20, "operations_per_cloud": 20, "polls_per_second": 500.0}
LONG_S = 180.0
WARM_S = 60.0
TAIL_S = 10.0  # at the end there is too little left to fill the slots
LISTING = "listVersions"
PER_OPERATION = ("looks", "polls", "listings", "refused")
Row = dict[str, Any]


class Bench:
    """Runs strategies against fresh copies of one filled sandbox."""

    def __init__(self, root: Path, functions: int, only: str = "", versions: int = 1) -> None:
        self._only = only
        root.mkdir(exist_ok=True)
        self.root = root
        self.functions = functions
        self._versions = versions  # of each function
        self._filled = cloud.filled(root, functions, versions)
        self._manifest = cloud.manifest(root, functions)

    def desired(self, *names: object) -> bool:
        """Return whether a setting is to be measured."""
        return self._only in " ".join(map(str, names))

    def run(
        self,
        strategy: str,
        *options: str,
        limits: dict[str, Any] | None = None,
        knowledge: Row | None = None,
        believe: bool = False,
    ) -> Row:
        """Run a strategy once. Adds the bound and the durations of the Operations to its counts."""
        with cloud.served(self.root, self._filled, *options) as served:
            found = cloud.client(
                {
                    "strategy": strategy, "endpoint": served.url, "key_file": served.key_file, "root": str(self.root),
                    "folder_id": cloud.FOLDER, "manifest": str(self._manifest), "limits": limits or cloud.FAST,
                    "knowledge": knowledge, "believe": believe,
                }
            )  # fmt: skip
        lengths = cloud.lengths_s(served.folder, self.functions * self._versions)
        assert len(lengths) == self.functions, f"{len(lengths)} versions of {self.functions}"
        found["lengths_s"] = lengths
        calls = found["calls"]
        found["polls"], found["listings"] = (calls.get(name, 0) / len(lengths) for name in ("get operation", LISTING))
        found["looks"], found["refused"] = found["polls"] + found["listings"], len(found["refusals"]) / len(lengths)
        return found


def quota(slots: int) -> list[str]:
    return [f"--quota=operations_per_{owner}={slots}" for owner in ("folder", "cloud")]


def median(rows: Iterable[Row], name: str) -> float:
    return float(statistics.median(row[name] for row in rows))


def polling(bench: Bench, runs: int) -> list[Row]:
    """Makespan over the lower bound and calls per Operation, with the listing of CREATING versions and without.

    Also what is attainable. First, by seeing each end at once, in our order or the longest first (which cannot be
    known). Second, by polling each Operation as often as we did, at the best times for these durations.
    """
    table = []
    for durations in (LOGNORMAL, "lognormal:2,0.1", "lognormal:2,1.0", MIXTURE):
        for creating in ("visible", "hidden", "1s"):
            rows = []
            for _ in range(runs if bench.desired(durations, creating) else 0):
                row = bench.run(OURS, *quota(SLOTS), "--durations", durations, "--creating", creating)
                lengths, bound = row["lengths_s"], bound_s(row["lengths_s"], SLOTS)
                row["ratio"] = row["makespan_s"] / bound
                row["oracle"] = makespan_s(lengths, SLOTS) / bound
                row["longest first"] = makespan_s(sorted(lengths, reverse=True), SLOTS) / bound
                hidden = creating == "hidden"  # otherwise listings do not count as polls
                best = makespan_s(lengths, SLOTS, polled(lengths, row["looks"])) / bound if hidden else float("nan")
                row["as often at best"] = best
                rows.append(row)
            names = ("ratio", "oracle", "longest first", "as often at best", *PER_OPERATION, "cpu_s")
            if rows:
                found = {name: median(rows, name) for name in names}
                table.append({"durations": durations, "listing": creating} | found)
    return table


def limits(bench: Bench, runs: int) -> list[Row]:
    """An unreported limit: refusals after the first minute, and throughput compared with the same limit when known.

    Each run lasts about `LONG_S`, regardless of `--functions`: before it has settled, nothing can be concluded.
    """
    table = []
    for name, slots, settled in (("8", 8, 8), ("60", 60, 60), ("20, then 8", 20, 8), ("20, then 60", 20, 60)):
        if not bench.desired(name):
            continue
        changes = [f"--quota-at=30s:operations_per_{owner}={settled}" for owner in ("folder", "cloud")]
        here = Bench(bench.root / name, int(settled * LONG_S / 2.17))
        unreported = (*UNTOLD, "--durations", LOGNORMAL)
        rows = [here.run(OURS, *quota(slots), *changes, *unreported, limits=ASSUMED) for _ in range(runs)]
        again = here.run(OURS, *quota(settled), *unreported, limits=ASSUMED, knowledge=rows[-1]["learned"])
        known = here.run(OURS, *quota(settled), "--durations", LOGNORMAL)
        for row in rows:
            late = sum(at > WARM_S for at in row["refusals"])
            row["refused late"] = late / (late + sum(at > WARM_S for at in row["accepted"]))
            row["refused early"] = len(row["refusals"]) - late
            row["throughput"] = _settled_rate(row, WARM_S) / _settled_rate(known, WARM_S)
        table.append(
            {
                "limit": name,
                "refused after 60 s": median(rows, "refused late"),
                "throughput ÷ known": median(rows, "throughput"),
                "refused in the first 60 s": statistics.median(
                    sum(at <= WARM_S for at in row["refusals"]) for row in rows
                ),
                "second run: refused": again["refused"],
                "second run: throughput ÷ known": _settled_rate(again, TAIL_S) / _settled_rate(known, TAIL_S),
            }
        )
    return table


def _settled_rate(row: Row, start_s: float) -> float:
    """Return how many Operations ended per second, from a time until too little was left to fill the slots."""
    done: list[float] = row["done"]
    end_s = done[-1] - TAIL_S
    return sum(start_s < at <= end_s for at in done) / (end_s - start_s)


LOOK = "version_by_tag"
OLD_VERSIONS = 20


def base(bench: Bench, runs: int) -> list[Row]:
    """The cost of checking `$latest` before each createVersion: its calls, and the makespan over its bound compared
    with a run that trusts its plan, on 15 slots, with 20 versions per function.
    """
    here = Bench(bench.root / "base", bench.functions, versions=OLD_VERSIONS)
    table = []
    for durations in (LOGNORMAL, "lognormal:20,0.4")[: 2 if bench.functions <= 200 else 1]:
        rows: dict[bool, list[Row]] = {False: [], True: []}
        for believe in (False, True) * runs:
            row = here.run(OURS, *quota(15), "--durations", durations, believe=believe)
            row["ratio"] = row["makespan_s"] / bound_s(row["lengths_s"], 15)
            row["base looks"] = row["calls"].get(LOOK, 0) / bench.functions
            rows[believe].append(row)
        looked, believed = (median(rows[believe], "ratio") for believe in (False, True))
        table.append(
            {
                "durations": durations,
                "base looks": median(rows[False], "base looks"),
                "ratio": looked,
                "ratio without": believed,
                "costs": looked / believed - 1.0,
            }
        )
    return table


def strategies(bench: Bench, runs: int) -> list[Row]:
    """Our strategy compared with others, on the same sandbox."""
    table = []
    for durations, slots in ((LOGNORMAL, SLOTS), (LOGNORMAL, 60), (MIXTURE, SLOTS), ("fixed:0.5", SLOTS)):
        for strategy in (OURS, *STRATEGIES):
            if not bench.desired(durations, slots):
                continue
            rows = []
            for _ in range(runs):
                row = bench.run(strategy, *quota(slots), "--durations", durations)
                row["ratio"] = row["makespan_s"] / bound_s(row["lengths_s"], slots)
                rows.append(row)
            names = ("makespan_s", "ratio", *PER_OPERATION, "cpu_s")
            found = {name: median(rows, name) for name in names}
            table.append({"durations": durations, "quota": slots, "strategy": strategy} | found)
    return table


def prediction(bench: Bench, runs: int) -> list[Row]:
    """The prediction of `plan --simulate`, over what the run then takes."""
    table = []
    for number, (durations, slots) in enumerate(
        ((LOGNORMAL, SLOTS), (LOGNORMAL, 60), ("lognormal:2,1.0", SLOTS), (MIXTURE, SLOTS))
    ):
        if bench.desired(durations, slots):
            root = bench.root / str(number)
            root.mkdir()
            rows = predicted(root, bench.functions, runs, durations, slots)
            table.append({"durations": durations, "quota": slots} | {name: median(rows, name) for name in rows[0]})
    return table


FIGURES: dict[str, Callable[[Bench, int], list[Row]]] = {
    "polling": polling,
    "limits": limits,
    "strategies": strategies,
    "base": base,
    "prediction": prediction,
    "cpu": lambda bench, runs: [
        cpu(bench.root / f"cpu{size}", bench.functions, runs, size) for size in (PACKAGE_BYTES, 0)
    ],
    "memory": lambda bench, runs: [memory(bench.root / "memory", runs)],
    "many": lambda _bench, _runs: many(),
}


def markdown(rows: list[Row]) -> str:
    """Return a table as Markdown."""
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    lines += [f"| {' | '.join(map(_cell, row.values()))} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3f}"
    return str(value)


def main() -> None:
    """Measure what is requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], default=[])
    parser.add_argument("--functions", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="settings whose name contains this")
    given = parser.parse_args()
    if given.quick:
        given.functions, given.runs = 100, 1
    found: dict[str, list[Row]] = {}
    for figure in given.figures or FIGURES:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), given.functions, given.only)
            found[figure] = FIGURES[figure](bench, given.runs)
        sys.stdout.write(
            f"\n## {figure}, {given.functions} functions, medians of {given.runs}\n\n{markdown(found[figure])}\n"
        )
        sys.stdout.flush()
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
