"""Claims in virtual time: each due time is run once, whichever machines die."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from orchestrator.coordination.claim import CLAIM_TIMINGS, Claim, DueJob, NotDue, claim
from orchestrator.coordination.open_due import close_breach, open_breach
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.errors import CloudError, StartError
from orchestrator.manifest.schedule import Schedule
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from tests.long import short_first
from tests.memory_records import MemoryRecords, never_stopped

START = datetime(2027, 1, 1, 12, tzinfo=UTC)
KEY = "claims/folder/nightly.json"
HOURLY = Schedule("0 * * * *")


def now() -> datetime:
    return START + timedelta(seconds=anyio.current_time())


def job(run_id: str, schedule: Schedule = HOURLY) -> DueJob:
    return DueJob("nightly", schedule, run_id, f"host of {run_id}")


def place(records: MemoryRecords, rng: random.Random) -> RecordPlace:
    return RecordPlace(records, KEY, anyio.current_time, rng, Outage(pauses=False))


async def ask(records: MemoryRecords, run_id: str, said: list[str] | None = None) -> Claim | NotDue:
    say = (said if said is not None else []).append
    return await claim(place(records, random.Random(1)), job(run_id), now, say, never_stopped)


async def first(records: MemoryRecords) -> None:
    assert isinstance(await ask(records, "first"), NotDue)


async def held(records: MemoryRecords, run_id: str) -> Claim:
    found = await ask(records, run_id)
    assert isinstance(found, Claim), found
    return found


def reason(found: Claim | NotDue) -> str:
    assert isinstance(found, NotDue)
    return found.reason


def test_the_first_call_starts_counting_and_runs_nothing() -> None:
    async def main() -> None:
        records = MemoryRecords()
        await anyio.sleep(1800)
        assert reason(await ask(records, "a")) == (
            'first call for job "nightly": its due times count from now on; next: 2027-01-01T13:00:00Z'
        )
        assert reason(await ask(records, "b")) == 'nothing is due for job "nightly"; next: 2027-01-01T13:00:00Z'

    run(main)


def test_a_due_time_is_claimed_and_done_once() -> None:
    async def main() -> None:
        records = MemoryRecords()
        await first(records)
        await anyio.sleep(3630)
        found = await held(records, "a")
        assert (found.key, found.said) == ("nightly 2027-01-01T13:00:00Z", "")
        await found.end(done=True)
        assert reason(await ask(records, "b")).startswith("nothing is due")

    run(main)


def test_missed_due_times_are_run_once_late_and_said() -> None:
    async def main() -> None:
        records = MemoryRecords()
        await first(records)
        await anyio.sleep(3 * 3600 + 600)
        found = await held(records, "a")
        assert found.due_at == START + timedelta(hours=3)
        assert found.said == "missed 2 due times before 2027-01-01T15:00:00Z: running it once; 10 min late"
        await found.end(done=True)
        assert isinstance(await ask(records, "b"), NotDue)

    run(main)


def test_what_was_not_brought_to_its_end_is_taken_up_by_the_next_call() -> None:
    async def main() -> None:
        records = MemoryRecords()
        await first(records)
        await anyio.sleep(3600)
        before = await held(records, "a")
        await before.end(done=False)
        after = await held(records, "b")
        assert after.key == before.key

    run(main)


def test_a_due_time_that_a_breach_ended_is_taken_up_by_no_call_but_the_next_is() -> None:
    async def main() -> None:
        records = MemoryRecords()
        await first(records)
        await anyio.sleep(3600)
        found = await held(records, "a")
        breach = found.breach("a", "1 of 9 failed")
        await found.end(done=False, breach=breach)
        for run_id in "abc":
            reported = await ask(records, run_id)
            assert isinstance(reported, NotDue)
            assert reported.breach == breach
            assert reason(reported) == (
                'job "nightly": its due time 2027-01-01T13:00:00Z is not done: run a was stopped for good:'
                " 1 of 9 failed; next: 2027-01-01T14:00:00Z"
            )
        await anyio.sleep(3600)
        killed = await held(records, "d")  # and dies, which changes nothing from before
        later = await held(records, "e")
        assert (killed.said, later.due_at) == ("", killed.due_at)
        await later.end(done=False)
        again = await held(records, "f")
        assert again.due_at == START + timedelta(hours=2)
        await again.end(done=True)
        assert reason(await ask(records, "g")).startswith("nothing is due")
        assert await open_breach(place(records, random.Random(1))) is None

    run(main)


def test_a_due_time_that_a_breach_ended_can_count_as_done() -> None:
    async def main() -> None:
        records = MemoryRecords()
        assert await open_breach(place(records, random.Random(1))) is None
        assert not records.objects
        await first(records)
        await anyio.sleep(3600)
        found = await held(records, "a")
        await found.end(done=False, breach=found.breach("a", "1 of 9 failed"))
        breach = await open_breach(place(records, random.Random(1)))
        assert breach is not None
        assert breach.due_at == "2027-01-01T13:00:00Z"
        assert not await close_breach(place(records, random.Random(1)), replace(breach, run_id="another"))
        assert await close_breach(place(records, random.Random(1)), breach)
        assert not await close_breach(place(records, random.Random(1)), breach)
        reported = await ask(records, "b")
        assert isinstance(reported, NotDue)
        assert reported.breach is None
        assert reported.reason.startswith("nothing is due")

    run(main)


def test_a_claimant_that_lives_is_left_alone() -> None:
    async def main() -> None:
        records, said = MemoryRecords(), list[str]()
        await first(records)
        await anyio.sleep(3600)
        found = await held(records, "a")
        async with anyio.create_task_group() as group:
            group.start_soon(found.keep, said.append)
            await anyio.sleep(1000)
            began_at = anyio.current_time()
            reported = reason(await ask(records, "b", said))
            assert anyio.current_time() - began_at <= CLAIM_TIMINGS.beat_s + 2
            group.cancel_scope.cancel()
        assert reported == 'job "nightly": 2027-01-01T13:00:00Z is being run by a on host of a'
        assert len(said) == 1  # that it checks; nothing was lost

    run(main)


def test_a_claimant_that_died_is_taken_over_after_a_minute_and_its_ghost_is_reported() -> None:
    async def main() -> None:
        records, lost = MemoryRecords(), list[str]()
        await first(records)
        await anyio.sleep(3600)
        ghost = await held(records, "a")
        began_at = anyio.current_time()
        after = await held(records, "b")
        assert CLAIM_TIMINGS.dead_after_s <= anyio.current_time() - began_at <= CLAIM_TIMINGS.dead_after_s + 5
        assert after.key == ghost.key
        assert after.said == "a on host of a is dead: taken over"
        await ghost.keep(lost.append)  # for example a machine that slept
        assert lost == ["another run has taken over 2027-01-01T13:00:00Z"]
        await ghost.end(done=True)  # changes nothing
        await after.end(done=True)
        assert isinstance(await ask(records, "c"), NotDue)

    run(main)


@pytest.mark.parametrize("later_h", [0, 1])
def test_a_claimant_that_died_after_its_breach_leaves_its_due_time_stopped_and_no_other(later_h: int) -> None:
    async def main() -> None:
        records, asked = MemoryRecords(), list[str]()

        async def why_stopped(run_id: str) -> str:
            asked.append(run_id)
            return "1 of 9 failed" if run_id == "a" else ""

        async def call(run_id: str) -> Claim | NotDue:
            return await claim(place(records, random.Random(1)), job(run_id), now, lambda _: None, why_stopped)

        await first(records)
        await anyio.sleep(3600)
        ghost = await held(records, "a")
        await anyio.sleep(later_h * 3600)
        found = await call("b")
        assert asked == ["a"]
        if later_h:  # the next due time starts again
            assert isinstance(found, Claim)
            assert found.due_at == ghost.due_at + timedelta(hours=1)
            await found.end(done=False)
            assert await open_breach(place(records, random.Random(1))) == ghost.breach("a", "1 of 9 failed")
            return
        for reported in (found, await call("c")):
            assert isinstance(reported, NotDue)
            assert reported.breach == ghost.breach("a", "1 of 9 failed")
        assert asked == ["a"]
        await ghost.end(done=True)  # changes nothing
        assert isinstance(await call("d"), NotDue)

    run(main)


def test_nothing_is_taken_over_while_nobody_knows_how_the_dead_claimants_run_stood() -> None:
    async def main() -> None:
        records = MemoryRecords()

        async def unknown(_run_id: str) -> str:
            raise CloudError("Object Storage is unavailable", call="get object")

        await first(records)
        await anyio.sleep(3600)
        ghost = await held(records, "a")
        before = dict(records.objects)
        with pytest.raises(CloudError):
            await claim(place(records, random.Random(1)), job("b"), now, lambda _: None, unknown)
        assert records.objects == before
        after = await held(records, "c")
        assert after.key == ghost.key

    run(main)


def test_a_claim_that_cannot_be_renewed_is_lost_before_anybody_may_take_it_over() -> None:
    async def main() -> None:
        broken = False

        async def meet(_when: str) -> None:
            if broken:
                raise CloudError("Object Storage is unavailable", call="put object")

        records, lost = MemoryRecords(meet), list[str]()
        await first(records)
        await anyio.sleep(3600)
        found = await held(records, "a")
        broken, began_at = True, anyio.current_time()
        await found.keep(lost.append)
        assert anyio.current_time() - began_at < CLAIM_TIMINGS.dead_after_s
        assert lost == ["the claim on 2027-01-01T13:00:00Z could not be renewed for 40s"]

    run(main)


def test_a_claim_of_a_machine_that_slept_is_lost_with_the_first_beat_that_fails() -> None:
    async def main() -> None:
        broken, slept_s = False, 0.0

        async def meet(_when: str) -> None:
            if broken:
                raise CloudError("Object Storage is unavailable", call="put object")

        records, lost = MemoryRecords(meet), list[str]()
        await first(records)
        await anyio.sleep(3600)
        awake = RecordPlace(
            records, KEY, lambda: anyio.current_time() + slept_s, random.Random(1), Outage(pauses=False)
        )
        found = await claim(awake, job("a"), now, lost.append, never_stopped)
        assert isinstance(found, Claim)
        broken, slept_s, began_at = True, CLAIM_TIMINGS.dead_after_s, anyio.current_time()
        await found.keep(lost.append)
        assert anyio.current_time() - began_at <= 2 * CLAIM_TIMINGS.beat_s
        assert lost == ["the claim on 2027-01-01T13:00:00Z could not be renewed for 40s"]

    run(main)


@pytest.mark.parametrize("when", ["after create", "after replace", "before replace", "after read"])
def test_a_lost_answer_loses_no_claim(when: str) -> None:
    async def main() -> None:
        troubles = Counter({when: 1})

        async def meet(now_: str) -> None:
            if troubles[now_] > 0:
                troubles[now_] -= 1
                raise CloudError("the connection broke", call="put object")

        records, lost = MemoryRecords(meet), list[str]()
        await ask(records, "a")
        await anyio.sleep(3600)
        troubles[when] = 1
        found = await held(records, "b")
        for _ in range(3):
            troubles[when] = 1
            with anyio.move_on_after(CLAIM_TIMINGS.beat_s * 2.5):
                await found.keep(lost.append)
        troubles[when] = 1
        await found.end(done=True)
        assert lost == []
        assert reason(await ask(records, "c")).startswith("nothing is due")

    run(main)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"schema": 2, "done_until": "", "running": null}', b"[]"])
def test_a_record_that_cannot_be_read_is_said_with_its_place(body: bytes) -> None:
    async def main() -> None:
        records = MemoryRecords()
        records.objects[KEY] = (body, "1")
        with pytest.raises(StartError, match=KEY):
            await ask(records, "a")

    run(main)


class Machines:
    """Cron calls every minute on each machine. Runs take a while, some die, answers are late or lost."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.records = MemoryRecords(self.meet)
        self.started, self.finished = Counter[str](), Counter[str]()

    async def meet(self, when: str) -> None:
        await anyio.sleep(self.rng.uniform(0, 0.3))
        if self.rng.random() < 0.02:
            raise CloudError(f"trouble {when}", call="put object")

    async def machine(self, name: str, hours: int) -> None:
        await anyio.sleep(self.rng.uniform(0, 60))
        for call in range(hours * 60):
            with suppress(CloudError):  # this call could not start; cron calls again
                found = await claim(
                    place(self.records, self.rng), job(f"{name}-{call}"), now, lambda _: None, never_stopped
                )
                if isinstance(found, Claim):
                    await self.work(found)
            await anyio.sleep(60)

    async def work(self, found: Claim) -> None:
        lost: list[str] = []
        self.started[found.key] += 1
        async with anyio.create_task_group() as group:

            def stop(why: str) -> None:
                lost.append(why)
                group.cancel_scope.cancel()

            group.start_soon(found.keep, stop)
            await anyio.sleep(self.rng.uniform(1, 900))
            group.cancel_scope.cancel()
        if lost or self.rng.random() < 0.2:  # the second: killed
            return
        self.finished[found.key] += 1
        for _ in range(20):
            with suppress(CloudError):
                await found.end(done=True)
                return


@pytest.mark.parametrize("seed", short_first(2, [7, 6, 5, 1, 0, 2, 3, 4]))  # with twenty machines: 0 and 1
def test_twenty_machines_run_each_due_time_once(seed: int) -> None:
    hours, machines = 16, Machines(seed)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(20 if seed < 2 else 2):
                group.start_soon(machines.machine, f"m{number}", hours)

    run(main)
    assert set(machines.finished.values()) == {1}, f"seed {seed}: {machines.started}"
    assert len(machines.finished) >= hours - 3, f"seed {seed}"
