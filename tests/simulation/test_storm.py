"""Whole runs under faults drawn from a seed, cut off at random moments and continued by the same deploy.

A failing seed is in the test's name: `pytest -m "" tests/simulation -k "[17]"` replays it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.engine.quotas.limit import GROWTH_CALLS
from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import Exit
from orchestrator.journal.events import OperationAccepted, OperationDone, UnitEnded
from orchestrator.journal.state import fold
from orchestrator.model import Cancelled, Deployed, Failed, Fingerprint, Limits, Unchanged, Unknown
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Faults, Rates
from orchestrator.version.stamp import read_stamp
from tests.engine import Bench, UnchangingBench, sources
from tests.long import short_first

SEEDS = range(60)
FUNCTIONS = 25


def storm(rng: random.Random) -> Rates:
    """Draw faults: mostly worse than what the sandbox calls a storm."""
    return Rates(
        unavailable=rng.uniform(0, 0.15),
        throttled=rng.uniform(0, 0.1),
        lost=rng.uniform(0, 0.15),
        delayed=rng.uniform(0, 0.2),
        delay_s=rng.uniform(0, 20),
        hidden=rng.uniform(0, 0.5),
        hidden_s=rng.uniform(0, 2),
        error_early=rng.uniform(0, 1),
        failed=rng.choice([0.0, 0.1]),
    )


def stamps(versions: list[Mapping[str, Any]]) -> Counter[tuple[str, Fingerprint | None]]:
    return Counter((version["functionId"], read_stamp(version["description"])) for version in versions)


def check_the_slots(bench: Bench, limits: Limits) -> None:
    """Check that there are never more Operations than allowed between acceptance and the moment each was seen done,
    except what may be probed if quota-manager did not answer.
    """
    running: set[str] = set()
    accepted = 0
    for event in bench.events:
        if isinstance(event, OperationAccepted):
            accepted += 1
            running.add(event.operation_id)
            assert len(running) <= limits.operations_per_folder + accepted // GROWTH_CALLS
        elif isinstance(event, OperationDone):
            running.discard(event.operation_id)


def check_the_truth(bench: Bench, outcomes: Mapping[str, object], meddled: Container[str] = ()) -> None:
    """`meddled`: Functions that someone else has made a Version of, perhaps after they were read."""
    live = {version["id"]: version for version in bench.versions()}
    for key, outcome in outcomes.items():
        if isinstance(outcome, Deployed | Unchanged):
            assert live[outcome.version_id]["status"] == "ACTIVE", key
            if live[outcome.version_id]["functionId"] not in meddled:
                assert "$latest" in live[outcome.version_id]["tags"], key
    ends = [event.outcome for event in bench.events if isinstance(event, UnitEnded)]
    if not any(isinstance(outcome, Unknown | Cancelled) for outcome in ends):  # even if reading back shows more later
        assert bench.result.held == 0, "a slot was not given back"
        code = exit_code(bench.result.outcomes.values(), interrupted=False)
        assert (code is Exit.DONE) == all(isinstance(outcome, Deployed | Unchanged) for outcome in outcomes.values())
    reported = {event.key: event.outcome for event in bench.events if isinstance(event, UnitEnded)}
    assert reported == outcomes
    assert fold(bench.events).ended == len(outcomes)
    # A replay of an Operation that failed before is old: the repeated request may be cut off.
    failed = {e.operation_id for e in bench.events if isinstance(e, OperationDone) and e.error}
    accepted = {
        e.key
        for e in bench.events
        if isinstance(e, OperationAccepted) and e.call == "createVersion" and e.operation_id not in failed
    }
    assert all(isinstance(outcomes[key], Deployed | Failed | Unknown) for key in accepted)


@pytest.mark.parametrize("seed", short_first(20, SEEDS))
def test_no_second_version_and_the_truth_at_the_end_whatever_the_weather(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    limits = Limits(operation_deadline_s=rng.choice([15.0, 900.0]))
    bench = UnchangingBench(
        tmp_path, faults=Faults(storm(rng), seed=seed), seed=seed, limits=limits,
        durations=rng.choice(["lognormal:1.2,0.4", "fixed:3", "lognormal:3,1.0"]),
    )  # fmt: skip
    manifest = sources(tmp_path, FUNCTIONS)

    async def cut_off(stop: Stop) -> None:
        await anyio.sleep(rng.uniform(0, 20))
        (stop.abandon if rng.random() < 0.7 else stop.request)("cut off")

    for turn in range(12):
        try:
            outcomes = bench.deploy(manifest, meanwhile=cut_off if turn < 3 else None)
        except Exception as error:
            if type(error).__name__ != "CloudError":  # the inventory could not be read: nothing was done
                raise
            continue
        check_the_slots(bench, limits)
        check_the_truth(bench, outcomes)
        if turn >= 3 and all(isinstance(outcome, Unchanged) for outcome in outcomes.values()):
            break
        if turn == 6:
            bench.faults.rates = Rates()  # the faults end: what is left must succeed
    assert all(isinstance(outcome, Unchanged) for outcome in outcomes.values()), outcomes
    assert set(stamps(bench.versions()).values()) == {1}
    assert len(bench.versions()) == FUNCTIONS
