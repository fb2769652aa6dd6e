"""`run NAME --due`: a due time claimed, run, and given up again as it ended."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import anyio

from orchestrator.app.session.chains.left import about_the_same
from orchestrator.app.session.chains.waiting import waits_for
from orchestrator.app.session.identity import line_of
from orchestrator.app.session.leasing import probe_of
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.recording import read_run, read_runs
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import Now
from orchestrator.coordination.claim import Claim, DueJob, NotDue, StoppedDue, claim, close_breach, open_breach
from orchestrator.coordination.due_files import FileRecords, remember
from orchestrator.coordination.heartbeat import boottime_s
from orchestrator.coordination.shared_record import RecordPlace, conditions_hold
from orchestrator.errors import CloudError, Exit, JournalError, OrchestratorError, StartError, UsageError
from orchestrator.job.binding import Binding, timezone_of
from orchestrator.journal.identity import Selection
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.journal.unit_state import names_of
from orchestrator.manifest.schedule import Schedule
from orchestrator.model import Blocked, Deployed, Failed, JobSpec, Unchanged
from orchestrator.report.messages import with_facts
from orchestrator.report.views import CommandResult, ResultView
from orchestrator.resilience.groups import beside
from orchestrator.resilience.outage import Outage

_CAME_TO = Deployed | Unchanged | Failed | Blocked
_DONE = {Exit.DONE, Exit.FAILED, Exit.ROLLED_BACK}


def schedule_of(spec: JobSpec) -> Schedule | None:
    """Give the schedule of [jobs.NAME], None where it has none."""
    expression = spec.parameters.get("schedule")
    return Schedule(str(expression), timezone_of(spec)) if expression else None


async def run_if_due(session: Session, binding: Binding, work: Callable[[str], Awaitable[CommandResult]]) -> Exit:
    """Run `work`, given what sets this due time's forced versions apart, if a due time can be claimed.

    Where `is_done` says so of its result the due time is done. Where it ended with a breach no call takes it up by
    itself: each says so. Otherwise the next call takes it up. Gives what this exits with where nothing was run.
    """
    schedule = schedule_of(binding.spec)
    if schedule is None:
        raise UsageError(
            f'job "{binding.name}" has no schedule',
            advice=f'add schedule = "0 3 * * *" at {binding.spec.place.file}:{binding.spec.place.line}',
        )
    place, job = _place(session, binding.name), DueJob(binding.name, schedule, session.run_id, socket.gethostname())
    with session.stop.interruptible(), _usable(place):
        in_bucket = not isinstance(place.records, FileRecords)
        if not in_bucket:
            session.messages.mention(
                "without a bucket, due times are claimed for this machine alone ([storage] bucket makes it all of them)"
            )
        if in_bucket and not await conditions_hold(place, probe_of(session)):
            raise StartError(
                f"{session.connection.storage_endpoint} ignores the conditions of writes (If-Match, If-None-Match):"
                " two machines could run one due time",
                advice="use a storage that heeds them, or let one machine alone call, without --due",
            )
        why_stopped = partial(breach_of, session)  # a claimant may have died between its breach and its end
        found = await claim(place, job, lambda: datetime.now(UTC), session.messages.say, why_stopped)
    if isinstance(found, NotDue):
        _remember(session, binding.name, found.breach)
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
        f'job "{binding.name}" is due since {found.key.split()[-1]}{"; " if found.said else ""}{found.said}'
    )
    await _kept(session, binding.name, found, work)
    return Exit.DONE


async def kept_by(session: Session, *, asks: bool = True) -> list[str]:
    """Say for which runs of this job, that wait for somebody, no due time starts. `asks`: the bucket's records, too."""
    request = session.request
    if asks and not request.options.sandbox:
        await read_runs(session, Now("", session.endpoint, request.identity, request.state_dir))
    return waits_for(request.state_dir, session.endpoint, request.identity, request.options.verb)


async def count_as_done(session: Session, binding: Binding, result: CommandResult) -> None:
    """Let the due time that a breach ended count as done after a run of its job without --due that was about the same,
    or say why it does not.
    """
    request = session.request
    if schedule_of(binding.spec) is None or request.options.dry_run or session.stop.reason or not is_done(result):
        return
    place = _place(session, binding.name)
    try:
        with anyio.CancelScope(shield=True), _usable(place):
            breach = await open_breach(place)
            then = await _chain(session, breach.run_id) if breach is not None else None
            of_it = then is not None and request.left is not None and request.left.run.run_id == then.run_id
            was_about = then.identity.selection if then is not None else Selection(job=binding.name)
            all_came = then is not None and _all_came(session, then)
            other = differs(request.identity.selection, was_about, of_it=of_it, all_came=all_came)
            closed = breach is not None and not other and await close_breach(place, breach)
        if breach is None or closed:
            _remember(session, binding.name, None)
    except OrchestratorError as error:
        session.messages.warn(f"whether a due time of the job is done by this is not known: {error.message}")
        return
    if breach is None:
        return
    what = f"the due time {breach.due_at}, which run {breach.run_id} left undone,"
    if closed:
        session.messages.say(f"{what} counts as done")
    elif other:
        line = line_of(request.options.verb, replace(request.identity, selection=was_about), session.endpoint)
        session.messages.say(f"{what} stays so: this run {other}; `{line}` is about all of it")


