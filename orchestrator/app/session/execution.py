"""Executing a plan: its run in the journal, and its observed result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import structlog

from orchestrator import __version__
from orchestrator.app.session.back import plan_back
from orchestrator.app.session.cut_off import start_run
from orchestrator.app.session.identity import next_step
from orchestrator.app.session.leasing import to_change
from orchestrator.app.session.notices.notifying import notified
from orchestrator.app.session.options import ROLLBACK
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.records.recording import Recorder, recorded
from orchestrator.app.session.session import Session, new_run_id
from orchestrator.engine.bus import Bus, Listener
from orchestrator.engine.run import execute
from orchestrator.engine.verdicts import NOTHING_BEFORE, Before, exit_code, rolled_back_code
from orchestrator.errors import Exit, JournalError, OrchestratorError
from orchestrator.journal.events import Event, RunEnded, RunStarted, StepFinished, UnitEnded, unit_planned
from orchestrator.journal.identity import Selection
from orchestrator.journal.kept.trees import keep_trees
from orchestrator.journal.rollout_events import RollbackBegun
from orchestrator.journal.runs import RolloutState
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, has_journal, open_store
from orchestrator.model import Action, Failed, Outcome, PackedFiles, Plan, Rollout
from orchestrator.model.live_state import UNKNOWN_CLOUD, remembered
from orchestrator.report.display.displays import displays
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.telemetry.sending import telemetry
from orchestrator.report.telemetry.signals import About
from orchestrator.report.views import CommandResult, PlanView, ResultView
from orchestrator.resilience.stop import StoppedError
from orchestrator.version.adoption import NOTHING, Adoption

# Actions that do not need what was live before.
_UNTOUCHED = (Action.UNCHANGED, Action.PRUNE)


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
    approves: str = "",
    canary: int = 0,
    disabled: int = 0,
    left_out: int = 0,
    rollout: Rollout | None = None,
) -> AsyncIterator[tuple[Bus, RunState, Recorder | None]]:
    """Begin a run: its journal, displays and record. Events fold into the state, of the whole chain from `before` on.
    `rolls_back`: the ID of the run that it undoes. `approves`: the ID of the paused run that it continues. `canary`,
    `disabled`, `left_out`: see `RunStarted`. `rollout`: that of the plan; a chain keeps the one of its first run.
    """
    then = RolloutState() if before is None else before.rollout
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
        approves=approves,
        canary=canary,
        disabled=disabled,
        left_out=left_out,
        waves=rollout.waves if rollout is not None else then.waves,
        max_failures=rollout.max_failures if rollout is not None else then.max_failures,
    )
    own, clean = RunState(), session.messages.outlet.redactor.event
    chain = own if before is None else before
    with open_store(session.request.state_dir) as store:
        shown = displays(
            session.messages, session.run_id, own, units=units, events=options.events, outlook=session.outlook,
            follows=options.follows,
        )  # fmt: skip
        taken_back, sent = store.chain(rolls_back) if rolls_back else (), _reported(session, chain)
        async with recorded(session, tuple(chain.chain), taken_back) as recorder, shown as listeners, sent as others:
            first = (before.apply if before is not None else None), recorder
            listeners[:0] = [one for one in first if one is not None]
            bus = Bus(start_run(store, started, options), own, [*listeners, *others], clean=clean)
            bus(started)
            session.begun.extend([] if options.follows else [session.run_id])
            try:
                yield bus, chain, recorder
            finally:
                _keep_knowledge(store, session)


@asynccontextmanager
async def _reported(session: Session, chain: RunState) -> AsyncIterator[Sequence[Listener]]:
    """Yield the listeners that report a run elsewhere: notifications and telemetry."""
    about = About(session.run_id, __version__, session.request.identity.environment)
    sent = telemetry(session.messages, about, session.request.environ, lambda: bool(session.stop.called_off))
    async with notified(session, chain) as notifiers, sent as exporters:
        yield (*notifiers, *exporters, partial(_note_end, session))


def _note_end(session: Session, event: Event) -> None:
    if isinstance(event, RunEnded):
        session.ended.append(session.run_id)


def _keep_knowledge(store: Store, session: Session) -> None:
    """Store what was learned, and prune old runs."""
    now = session.world.clock()
    try:
        store.learn(session.endpoint, session.world.knowledge.to_json(), now)
        gone = store.prune(now)
    except JournalError as error:
        session.messages.warn(f"could not store what was learned in this run: {error.message}")
        return
    if gone:
        structlog.get_logger().info("old runs pruned", runs=len(gone), oldest=gone[-1], newest=gone[0])


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs have finished: the outcomes, and what counts of them against a budget."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    before: Before = NOTHING_BEFORE

    def and_settled(self, outcomes: Mapping[str, Outcome]) -> Before:
        """Return what counts, with the calls of earlier runs that were seen to end since."""
        before = self.before
        failed = [key for key, outcome in outcomes.items() if isinstance(outcome, Failed)]
        at = (*before.failed_at, *(before.turns.get(key, 0) for key in failed))
        number, touched = before.failed + len(failed), before.touched or bool(failed)
        return replace(before, failed=number, units=before.units + len(outcomes), failed_at=at, touched=touched)


async def execute_planned(
    session: Session,
    planned: Planned,
    bus: Bus,
    recorder: Recorder | None,
    chain: RunState,
    *,
    settled: Mapping[str, Outcome] = MappingProxyType({}),
    earlier: Earlier | None = None,
    finish: Callable[[Exit], Awaitable[Exit]] | None = None,
) -> int:
    """Execute a plan and end its run, which is the last of its `chain`; a rollback after a breach is a run of its own
    before that. `settled`: outcomes that are known already. `finish`: called last with the exit code so far, and
    returns the final one. Return the exit code of the chain.
    """
    world, rollout = session.world, planned.rollout
    earlier = earlier or Earlier()
    session.outlook.plan(planned.plan.units, planned.live.clouds, rollout)
    for event in planned.reported:
        bus(event)
    _announce(bus, planned, world.clock())
    keep_trees(session.request.state_dir, _packed(planned.plan), world.clock())
    for key, outcome in settled.items():
        bus(UnitEnded(world.clock(), key, outcome))
    before = earlier.and_settled(settled)
    if recorder is not None and (settled or planned.rolls_back or to_change(planned.plan)):
        await recorder.begin()
    result = await execute(
        planned.plan, planned.live, world, bus, session.stop, chain=chain, rollout=rollout, before=before,
        back=planned.back,
    )  # fmt: skip
    outcomes = {**earlier.outcomes, **result.outcomes, **settled}
    interrupted = result.interruption is not None or session.stop.reason not in ("", result.breach)
    judged = {"breached": bool(before.breach or bus.state.breach), "paused": result.paused is not None}
    judged |= {"lost": bool(session.stop.lost), "unwritten": result.unwritten}
    code = exit_code(outcomes.values(), interrupted=interrupted, **judged)
    if chain.owes_rollback:
        may = not (result.interruption or session.stop.lost or session.stop.called_off)
        code = await _roll_back(session, chain, bus, recorder) if may else Exit.INTERRUPTED
    code = await (finish or _as_it_is)(code)
    try:
        bus(RunEnded(world.clock(), int(code), session.stop.reason or result.breach))
    except JournalError as error:
        code = Exit.INTERRUPTED
        if not result.unwritten:
            session.messages.warn(error.message)
    if result.interruption is not None and code != Exit.INTERRUPTED:
        session.messages.mention(f"at the end, with nothing left to do: {result.interruption.message}")
    elif result.interruption is not None:
        session.messages.say(f"stopped: {result.interruption.message}")
        if result.interruption.advice:
            session.messages.say(result.interruption.advice)
    return code


async def _as_it_is(code: Exit) -> Exit:
    return code


async def _roll_back(session: Session, chain: RunState, bus: Bus, recorder: Recorder | None) -> Exit:
    """Roll back the changes of a chain of runs, in a run of its own under the same lease. Return the exit code of the
    chain.
    """
    with open_store(session.request.state_dir, read_only=True) as store:
        begun = store.rollback_of(chain)
    back = following(session, ROLLBACK)
    try:
        bus(RollbackBegun(back.world.clock(), back.run_id, chain.breach))
        if recorder is not None:
            await recorder.write()
        session.messages.say(f"rolling back run {chain.run_id}: {chain.breach}")
        with back.stop.interruptible():
            planned = await plan_back(back, chain, bus, begun=begun)
        session.messages.plan(PlanView(planned.plan, back=True))
        units, clouds = len(planned.plan.units) + len(planned.settled), planned.live.clouds.values()
        async with journaled(back, units, clouds, before=begun, rolls_back=chain.run_id) as (own, state, its_record):
            code = await execute_planned(back, planned, own, its_record, state, settled=planned.settled)
    except StoppedError:
        return Exit.INTERRUPTED
    except OrchestratorError as error:
        session.messages.warn(f"the rollback could not start: {error.message}")
        return Exit.INTERRUPTED
    return rolled_back_code(code)


def following(session: Session, verb: str) -> Session:
    """Return the session of a follow-up run of this verb. It has its own stop and outlook, and the scope of the first
    run.
    """
    request, run_id = session.request, new_run_id()
    options = replace(
        request.options, verb=verb, job="", patterns=(), labels=(), failed=False, undone=False, follows=True
    )
    identity = replace(request.identity, selection=Selection())
    return replace(
        session,
        request=replace(request, options=options, identity=identity, left=None),
        world=replace(session.world, run_id=run_id),
        stop=session.stop.successor(),
        run_id=run_id,
        outlook=Outlook(session.world.knowledge.durations),
    )


def _announce(bus: Bus, planned: Planned, at: float) -> None:
    """Record what the plan says of each function, and what is live before any change."""
    for unit in planned.plan.units:
        base = planned.live.versions.get(unit.base_version_id or "")
        before = remembered(base) if base is not None and unit.action not in _UNTOUCHED else {}
        bus(unit_planned(at, unit, before))
        for step, took_s in planned.sources.seconds.get(unit.key, {}).items():
            bus(StepFinished(at, unit.key, step, took_s, step is not unit.failed_step))


def _packed(plan: Plan) -> dict[str, PackedFiles]:
    """Return the files of the packages that are live after a plan, by the digests of their code."""
    return {unit.fingerprint.code: unit.tree.files for unit in plan.units if unit.fingerprint and unit.tree}


def result_of(session: Session, code: int, state: RunState) -> CommandResult:
    """Return the outcome of every function, and how to continue if there is something left."""
    kept = session.world.storage.bucket is not None or has_journal(session.request.state_dir)
    with open_store(session.request.state_dir, read_only=True) as store:
        back = store.rollback_of(state)
    incomplete, then = tuple(session.messages.incomplete), next_step(state, kept=kept)
    timings = session.request.options.timings
    view = ResultView(state, timings=timings, back=back, warnings=incomplete, next_step=then)
    return CommandResult(code, view, then, has_run=True)
