"""`runs --all`: lists the runs with records in the bucket, of any machine and manifest. Nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import registry_place
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.records.recording import recorded_events, recorded_runs
from orchestrator.app.session.session import Session, open_session
from orchestrator.coordination.registry import decode
from orchestrator.coordination.shared_record import Shared
from orchestrator.errors import CloudError, StartError, UsageError
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import fold
from orchestrator.journal.summaries import linked, summary_of
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts
from orchestrator.report.plain_text import counted
from orchestrator.resilience.groups import each

LISTED = 50  # newest runs whose records are read: each may have many functions
_AT_ONCE = 4


async def list_all(invocation: Invocation, here: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    """Return the newest runs of the bucket's records together with those of the journal (`here`).

    Raises `UsageError` without a bucket, `StartError` where it cannot be read.
    """
    session = await open_session(invocation, read_request(invocation))
    records = bucket_records(session.world)
    if records is None:
        raise UsageError(
            "--all needs a bucket",
            advice="set one with --bucket NAME or [storage] bucket, or list the journal without --all",
        )
    try:
        return await _listed(session, records, here)
    except CloudError as error:
        raise StartError(
            f"the run records in the bucket cannot be read: {with_facts(error)}", advice=error.advice
        ) from error


async def _listed(session: Session, records: Records, here: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    known = {run.id for run in here}
    there = [run_id for run_id in await recorded_runs(session, records) or [] if run_id not in known]
    found, lost = list[RunSummary](), list[str]()

    async def read(run_id: str) -> None:
        try:
            events = await recorded_events(session, records, run_id)
        except ValueError as error:
            session.messages.warn(f"the record of run {run_id} in the bucket cannot be read: {error}")
            return
        found.extend([summary_of(fold(events))] if events else [])
        lost.extend([] if events else [run_id])

    await each(there[:LISTED], read, at_once=_AT_ONCE)
    if lost:
        session.messages.warn(f"the bucket has no record of {counted(len(lost), 'run')} that its index names")
    if len(there) > LISTED:
        older = counted(len(there) - LISTED, "older run")
        session.messages.say(f"{older} in the bucket: show one by its ID with `orchestrator show RUN`")
    alive = await _under_way(session)
    return tuple(linked([*here, *(replace(run, alive=run.id in alive) for run in found)]))


async def _under_way(session: Session) -> set[str]:
    """Return the IDs of the runs that hold a lease."""
    place = registry_place(session)
    return {holder.run_id for holder in (await Shared(place, decode).read()).record.holders} if place else set()