def _all_came(session: Session, then: RunState) -> bool:
    request = session.request
    now = Now(then.verb, session.endpoint, request.identity, request.state_dir)
    with open_store(request.state_dir, read_only=True) as store:
        return had_their_turn(then, about_the_same(store, now))


def had_their_turn(then: RunState, runs: Iterable[RunState]) -> bool:
    """Say whether all that a chain left out has had its turn since, whatever became of it: in `runs`, the newest first,
    of the same verb with the same parameters.
    """
    came = set[tuple[str, str]]()
    for run in runs:
        if run.run_id == then.run_id:
            break
        if run.verb == then.verb and run.identity.selection.parameters == then.identity.selection.parameters:
            ended = (unit for unit in run.units.values() if isinstance(unit.outcome, _CAME_TO))
            came.update(name for unit in ended for name in names_of(unit))
    left_out = [unit for unit in then.units.values() if not isinstance(unit.outcome, _CAME_TO)]
    return then.total <= len(then.units) and not any(came.isdisjoint(names_of(unit)) for unit in left_out)


def differs(now: Selection, then: Selection, *, of_it: bool, all_came: bool = False) -> str:
    """Say in what a run was about something else than the run of a due time, "" where it was about as much or more.
    `all_came`: with it, whatever the due run left out has had its turn.

    | this run                             | counts                                                  |
    | ---                                  | ---                                                     |
    | other parameters than the due run's  | no: something else is made                              |
    | any of these, the last that it took  | yes (`all_came`)                                        |
    | --failed                             | no: what was left out has not had its turn              |
    | --undone                             | where it is about what this due run left (`of_it`)      |
    | FUNCTIONS, --label                   | where the due run had the same                          |
    | neither                              | yes                                                     |
    """
    if dict(now.parameters) != dict(then.parameters):
        return "had other parameters (--param)"
    if all_came:
        return ""
    if now.left_by == "failed":
        return "was only about what had failed (--failed)"
    if now.left_by and not of_it:
        return "was about what another run had left (--undone)"
    some = (now.patterns, now.labels) != ((), ()) and (now.patterns, now.labels) != (then.patterns, then.labels)
    return "was about some functions only" if some else ""


@contextmanager
def _usable(place: RecordPlace) -> Iterator[None]:
    try:
        yield
    except CloudError as error:
        raise StartError(
            f"the record of due times {place.key} cannot be used: {with_facts(error)}",
            advice=error.advice or "the account needs to read and write there: storage.editor on the bucket",
        ) from error


def _way_out(session: Session) -> str:
    request = session.request
    line = line_of(request.options.verb, request.identity, session.endpoint)
    return f"nothing is sent: once it is mended, `{line}` is a new run with a new budget; or wait for the next due time"


async def breach_of(session: Session, run_id: str) -> str:
    """Say why a run, or one that took it up, was stopped for good, "" where none was, or it has left nothing anywhere.

    Raises `CloudError`, `JournalError`, `StartError` where that cannot be found out.
    """
    found = await _chain(session, run_id)
    return found.breach if found is not None else ""


async def _chain(session: Session, run_id: str) -> RunState | None:
    """Find a run, with all that took it up: in the journal, or in the bucket's records. None where neither has it."""
    await read_run(session, run_id)
    with suppress(UsageError), open_store(session.request.state_dir, read_only=True) as store:
        return store.chain_state(store.find(run_id))
    return None


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
    | 1, 5    | any; it was rolled back             | yes: it has failed                             |
    | 0, 1, 5 | some left out: a breach             | no, and no call takes it up by itself          |
    | 0, 1, 5 | some left out: a breaker            | no                                             |
    | 3       | any; the run is paused              | yes: it goes on when somebody says so          |
    | others  | any                                 | no: interrupted, or could not start            |
    """
    if not isinstance(result.view, ResultView):
        return result.exit in _DONE
    state = result.view.state
    if state.rollout.paused is not None:
        return True
    return result.exit in _DONE and bool(state.rollout.rollback or not state.outcomes.get("cancelled", 0))


async def _kept(session: Session, name: str, held: Claim, work: Callable[[str], Awaitable[CommandResult]]) -> None:
    done, breach = False, None
    try:
        async with beside(partial(held.keep, session.stop.lose)):
            result = await work(held.key)
        done = is_done(result)
        why = result.view.state.breach if isinstance(result.view, ResultView) and not done else ""
        breach = held.breach(session.run_id, why) if why else None
    finally:
        await _end(session, held, done=done, breach=breach)
    _remember(session, name, breach)
    if breach is not None:
        session.messages.say(f"the due time {breach.due_at} is not done, and no call takes it up by itself")


async def _end(session: Session, held: Claim, *, done: bool = False, breach: StoppedDue | None = None) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await held.end(done=done, breach=breach)
        except OrchestratorError as error:
            session.messages.warn(
                f"the claim could not be given up, so another machine waits for a minute: {error.message}"
            )


def _remember(session: Session, name: str, breach: StoppedDue | None) -> None:
    try:
        remember(session.request.state_dir, name, breach)
    except JournalError as error:
        session.messages.warn(error.message)


def _place(session: Session, name: str) -> RecordPlace:
    records = bucket_records(session.world)
    prefix = session.world.storage.prefix if records is not None else ""
    folder_id = session.request.manifest.cloud.folder_id or "any-folder"
    return RecordPlace(
        records if records is not None else FileRecords(session.request.state_dir),
        f"{prefix}claims/{folder_id}/{name}.json",
        boottime_s,
        session.world.rng,
        _unpaused(session),
    )
