"""`resume [RUN]`: a run that was cut off is taken up: what was accepted is followed, what was not is planned anew.

What it left undone can be given up instead. After a breach nothing new starts: only what was asked for is followed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.app.session.chain import chain_of, earlier_of, give_up, last_left, nothing_left
from orchestrator.app.session.execution import execute_planned, journaled, result_of
from orchestrator.app.session.identity import identity_of, line_of, resume_line
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.leasing import guarded, leased, leases_of, tell
from orchestrator.app.session.options import SANDBOX, RunOptions, read_options, state_dir_of, storage_of
from orchestrator.app.session.planning import Planned, check_agreed, job_desires, plan_desired, read_specs
from orchestrator.app.session.recording import fetch, read_runs, record_given_up
from orchestrator.app.session.session import Request, Session, hold_lock, open_session, read_request
from orchestrator.app.session.taking_back import is_left, of_its_run, owes_rollback, take_back
from orchestrator.app.session.taking_up import Now, check_same, endpoint_of, manifest_of, with_disabled
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.engine.bus import Bus
from orchestrator.engine.in_flight import in_flight, settle
from orchestrator.engine.run import listen
from orchestrator.errors import CloudError, Exit, OrchestratorError, UsageError
from orchestrator.job.binding import Binding, bind, marked
from orchestrator.journal.events import OperationAccepted
from orchestrator.journal.identity import HIDDEN, Selection
from orchestrator.journal.runs import RolloutState
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.manifest.findings import require_sound
from orchestrator.model import Blocked, ChangeKind, Deployed, Outcome, Plan, Unknown
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.overwritten import after_a_kill
from orchestrator.planning.resume import (
    accepted,
    agreed,
    forced_of,
    left_of,
    named_now,
    still_meant,
    taken_over,
)
from orchestrator.planning.rollout import as_begun
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult
from orchestrator.version.stamp import read_stamp


def resume_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `resume` as typed. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    run_id, giving_up = given.pop("run"), given.pop("give_up")
    options = read_options("resume", given)
    options = replace(options, state_dir=state_dir_of(options.config, options.state_dir))
    return invoke(options, messages, partial(_run, run_id, _give_up if giving_up else _resume))


async def _run(
    run_id: str, work: Callable[[str, Invocation], Awaitable[CommandResult]], invocation: Invocation
) -> CommandResult:
    """Find the run in the journal, or in the bucket's records where that has none of the kind."""
    state_dir = state_dir_of(invocation.options.config, invocation.options.state_dir)
    try:
        with open_store(state_dir, read_only=True) as store:
            asked = _asked(store, run_id, state_dir)
    except UsageError:
        if not await fetch(invocation):
            raise
        with open_store(state_dir, read_only=True) as store:
            asked = _asked(store, run_id, state_dir)
    return await work(asked, invocation)


def _asked(store: Store, run_id: str, state_dir: Path) -> str:
    asked = store.find(run_id)
    return last_left(store, asked, state_dir) if run_id == "last" else asked


def _as_then(options: RunOptions, before: RunState) -> RunOptions:
    """Be about what the run was about: its installation, its manifest, its job with the parameters that it had.

    Raises `UsageError` where that cannot be, with the line to type.
    """
    sandbox = before.endpoint == SANDBOX
    if sandbox and options.endpoint:
        raise UsageError(f"run {before.run_id} went to the sandbox", advice="leave --endpoint out")
    config = options.config
    if not options.config_given:
        found = manifest_of(before, state_dir_of(options.config, options.state_dir))
        if found is None:
            raise UsageError(
                f"the manifest of run {before.run_id}, {before.identity.manifest or before.manifest}, is not there",
                advice=f"put it back, or say where it is now: `{resume_line(before.run_id, '-c', 'FILE')}`; or give up"
                f" what is undone: `{resume_line(before.run_id, '--give-up')}`",
            )
        config = found
    then = before.identity.selection.parameters
    parameters = {**then, **options.parameters}
    hidden = [part for name, value in parameters.items() if value == HIDDEN for part in ("--param", f"{name}={HIDDEN}")]
    if hidden:
        raise UsageError(
            f"run {before.run_id} was given parameters that are kept nowhere, since they are secret",
            advice=f"give them again: `{resume_line(before.run_id, *hidden)}`",
        )
    job = before.verb.removeprefix("run ") if before.verb.startswith("run ") else ""
    options = replace(options, verb=before.verb, job=job, sandbox=sandbox, config=config, parameters=parameters)
    return options if sandbox or options.endpoint else replace(options, endpoint=before.endpoint)


