"""`resume [RUN]`: a run that was cut off is taken up: what was accepted is followed, what was not is planned anew."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from orchestrator.app.session.carry_out import execute_planned, journaled, result_of
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.leasing import guarded, leased, leases_of, tell
from orchestrator.app.session.options import RunOptions, read_options, state_dir_of
from orchestrator.app.session.planning import Planned, job_desires, plan_desired, read_specs
from orchestrator.app.session.selecting import SANDBOX, endpoint_of
from orchestrator.app.session.session import Session, hold_lock, open_session, read_request
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.engine.in_flight import settle
from orchestrator.engine.run import listen
from orchestrator.errors import CloudError, Exit, JournalError, UsageError
from orchestrator.job.binding import Binding, bind
from orchestrator.journal.events import RunStarted
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.manifest.findings import require_sound
from orchestrator.model import Blocked, Deployed, Failed, Outcome
from orchestrator.planning.resume import accepted, forced_of, named_now, still_meant, taken_over, undone
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult
from orchestrator.version.stamp import read_stamp


def resume_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `resume` as typed. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    run_id = given.pop("run")
    options = read_options("resume", given)
    with open_store(state_dir_of(options.config, options.state_dir), read_only=True) as store:
        asked = store.find(run_id)
        before = fold(store.events(_last_of(store, asked)))
    return invoke(_as_then(options, before), messages, partial(_resume, asked, before))


def _last_of(store: Store, run_id: str) -> str:
    """Follow a run that was taken up already to the last that did so: what is left, is left of that one."""
    for later in reversed(store.runs()):
        with suppress(JournalError):  # of a run that may have nothing to do with this one
            started = next(iter(store.events(later.id)), None)
            if isinstance(started, RunStarted) and started.resumes == run_id:
                run_id = later.id
    return run_id


def _as_then(options: RunOptions, before: RunState) -> RunOptions:
    """Lead where the run led: a sandbox run is never resumed against the cloud, nor the other way round."""
    sandbox = before.endpoint == SANDBOX
    if sandbox and options.endpoint:
        raise UsageError(f"run {before.run_id} went to the sandbox", advice="leave --endpoint out")
    job = before.verb.removeprefix("run ") if before.verb.startswith("run ") else ""
    options = replace(options, verb=before.verb, job=job, sandbox=sandbox)
    return options if sandbox or options.endpoint else replace(options, endpoint=before.endpoint)


async def _resume(asked: str, before: RunState, invocation: Invocation) -> CommandResult:
    options, stop, messages = invocation.options, invocation.stop, invocation.messages
    if before.run_id != asked:
        messages.say(f"run {asked} was taken up by run {before.run_id}")
    left = undone(before)
    lost = before.total - len(before.units)
    if lost > 0:
        messages.warn(
            f"run {before.run_id} was killed before {counted(lost, 'function')} of its plan stood in the journal:"
            f" nothing was asked for them; `{before.verb}` takes them up"
        )
    if not left:
        failed = sum(isinstance(unit.outcome, Failed | Blocked) for unit in before.units.values())
        again = f"; {counted(failed, 'function')} failed: `{before.verb} --failed` tries again" if failed else ""
        messages.say(
            f"nothing to resume: run {before.run_id} has brought every function that it began to an end{again}"
        )
        return CommandResult(Exit.DONE)
    with stop.interruptible():
        request = read_request(invocation)
        if endpoint_of(options, request.manifest) != before.endpoint:
            raise UsageError(
                f"run {before.run_id} went to {before.endpoint}", advice="leave --endpoint out, or deploy there anew"
            )
        binding = None
        if options.job:
            binding = bind(request.manifest, options.job, options.parameters, datetime.now(UTC))
        await hold_lock(invocation, request)
        session = await open_session(invocation, request)
    found, gone = named_now(left, request.manifest.functions)
    if binding is None:
        require_sound(request.manifest.functions[key] for key in found)
    left = found | gone
    messages.say(f"resuming run {before.run_id}: {counted(len(left), 'function')}")
    functions = {key: f"{unit.folder_id}/{unit.name}" for key, unit in left.items()}
    leases = leases_of(session)
    async with (
        leased(session, leases, functions, NOT_LOOKED) as lease,
        journaled(session, before.verb, len(left), resumes=before.run_id) as (bus, state),
    ):
        tell(lease, len(functions), session, bus)
        listen(session.world, bus, stop)
        for event in taken_over(left, session.world.clock()):
            bus(event)
        settled = await settle(session.world, bus, stop, accepted(left))
        with stop.interruptible():
            rest = {key: unit for key, unit in left.items() if key not in settled}
            planned = await _plan(session, binding, rest, settled)
        code = await execute_planned(guarded(session, lease), planned, bus, settled=settled)
    return result_of(code, state)


async def _plan(
    session: Session, binding: Binding | None, left: Mapping[str, UnitState], settled: dict[str, Outcome]
) -> Planned:
    """Plan what is left. What is live already, or is not wanted any more, goes into `settled`."""
    if binding is not None:
        live, desired = await job_desires(session, binding)
        desired = replace(desired, specs={key: spec for key, spec in desired.specs.items() if key in left})
    else:
        specs = {key: spec for key, spec in session.request.manifest.functions.items() if key in left}
        live, desired = await read_specs(session, specs)
    # What the run was to take away was shown and agreed to when it began.
    planned = await plan_desired(session, desired, live, forced=forced_of(left), adopt=True)
    plan, done = still_meant(planned.plan, left)
    settled |= done
    for key in left.keys() - desired.specs.keys():
        settled[key] = await _not_wanted(session, left[key])
    return replace(planned, plan=plan)


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
