"""A holder that writes heartbeats: when it stops, what it never overwrites, and the intervals that other machines rely
on.
"""

from __future__ import annotations

import anyio
import pytest

from orchestrator.coordination.claim import CLAIM_TIMINGS, Record, Running
from orchestrator.coordination.heartbeat import Heartbeat, Payload, Timings
from orchestrator.coordination.lease import LEASE_TIMINGS
from orchestrator.coordination.shared_record import Copy
from orchestrator.errors import StartError
from orchestrator.prediction.virtual_time import run
from tests.memory_records import MemoryRecords
from tests.unit.coordination.test_heartbeat import beaten, shared

KEY = "record.json"
OURS = Record("2027-01-01", Running("2027-01-01", "a", "host"))


PAYLOAD = Payload(LEASE_TIMINGS, beaten, lambda _: "taken over")


@pytest.mark.parametrize("timings", [LEASE_TIMINGS, CLAIM_TIMINGS])
def test_a_holder_stops_before_anybody_may_take_over(timings: Timings) -> None:
    assert timings.look_s < timings.beat_s < timings.give_up_s
    assert timings.give_up_s + timings.beat_s < timings.dead_after_s  # a last write may hang for one beat


def test_the_figures_are_those_that_other_machines_count_on() -> None:
    assert Timings(beat_s=5, give_up_s=20, dead_after_s=30, look_s=1) == LEASE_TIMINGS
    assert Timings(beat_s=10, give_up_s=40, dead_after_s=60, look_s=2) == CLAIM_TIMINGS


def test_a_holder_that_must_stop_in_time_does_not_wait_for_a_hanging_write() -> None:
    async def main() -> None:
        hanging = False

        async def meet(_when: str) -> None:
            if hanging:
                await anyio.sleep_forever()

        records, lost_at_s = MemoryRecords(meet), list[float]()
        there = shared(records)
        payload = Payload(CLAIM_TIMINGS, beaten, lambda _: "taken over", unsure="not sure")
        heartbeat = Heartbeat(there, payload, await there.write(OURS, Copy(Record(""), None)))
        hanging = True
        await heartbeat.keep(lambda _: lost_at_s.append(anyio.current_time()))
        assert lost_at_s == [pytest.approx(CLAIM_TIMINGS.give_up_s, abs=0.1)]

    run(main)


def test_a_record_that_cannot_be_understood_is_never_written_over() -> None:
    async def main() -> None:
        records = MemoryRecords()
        there = shared(records)
        heartbeat = Heartbeat(there, PAYLOAD, await there.write(OURS, Copy(Record(""), None)))
        records.objects[KEY] = (b'{"schema": 2}', "newer")
        await anyio.sleep(LEASE_TIMINGS.give_up_s)
        for _ in range(2):
            with pytest.raises(StartError, match="newer orchestrator"):
                await heartbeat.check()
        for _ in range(2):
            with pytest.raises(StartError, match="newer orchestrator"):
                await heartbeat.end(lambda _: Record("2028-01-01"))
        assert records.objects[KEY] == (b'{"schema": 2}', "newer")

    run(main)


def test_who_was_ended_beats_no_more_and_is_not_sure() -> None:
    async def main() -> None:
        records = MemoryRecords()
        there = shared(records)
        heartbeat = Heartbeat(there, PAYLOAD, await there.write(OURS, Copy(Record(""), None)))
        assert heartbeat.sure
        await heartbeat.end(lambda now: Record("2028-01-01") if now.running is not None else None)
        assert not heartbeat.sure
        await heartbeat.keep(pytest.fail)
        await heartbeat.check()
        assert (await there.read()).record == Record("2028-01-01")

    run(main)
