"""All waits that a server requests: one longer than the run may wait ends the run resumably, and a long one is
reported.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.coordination.claim import DueJob, claim
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import CloudError, Code, Exit, InterruptedRunError
from orchestrator.journal.condition_events import LongWait
from orchestrator.manifest.schedule import Schedule
from orchestrator.planning.live import FEW
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import MAX_S, Outage
from orchestrator.resilience.policy import SAID_WAIT_S
from orchestrator.resilience.retry import retried, retry_until
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Trouble
from tests.engine import Bench, sources
from tests.flow.test_lease import Machine
from tests.flow.test_run import kinds
from tests.memory_records import MemoryRecords, never_stopped

FOR_EVER_S = 1_000_000_000.0
WHILE_S = 40.0
REFUSALS = {"429": (Code.RESOURCE_EXHAUSTED, 429), "503": (Code.UNAVAILABLE, 503)}
# Each call that a run makes; it can do without a listing of what is being made.
CALLS = (
    "list functions", "listVersions", "head object", "put object", "create function", "createVersion", "get operation",
    "listOperations",
)  # fmt: skip


def refusal(refused: str, wait_s: float) -> CloudError:
    code, status = REFUSALS[refused]
    return CloudError("come back later", call="any", code=code, http_status=status, retry_after_s=wait_s)


def wishing(bench: Bench, name: str, refused: str, wait_s: float, times: int = 1) -> list[str]:
    """Refuse the first calls of that name with a Retry-After. Returns the refused ones."""
    whole, met = bench.wire.call, list[str]()

    async def call(called: str, act: Callable[[], Record]) -> tuple[Record, str]:
        if called == name and len(met) < times:
            met.append(called)
            raise refusal(refused, wait_s)
        return await whole(called, act)

    bench.wire.call = call  # type: ignore[assignment,method-assign]
    return met


def deployed(bench: Bench, name: str) -> Exit:
    if name == "listOperations":  # is requested if an answer was lost
        bench.faults.fail_next("createVersion", Trouble(lost=True))
    try:
        outcomes = bench.deploy(sources(bench.root, FEW + 1 if name == "listVersions" else 4))
    except InterruptedRunError as error:
        return Exit(error.exit)
    return exit_code(outcomes.values(), interrupted=bench.result.interruption is not None)


@pytest.mark.parametrize("refused", REFUSALS)
@pytest.mark.parametrize("name", CALLS)
def test_a_wait_of_years_ends_the_run_as_one_to_resume(name: str, refused: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3")
    met = wishing(bench, name, refused, FOR_EVER_S)
    assert deployed(bench, name) is Exit.INTERRUPTED
    assert met == [name]
    assert bench.seconds < 60


@pytest.mark.parametrize("refused", REFUSALS)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("list functions", "listVersions")])
def test_a_long_wait_is_said_and_waited_for(name: str, refused: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3")
    met = wishing(bench, name, refused, WHILE_S)
    assert deployed(bench, name) is Exit.DONE
    assert met == [name]
    assert WHILE_S <= bench.seconds < 2 * WHILE_S
    said = next(event for event in bench.events if isinstance(event, LongWait))
    assert said.seconds == pytest.approx(WHILE_S, abs=1)
    assert said.reason == "come back later"


def test_an_operation_that_wants_to_be_polled_in_years(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3", settings=CloudSettings(poll_interval_s=int(FOR_EVER_S)))
    assert deployed(bench, "") is Exit.INTERRUPTED
    assert bench.seconds < 60


def test_an_operation_that_wants_to_be_polled_seldom_is_and_that_is_said_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3", settings=CloudSettings(poll_interval_s=15))
    assert deployed(bench, "") is Exit.DONE
    said = [event.reason for event in bench.events if isinstance(event, LongWait)]
    assert len(said) == 2, said  # the four functions, then their versions
    assert said[0].endswith("is still running")


def test_a_listing_of_what_is_made_that_wants_a_long_wait_is_done_without(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:20")
    whole = bench.functions.list_versions

    async def list_versions(folder_id: str, *, filter: str = "", function_id: str = "") -> Any:
        if filter:
            raise refusal("429", FOR_EVER_S)
        return await whole(folder_id, filter=filter, function_id=function_id)

    bench.functions.list_versions = list_versions  # type: ignore[method-assign]
    assert kinds(bench.deploy(sources(tmp_path, 4))) == {"Deployed": 4}
    assert bench.seconds < 60


def test_reads_that_are_refused_for_ever_are_reported_and_come_to_an_end() -> None:
    reported: list[float] = []

    async def main() -> None:
        outage = Outage(300.0)
        outage.waits = lambda seconds, _why: reported.append(seconds)

        async def call() -> None:
            raise refusal("429", 0.0)

        with pytest.raises(InterruptedRunError, match="later than this run may wait: come back later") as caught:
            await retried(call, rng=random.Random(1), outage=outage)
        assert "--max-outage" in caught.value.advice
        assert 270 < anyio.current_time() <= 300

    run(main)
    assert len(reported) > 5
    assert min(reported) > SAID_WAIT_S


def test_many_calls_that_wait_at_once_say_it_once() -> None:
    reported: list[float] = []

    async def main() -> None:
        outage = Outage()
        outage.waits = lambda seconds, _why: reported.append(seconds)
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(outage.sleep, 30.0, "slow down")
            await anyio.sleep(10)
            outage.endure(60.0, "slower still")

    run(main)
    assert reported == [30.0, 60.0]


@pytest.mark.parametrize(
    ("wait_s", "left_s", "goes_on"), [(10.0, 9.0, True), (MAX_S, MAX_S, True), (MAX_S + 1, 1.0, False)]
)
def test_a_wait_is_held_against_what_is_left(wait_s: float, left_s: float, goes_on: bool) -> None:
    async def main() -> None:
        await anyio.sleep(MAX_S)
        outage = Outage()
        outage.endure(left_s, "within", since=anyio.current_time() - MAX_S + left_s)
        with pytest.raises(InterruptedRunError):
            outage.endure(left_s + 1, "beyond", since=anyio.current_time() - MAX_S + left_s)
        if goes_on:
            outage.endure(wait_s, "from now on")
        else:
            with pytest.raises(InterruptedRunError):
                outage.endure(wait_s, "from now on")

    run(main)


@pytest.mark.parametrize(("wait_s", "left"), [(600.0, True), (20.0, False)])
def test_who_is_to_stop_does_not_wait_for_long(wait_s: float, left: bool) -> None:
    async def main() -> None:
        outage = Outage()
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await anyio.sleep(1)
                outage.hurry()

            group.start_soon(stop)
            assert await outage.sleep(wait_s, "slow down") is not left
            assert anyio.current_time() == (1 if left else wait_s)

    run(main)


async def _refusing(_when: str) -> None:
    raise refusal("503", FOR_EVER_S)


async def _lease() -> None:
    leases = Machine(MemoryRecords(_refusing), "one").leases
    await leases.acquire({"f": "folder/f"}, looked=NOT_LOOKED, timeout_s=0)


async def _claim() -> None:
    place = RecordPlace(
        MemoryRecords(_refusing), "claims/x", anyio.current_time, random.Random(1), Outage(pauses=False)
    )
    job = DueJob("nightly", Schedule("0 3 * * *", "UTC"), "run", "host")
    await claim(place, job, lambda: datetime(2027, 1, 1, tzinfo=UTC), lambda _said: None, never_stopped)


@pytest.mark.parametrize("held", [_lease, _claim])
def test_records_that_want_to_be_asked_in_years(held: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with pytest.raises(InterruptedRunError):
            await held()
        assert anyio.current_time() < 1

    run(main)


def test_what_is_asked_before_the_first_answer_waits_no_longer_than_it_may() -> None:
    """Discovery, and the first token."""
    reported: list[float] = []

    async def main() -> None:
        tries = 0

        async def call() -> str:
            nonlocal tries
            tries += 1
            if tries < 2:
                raise refusal("503", 20.0)
            return "answer"

        wait = lambda seconds, _why: reported.append(seconds)  # noqa: E731
        with pytest.raises(CloudError):
            await retry_until(call, for_s=10.0, waits=wait)
        assert (tries, anyio.current_time()) == (1, 0.0)
        tries = 0
        assert await retry_until(call, for_s=60.0, waits=wait) == "answer"

    run(main)
    assert reported == [20.0]


def test_a_refusal_with_a_long_wait_after_a_stop_lets_what_runs_settle(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:10")
    whole, met = bench.wire.call, list[str]()

    async def call(called: str, act: Callable[[], Record]) -> tuple[Record, str]:
        met.append(called)
        if called == "createVersion" and met.count(called) == 2:
            await anyio.sleep(8)
            raise refusal("429", FOR_EVER_S)
        return await whole(called, act)

    bench.wire.call = call  # type: ignore[assignment,method-assign]

    async def interrupt(stop: Stop) -> None:
        await anyio.sleep(6)
        stop.request("interrupted")

    outcomes = bench.deploy(sources(tmp_path, 2), meanwhile=interrupt)
    assert bench.result.interruption is None
    assert bench.seconds > 10
    assert kinds(outcomes) == {"Deployed": 1, "Cancelled": 1}
