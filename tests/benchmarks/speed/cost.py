"""The cost of our run compared with the same bare calls, and the memory per function."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from tests.benchmarks.speed import cloud
from tests.benchmarks.speed.bare import WORKERS
from tests.benchmarks.speed.strategies import OURS

PACKAGE_BYTES = 20_000
MEDIAN_S = 2.0
VIRTUAL = (10_000, 100_000)
FEW, ADMITTED, MANY = 100, 500, 5000  # all of the first two are admitted at once
Row = dict[str, Any]


def cpu(root: Path, functions: int, runs: int, package_bytes: int) -> Row:
    """CPU seconds of a run that packs, uploads and deploys (or, with no bytes, copies), over those of its calls."""
    root.mkdir()
    filled, manifest = cloud.filled(root, functions), cloud.manifest(root, functions, package_bytes=package_bytes)
    options = [f"--quota=operations_per_{owner}={WORKERS}" for owner in ("folder", "cloud")]
    ours, bare = [], []
    for number in range(runs):
        task = {
            "strategy": OURS, "root": str(root / str(number)), "folder_id": cloud.FOLDER, "manifest": str(manifest),
            "limits": cloud.FAST, "bucket": cloud.BUCKET, "package_bytes": package_bytes,
        }  # fmt: skip
        (root / str(number)).mkdir()
        with cloud.served(root, filled, *options, "--durations", f"lognormal:{MEDIAN_S},0.4") as served:
            found = cloud.client(task | {"endpoint": served.url, "key_file": served.key_file})
        lengths = cloud.lengths_s(served.folder, functions)
        ours.append(found)
        length_s = statistics.fmean(lengths)
        task |= {"calls": found["calls"], "makespan_s": found["makespan_s"], "length_s": length_s}
        with cloud.served(root, filled, *options, "--durations", f"fixed:{length_s:.3f}") as served:
            bare.append(cloud.client(task | {"endpoint": served.url, "key_file": served.key_file}, "bare"))
    return {
        "functions": functions,
        "bytes of each": package_bytes,
        "ours, CPU s": statistics.median(row["cpu_s"] for row in ours),
        "its calls bare, CPU s": statistics.median(row["cpu_s"] for row in bare),
        "ours ÷ bare": statistics.median(one["cpu_s"] / other["cpu_s"] for one, other in zip(ours, bare, strict=True)),
        "of these puts": statistics.median(row["puts_s"] for row in bare),
        "calls": ours[-1]["calls"],
        "bare calls": bare[-1]["calls"],
    }


def memory(root: Path, runs: int) -> Row:
    """Resident memory per function: the difference between the peaks of a large run and a small one."""
    options = [f"--quota=operations_per_{owner}=100" for owner in ("folder", "cloud")]
    root.mkdir()
    peaks: dict[int, float] = {}
    during: dict[int, float] = {}
    for functions in (FEW, ADMITTED, MANY):
        place = root / f"memory{functions}"
        place.mkdir()
        filled, manifest = cloud.filled(place, functions), cloud.manifest(place, functions)
        found = []
        for number in range(runs):
            with cloud.served(place, filled, *options, "--durations", "fixed:0.3") as served:
                task = {
                    "strategy": OURS, "endpoint": served.url, "key_file": served.key_file, "folder_id": cloud.FOLDER,
                    "root": str(place / str(number)), "manifest": str(manifest), "bucket": cloud.BUCKET,
                    "limits": cloud.FAST | {"requests_per_second": 1000.0},
                }  # fmt: skip
                (place / str(number)).mkdir()
                found.append(cloud.client(task))
        peaks[functions] = statistics.median(row["peak_bytes"] for row in found)
        during[functions] = statistics.median(row["grown_bytes"] for row in found)
    return {
        "functions": f"{FEW}, {ADMITTED}, {MANY}",
        "KB for each admitted": (during[ADMITTED] - during[FEW]) / (ADMITTED - FEW) / 1000,
        "KB for each, in a long run": (during[MANY] - during[ADMITTED]) / (MANY - ADMITTED) / 1000,
        "KB for each, plan and all": (peaks[MANY] - peaks[ADMITTED]) / (MANY - ADMITTED) / 1000,
    }


def many() -> list[Row]:
    """A very large number of functions in virtual time: whether time and memory grow only with their number."""
    table = []
    for functions in VIRTUAL:
        run, alone = (cloud.client({"functions": functions, "engine": engine}, "many") for engine in (True, False))
        assert run["outcomes"] == functions
        table.append(
            {
                "functions": functions,
                "virtual time, s": run["virtual_s"],
                "CPU ms for each": 1000 * (run["cpu_s"] - alone["cpu_s"]) / functions,
                "KB for each": (run["grown_bytes"] - alone["grown_bytes"]) / functions / 1000,
            }
        )
    return table
