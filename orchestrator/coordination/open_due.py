"""What the record of a job says beside its claims: which due time is still to be run, or was ended by a breach."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.coordination.claim import CLAIM_TIMINGS, NO_RECORD, Record, StoppedDue, decode_claim
from orchestrator.coordination.shared_record import Final, RecordPlace, Shared, Step, Write, ask
from orchestrator.manifest.schedule import Schedule, due


async def open_breach(place: RecordPlace) -> StoppedDue | None:
    """Return the due time that a breach ended, None for none. Raises as `Shared.read`."""
    return (await Shared(place, decode_claim).read()).record.breach


async def due_since(place: RecordPlace, schedule: Schedule, now: datetime) -> datetime | None:
    """Return the due time that the next call runs, None if there is none, or one is being run.

    Raises as `Shared.read`.
    """
    record = (await Shared(place, decode_claim).read()).record
    if record == NO_RECORD or record.running is not None:
        return None
    came = due(schedule, record.since, now)
    return came.at if came is not None else None


async def close_breach(place: RecordPlace, breach: StoppedDue) -> bool:
    """Count a due time that a breach ended as done. Returns whether it was still open.

    Raises `CloudError`, `JournalError`, `StartError`.
    """

    def decide(record: Record) -> Step[Record, bool]:
        if record.breach != breach:
            return Final(False)
        return Write(replace(record, done_until=breach.due_at, breach=None), True)

    answer, _ = await ask(Shared(place, decode_claim), decide, look_s=CLAIM_TIMINGS.look_s, say=lambda _: None)
    return answer
