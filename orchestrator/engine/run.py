"""A whole run: one coroutine per admitted unit in one task group, then the reading back of what is live."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
import structlog
from anyio.abc import TaskGroup

from orchestrator.engine import verdicts
from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import InFlight, Operator, StepFailedError, UnsettledError
from orchestrator.engine.knowledge import find_limits
from orchestrator.engine.quotas.limit import Limit
from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import LimitKey, Slots
from orchestrator.engine.read_back import read_back
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.tracking.tracker import Tracker
from orchestrator.engine.unit import Deployer, kind_of
from orchestrator.engine.world import World
from orchestrator.errors import Code, InterruptedRunError, JournalError
from orchestrator.journal.events import LimitChanged, OutageBegan, OutageEnded, UnitEnded, WaveStarted
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    Failed,
    Failure,
    Outcome,
    Plan,
    Rollout,
    Step,
    Unchanged,
    Unit,
    Unknown,
)
from orchestrator.model.live_state import LiveState
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError

_AT_ONCE = Rollout()
# Steps in which a call is refused at once; what fails later says something of that function alone.
_CALLS = {Step.UPLOAD, Step.FUNCTION, Step.CREATE, Step.TAG}
ADMITTED_INLINE_MAX = 48  # without a bucket: each then holds its package, up to 3.5 MB and as much again in base64
ADMITTED_MAX = 512  # units with a coroutine: packaging and uploads run this far ahead of the slots
_ASK_S = 5.0  # for quota-manager's answer
REQUESTS_PER_SECOND = 20.0  # to begin with; the real limit is not published (cloud-api §6)
_FASTEST = 100.0  # requests a second, where nothing was declared and nothing refused


@dataclass(frozen=True, slots=True)
class Result:
    """How every unit of the plan ended; `interruption` where the run could not go on by itself."""

    outcomes: dict[str, Outcome]
    interruption: InterruptedRunError | None = None
    breach: str = ""  # why too many failures stopped the run
    held: int = 0  # slots that were not given back: of Operations whose end was not seen


@dataclass(slots=True)
class _Run:
    world: World
    emit: Emit
    stop: Stop
    admission: anyio.Semaphore
    rollout: Rollout
    units: int  # that something is done for
    deployer: Deployer = field(init=False)
    slots: Slots = field(init=False)
    failed: int = 0
    held: int = 0
    breach: str = ""
    ends: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=verdicts.BREAKER))
    expected: dict[tuple[bool, Kind], float] = field(init=False)  # seconds; with a new function, and without
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    attempts: dict[str, InFlight] = field(default_factory=dict)
    interruption: InterruptedRunError | None = None

    def __post_init__(self) -> None:
        mean_s = {kind: self.world.knowledge.durations.of(kind).mean_s for kind in Kind}
        self.expected = {
            (new, kind): mean_s[kind] + new * mean_s[Kind.FUNCTION] for new in (False, True) for kind in Kind
        }

    def end(self, unit: Unit, outcome: Outcome) -> None:
        """Settle a unit: its outcome is said once here, and once more only if reading back says otherwise."""
        self.outcomes[unit.key] = outcome
        self.attempts.pop(unit.key, None)
        self.emit(UnitEnded(self.world.clock(), unit.key, outcome))
        self.ends.append(_refusal(outcome, unit))
        if isinstance(outcome, Failed) and not self.breach:
            self.failed += 1
            self.breach = verdicts.breach(self.failed, self.units, self.rollout.max_failures) or verdicts.refused_alike(
                tuple(self.ends)
            )
            if self.breach:
                self.stop.request(self.breach)

    def break_off(self, error: InterruptedRunError) -> None:
        """End the whole run: nothing can be asked of the cloud any more."""
        self.interruption = self.interruption or error
        self.stop.abandon(error.message)

    async def one(self, unit: Unit) -> None:
        structlog.contextvars.bind_contextvars(function=unit.key)
        attempt = self.attempts[unit.key] = InFlight(unit.key)
        try:
            outcome: Outcome = await self.deployer.deploy(unit, attempt)
        except StepFailedError as error:
            outcome = Failed(error.step, error.failure)
        except UnsettledError as error:
            outcome = Unknown(error.reason, attempt.operation_id, attempt.version_id)
        except StoppedError as error:
            outcome = _cut_off(attempt, str(error))
        except InterruptedRunError as error:
            self.break_off(error)
            outcome = _cut_off(attempt, error.message)
        finally:
            self.admission.release()
            self.slots.left_s[unit.spec.folder_id] -= self.expected_s(unit)
        self.end(unit, outcome)

    def expected_s(self, unit: Unit) -> float:
        """Say how long a unit's Operations will take, by what was learned before this run."""
        return self.expected[unit.action is Action.CREATE, kind_of(unit)]


def listen(world: World, emit: Emit, stop: Stop) -> None:
    """Let outages be told, and a stop shorten them."""
    stop.heard = world.outage.hurry
    world.outage.changed = lambda why, seconds: emit(
        OutageBegan(world.clock(), why) if why else OutageEnded(world.clock(), seconds)
    )


