"""`deploy` and `plan`, and what `run` shares with them: a plan shown, carried out, and told as it was observed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

from orchestrator import __version__
from orchestrator.app.session import output
from orchestrator.app.session.command import run
from orchestrator.app.session.leasing import guarded, leased, leases_of, look, tell, to_change
from orchestrator.app.session.options import RunOptions, read_options
from orchestrator.app.session.planning import Planned, plan_functions, predicted, selected
from orchestrator.app.session.selecting import endpoint_of
from orchestrator.app.session.session import Session, hold_lock, open_session, read_request
from orchestrator.engine.bus import Bus
from orchestrator.engine.run import execute
from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import Exit, JournalError, OrchestratorError
from orchestrator.journal.events import RunEnded, RunStarted, StepFinished, UnitEnded, unit_planned
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Action, Outcome, Prediction, SourceCode
from orchestrator.model.live_state import remembered
from orchestrator.report.redact import Redactor
from orchestrator.resilience.stop import Stop

CHANGED = 2  # `plan --detailed-exitcode`: there are changes


def deploy_command(given: Mapping[str, Any]) -> int:
    """Run `deploy` as typed. Raises `OrchestratorError` where it cannot start."""
    return run(read_options("deploy", given), _deploy)


def plan_command(given: Mapping[str, Any]) -> int:
    """Run `plan` as typed. With --detailed-exitcode: 0 no changes, 1 any error, 2 changes."""
    options = read_options("plan", given)
    try:
        return run(options, _deploy)
    except OrchestratorError as error:
        if options.detailed_exitcode:
            error.exit = Exit.FAILED  # 2 would say that there are changes
        raise


async def _deploy(options: RunOptions, stack: AsyncExitStack, stop: Stop, redactor: Redactor) -> int:
    with stop.interruptible():
        request = read_request(options, os.environ)
        specs = selected(request, endpoint_of(options, request.manifest))
        builds = any(isinstance(spec.code, SourceCode) and spec.code.build for spec in specs.values())
        if builds or options.sandbox or not options.dry_run:  # a plan that only reads may be made beside a run
            await hold_lock(stack, request)
        session = await open_session(stack, request, stop, redactor)
    return await carry_out(session, partial(plan_functions, session, specs))


async def carry_out(session: Session, make_plan: Callable[[], Awaitable[Planned]]) -> int:
    """Make a plan, show it, ask, do it, and tell how it ended. Gives the exit code; of a dry run that of the plan.

    The plan is made anew where another run may have changed something between its making and the lease.
    """
    options = session.request.options
    leases = None if options.dry_run else leases_of(session)
    while True:
        with session.stop.interruptible():
            looked = await look(leases)
            planned = await make_plan()
        if options.dry_run:
            _show(session, planned, await predicted(session, planned) if options.simulate else None)
            return _plan_code(planned, options)
        await _show_and_ask(session, planned)
        async with leased(session, leases, functions := to_change(planned.plan), looked) as lease:
            if lease is not None and not lease.fresh:
                output.say("another run may have changed something meanwhile: planning again")
                with session.stop.interruptible():
                    planned = await make_plan()
                if to_change(planned.plan).keys() - functions.keys():
                    continue  # with a lease on those, too
                await _show_and_ask(session, planned)
            async with journaled(session, options.verb, len(planned.plan.units)) as (bus, state):
                tell(lease, len(functions), session, bus)
                code = await execute_planned(guarded(session, lease), planned, bus)
        tell_the_end(session, state)
        return code


def _show(session: Session, planned: Planned, prediction: Prediction | None = None) -> None:
    options = session.request.options
    output.show_plan(planned.plan, whole=options.dry_run, as_json=options.output == "json", prediction=prediction)


async def _show_and_ask(session: Session, planned: Planned) -> None:
    options = session.request.options
    _show(session, planned)
    if to_change(planned.plan):
        with session.stop.interruptible():
            await output.confirm(yes=options.yes or options.sandbox)


@asynccontextmanager
async def journaled(
    session: Session, verb: str, units: int, *, resumes: str = ""
) -> AsyncIterator[tuple[Bus, RunState]]:
    """Begin a run: its journal, its displays. What happens in it is told to the bus, and folds into the state."""
    options = session.request.options
    started = RunStarted(
        at=session.world.clock(),
        run_id=session.run_id,
        verb=verb,
        endpoint=session.endpoint,
        manifest=str(options.config),
        units=units,
        program=__version__,
        resumes=resumes,
    )
    state = RunState()
    with open_store(session.request.state_dir) as store:
        async with output.displays(session.run_id, units, state, options, session.redactor) as listeners:
            bus = Bus(store.start_run(started), state, listeners, clean=session.redactor.event)
            bus(started)
            try:
                yield bus, state
            finally:
                _keep_knowledge(store, session)


def _keep_knowledge(store: Store, session: Session) -> None:
    try:
        store.learn(session.endpoint, session.world.knowledge.to_json(), session.world.clock())
    except JournalError as error:
        output.warn(f"what was learned in this run is not kept: {error.message}")


async def execute_planned(
    session: Session, planned: Planned, bus: Bus, *, settled: Mapping[str, Outcome] = MappingProxyType({})
) -> int:
    """Do a plan and end its run. `settled`: outcomes that are known already. Gives the exit code."""
    world, rollout = session.world, planned.rollout
    if rollout.on_breach != "stop" and rollout.max_failures is not None:
        output.warn(f'on_breach = "{rollout.on_breach}" is not there yet: too many failures stop the run')
    announce(bus, planned, world.clock())
    for key, outcome in settled.items():
        bus(UnitEnded(world.clock(), key, outcome))
    result = await execute(planned.plan, planned.live, world, bus, session.stop, rollout=rollout)
    outcomes = {**result.outcomes, **settled}
    interrupted = result.interruption is not None or session.stop.reason not in ("", result.breach)
    code = exit_code(outcomes.values(), interrupted=interrupted)
    try:
        bus(RunEnded(world.clock(), int(code), session.stop.reason))
    except JournalError as error:
        output.warn(error.message)
    if result.interruption is not None:
        output.say(f"stopped: {result.interruption.message}")
        if result.interruption.advice:
            output.say(result.interruption.advice)
    return code


def _plan_code(planned: Planned, options: RunOptions) -> int:
    if not options.detailed_exitcode:
        return Exit.DONE
    actions = {unit.action for unit in planned.plan.units}
    if Action.BLOCKED in actions:
        return Exit.FAILED
    return CHANGED if actions - {Action.UNCHANGED} else Exit.DONE


def announce(bus: Bus, planned: Planned, at: float) -> None:
    """Write down what the plan says of each function, and what was live before it is touched."""
    for unit in planned.plan.units:
        base = planned.live.versions.get(unit.base_version_id or "")
        before = remembered(base) if base is not None and unit.action is not Action.UNCHANGED else {}
        bus(unit_planned(at, unit, before))
        for step, took_s in planned.sources.seconds.get(unit.key, {}).items():
            bus(StepFinished(at, unit.key, step, took_s, step is not unit.failed_step))


def tell_the_end(session: Session, state: RunState) -> None:
    """Show what became of every function, and how to go on where there is something to go on with."""
    try:
        output.show_result(state, as_json=session.request.options.output == "json")
    except OrchestratorError as error:  # the exit code speaks of the run, whatever becomes of its table
        output.warn(f"{error.message}; {error.advice}")
    if state.exit_code == Exit.INTERRUPTED or state.outcomes.get("cancelled"):
        output.say("`orchestrator resume` goes on: what was asked for already is found, not asked for again")