async def _give_up(asked: str, invocation: Invocation) -> CommandResult:
    """Give up what a chain has left, here and for other machines."""
    before, started, said = await give_up(asked, invocation)
    if started is None or before.endpoint == SANDBOX:
        return CommandResult(Exit.DONE)
    plain = replace(before, identity=replace(before.identity, selection=Selection()))  # nothing of its job is run
    try:
        invocation = replace(invocation, options=_as_then(invocation.options, plain))
        request = read_request(invocation)
        if storage_of(request.manifest, invocation.options.bucket).bucket is not None:
            await record_given_up(await open_session(invocation, request), before, started, *said)
    except OrchestratorError as error:
        invocation.messages.warn(f"other machines may still take it up, as they are not told: {error.message}")
    return CommandResult(Exit.DONE)


async def _resume(asked: str, invocation: Invocation) -> CommandResult:
    stop, messages = invocation.stop, invocation.messages
    before = chain_of(invocation.options, asked)
    if before.run_id != asked:
        messages.say(f"run {asked} was taken up by run {before.run_id}")
    before, of = of_its_run(invocation.options, before)
    if not is_left(before):
        return nothing_left(before, messages)
    asked = before.run_id
    invocation = replace(invocation, options=_as_then(invocation.options, before))
    options = invocation.options
    with stop.interruptible():
        request, binding = _request(invocation, before)
        await hold_lock(invocation, request)
        before = chain_of(options, asked)  # a run that held the lock until now may have gone on with it
        if not is_left(before):
            return nothing_left(before, messages)
        session = await open_session(invocation, request)
        if not options.sandbox:  # another machine may have gone on with it, or given it up
            await read_runs(session, Now("", session.endpoint, request.identity, request.state_dir))
            before = chain_of(options, asked)
            if not is_left(before):
                return nothing_left(before, messages)
    if of is not None:
        return await take_back(session, before, of)
    return await _take_up(session, binding, before)


def _request(invocation: Invocation, before: RunState) -> tuple[Request, Binding | None]:
    options, binding = invocation.options, None
    request = read_request(invocation)
    if options.job:
        binding = bind(request.manifest, options.job, options.parameters, datetime.now(UTC))
    identity = identity_of(options, request.manifest, binding)
    about = with_disabled(identity, request.manifest)
    check_same(before, Now("resume", endpoint_of(options, request.manifest), about, request.state_dir))
    # What was selected then is what is taken up; who takes it up, and where, is news.
    return replace(request, identity=replace(identity, selection=before.identity.selection)), binding


