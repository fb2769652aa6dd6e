"""Waves and the stop rule, in virtual time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from orchestrator.journal.events import Event, OperationAccepted, UnitEnded
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.model import Cancelled, Deployed, Rollout
from orchestrator.sandbox.memory.faults import Faults
from tests.engine import Bench, sources


def started_before(events: list[Event], wave: int) -> int:
    """Return how many units ended before a wave began."""
    ended = 0
    for event in events:
        if isinstance(event, WaveStarted) and event.number == wave:
            return ended
        ended += isinstance(event, UnitEnded)
    raise AssertionError(wave)


def test_a_wave_begins_when_the_one_before_it_has_ended_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    outcomes = bench.deploy(sources(tmp_path, 30), rollout=Rollout(waves=(1, "10%", "100%")))
    assert all(isinstance(outcome, Deployed) for outcome in outcomes.values())
    waves = [event for event in bench.events if isinstance(event, WaveStarted)]
    assert [(wave.number, wave.waves, wave.units) for wave in waves] == [(1, 3, 1), (2, 3, 2), (3, 3, 27)]
    assert [sum(wave.folders.values()) for wave in waves] == [1, 2, 27]
    assert [started_before(bench.events, number) for number in (1, 2, 3)] == [0, 1, 3]


def test_one_wave_is_not_announced(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deploy(sources(tmp_path, 3))
    assert not any(isinstance(event, WaveStarted) for event in bench.events)


def test_the_pause_between_waves_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.deploy(sources(tmp_path, 4), rollout=Rollout(waves=(2, "100%"), pause_s=600.0))
    first, second = (event.at for event in bench.events if isinstance(event, WaveStarted))
    assert second - first >= 600


def test_more_failures_than_allowed_start_nothing_new_and_let_the_rest_settle(tmp_path: Path) -> None:
    failing = {f"f{number:03}" for number in range(10, 20)}
    bench = Bench(tmp_path, faults=Faults(failing_functions=failing))
    outcomes = bench.deploy(sources(tmp_path, 200), rollout=Rollout(max_failures="2%"))
    found = Counter(type(outcome).__name__ for outcome in outcomes.values())
    assert bench.result.breach == "5 of 200 failed, more than max_failures = 2%"
    assert found["Cancelled"] > 100
    assert found["Failed"] >= 5
    assert "Unknown" not in found
    asked = {
        event.key for event in bench.events if isinstance(event, OperationAccepted) and event.call == "createVersion"
    }
    assert all(key not in asked for key, outcome in outcomes.items() if isinstance(outcome, Cancelled))


def test_a_canary_that_fails_stops_the_run_before_the_next_wave(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f000"}))
    outcomes = bench.deploy(sources(tmp_path, 20), rollout=Rollout(waves=(1, "100%"), max_failures=0))
    assert Counter(type(o).__name__ for o in outcomes.values()) == {"Failed": 1, "Cancelled": 19}
    assert len(bench.versions()) == 0


def test_without_max_failures_a_wave_with_a_failure_is_the_last_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f003"}))
    outcomes = bench.deploy(sources(tmp_path, 40), rollout=Rollout(waves=(1, "25%", "100%")))
    found = Counter(type(outcome).__name__ for outcome in outcomes.values())
    assert found == {"Deployed": 9, "Failed": 1, "Cancelled": 30}  # the rest of that wave continued
    why = "1 function of wave 2 failed, and max_failures is not declared: no other wave starts"
    assert (bench.result.breach, bench.stop.reason) == (why, why)
    assert {outcome.reason for outcome in outcomes.values() if isinstance(outcome, Cancelled)} == {why}


@pytest.mark.parametrize(("broken", "deployed"), [(0, 1), (2, 10), (30, 39)])
def test_a_package_that_cannot_be_made_ends_the_wave_that_it_would_have_been_in(
    tmp_path: Path, broken: int, deployed: int
) -> None:
    manifest = sources(tmp_path, 40)
    (tmp_path / "src" / f"f{broken}" / "index.py").rename(tmp_path / "src" / f"f{broken}" / "other.py")
    bench = Bench(tmp_path)
    outcomes = bench.deploy(manifest, rollout=Rollout(waves=(1, "25%", "100%")))
    found = Counter(type(outcome).__name__ for outcome in outcomes.values())
    assert found == Counter({"Deployed": deployed, "Failed": 1, "Cancelled": 39 - deployed})
    assert bool(bench.result.breach) is (deployed < 39)


def test_a_failure_in_the_last_wave_stops_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f015"}))
    outcomes = bench.deploy(sources(tmp_path, 20), rollout=Rollout(waves=(1, "100%")))
    assert Counter(type(outcome).__name__ for outcome in outcomes.values()) == {"Deployed": 19, "Failed": 1}
    assert bench.result.breach == ""


def test_one_wave_without_max_failures_goes_on_to_its_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f000"}))
    outcomes = bench.deploy(sources(tmp_path, 20))
    assert Counter(type(outcome).__name__ for outcome in outcomes.values()) == {"Deployed": 19, "Failed": 1}


def test_a_share_is_of_the_functions_up_to_the_running_waves_end(tmp_path: Path) -> None:
    """One of the first ten is 10 %, though it is 1 % of all."""
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f000"}))
    outcomes = bench.deploy(sources(tmp_path, 100), rollout=Rollout(waves=("10%", "100%"), max_failures="5%"))
    assert sum(isinstance(outcome, Cancelled) for outcome in outcomes.values()) == 90
    assert bench.result.breach == "1 of 10 failed, more than max_failures = 5%"


def test_a_function_that_is_blocked_is_no_failure_of_the_rollout(tmp_path: Path) -> None:
    manifest = sources(tmp_path, 20).replace("[functions.f003]\n", "[functions.f003]\ncreate = false\n")
    bench = Bench(tmp_path)
    outcomes = bench.deploy(manifest, rollout=Rollout(waves=(1, "100%"), max_failures=0))
    assert Counter(type(outcome).__name__ for outcome in outcomes.values()) == {"Deployed": 19, "Blocked": 1}
