"""The cloud's times are trusted only as far as the run's own observations confirm them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.engine.knowledge import from_json
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.world import World
from orchestrator.journal.events import OperationDone
from orchestrator.model import Operation, decode
from orchestrator.sandbox.memory.faults import Faults
from tests.engine import EPOCH_S, Bench, sources
from tests.flow.test_run import kinds

LENGTH_S = 3.0
FAR = datetime(2999, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class TimedBench(Bench):
    """A cloud whose `Date` is `ahead_s` ahead of the times of its Operations, which `reported` may change."""

    ahead_s = 0.0
    tick_s = 1.0  # the finest resolution that it returns
    reported: Callable[[Operation], Operation] = staticmethod(lambda operation: operation)

    def world(self) -> World:
        def server_time() -> datetime:
            return datetime.fromtimestamp((self.now() + self.ahead_s) // self.tick_s * self.tick_s, UTC)

        self.last_world = replace(super().world(), server_time=server_time)
        whole = self.wire.operation

        async def operation(*args: Any) -> Operation:
            return self.reported(await whole(*args))

        self.functions._wire.operation = operation  # type: ignore[assignment,method-assign]
        return self.last_world

    def as_it_is(self, operation: Operation) -> Operation:
        """Return an Operation that is done in the very answer to its call."""
        return decode.operation(self.cloud.operations.get(operation.id))

    def calls(self, name: str) -> int:
        return self.wire.calls.pop(name, 0)


@pytest.mark.parametrize("ahead_s", [0.0, 20.0, 3600.0, -20.0])
def test_no_call_is_repeated_whatever_the_date_says(ahead_s: float, tmp_path: Path) -> None:
    bench = TimedBench(tmp_path, durations=f"fixed:{LENGTH_S}")
    bench.ahead_s = ahead_s
    manifest = sources(tmp_path, 20)
    assert kinds(bench.deploy(manifest)) == {"Deployed": 20}
    assert (bench.calls("create function"), bench.calls("createVersion")) == (20, 20)
    bench.faults.failing_functions = {f"f{number:03}" for number in range(20)}
    assert kinds(bench.deploy(manifest.replace("128MB", "256MB"))) == {"Failed": 20}
    assert bench.calls("createVersion") == 20


@pytest.mark.parametrize("ahead_s", [0.0, 20.0])
def test_an_operation_that_had_failed_before_the_run_is_known_all_the_same(ahead_s: float, tmp_path: Path) -> None:
    bench = TimedBench(tmp_path, durations=f"fixed:{LENGTH_S}", faults=Faults(failing_functions={"f000"}))
    manifest = sources(tmp_path, 1)
    assert kinds(bench.deploy(manifest)) == {"Failed": 1}
    bench.faults.failing_functions = set()
    bench.calls("createVersion")
    bench.ahead_s = ahead_s
    assert kinds(bench.deploy(manifest)) == {"Deployed": 1}
    assert bench.calls("createVersion") == 2  # the failed one, returned for its key, and the next attempt


@pytest.mark.parametrize("ahead_s", [0.0, 20.0, -20.0])
def test_what_failed_within_one_tick_of_the_clock_is_not_taken_for_the_next_runs_own_failure(
    ahead_s: float, tmp_path: Path
) -> None:
    bench = TimedBench(tmp_path, durations="fixed:0", faults=Faults(failing_functions={"f000"}))
    bench.ahead_s, bench.tick_s = ahead_s, 10.0
    manifest = sources(tmp_path, 2)
    assert kinds(bench.deploy(manifest)) == {"Failed": 1, "Deployed": 1}
    bench.faults.failing_functions = set()
    for deployed in ({"Deployed": 1, "Unchanged": 1}, {"Unchanged": 2}):
        assert bench.now() < EPOCH_S + bench.tick_s
        assert kinds(bench.deploy(manifest)) == deployed
    assert [version["status"] for version in bench.versions()] == ["ACTIVE"] * 2


@pytest.mark.parametrize(("ahead_s", "hasty"), [(0.0, False), (0.0, True), (3600.0, False), (-20.0, True)])
def test_a_failure_that_is_reported_at_once_is_repeated_once_at_most(
    ahead_s: float, hasty: bool, tmp_path: Path
) -> None:
    bench = TimedBench(tmp_path, durations="fixed:0", faults=Faults(failing_functions={"f000"}))
    bench.ahead_s = ahead_s
    manifest = sources(tmp_path, 1)
    assert kinds(bench.deploy(manifest.replace("128MB", "256MB"))) == {"Failed": 1}  # now the function exists
    bench.calls("createVersion")
    if hasty:
        bench.reported = bench.as_it_is
    assert kinds(bench.deploy(manifest)) == {"Failed": 1}
    made = bench.calls("createVersion")
    assert made == 1 + (hasty or ahead_s > 0)
    assert kinds(bench.deploy(manifest)) == {"Failed": 1}
    assert bench.calls("createVersion") == made + 1  # what the run before has made is skipped


def test_an_update_that_is_done_at_once_is_repeated_once_at_most_whatever_the_date_says(tmp_path: Path) -> None:
    bench = TimedBench(tmp_path, durations="fixed:0")
    manifest = sources(tmp_path, 1)
    assert kinds(bench.deploy(manifest + 'labels = { team = "a" }\n')) == {"Deployed": 1}
    bench.ahead_s, bench.reported = 3600.0, bench.as_it_is
    assert kinds(bench.deploy(manifest + 'labels = { team = "b" }\n')) == {"Deployed": 1}
    assert 1 <= bench.calls("update function") <= 2


REPORTED: dict[str, Callable[[Operation], Operation]] = {
    "no createdAt": lambda one: replace(one, created_at=None),
    "no times": lambda one: replace(one, created_at=None, modified_at=None),
    "modifiedAt in 2999": lambda one: replace(one, modified_at=FAR),
    "createdAt in 2999": lambda one: replace(one, created_at=FAR),
    "createdAt in 1970": lambda one: replace(one, created_at=LONG_AGO),
    "modifiedAt never moves": lambda one: replace(one, modified_at=one.created_at),
    "modifiedAt before createdAt": lambda one: replace(one, modified_at=LONG_AGO),
    "both an hour late": lambda one: replace(
        one,
        created_at=one.created_at and one.created_at + timedelta(hours=1),
        modified_at=one.modified_at and one.modified_at + timedelta(hours=1),
    ),
}


@pytest.mark.parametrize("reported", REPORTED.values(), ids=REPORTED.keys())
def test_odd_times_poison_nothing(reported: Callable[[Operation], Operation], tmp_path: Path) -> None:
    bench = TimedBench(tmp_path, durations=f"fixed:{LENGTH_S}")
    bench.reported = reported
    manifest = sources(tmp_path, 40)
    assert kinds(bench.deploy(manifest)) == {"Deployed": 40}
    first_s = bench.seconds
    assert bench.calls("get operation") < 80 * 25  # 80 Operations; it was 100 a second
    assert bench.calls("createVersion") == 40
    lengths = [one for kind in Kind for one in bench.last_world.knowledge.durations.of(kind).lengths_s]
    assert all(0 < length < 3 * LENGTH_S for length in lengths), lengths
    ended = [event.seconds for event in bench.events if isinstance(event, OperationDone)]
    assert all(seconds == -1.0 or 0 < seconds < 3 * LENGTH_S for seconds in ended), ended

    assert kinds(bench.deploy(manifest.replace("128MB", "256MB"))) == {"Deployed": 40}
    assert bench.seconds < first_s * 1.5  # the next run does not wait for what never comes


def test_what_former_programs_learned_of_such_times_is_forgotten() -> None:
    values: dict[str, Any] = {
        "limits": [], "requests_per_second": None, "call_s": None,
        "durations": {"plain": [2.0, 3.07e10, -5.0, 0.0, 86_400.0, 4.0]},
    }  # fmt: skip
    found = from_json(orjson.loads(orjson.dumps(values)))
    assert found.durations.of(Kind.PLAIN).lengths_s == (2.0, 4.0)
