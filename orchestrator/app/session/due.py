"""`run NAME --due`: a due time claimed, run, and given up again as it ended."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio

from orchestrator.app.session.leasing import bucket_records, probe_of
from orchestrator.app.session.session import Session
from orchestrator.coordination.claim import Claim, DueJob, NotDue, claim
from orchestrator.coordination.file_records import FileRecords
from orchestrator.coordination.heartbeat import boottime_s
from orchestrator.coordination.shared_record import RecordPlace, conditions_hold
from orchestrator.errors import CloudError, Exit, OrchestratorError, StartError, UsageError
from orchestrator.job.binding import Binding, timezone_of
from orchestrator.manifest.schedule import Schedule
from orchestrator.model import JobSpec
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts
from orchestrator.report.views import CommandResult, ResultView
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.outage import Outage

_DONE = {Exit.DONE, Exit.FAILED, Exit.ROLLED_BACK}


def schedule_of(spec: JobSpec) -> Schedule | None:
    """Give the schedule of [jobs.NAME], None where it has none."""
    expression = spec.parameters.get("schedule")
    return Schedule(str(expression), timezone_of(spec)) if expression else None


async def run_if_due(session: Session, binding: Binding, work: Callable[[str], Awaitable[CommandResult]]) -> None:
    """Run `work`, given what sets this due time's forced versions apart, if a due time can be claimed.

    Where `is_done` says so of its result the due time is done; otherwise the next call takes it up.
    """
    schedule = schedule_of(binding.spec)
    if schedule is None:
        raise UsageError(
            f'job "{binding.name}" has no schedule',
            advice=f'add schedule = "0 3 * * *" at {binding.spec.place.file}:{binding.spec.place.line}',
        )
    records, prefix = _records(session)
    folder_id = session.request.manifest.cloud.folder_id or "any-folder"
    key = f"{prefix}claims/{folder_id}/{binding.name}.json"
    job = DueJob(binding.name, schedule, session.run_id, socket.gethostname())
    place = RecordPlace(records, key, boottime_s, session.world.rng, _unpaused(session))
    try:
        with session.stop.interruptible():
            in_bucket = not isinstance(records, FileRecords)
            if in_bucket and not await conditions_hold(place, probe_of(session)):
                raise StartError(
                    f"{session.connection.storage_endpoint} ignores the conditions of writes (If-Match, If-None-Match):"
                    " two machines could run one due time",
                    advice="use a storage that heeds them, or let one machine alone call, without --due",
                )
            found = await claim(place, job, lambda: datetime.now(UTC), session.messages.say)
    except CloudError as error:
        raise StartError(
            f"the record of due times {key} cannot be used: {with_facts(error)}",
            advice=error.advice or "the account needs to read and write there: storage.editor on the bucket",
        ) from error
    if isinstance(found, NotDue):
        session.messages.mention(found.reason)
        return
    session.messages.say(
        f'job "{binding.name}" is due since {found.key.split()[-1]}{"; " if found.said else ""}{found.said}'
    )
    await _kept(session, found, work)


def _unpaused(session: Session) -> Outage:
    """Let an outage count as failed calls: cron calls again."""
    outage = Outage(session.request.options.max_outage_s, pauses=False)
    outage.waits = session.world.outage.waits
    return outage


def is_done(result: CommandResult) -> bool:
    """Say whether a due time needs nothing more.

    | exit    | functions                           | done                                           |
    | ---     | ---                                 | ---                                            |
    | 0, 1, 5 | all had their turn, whatever failed | yes: what failed is tried when it is due again |
    | 0, 1, 5 | some left out: a breach, a breaker  | no                                             |
    | others  | any                                 | no: interrupted, or could not start            |
    """
    left_out = isinstance(result.view, ResultView) and result.view.state.outcomes.get("cancelled", 0)
    return result.exit in _DONE and not left_out


async def _kept(session: Session, held: Claim, work: Callable[[str], Awaitable[CommandResult]]) -> None:
    done = False
    try:
        with ungrouped(OrchestratorError):
            async with anyio.create_task_group() as group:
                group.start_soon(held.keep, session.stop.lose)
                done = is_done(await work(held.key))
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            try:
                await held.end(done=done)
            except OrchestratorError as error:
                session.messages.warn(
                    f"the claim could not be given up, so another machine waits for a minute: {error.message}"
                )


def _records(session: Session) -> tuple[Records, str]:
    records = bucket_records(session)
    if records is not None:
        return records, session.world.storage.prefix
    session.messages.mention(
        "without a bucket, due times are claimed for this machine alone ([storage] bucket makes it all of them)"
    )
    return FileRecords(session.request.state_dir), ""