async def execute(
    plan: Plan, live: LiveState, world: World, emit: Emit, stop: Stop, *, rollout: Rollout = _AT_ONCE
) -> Result:
    """Carry out a plan, wave after wave. A unit's failure is its outcome; nothing but a bug raises."""
    listen(world, emit, stop)
    changes = tuple(unit for unit in plan.units if unit.action is not Action.UNCHANGED)
    admitted = ADMITTED_MAX if world.store is not None else ADMITTED_INLINE_MAX
    run = _Run(world, emit, stop, anyio.Semaphore(admitted), rollout, len(changes))
    try:
        with ungrouped(JournalError), stop.whole_run:
            async with anyio.create_task_group() as background:
                run.slots = await _slots(world, live if changes else LiveState(), emit)
                pace = _pace(world)
                tracker = Tracker(world, background=background, waiting=run.slots.anybody_waits)
                run.deployer = Deployer(Operator(world, emit, stop, run.slots, pace, tracker, background), live)
                try:
                    await _all_waves(plan, run)
                finally:
                    world.knowledge.learn(run.slots, pace)
                    run.held = run.slots.statistics().held
                background.cancel_scope.cancel()
            for key, outcome in (await read_back(world, plan, run.outcomes)).items():
                if outcome != run.outcomes[key]:
                    run.outcomes[key] = outcome
                    emit(UnitEnded(world.clock(), key, outcome))
        for unit in plan.units:
            if unit.key not in run.outcomes:
                attempt = run.attempts.get(unit.key, InFlight(unit.key))
                run.end(unit, _cut_off(attempt, stop.reason))
    except JournalError as broken:
        # Nothing may be asked of the cloud that is not written down first.
        run.break_off(InterruptedRunError(broken.message, advice=broken.advice))
        for unit in plan.units:
            attempt = run.attempts.get(unit.key, InFlight(unit.key))
            run.outcomes.setdefault(unit.key, _cut_off(attempt, broken.message))
    return Result(run.outcomes, run.interruption, run.breach, run.held)


async def _slots(world: World, live: LiveState, emit: Emit) -> Slots:
    """Find how many Operations may be unfinished, and tell."""

    def tell(scope: LimitKey, allowed: int, reason: str) -> None:
        emit(LimitChanged(world.clock(), f"{scope.kind} {scope.id}", allowed, reason))

    found: dict[LimitKey, Limit] = {}
    with anyio.move_on_after(_ASK_S):
        found = await find_limits(world.directory, live.clouds, world.limits, world.knowledge)
    for scope, limit in found.items():
        tell(scope, limit.allowed, limit.source)
    return Slots(world.limits, found, world.rng, tell)


def _pace(world: World) -> Pace:
    """Start at the rate that was learned. What is declared is never passed: nobody tells what the cloud admits."""
    declared = world.limits.requests_per_second
    if declared is not None:
        return Pace(declared)
    return Pace(world.knowledge.requests_per_second or REQUESTS_PER_SECOND, most=_FASTEST)


async def _all_waves(plan: Plan, run: _Run) -> None:
    """Settle what needs nothing done, then start the others, with a barrier between waves."""
    todo = []
    for unit in plan.units:
        settled = _settled(unit)
        if settled is not None:
            run.end(unit, settled)
        else:
            todo.append(unit)
    ends = verdicts.wave_ends(len(todo), run.rollout.waves)
    for number, (start, end) in enumerate(pairwise((0, *ends)), start=1):
        if number > 1 and run.rollout.pause_s and not run.stop.reason:
            with suppress(StoppedError), run.stop.interruptible():
                await anyio.sleep(run.rollout.pause_s)
        if len(ends) > 1 and not run.stop.reason:
            run.emit(WaveStarted(run.world.clock(), number, len(ends), end - start))
        wave = todo[start:end]
        await _wave(wave, run)
        unknown = [unit.key for unit in wave if isinstance(run.outcomes.get(unit.key), Unknown)]
        if unknown and end < len(todo):
            names = ", ".join(unknown[:5])
            run.stop.request(f"what became of {names} of wave {number} is not known: no other wave starts")


async def _wave(units: list[Unit], run: _Run) -> None:
    """Start what takes longest first, so that the end is no long wait for one; all folders side by side."""
    folders: dict[str, list[Unit]] = {}
    for unit in units:
        folders.setdefault(unit.spec.folder_id, []).append(unit)
        run.slots.left_s[unit.spec.folder_id] += run.expected_s(unit)
    async with anyio.create_task_group() as group:
        for one in folders.values():
            group.start_soon(_folder, sorted(one, key=run.expected_s, reverse=True), run, group)


async def _folder(units: list[Unit], run: _Run, group: TaskGroup) -> None:
    for unit in units:
        await run.admission.acquire()
        if run.stop.reason:
            run.admission.release()
            run.end(unit, Cancelled(run.stop.reason))
            continue
        group.start_soon(run.one, unit)


def _refusal(outcome: Outcome, unit: Unit) -> tuple[str, str]:
    """Give the kind and the words of a refused call, but for the function's own names: those of two can be compared."""
    if not isinstance(outcome, Failed) or outcome.step not in _CALLS:
        return "", ""
    if outcome.failure.kind == Code.RESOURCE_EXHAUSTED.name:  # a quota of new functions, say: the others may go on
        return "", ""
    words = outcome.failure.message
    for own in (unit.function_id, unit.spec.name, unit.base_version_id):
        words = words.replace(own, "…") if own else words
    return outcome.failure.kind, words


def _settled(unit: Unit) -> Outcome | None:
    """Give the outcome of a unit for which nothing is done."""
    if unit.action is Action.UNCHANGED:
        return Unchanged(unit.base_version_id or "")
    if unit.action is Action.BLOCKED:
        if unit.failed_step is not None:
            return Failed(unit.failed_step, unit.failure or Failure(unit.reason))
        advice = f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""
        return Blocked(unit.reason + advice)
    return None


def _cut_off(attempt: InFlight, reason: str) -> Outcome:
    """Say what is true of a unit that had to stop where it was."""
    if attempt.operation_id or attempt.unsure:
        return Unknown(f"not seen to end: {reason}", attempt.operation_id, attempt.version_id)
    return Cancelled(reason)
