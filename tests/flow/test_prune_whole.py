"""A cloud of many functions with many versions: what stays matches a second implementation, page by page."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    RunEnded,
    RunStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.state import fold
from orchestrator.model import LATEST, Action, Change, ChangeKind, Deployed, Fingerprint, Pruned, Version
from orchestrator.planning.prune import rule
from orchestrator.planning.prune.past import Past
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.prediction.virtual_time import run
from orchestrator.sandbox.memory import paging
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.stamp import stamped
from tests.clouds import body
from tests.engine import EPOCH_S, Bench
from tests.long import LONG
from tests.prunes import prune, prune_plan

HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\nversion_id = "$latest"\n'
DIGEST = Fingerprint("a" * 16, "b" * 16)
DAY_S = 86_400.0
POLICY = PrunePolicy(keep=5, runs=3)


@dataclass
class Fleet:
    """Functions that were deployed, tagged, copied from and edited. The choices for each are in tables."""

    bench: Bench
    rng: random.Random
    versions: dict[str, list[str]] = field(default_factory=dict)  # by Function ID, the oldest first
    ours: set[str] = field(default_factory=set)
    tagged: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)  # functions of which K runs are known
    at: dict[str, float] = field(default_factory=dict)  # when each version was made
    runs: list[list[Event]] = field(default_factory=list)  # the newest first

    def grow(self, functions: int, versions: int) -> None:
        bench = self.bench
        days = [180.0 * (1 - number / versions) + 0.01 for number in range(versions)]
        ids = []
        bench.now = lambda: EPOCH_S - 200 * DAY_S
        with bench.cloud.past():
            for number in range(functions):
                made = bench.cloud.functions.create({"folderId": "folder", "name": f"f{number:05}"})
                ids.append(made["metadata"]["functionId"])
            bench.cloud.settle()
            for function_id in ids:
                self.versions[function_id] = []
            for number, ago in enumerate(days):
                bench.now = lambda ago=ago: EPOCH_S - ago * DAY_S  # type: ignore[misc]  # mypy: no default in a lambda
                for function_id in ids:
                    self._make(function_id, number)
                bench.cloud.settle()
        bench.now = lambda: EPOCH_S
        for number, function_id in enumerate(ids):
            self._deploy_again(number, function_id)
        path = bench.root / "deploy.toml"
        path.write_text(self.manifest(functions), "utf-8")

    def manifest(self, functions: int) -> str:
        return HEAD + "".join(f"[functions.f{number:05}]\n" for number in range(functions))

    def _make(self, function_id: str, number: int) -> None:
        rng, ours = self.rng, self.rng.random() < 0.8
        said = stamped("", replace(DIGEST, forced=f"{number:08x}")) if ours else "by hand"
        own = self.tagged & set(self.versions[function_id])
        tag = {"tag": [f"t{number}"]} if rng.random() < 0.05 and len(own) < 10 else {}
        made = self.bench.cloud.versions.create(body(function_id) | {"description": said} | tag)
        version_id = made["metadata"]["functionVersionId"]
        self.versions[function_id].append(version_id)
        self.at[version_id] = self.bench.now()
        self.ours |= {version_id} if ours else set()
        self.tagged |= {version_id} if tag else set()
        self.named |= {version_id} if rng.random() < 0.02 else set()

    def _deploy_again(self, number: int, function_id: str) -> None:
        """Record runs that made, or tagged, any of its versions: some times fewer than K, some times more."""
        known = self.rng.randint(0, 2 * POLICY.runs)
        if known >= POLICY.runs:
            self.recorded.add(function_id)
        for one in range(known):  # the newest first
            versions = self.versions[function_id]
            after = self.rng.randrange(1, len(versions))
            before = max(0, after - self.rng.randint(1, 3))  # more than one before: it has overwritten some unseen
            base, made = versions[before], versions[after]
            if one < POLICY.runs:
                self.needed |= set(versions[before : after + 1])
            self.runs.append(_run(f"f{number:05}", function_id, base, made, EPOCH_S - DAY_S * (one + number / 1e6)))

    def stays(self) -> set[str]:
        """The second implementation."""
        found = set[str]()
        for function_id, versions in self.versions.items():
            found |= set(versions[-POLICY.keep :])
            ours_before_latest = [one for one in versions[:-1] if one in self.ours]
            found |= set(ours_before_latest[-1:])
            for number, one in enumerate(versions):
                old = EPOCH_S - self.at[one] > 90 * DAY_S
                if (
                    one in self.tagged | self.named | self.needed
                    or one not in self.ours
                    or (function_id not in self.recorded and not old)
                ):
                    found.add(one)
                asked = one in self.tagged | self.named or number == len(versions) - 1
                if asked and one not in self.ours:  # made by hand over one of ours
                    found |= set([other for other in versions[:number] if other in self.ours][-1:])
        return found


def _run(key: str, function_id: str, base: str, made: str, at: float) -> list[Event]:
    change = Change(ChangeKind.VERSION, {LATEST: base}, {LATEST: None})
    return [
        RunStarted(at, f"R-{key}-{at}", "deploy", "sandbox", "deploy.toml", 1, "0.1"),
        UnitPlanned(at, key, key, "folder", function_id, Action.VERSION, "", base, "a.b", changes=(change,)),
        OperationAccepted(at, key, "createVersion", f"o-{made}-{at}", function_id, made),
        OperationDone(at, key, f"o-{made}-{at}", 1.0),
        UnitEnded(at, key, Deployed(made, read_back=True)),
        RunEnded(at, 0),
    ]


def fleet(folder: Path, functions: int, versions: int, seed: int = 1) -> Fleet:
    made = Fleet(Bench(folder, durations="fixed:0.4", quotas=Quotas(100, 500, 500)), random.Random(seed))
    made.grow(functions, versions)
    return made


def left(made: Fleet) -> set[str]:
    return {one for some in made.versions.values() for one in some if one in made.bench.cloud.state.versions}


@LONG  # its plan is that of `test_a_mutant_is_noticed`, its deletions those of `tests/flow/test_prune.py`
@pytest.mark.parametrize(("functions", "versions"), [(20, 60), (3, 500)])
def test_what_stays_is_what_a_second_opinion_says(tmp_path: Path, functions: int, versions: int) -> None:
    made = fleet(tmp_path, functions, versions)
    outcomes = prune(made.bench, made.manifest(functions), POLICY, made.runs, named=frozenset(made.named))
    assert all(isinstance(one, Pruned) for one in outcomes.values())
    assert left(made) == made.stays()
    assert made.bench.wire.calls["listVersions"] >= functions * versions / 1000


@pytest.mark.timeout(600)  # half a minute alone, and four times that with five other workers on two cores
@LONG
def test_what_stays_of_a_thousand_functions_is_what_a_second_opinion_says(tmp_path: Path) -> None:
    made = fleet(tmp_path, 1000, 60)  # carried out by `python -m tests.benchmarks.prune 1000 53`, in two minutes
    assert planned(made, 1000) == made.stays()


def test_a_page_that_cannot_be_read_deletes_nothing(tmp_path: Path) -> None:
    made = fleet(tmp_path, 20, 60)
    denied = Trouble(Fault(Code.PERMISSION_DENIED, "no"))
    made.bench.cloud.faults.fail_next("listVersions", Trouble(), denied)
    with pytest.raises(Exception, match="no"):
        planned(made, 20)
    assert "deleteVersion" not in made.bench.wire.calls


def planned(made: Fleet, functions: int) -> set[str]:
    specs = made.bench.load(made.manifest(functions)).functions

    async def main() -> set[str]:
        chains = [fold(events) for events in made.runs]
        found = await prune_plan(made.bench, made.bench.world(), specs, POLICY, chains, frozenset(made.named))
        return {one.version_id for function in found.functions for one in function.versions if not one.goes}

    return run(main)


def _one_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = paging.page

    def first(*arguments: Any) -> dict[str, Any]:
        return {name: value for name, value in whole(*arguments).items() if name != "nextPageToken"}

    monkeypatch.setattr(paging, "page", first)


def _tag_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = rule._Judge.first

    def first(self: rule._Judge, version: Version) -> tuple[rule.Why, str]:
        why, detail = judge(self, version)
        return (rule.Why.OLD, "") if why is rule.Why.TAGGED else (why, detail)

    monkeypatch.setattr(rule._Judge, "first", first)


def _missing_record_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule._Judge, "too_young", lambda *_: False)


def _runs_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Past, "take", lambda *_: None)


def test_a_mutant_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one page is read; a tag is ignored; a missing record counts as empty; runs need nothing."""
    made = fleet(tmp_path, 20, 60)
    stays = made.stays()
    assert planned(made, 20) == stays
    for mutant in (_one_page_only, _tag_ignored, _missing_record_is_empty, _runs_need_nothing):
        with monkeypatch.context() as patched:
            mutant(patched)
            assert planned(made, 20) != stays, mutant.__name__
