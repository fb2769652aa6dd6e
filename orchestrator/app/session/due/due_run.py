"""`run NAME --due`: claims a due time, runs it, and releases the claim with its result."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import anyio

from orchestrator.app.session.carry_out import not_started
from orchestrator.app.session.chains.waiting import waits_for
from orchestrator.app.session.due.due_done import is_done
from orchestrator.app.session.due.due_place import (
    breach_of,
    due_place,
    remember_breach,
    schedule_of,
    usable,
    was_rolled_back,
)
from orchestrator.app.session.due.due_settled import settled_by, without_named
from orchestrator.app.session.identity import line_of
from orchestrator.app.session.leasing import probe_of
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.pruning.planning import plan_any_job
from orchestrator.app.session.records.fetching import read_runs
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import Now
from orchestrator.coordination.claim import Claim, DueJob, NotDue, StoppedDue, claim
from orchestrator.coordination.due_files import FileRecords
from orchestrator.coordination.open_due import close_breach
from orchestrator.coordination.shared_record import conditions_hold
from orchestrator.errors import Exit, OrchestratorError, StartError, UsageError
from orchestrator.job.binding import Binding
from orchestrator.report.views import CommandResult, ResultView
from orchestrator.resilience.groups import beside


async def run_if_due(session: Session, binding: Binding, work: Callable[[Claim], Awaitable[CommandResult]]) -> Exit:
    """Claim a due time, if there is one, and run `work` with the claim.

    `is_done` decides from the result whether the due time is done. After a breach no call resumes it automatically, and
    each one says so. Otherwise the next call resumes it. Return the exit code where nothing was run.
    """
    schedule = schedule_of(binding.spec)
    if schedule is None:
        raise UsageError(
            f'job "{binding.name}" has no schedule',
            advice=f'set schedule = "0 3 * * *" at {binding.spec.place.file}:{binding.spec.place.line}',
        )
    place, job = due_place(session, binding.name), DueJob(binding.name, schedule, session.run_id, socket.gethostname())
    with session.stop.interruptible(), usable(place):
        in_bucket = not isinstance(place.records, FileRecords)
        if not in_bucket:
            session.messages.mention(
                "without a bucket, due times are claimed for this machine only: set [storage] bucket to cover others"
            )
        if in_bucket and not await conditions_hold(place, probe_of(session)):
            raise StartError(
                f"{session.connection.storage_endpoint} ignores the conditions of writes (If-Match, If-None-Match):"
                " two machines could run the same due time",
                advice="use a storage that honors them, or run the job on one machine only, without --due",
            )
        why_stopped = partial(breach_of, session)  # a claimant may have been killed between its breach and its end
        clock = session.world.clock
        asked = partial(
            claim, place, job, lambda: datetime.fromtimestamp(clock(), UTC), session.messages.say, why_stopped
        )
        found = await asked()
        if isinstance(found, NotDue) and found.breach is not None and await was_rolled_back(session, found.breach):
            session.messages.say(
                f"run {found.breach.run_id} was rolled back: the due time {found.breach.due_at} is done"
            )
            await close_breach(place, found.breach)
            found = await asked()
    if isinstance(found, NotDue):
        remember_breach(session, binding.name, found.breach)
        waits = await kept_by(session, asks=found.breach is not None)
        if found.breach is None:
            for said in (found.reason, *waits):
                session.messages.mention(said)
            return Exit.DONE
        session.messages.say(found.reason)
        if waits:
            for said in waits:
                session.messages.say(said)
            return Exit.INTERRUPTED
        session.messages.say(_way_out(session))
        return Exit.FAILED
    session.messages.say(
        f'job "{binding.name}" has been due since {found.key.split()[-1]}{"; " if found.said else ""}{found.said}'
    )
    await _kept(session, binding.name, found, work)
    return Exit.DONE


async def kept_by(session: Session, *, asks: bool = True) -> list[str]:
    """Return the messages of paused or unfinished runs of this job that keep a due time from starting. `asks`: also
    read the bucket's records.
    """
    request = session.request
    if asks and not request.options.sandbox:
        await read_runs(session, Now("", session.endpoint, request.identity, request.state_dir))
    return waits_for(request.state_dir, session.endpoint, request.identity, request.options.verb)


async def not_begun(session: Session, held: Claim) -> CommandResult | None:
    """Report why the claimed due time is not started and return the result; None where it starts. It does not start
    while a run waits for a user, or where users have settled it since it was due. Raises `JournalError`.
    """
    request = session.request
    if waits := await kept_by(session):  # the journal now has what the bucket knows
        return not_started(session, waits)
    now = Now(request.options.verb, session.endpoint, request.identity, request.state_dir)
    why = settled_by(now, held.due_at.timestamp())
    if not why:
        return None
    line = line_of(request.options.verb, request.identity, session.endpoint)
    session.messages.say(f"{why}: this due time is done; `{line}` runs the job anyway")
    return CommandResult(Exit.DONE)


async def plan_due(session: Session, binding: Binding, held: Claim) -> Planned:
    """Plan a due time, except for functions that users rolled back by name. Raises as `plan_any_job`, and
    `JournalError`.
    """
    planned, request = await plan_any_job(session, binding, run_key=held.key), session.request
    now = Now(request.options.verb, session.endpoint, request.identity, request.state_dir)
    return replace(planned, plan=without_named(planned.plan, now, held.due_at.timestamp()))


def _way_out(session: Session) -> str:
    request = session.request
    line = line_of(request.options.verb, request.identity, session.endpoint)
    return f"nothing was sent: after the fix, run `{line}` with a new budget of failures, or wait for the next due time"


async def _kept(session: Session, name: str, held: Claim, work: Callable[[Claim], Awaitable[CommandResult]]) -> None:
    done, breach = False, None
    try:
        async with beside(partial(held.keep, session.stop.lose)):
            result = await work(held)
        done = is_done(result)
        why = result.view.state.breach if isinstance(result.view, ResultView) and not done else ""
        breach = held.breach(session.run_id, why) if why else None
    finally:
        await _end(session, held, done=done, breach=breach)
    remember_breach(session, name, breach)
    if breach is not None:
        session.messages.say(f"the due time {breach.due_at} is not done, and no call resumes it automatically")


async def _end(session: Session, held: Claim, *, done: bool = False, breach: StoppedDue | None = None) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await held.end(done=done, breach=breach)
        except OrchestratorError as error:
            session.messages.warn(
                f"the claim could not be released, so other machines wait for a minute: {error.message}"
            )
