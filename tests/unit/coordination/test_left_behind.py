"""Records of jobs that no longer exist, and leases of dead runs."""

from __future__ import annotations

import random
from dataclasses import replace

import anyio
import pytest

from orchestrator.coordination.claim import Record, Running, StoppedDue
from orchestrator.coordination.left_behind import ClaimKept, bury, find_dead, held_long, judge_claim, since_of
from orchestrator.coordination.registry import Holder, Registry, decode
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from tests.memory_records import MemoryRecords

DAY_S = 86_400.0
DONE = Record("2026-01-01T00:00:00Z")
RUNNING = replace(DONE, running=Running("2026-01-02T00:00:00Z", "r", "host"))
STOPPED = replace(DONE, breach=StoppedDue("2026-01-02T00:00:00Z", "r", "why"))


@pytest.mark.parametrize(
    ("record", "days", "declared", "why"),
    [
        (DONE, 401.0, False, ClaimKept.NOT),
        (DONE, 399.0, False, ClaimKept.YOUNG),
        (DONE, 401.0, True, ClaimKept.DECLARED),
        (RUNNING, 401.0, False, ClaimKept.RUNNING),
        (STOPPED, 401.0, False, ClaimKept.STOPPED),
    ],
)
def test_a_claim_goes_once_no_job_can_be_waiting_for_it(
    record: Record, days: float, *, declared: bool, why: ClaimKept
) -> None:
    assert judge_claim(record, days * DAY_S, declared=declared) is why


def holder(run_id: str, since: str = "2026-01-01 00:00:00 UTC", beat: int = 0) -> Holder:
    return Holder(run_id, f"owner-{run_id}", "deploy", since, frozenset({"AAAAAAAA"}), 1, beat)


NOW = since_of(holder("r")) + 20 * DAY_S


def test_only_leases_that_are_held_for_long_are_looked_at() -> None:
    old, new, odd = holder("r"), holder("s", "2026-01-20 00:00:00 UTC"), holder("t", "yesterday")
    assert held_long(Registry(3, (old, new, odd)), NOW) == (old,)


def test_the_dead_are_reported_from_those_that_live() -> None:
    records, key = MemoryRecords(), "leases.json"
    dead, living, other = holder("dead"), holder("living"), holder("other")
    said = list[str]()

    async def beat(place: RecordPlace) -> None:
        while True:
            body, etag = records.objects[key]
            await place.records.replace(key, decode(body, key).with_beat("living").encode(), etag)
            await anyio.sleep(5)

    async def main() -> tuple[tuple[Holder, ...], int, float]:
        place = RecordPlace(records, key, anyio.current_time, random.Random(0), Outage())
        await records.create(key, Registry(3, (dead, living, other)).encode())
        began_at = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(beat, place)
            found = await find_dead(place, (dead, living), said.append)
            went = await bury(place, {one.run_id: one.beat for one in found})
            group.cancel_scope.cancel()
        return found, went, anyio.current_time() - began_at

    found, went, took_s = run(main)
    assert [one.run_id for one in found] == ["dead"]
    assert went == 1
    assert 30 <= took_s < 40
    assert len(said) == 1
    assert [one.run_id for one in decode(records.objects[key][0], key).holders] == ["living", "other"]


def test_one_that_has_beaten_since_is_not_taken_off() -> None:
    records, key = MemoryRecords(), "leases.json"

    async def main() -> tuple[int, int]:
        place = RecordPlace(records, key, anyio.current_time, random.Random(0), Outage())
        await records.create(key, Registry(3, (holder("r", beat=8),)).encode())
        return await bury(place, {"r": 7}), len(await find_dead(place, (), lambda _: None))

    assert run(main) == (0, 0)
