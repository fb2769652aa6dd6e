"""Rules of the engine that whole runs rarely reach: tests/simulation/test_mutants.py breaks each."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel
import pytest

from orchestrator.engine.in_flight import in_flight
from orchestrator.engine.read_back import read_back
from orchestrator.errors import Code
from orchestrator.journal.events import StepRetried
from orchestrator.model import (
    Deployed,
    Failed,
    Function,
    Limits,
    Operation,
    Outcome,
    Step,
    TagHeld,
    Unchanged,
    Unknown,
    Version,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.live import read_live
from orchestrator.prediction.virtual_time import run
from orchestrator.sandbox.memory.faults import Fault, Trouble
from tests.engine import Bench, RecordingFunctions, quotas_of, sources

PERMANENT = Trouble(refusal=Fault(Code.PERMISSION_DENIED, "Permission denied"))
T = TypeVar("T")
NO_ANSWER = Trouble(refusal=Fault(Code.UNAVAILABLE, "busy"))


def test_a_refusal_says_nothing_of_an_earlier_try_whose_answer_was_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.faults.fail_next("createVersion", NO_ANSWER, PERMANENT)
    outcome = bench.deploy(sources(tmp_path, 1))["f000"]
    assert isinstance(outcome, Unknown), "the first try may have been acted on"
    bench.faults.fail_next("createVersion", PERMANENT)
    assert isinstance(bench.deploy(sources(tmp_path, 1))["f000"], Failed)


def test_a_tag_that_the_version_does_not_hold_is_seen_when_it_is_read_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 1) + 'tags = ["stable"]\n'
    made = bench.deploy(manifest)["f000"]
    assert isinstance(made, Deployed)
    assert made.read_back
    bench.cloud.versions.remove_tag(made.version_id, {"tag": "stable"})
    bench.pass_time(60.0)
    seen: dict[str, Outcome] = run(
        partial(read_back, bench.world(), bench.plan, bench.live, {"f000": Deployed(made.version_id)})
    )
    outcome = seen["f000"]
    assert isinstance(outcome, Failed)
    assert (outcome.step, outcome.failure.message) == (
        Step.READ_BACK, f"version {made.version_id} does not hold the tag stable",
    )  # fmt: skip


@pytest.mark.parametrize("forced", ["", "0123abcd"])
def test_what_is_in_flight_is_ours_only_if_it_was_forced_alike(tmp_path: Path, forced: str) -> None:
    bench = Bench(tmp_path, durations="fixed:100")
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    (unit,) = bench.plan.units
    assert unit.fingerprint is not None
    meant = replace(unit, fingerprint=replace(unit.fingerprint, forced=forced))
    sent = dict(bench.functions.sent[0][1])
    bench.cloud.versions.create(sent, "another-key")  # the same again, not forced, by a run that was killed

    async def look() -> Operation | None:
        world = bench.world()
        live: LiveState = await read_live(world, [unit.spec], whole=["folder"])
        return await in_flight(world, live, meant, str(sent["functionId"]), asked_for=True)

    found = run(look)
    assert (found is not None) is (not forced)


class ShuffledFunctions(RecordingFunctions):
    """Lists everything in another order each time."""

    def __init__(self, bench: Bench, rng: random.Random) -> None:
        super().__init__(bench.wire)
        self._rng = rng

    def _shuffled(self, found: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(self._rng.sample(found, len(found)))

    async def list_functions(self, folder_id: str) -> tuple[Function, ...]:
        return self._shuffled(await super().list_functions(folder_id))

    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        return self._shuffled(await super().list_versions(folder_id, filter=filter, function_id=function_id))

    async def list_operations(self, function_id: str) -> tuple[Operation, ...]:
        return self._shuffled(await super().list_operations(function_id))

    async def tag_history(self, function_id: str) -> tuple[TagHeld, ...]:
        return self._shuffled(await super().tag_history(function_id))


@pytest.mark.parametrize("count", [2, 12], ids=["each is read", "the folder is listed"])
@pytest.mark.parametrize("seed", range(3))
def test_listings_may_come_in_any_order(count: int, seed: int, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.functions = ShuffledFunctions(bench, random.Random(seed))
    manifest = sources(tmp_path, count)
    for memory in ("128MB", "256MB", "384MB"):
        bench.faults.fail_next("createVersion", Trouble(lost=True))  # so that Operations are listed too
        outcomes = bench.deploy(manifest.replace("128MB", memory))
        assert {type(outcome) for outcome in outcomes.values()} == {Deployed}
        bench.pass_time(60)
    assert len(bench.versions()) == 3 * count
    assert {type(outcome) for outcome in bench.deploy(manifest.replace("128MB", "384MB")).values()} == {Unchanged}


def test_a_rate_that_nobody_publishes_is_found_out(tmp_path: Path) -> None:
    """The cloud takes 2 calls a second, and a run begins with 20."""
    bench = Bench(tmp_path, durations="fixed:1", quotas=replace(quotas_of(Limits()), requests_per_second=2.0))
    outcomes = bench.deploy(sources(tmp_path, 60))
    assert {type(outcome) for outcome in outcomes.values()} == {Deployed}
    refused = sum(isinstance(event, StepRetried) for event in bench.events)
    assert 0 < refused < 60
    assert bench.seconds < 2 * 120 / 2.0  # twice of what 60 Functions and 60 Versions need at that rate


def test_a_quota_of_one_function_stops_no_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limits=Limits(operations_per_folder=1))  # in turn
    manifest = sources(tmp_path, 4)
    bench.deploy(manifest)
    full = Trouble(refusal=Fault(Code.RESOURCE_EXHAUSTED, "The limit on tags per function is exceeded"))
    bench.faults.fail_next("createVersion", full)

    async def alone(_stop: object) -> None:
        await anyio.lowlevel.checkpoint()

    outcomes = bench.deploy(manifest.replace('memory = "128MB"', 'memory = "256MB"'), meanwhile=alone)
    assert sorted(type(outcome).__name__ for outcome in outcomes.values()) == ["Deployed"] * 3 + ["Failed"]
