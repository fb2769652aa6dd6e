"""A whole run: one coroutine per admitted unit in one task group, then the read-back of the live state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from orchestrator.engine import verdicts
from orchestrator.engine.attempts import Attempts
from orchestrator.engine.breaker import Breaker
from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import Calls
from orchestrator.engine.changing.changes import Changes
from orchestrator.engine.changing.code import CodeOf
from orchestrator.engine.changing.going_back import GoingBack
from orchestrator.engine.changing.new_version import NewVersions, kind_of
from orchestrator.engine.changing.verify import CallsAtOnce, Verifier
from orchestrator.engine.knowledge import find_limits
from orchestrator.engine.progress import Result, RunProgress
from orchestrator.engine.quotas.limit import Limit
from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import LimitKey, Slots
from orchestrator.engine.read_back import read_back
from orchestrator.engine.spreading.gate import Gates, Judging
from orchestrator.engine.spreading.members import Members
from orchestrator.engine.spreading.waves import Waves
from orchestrator.engine.steps import Steps
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.tracking.tracker import Tracker
from orchestrator.engine.unit import Deployer
from orchestrator.engine.world import World
from orchestrator.errors import InterruptedRunError, JournalError
from orchestrator.journal.condition_events import LimitChanged, LongWait, OutageBegan, OutageEnded, SlotRefused
from orchestrator.journal.events import Event
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Failed, Outcome, Plan, Rollout, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.stages import Staging, second_stage, staging_of
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop

_AT_ONCE = Rollout()
ADMITTED_INLINE_MAX = 48  # without a bucket: each unit holds its package, up to 3.5 MB, plus its base64 form
ADMITTED_MAX = 512  # units that have a coroutine: packaging and uploads run this far ahead of the slots
_ASK_S = 5.0  # to wait for quota-manager's answer
REQUESTS_PER_SECOND = 20.0  # initial rate; the real limit is not published (cloud-api#quotas)
_FASTEST = 100.0  # requests a second, if nothing was declared and nothing refused


def listen(world: World, emit: Emit, stop: Stop) -> None:
    """Report outages and long waits, and let a stop shorten them."""
    stop.heard = world.outage.hurry
    world.outage.changed = lambda why, seconds: emit(
        OutageBegan(world.clock(), why) if why else OutageEnded(world.clock(), seconds)
    )
    world.outage.waits = lambda seconds, why: emit(LongWait(world.clock(), seconds, why))


async def execute(
    plan: Plan,
    live: LiveState,
    world: World,
    emit: Emit,
    stop: Stop,
    *,
    chain: RunState,
    rollout: Rollout = _AT_ONCE,
    before: verdicts.Before = verdicts.NOTHING_BEFORE,
    back: bool = False,
) -> Result:
    """Carry out a plan, wave after wave. A unit's failure is its outcome; only a bug raises.

    `chain`: the state of this run and all runs that it resumes; `emit` folds into it. `before`: what counts from the
    earlier runs. `back`: this run is a rollback, so only a person or an unreachable cloud stops it.
    """
    listen(world, emit, stop)
    changes = sum(unit.action is not Action.UNCHANGED for unit in plan.units)
    admitted = ADMITTED_MAX if world.store is not None else ADMITTED_INLINE_MAX
    tally = verdicts.Tally(changes, rollout.max_failures, before)
    left = {unit.key: unit for unit in plan.units if unit.action is not Action.UNCHANGED}
    # A declared limit takes precedence: nothing stops the run earlier.
    on = rollout.max_failures is None and not back
    breaker = Breaker({key: unit.spec.folder_id for key, unit in left.items()}, on=on)

    def heard(event: Event) -> None:
        emit(event)
        breaker.hear(event)
        run.members.hear(event)

    unwritten = False
    run = RunProgress(world, heard, stop, anyio.Semaphore(admitted), tally, breaker, left, rollout, Members(before))
    run.expect_canaries(plan)
    try:
        run.begin()
        with ungrouped(JournalError), stop.whole_run:
            async with anyio.create_task_group() as background:
                calls = run.calls = await _calls(world, live if changes else LiveState(), heard, stop, background)
                try:
                    await _all_units(plan, live, run, calls, chain, staging_of(rollout, back=back))
                finally:
                    world.knowledge.learn(calls.slots, calls.pace)
                    run.held = calls.slots.statistics().held
                background.cancel_scope.cancel()
            run.pause_for_breach()
            if not run.is_gate_left:
                made = Plan(tuple(run.again.get(unit.key, unit) for unit in plan.units))
                run.seen(await read_back(world, made, live, run.outcomes, run.passed))
        for unit in plan.units:
            if unit.key not in run.outcomes:
                run.end(unit, run.cut_off(unit, stop.reason))
    except JournalError as broken:
        # Nothing may be sent to the cloud that is not written down first.
        unwritten = True
        run.break_off(InterruptedRunError(broken.message, advice=broken.advice))
        for unit in plan.units:
            if unit.key not in run.outcomes:
                run.outcomes[unit.key] = run.cut_off(unit, broken.message)
    return Result(run.outcomes, run.interruption, tally.breach or run.given_up(), run.held, run.paused, unwritten)


def _settled(plan: Plan, run: RunProgress) -> list[Unit]:
    """Settle the units with nothing to do. Returns the others."""
    todo: list[Unit] = []
    for unit in plan.units:
        settled = verdicts.settled(unit)
        if settled is not None:
            if isinstance(settled, Failed):
                before = run.tally.before  # a chain keeps the waves of its first run
                turn = before.turns.get(unit.key) or before.in_waves or len(todo) + 1
                run.tally.unprepared_at.append(turn)
            run.end(unit, settled)
        else:
            todo.append(unit)
    return todo


async def _all_units(
    plan: Plan, live: LiveState, run: RunProgress, calls: Calls, chain: RunState, staging: Staging
) -> None:
    """Settle the units with nothing to do, then carry out the others, stage by stage."""
    todo, rollout = _settled(plan, run), run.rollout
    attempts = Attempts(calls, live)
    verifier = Verifier(calls, CallsAtOnce(rollout.verify_at_once), live, run.passed)
    deployer = Deployer(Changes(attempts, NewVersions(attempts, run.again), verifier), CodeOf(calls))
    back = GoingBack(run, deployer, chain)
    expected_s = _expectations(run.world)
    left_s = calls.slots.left_s

    def begin(wave: Sequence[Unit]) -> None:
        for unit in wave:
            left_s[unit.spec.folder_id] += expected_s(unit)

    async def first(unit: Unit) -> Outcome | None:
        try:
            ended = await run.carry_out(deployer, unit, slice(0, second_stage(unit, staging)))
            return await back.after(unit, ended)
        finally:
            left_s[unit.spec.folder_id] -= expected_s(unit)

    async def second(unit: Unit) -> Outcome | None:
        return await run.carry_out(deployer, unit, slice(second_stage(unit, staging), None))

    async def again(unit: Unit) -> Outcome | None:
        stage = slice(0, second_stage(unit, staging))
        return await back.after(unit, await run.verify_again(deployer, unit, stage))

    run.members.place(todo)
    gates = Gates(rollout.gate, run) if rollout.gate is not None else None
    waves = Waves(rollout, run, expected_s, first, again, gates, run.canary)
    if staging is Staging.WHOLE:
        await waves.go(todo, begin)
        return
    await replace(waves, rollout=_AT_ONCE, gates=None, canary=0).go(todo, begin)
    left = [unit for unit in todo if unit.key in run.made]
    if staging is Staging.TWO_PHASE and len(left) < len(todo):  # nothing failed: for example, some units were cut off
        run.stop.request(f"two_phase: {len(todo) - len(left)} of {len(todo)} functions are not ready: no tag moves")
    if staging is Staging.TWO_PHASE and gates is not None and not run.stop.reason:
        await gates.judge(Judging(0, 1, 0, len(run.members.turns)))
    last = replace(waves, carry_out=second, gates=None)
    if staging is not Staging.TWO_PHASE:
        last = replace(last, rollout=_AT_ONCE, canary=0)
    await last.go(left, lambda _wave: None)


def _expectations(world: World) -> Callable[[Unit], float]:
    """Return a function that estimates how long a unit's Operations take, in seconds, from what earlier runs
    learned.
    """
    mean_s = {kind: world.knowledge.durations.of(kind).mean_s for kind in Kind}

    def expected_s(unit: Unit) -> float:
        if unit.action is Action.PRUNE:
            return len(unit.changes) * mean_s[Kind.DELETE]
        return mean_s[kind_of(unit)] + (unit.action is Action.CREATE) * mean_s[Kind.FUNCTION]

    return expected_s


async def _calls(world: World, live: LiveState, emit: Emit, stop: Stop, background: TaskGroup) -> Calls:
    slots, pace = await _slots(world, live, emit), _pace(world)
    tracker = Tracker(world, background=background, waiting=slots.has_waiters)
    return Calls(world, emit, stop, slots, pace, tracker, background, Steps(emit, world.clock))


async def _slots(world: World, live: LiveState, emit: Emit) -> Slots:
    """Find out how many Operations may be unfinished, and report it."""

    def report(key: LimitKey, allowed: int, reason: str) -> None:
        cloud_id = live.clouds.get(key.id, "") if key.kind == "folder" else ""
        emit(LimitChanged(world.clock(), f"{key.kind} {key.id}", allowed, reason, cloud_id))

    def refused(key: LimitKey, held: int) -> None:
        emit(SlotRefused(world.clock(), f"{key.kind} {key.id}", held))

    found: dict[LimitKey, Limit] = {}
    with anyio.move_on_after(_ASK_S):
        found = await find_limits(world.directory, live.clouds, world.limits, world.knowledge)
    for key, limit in found.items():
        report(key, limit.allowed, limit.source)
    return Slots(world.limits, found, world.rng, report, refused)


def _pace(world: World) -> Pace:
    """Start at the learned rate. A declared rate is never exceeded: the cloud does not report what it admits."""
    declared = world.limits.requests_per_second
    if declared is not None:
        return Pace(declared)
    return Pace(world.knowledge.requests_per_second or REQUESTS_PER_SECOND, most=_FASTEST)
