"""The newest runs of any machine, from their records in the bucket, for use by a plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.options import SANDBOX
from orchestrator.app.session.records.recording import recorded_events, recorded_runs
from orchestrator.app.session.session import Session
from orchestrator.journal.events import Event

_READ = 20  # records read, newest first


async def newest_records(session: Session) -> AsyncIterator[tuple[str, Sequence[Event]]]:
    """Yield the IDs and events of the newest runs of this installation. Records are read one by one.

    Raises `CloudError`, `InterruptedRunError`, and `ValueError` for an unreadable record.
    """
    records = bucket_records(session.world) if session.endpoint != SANDBOX else None
    if records is None:
        return
    for run_id in (await recorded_runs(session, records) or [])[:_READ]:
        yield run_id, await recorded_events(session, records, run_id)