async def _take_up(session: Session, binding: Binding | None, before: RunState) -> CommandResult:
    stop, messages = session.stop, session.messages
    if lost := before.total - len(before.units):
        messages.warn(
            f"run {before.run_id} was killed before {counted(lost, 'function')} of its plan stood in the journal:"
            f" nothing was asked for them; `{line_of(before.verb, before.identity, before.endpoint)}` does"
        )
    wanted = left_of(before)
    found, gone = named_now(wanted, session.request.manifest.functions)
    if binding is None:
        named = (session.request.manifest.functions[key] for key in found)
        require_sound(spec for spec in named if spec.enabled)
    left = found | gone
    earlier = earlier_of(before, wanted, left)
    messages.say(f"resuming run {before.run_id}: {counted(len(left), 'function')}")
    if before.breach:
        messages.say(f"it was stopped for good: {before.breach}; nothing new starts")
    functions = {key: f"{unit.folder_id}/{unit.name}" for key, unit in left.items()}
    if owes_rollback(before):
        functions |= {key: f"{one.folder_id}/{one.name}" for key, one in touched_by(before).items()}
    leases = leases_of(session)
    async with (
        leased(session, leases, functions, NOT_LOOKED) as lease,
        journaled(session, len(left), before.identity.clouds, before=before) as (bus, state, recorder),
    ):
        tell(lease, len(functions), session, bus)
        listen(session.world, bus, stop)
        for event in taken_over(left, session.world.clock()):
            bus(event)
        settled = await settle(session.world, bus, stop, accepted(left))
        with stop.interruptible():
            rest = {key: unit for key, unit in left.items() if key not in settled}
            planned = await _plan(session, binding, rest, settled, before.rollout)
            if before.breach:
                planned = await _followed(session, bus, planned, rest, settled)
        within = guarded(session, lease)
        code = await execute_planned(within, planned, bus, recorder, state, settled=settled, earlier=earlier)
    return result_of(session, code, state)


async def _followed(
    session: Session, bus: Bus, planned: Planned, left: Mapping[str, UnitState], settled: dict[str, Outcome]
) -> Planned:
    """Look for what was asked for without an answer before a breach: it is unknown, and followed next time."""
    units = []
    for unit in planned.plan.units:
        then = left[unit.key]
        operation = None
        if then.requests and not then.operations and unit.function_id and unit.fingerprint is not None:
            operation = await in_flight(session.world, planned.live, unit, unit.function_id, asked_for=True)
        if operation is None:
            units.append(unit)
            continue
        known = (operation.id, unit.function_id or "", operation.version_id or "")
        bus(OperationAccepted(session.world.clock(), unit.key, ChangeKind.VERSION, *known))
        settled[unit.key] = Unknown("asked for before the run was stopped", operation.id, operation.version_id or "")
    return replace(planned, plan=Plan(tuple(units)))


async def _plan(
    session: Session,
    binding: Binding | None,
    left: Mapping[str, UnitState],
    settled: dict[str, Outcome],
    then: RolloutState,
) -> Planned:
    """Plan what is left, in its chain's waves. What is live already, or is not wanted any more, goes into `settled`."""
    if binding is not None:
        live, desired = await job_desires(session, binding)
        desired = replace(desired, specs={key: spec for key, spec in desired.specs.items() if key in left})
    else:
        wanted = session.request.manifest.functions.items()
        specs = {key: spec for key, spec in wanted if key in left and spec.enabled}
        live, desired = await read_specs(session, specs)
    manifest = session.request.manifest
    check_agreed(session.request.options, [*desired.specs.values(), *manifest.functions.values()])
    jobs = marked(binding.name, manifest, desired.specs) if binding is not None else {}
    planned = await plan_desired(session, desired, live, forced=forced_of(left), adopt=agreed(left), jobs=jobs)
    plan, done = still_meant(planned.plan, planned.live, left, planned.verifying)
    settled |= after_a_kill(done, planned.live, left)
    for key in left.keys() - desired.specs.keys():
        settled[key] = await _not_wanted(session, left[key])
    rollout, otherwise = as_begun(planned.rollout, then)
    if otherwise:
        session.messages.say(f"{otherwise}: the same command again is a new run with what holds now")
    return replace(planned, plan=plan, rollout=rollout)


async def _not_wanted(session: Session, then: UnitState) -> Outcome:
    """Say what became of a unit that nobody wants any more: perhaps because it is done."""
    world = session.world
    with suppress(CloudError):
        get = partial(world.functions.get_version, then.version_id)
        made = await world.read(get) if then.version_id else None
        if made is not None and made.status == "ACTIVE" and str(read_stamp(made.description)) == then.fingerprint:
            return Deployed(made.id, read_back=True)
    job = session.request.options.job
    return Blocked(f"{f'job {job}' if job else session.request.manifest.path.name} does not want it any more")
