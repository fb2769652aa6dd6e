"""A plan shown, carried out, and its result as it was observed: what `deploy`, `plan`, `run` and `resume` share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import anyio
import structlog

from orchestrator import __version__
from orchestrator.app.session.identity import identity_of, next_step
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import guarded, leased, leases_of, look, tell, to_change, where_to
from orchestrator.app.session.options import ROLLBACK, RunOptions
from orchestrator.app.session.planning import Planned, plan_functions, predicted, selected
from orchestrator.app.session.recording import Recorder, fetch, recorded
from orchestrator.app.session.session import Request, Session, hold_lock, open_session, read_request
from orchestrator.app.session.taking_up import Now, endpoint_of, left_by_last, left_elsewhere, with_disabled
from orchestrator.engine.bus import Bus
from orchestrator.engine.run import execute
from orchestrator.engine.verdicts import NOTHING_BEFORE, Before, exit_code
from orchestrator.errors import Exit, JournalError
from orchestrator.job.binding import Binding
from orchestrator.journal.events import RunEnded, RunStarted, StepFinished, UnitEnded, unit_planned
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, has_journal, open_store
from orchestrator.model import Action, Failed, Outcome, Plan, Prediction, SourceCode
from orchestrator.model.live_state import UNKNOWN_CLOUD, remembered
from orchestrator.report.displays import builds_shown, confirm, displays
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, PlanView, ResultView
from orchestrator.version.adoption import NOTHING, Adoption

_CHANGED = 2  # `plan --detailed-exitcode`: there are changes


async def deploy_selected(invocation: Invocation) -> CommandResult:
    """Carry out, or plan, what the manifest declares of the functions that the options select."""
    options = invocation.options
    with invocation.stop.interruptible():
        request = read_request(invocation)
        specs = None if options.failed or options.undone else selected(request)  # what is wrong is told first
        if alone := options.sandbox or not options.dry_run:  # a plan that only reads may be made beside a run
            await hold_lock(invocation, request)
        request = await about(invocation, request)
        if (nothing := nothing_left(invocation, request)) is not None:
            return nothing
        specs = selected(request) if specs is None else specs
        others = sum(bool(spec.mistakes) for key, spec in request.manifest.functions.items() if key not in specs)
        if others:
            found = f"mistakes in {counted(others, 'function')} that this run is not about"
            invocation.messages.mention(f"{found}: `orchestrator validate` tells them")
        if not alone and any(isinstance(spec.code, SourceCode) and spec.code.build for spec in specs.values()):
            await hold_lock(invocation, request)
        session = await open_session(invocation, request)
    return await carry_out(session, partial(plan_functions, session, specs))


async def about(invocation: Invocation, request: Request, binding: Binding | None = None) -> Request:
    """Say what a run with these options is about, and what --failed or --undone selects: of the journal, and of the
    bucket's records.

    Raises `UsageError` where the last run was about something else.
    """
    options = request.options
    identity = identity_of(options, request.manifest, binding)
    request = replace(request, identity=identity)
    option = identity.selection.left_by
    if not option:
        return request
    about_now = with_disabled(identity, request.manifest)
    now = Now(options.verb, endpoint_of(options, request.manifest), about_now, request.state_dir, option)
    await fetch(invocation)  # what another machine has left, or given up, counts as well
    return replace(request, left=left_by_last(options, now))


def nothing_left(invocation: Invocation, request: Request) -> CommandResult | None:
    """Say so where --failed or --undone selects nothing, and give the result; None where there is something."""
    left = request.left
    if left is None or left.units:
        return None
    invocation.messages.say(left.said)
    if request.options.dry_run:
        return CommandResult(Exit.DONE, PlanView(Plan(())))
    return CommandResult(left.exit)


async def carry_out(session: Session, make_plan: Callable[[], Awaitable[Planned]]) -> CommandResult:
    """Make a plan, show it, ask, do it. Gives what became of it; of a dry run the plan.

    The plan is made again where another run may have changed something between its making and the lease.
    """
    request, options = session.request, session.request.options
    leases = None if options.dry_run else leases_of(session)
    alone = options.dry_run or options.verb == ROLLBACK
    if not alone and (left := left_elsewhere(request.state_dir, session.endpoint, request.identity)):
        session.messages.mention(left)
    planned_s = 0.0

    async def plan() -> Planned:
        nonlocal planned_s
        began_at = anyio.current_time()
        with session.stop.interruptible():
            async with builds_shown(session.messages):
                made = await make_plan()
        planned_s += anyio.current_time() - began_at
        return made

    while True:
        with session.stop.interruptible():
            looked = await look(leases)
        planned = await plan()
        if options.dry_run:
            prediction = await predicted(session, planned) if options.simulate else None
            return CommandResult(_plan_code(planned, options), _view(planned, options, prediction))
        await _show_and_ask(session, planned)
        async with leased(session, leases, functions := to_change(planned.plan), looked) as lease:
            if lease is not None and not lease.fresh:
                session.messages.say("another run may have changed something meanwhile: planning again")
                planned = await plan()
                if to_change(planned.plan).keys() - functions.keys():
                    continue  # with a lease on those, too
                await _show_and_ask(session, planned)
            clouds, units = planned.live.clouds.values(), len(planned.plan.units) + len(planned.settled)
            begun = journaled(
                session, units, clouds, adopt=planned.adopt, planned_s=planned_s, rolls_back=planned.rolls_back
            )
            async with begun as (bus, state, recorder):
                tell(lease, len(functions), session, bus)
                within = guarded(session, lease)
                code = await execute_planned(within, planned, bus, recorder, settled=planned.settled)
        return result_of(session, code, state)


async def _show_and_ask(session: Session, planned: Planned) -> None:
    options = session.request.options
    session.messages.plan(_view(planned, options))
    if planned.back and not to_change(planned.plan):
        return
    if session.world.storage.bucket is None and not options.sandbox and to_change(planned.plan):
        session.messages.mention("without a bucket ([storage] bucket) this machine alone can take the run up again")
    if to_change(planned.plan):
        with session.stop.interruptible():
            await confirm(
                session.messages, where_to(session, planned), yes=options.yes or options.sandbox, back=planned.back
            )


@asynccontextmanager
async def journaled(
    session: Session,
    units: int,
    clouds: Iterable[str],
    *,
    before: RunState | None = None,
    adopt: Adoption = NOTHING,
    planned_s: float = 0.0,
    rolls_back: str = "",
) -> AsyncIterator[tuple[Bus, RunState, Recorder | None]]:
    """Begin a run: its journal, its displays, its record in the bucket. What happens in it is told to the bus, and
    folds into the state: of the whole chain where it takes up what is left of a run `before`. `rolls_back`: the id of
    the run that it takes back.
    """
    options, identity = session.request.options, session.request.identity
    started = RunStarted(
        at=session.world.clock(),
        run_id=session.run_id,
        verb=before.verb if before is not None else options.verb,
        endpoint=session.endpoint,
        manifest=before.manifest if before is not None else str(options.config),
        units=units,
        program=__version__,
        resumes=before.run_id if before is not None else "",
        adopt=adopt.texts(),
        skips=options.skips,
        planned_s=round(planned_s, 3),
        identity=replace(identity, clouds=tuple(sorted({*identity.clouds, *clouds} - {UNKNOWN_CLOUD}))),
        rolls_back=rolls_back,
    )
    own = RunState()
    chain = own if before is None else before
    with open_store(session.request.state_dir) as store:
        shown = displays(
            session.messages, session.run_id, own, units=units, events=options.events, outlook=session.outlook
        )
        async with recorded(session) as recorder, shown as listeners:
            if recorder is not None:
                listeners.insert(0, recorder)
            if before is not None:
                listeners.insert(0, before.apply)
            bus = Bus(store.start_run(started), own, listeners, clean=session.messages.outlet.redactor.event)
            bus(started)
            try:
                yield bus, chain, recorder
            finally:
                _keep_knowledge(store, session)


def _keep_knowledge(store: Store, session: Session) -> None:
    """Keep what was learned, and let old runs go."""
    now = session.world.clock()
    try:
        store.learn(session.endpoint, session.world.knowledge.to_json(), now)
        gone = store.prune(now)
    except JournalError as error:
        session.messages.warn(f"what was learned in this run is not kept: {error.message}")
        return
    if gone:
        structlog.get_logger().info("old runs pruned", runs=len(gone), oldest=gone[-1], newest=gone[0])


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the runs before have brought to an end already: the outcomes, and what counts of them against a budget."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    before: Before = NOTHING_BEFORE

    def and_settled(self, outcomes: Mapping[str, Outcome]) -> Before:
        """Count in what was asked for by the runs before, and has been seen to end since."""
        before = self.before
        failed = [key for key, outcome in outcomes.items() if isinstance(outcome, Failed)]
        at = (*before.failed_at, *(before.turns.get(key, 0) for key in failed))
        return replace(before, failed=before.failed + len(failed), units=before.units + len(outcomes), failed_at=at)


async def execute_planned(
    session: Session,
    planned: Planned,
    bus: Bus,
    recorder: Recorder | None,
    *,
    settled: Mapping[str, Outcome] = MappingProxyType({}),
    earlier: Earlier | None = None,
) -> int:
    """Do a plan and end its run. `settled`: outcomes that are known already. Gives the exit code, of the chain."""
    world, rollout = session.world, planned.rollout
    earlier = earlier or Earlier()
    session.outlook.plan(planned.plan.units, planned.live.clouds, rollout)
    for event in planned.told:
        bus(event)
    _announce(bus, planned, world.clock())
    for key, outcome in settled.items():
        bus(UnitEnded(world.clock(), key, outcome))
    before = earlier.and_settled(settled)
    if recorder is not None and (settled or to_change(planned.plan)):
        await recorder.begin()
    result = await execute(
        planned.plan, planned.live, world, bus, session.stop, rollout=rollout, before=before, back=planned.back
    )
    outcomes = {**earlier.outcomes, **result.outcomes, **settled}
    interrupted = result.interruption is not None or session.stop.reason not in ("", result.breach)
    breached = bool(before.breach or bus.state.breach)
    code = exit_code(outcomes.values(), interrupted=interrupted, lost=bool(session.stop.lost), breached=breached)
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
        planned.plan, prediction, planned.rollout, planned.undeclared, planned.warnings, verbose=options.verbose,
        back=planned.back,
    )  # fmt: skip


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


def result_of(session: Session, code: int, state: RunState) -> CommandResult:
    """Give what became of every function, and how to go on where there is something to go on with."""
    kept = session.world.storage.bucket is not None or has_journal(session.request.state_dir)
    view = ResultView(state, timings=session.request.options.timings)
    return CommandResult(code, view, next_step(state, kept=kept), has_run=True)
