"""What is due, and where it is claimed: the schedule of a job, its record, the run that a breach ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.records.fetching import read_run
from orchestrator.app.session.session import Session
from orchestrator.coordination.claim import StoppedDue
from orchestrator.coordination.due_files import FileRecords, remember
from orchestrator.coordination.heartbeat import boottime_s
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.errors import CloudError, Exit, JournalError, StartError, UsageError
from orchestrator.job.binding import timezone_of
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.manifest.schedule import Schedule
from orchestrator.model import JobSpec, Manifest
from orchestrator.report.messages import with_facts
from orchestrator.resilience.outage import Outage


def schedule_of(spec: JobSpec) -> Schedule | None:
    """Return the schedule of [jobs.NAME], None where it has none."""
    expression = spec.parameters.get("schedule")
    return Schedule(str(expression), timezone_of(spec)) if expression else None


def due_place(session: Session, name: str) -> RecordPlace:
    """Return where the due times of a job are claimed, per environment: in the bucket, else in the state folder."""
    records = bucket_records(session.world)
    prefix = session.world.storage.prefix if records is not None else ""
    manifest = session.request.manifest
    folder_id = manifest.cloud.folder_id or "any-folder"
    return RecordPlace(
        records if records is not None else FileRecords(session.request.state_dir),
        f"{prefix}claims/{folder_id}/{in_environment(manifest, name)}.json",
        boottime_s,
        session.world.rng,
        _unpaused(session),
    )


def in_environment(manifest: Manifest, job: str) -> str:
    """Return the name of a job in the chosen environment; without one, its name from before environments existed."""
    return f"{manifest.environment}/{job}" if manifest.environment else job


def _unpaused(session: Session) -> Outage:
    """Return an outage that never pauses, so that failed calls are errors: cron calls again."""
    outage = Outage(session.request.options.max_outage_s, pauses=False)
    outage.waits = session.world.outage.waits
    return outage


@contextmanager
def usable(place: RecordPlace) -> Iterator[None]:
    """Name the record in the error where a call of it fails. Raises `StartError`."""
    try:
        yield
    except CloudError as error:
        raise StartError(
            f"the record of due times {place.key} cannot be used: {with_facts(error)}",
            advice=error.advice or "give the account read and write access: storage.editor on the bucket",
        ) from error


def remember_breach(session: Session, name: str, breach: StoppedDue | None) -> None:
    """Store on this machine, for `jobs`, the breach that stopped the due time of a job; None for none."""
    try:
        remember(session.request.state_dir, in_environment(session.request.manifest, name), breach)
    except JournalError as error:
        session.messages.warn(error.message)


async def breach_of(session: Session, run_id: str) -> str:
    """Return why a run, or a resume of it, was stopped by a breach; "" where none was, or where nothing is left of it.

    Raises `CloudError`, `JournalError`, `StartError` where that cannot be determined.
    """
    found = await chain_of(session, run_id)
    return found.breach if found is not None else ""


async def was_rolled_back(session: Session, breach: StoppedDue) -> bool:
    """Return whether the run of a due time was rolled back since, automatically or by hand, and the rollback has ended.
    Raises as `breach_of` does.
    """
    found = await chain_of(session, breach.run_id)
    return found is not None and is_taken_back(found)


def is_taken_back(run: RunState) -> bool:
    """Return whether a run was rolled back as a whole.

    | the rollback                                         | rolled back |
    | ---                                                  | ---        |
    | of its breach, cut off                               | no         |
    | of its breach, ended: exit 5, or 1                   | yes        |
    | by hand, of all of it; it has ended                  | yes        |
    | none, or of some functions only                      | no         |
    """
    typed = run.taken_back.whole
    if typed is not None:
        return typed.exit_code not in (None, Exit.INTERRUPTED)
    return bool(run.rollout.rollback) and run.exit_code not in (None, Exit.INTERRUPTED)


async def chain_of(session: Session, run_id: str) -> RunState | None:
    """Return the chain of a run from the journal or the bucket's records. None where neither has it."""
    await read_run(session, run_id)
    with suppress(UsageError), open_store(session.request.state_dir, read_only=True) as store:
        return store.chain_state(store.find(run_id))
    return None
