"""Who counts as alive, and what a write means whose answer was lost."""

from __future__ import annotations

import random

import anyio
import pytest

from orchestrator.coordination.claim import Record, Running, decode_claim
from orchestrator.coordination.heartbeat import Heartbeat, Life, Payload, Seen, Timings, Watch
from orchestrator.coordination.shared_record import Copy, RecordPlace, Shared
from orchestrator.errors import JournalError
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from tests.memory_records import MemoryRecords

TIMINGS = Timings(beat_s=5.0, give_up_s=20.0, dead_after_s=30.0, look_s=1.0)
KEY = "record.json"
OURS, THEIRS = (Record("2027-01-01", Running("2027-01-01", who, "host")) for who in ("a", "b"))


@pytest.mark.parametrize(
    ("wrote", "now_s", "life"),
    [
        (False, 100.0, Life.UNKNOWN),
        (False, 129.9, Life.UNKNOWN),
        (False, 130.0, Life.DEAD),
        (True, 100.0, Life.ALIVE),
        (True, 129.9, Life.ALIVE),
        (True, 130.0, Life.DEAD),
    ],
)
def test_life_is_judged_by_the_age_of_the_beat_and_whether_it_was_seen_to_change(
    wrote: bool, now_s: float, life: Life
) -> None:
    assert Seen(7, 100.0, wrote=wrote).life(now_s, dead_after_s=30.0) is life


def test_a_beat_is_as_old_as_the_first_look_at_it() -> None:
    seen = Seen(7, 100.0)
    assert seen.then(7, 110.0) == seen
    assert seen.then(8, 110.0) == Seen(8, 110.0, wrote=True)


@pytest.mark.parametrize(
    ("looks", "last"),
    [
        ([(0.0, {})], {}),
        ([(0.0, {"a": 1})], {"a": Life.UNKNOWN}),
        ([(0.0, {"a": 1}), (29.0, {"a": 1})], {"a": Life.UNKNOWN}),
        ([(0.0, {"a": 1}), (30.0, {"a": 1})], {"a": Life.DEAD}),
        ([(0.0, {"a": 1}), (29.0, {"a": 2})], {"a": Life.ALIVE}),
        ([(0.0, {"a": 1}), (40.0, {"a": 2})], {"a": Life.ALIVE}),  # a slow check is no sign of death
        ([(0.0, {"a": 1}), (1.0, {"a": 2}), (31.0, {"a": 2})], {"a": Life.DEAD}),
        ([(0.0, {"a": 1}), (1.0, {"b": 1})], {"b": Life.ALIVE}),  # it appeared while we watched
        ([(0.0, {"a": 1, "b": 1}), (30.0, {"a": 1, "b": 2})], {"a": Life.DEAD, "b": Life.ALIVE}),
        ([(0.0, {}), (1.0, {"a": 1})], {"a": Life.UNKNOWN}),
    ],
)
def test_a_watch_judges_all_that_are_in_the_way(
    looks: list[tuple[float, dict[str, int]]], last: dict[str, Life]
) -> None:
    times = iter([now_s for now_s, _ in looks])
    watch = Watch(TIMINGS, lambda: next(times))
    lives = [watch.look(beats) for _, beats in looks][-1]
    assert lives == last
    assert watch.waited == any(beats for _, beats in looks)


class Shaky(MemoryRecords):
    """Records whose next `lost` writes arrive, but not their answers. `error`: the answer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self.error = JournalError("the disk is away")  # not tried again

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        written = await super().replace(key, body, etag)
        if written is not None and self.lost:
            self.lost -= 1
            raise self.error
        return written


def shared(records: MemoryRecords) -> Shared[Record]:
    return Shared(RecordPlace(records, KEY, anyio.current_time, random.Random(1), Outage(pauses=False)), decode_claim)


def beaten(record: Record) -> Record | None:
    running = record.running
    if running is None or running.run_id != "a":
        return None
    return Record(record.done_until, Running(running.due_at, "a", running.host, running.beat + 1))


PAYLOAD = Payload(TIMINGS, beaten, lambda _: "taken over")


@pytest.mark.parametrize(
    ("stored", "found", "known_at_s", "answered"),
    [
        (THEIRS, OURS, 3.0, True),  # no write in between
        (OURS, OURS, 3.0, False),  # our own write; its answer was lost
        (Record("2028-01-01"), Record("2028-01-01"), None, False),  # another holder's
    ],
)
def test_what_is_there_after_a_write(stored: Record, found: Record, known_at_s: float | None, answered: bool) -> None:
    async def main() -> None:
        records = MemoryRecords()
        there = shared(records)
        before = await there.write(THEIRS, Copy(Record(""), None))
        if stored != THEIRS:
            await there.write(stored, before)
        await anyio.sleep_until(3.0)
        after = await there.write(OURS, before)
        assert (after.record, after.answered) == (found, answered)
        assert after.etag == records.objects[KEY][1]
        if known_at_s is not None:
            assert after.written_at_s == pytest.approx(known_at_s, abs=0.1)

    run(main)


def test_a_beat_whose_answer_was_lost_is_not_taken_for_a_new_one() -> None:
    # Others have seen it since it arrived. If it counted from a later attempt, two runs would be sure at once.
    async def main() -> None:
        records = Shaky()
        there = shared(records)
        heartbeat = Heartbeat(there, PAYLOAD, await there.write(OURS, Copy(Record(""), None)))
        await anyio.sleep(TIMINGS.give_up_s)
        records.lost = 1
        with pytest.raises(JournalError):
            await heartbeat.check()
        assert not heartbeat.sure
        await anyio.sleep(TIMINGS.give_up_s)
        await heartbeat.check()
        assert heartbeat.sure
        running = (await there.read()).record.running
        assert running is not None
        assert running.beat == 2

    run(main)


def test_an_end_whose_answer_was_lost_is_repeated_in_peace() -> None:
    async def main() -> None:
        records = Shaky()
        there = shared(records)
        heartbeat = Heartbeat(there, PAYLOAD, await there.write(OURS, Copy(Record(""), None)))
        records.lost = 1
        for _ in range(2):
            try:
                await heartbeat.end(lambda now: Record("2028-01-01") if now.running is not None else None)
            except JournalError:
                continue
        assert (await there.read()).record == Record("2028-01-01")

    run(main)
