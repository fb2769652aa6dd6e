"""A plan shown, carried out, and its result as it was observed: what `deploy`, `plan`, `run` and `resume` share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType

from orchestrator import __version__
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import guarded, leased, leases_of, look, tell, to_change
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.planning import Planned, plan_functions, predicted, selected
from orchestrator.app.session.selecting import endpoint_of
from orchestrator.app.session.session import Session, hold_lock, open_session, read_request
from orchestrator.engine.bus import Bus
from orchestrator.engine.run import execute
from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import Exit, JournalError
from orchestrator.journal.events import RunEnded, RunStarted, StepFinished, UnitEnded, unit_planned
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Action, Outcome, Prediction, SourceCode
from orchestrator.model.live_state import remembered
from orchestrator.report.displays import confirm, displays
from orchestrator.report.views import CommandResult, PlanView, ResultView

_CHANGED = 2  # `plan --detailed-exitcode`: there are changes


async def deploy_selected(invocation: Invocation) -> CommandResult:
    """Carry out, or plan, what the manifest declares of the functions that the options select."""
    options = invocation.options
    with invocation.stop.interruptible():
        request = read_request(invocation)
        specs = selected(request, endpoint_of(options, request.manifest))
        builds = any(isinstance(spec.code, SourceCode) and spec.code.build for spec in specs.values())
        if builds or options.sandbox or not options.dry_run:  # a plan that only reads may be made beside a run
            await hold_lock(invocation, request)
        session = await open_session(invocation, request)
    return await carry_out(session, partial(plan_functions, session, specs))


async def carry_out(session: Session, make_plan: Callable[[], Awaitable[Planned]]) -> CommandResult:
    """Make a plan, show it, ask, do it. Gives what became of it; of a dry run the plan.

    The plan is made again where another run may have changed something between its making and the lease.
    """
    options = session.request.options
    leases = None if options.dry_run else leases_of(session)
    while True:
        with session.stop.interruptible():
            looked = await look(leases)
            planned = await make_plan()
        if options.dry_run:
            prediction = await predicted(session, planned) if options.simulate else None
            return CommandResult(_plan_code(planned, options), _view(planned, options, prediction))
        await _show_and_ask(session, planned)
        async with leased(session, leases, functions := to_change(planned.plan), looked) as lease:
            if lease is not None and not lease.fresh:
                session.messages.say("another run may have changed something meanwhile: planning again")
                with session.stop.interruptible():
                    planned = await make_plan()
                if to_change(planned.plan).keys() - functions.keys():
                    continue  # with a lease on those, too
                await _show_and_ask(session, planned)
            async with journaled(session, options.verb, len(planned.plan.units)) as (bus, state):
                tell(lease, len(functions), session, bus)
                code = await execute_planned(guarded(session, lease), planned, bus)
        return result_of(code, state)


async def _show_and_ask(session: Session, planned: Planned) -> None:
    options = session.request.options
    session.messages.plan(_view(planned, options))
    if to_change(planned.plan):
        with session.stop.interruptible():
            await confirm(yes=options.yes or options.sandbox)


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
        shown = displays(
            session.messages, session.run_id, state, units=units, events=options.events, redactor=session.redactor
        )
        async with shown as listeners:
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
        session.messages.warn(f"what was learned in this run is not kept: {error.message}")


async def execute_planned(
    session: Session, planned: Planned, bus: Bus, *, settled: Mapping[str, Outcome] = MappingProxyType({})
) -> int:
    """Do a plan and end its run. `settled`: outcomes that are known already. Gives the exit code."""
    world, rollout = session.world, planned.rollout
    _announce(bus, planned, world.clock())
    for key, outcome in settled.items():
        bus(UnitEnded(world.clock(), key, outcome))
    result = await execute(planned.plan, planned.live, world, bus, session.stop, rollout=rollout)
    outcomes = {**result.outcomes, **settled}
    interrupted = result.interruption is not None or session.stop.reason not in ("", result.breach)
    code = exit_code(outcomes.values(), interrupted=interrupted, lost=bool(session.stop.lost))
    try:
        bus(RunEnded(world.clock(), int(code), session.stop.reason or result.breach))
    except JournalError as error:
        session.messages.warn(error.message)
    if result.interruption is not None:
        session.messages.say(f"stopped: {result.interruption.message}")
        if result.interruption.advice:
            session.messages.say(result.interruption.advice)
    return code


def _view(planned: Planned, options: RunOptions, prediction: Prediction | None = None) -> PlanView:
    return PlanView(
        planned.plan, prediction, planned.rollout, planned.undeclared, planned.warnings, verbose=options.verbose
    )


def _plan_code(planned: Planned, options: RunOptions) -> int:
    """Say what a plan ends with: 1 where a function is blocked, else 0; with --detailed-exitcode 2 for changes."""
    actions = {unit.action for unit in planned.plan.units}
    if Action.BLOCKED in actions:
        return Exit.FAILED
    return _CHANGED if options.detailed_exitcode and actions - {Action.UNCHANGED} else Exit.DONE


def _announce(bus: Bus, planned: Planned, at: float) -> None:
    """Write down what the plan says of each function, and what was live before it is touched."""
    for unit in planned.plan.units:
        base = planned.live.versions.get(unit.base_version_id or "")
        before = remembered(base) if base is not None and unit.action is not Action.UNCHANGED else {}
        bus(unit_planned(at, unit, before))
        for step, took_s in planned.sources.seconds.get(unit.key, {}).items():
            bus(StepFinished(at, unit.key, step, took_s, step is not unit.failed_step))


def result_of(code: int, state: RunState) -> CommandResult:
    """Give what became of every function, and how to go on where there is something to go on with."""
    next_step = ""
    if state.exit_code == Exit.INTERRUPTED or state.outcomes.get("cancelled"):
        next_step = "`orchestrator resume` goes on: what was asked for already is found, not asked for again"
    return CommandResult(code, ResultView(state), next_step, has_run=True)
