"""The outcomes of one run's units so far, and what they mean for the units that are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import structlog

from orchestrator.engine import verdicts
from orchestrator.engine.attempts import Made
from orchestrator.engine.breaker import Breaker, Opened
from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import NOTHING, Calls
from orchestrator.engine.spreading.members import Members
from orchestrator.engine.unit import Deployer, Undecided, verification_of
from orchestrator.engine.world import World
from orchestrator.errors import InterruptedRunError
from orchestrator.journal.condition_events import BreakerOpened
from orchestrator.journal.events import Breached, UnitEnded
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.runs import PAUSE
from orchestrator.model import (
    SERVES_LATEST,
    Blocked,
    Cancelled,
    Failed,
    Failure,
    Outcome,
    Plan,
    Rollout,
    Step,
    Unit,
)
from orchestrator.planning.rollout import canaries, canary_size
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True)
class Result:
    """How every unit of the plan ended. `interruption`: why the run could not continue by itself."""

    outcomes: dict[str, Outcome]
    interruption: InterruptedRunError | None = None
    breach: str = ""  # why too many failures stopped the run, or a part of it
    held: int = 0  # slots that were not released: of Operations whose end was not seen
    paused: RunPaused | None = None  # someone must let it continue
    unwritten: bool = False  # the journal cannot be written, so it does not have all outcomes


@dataclass(slots=True)
class RunProgress:
    """What the units of a run share, and their outcomes so far. `left`: units that have not ended."""

    world: World
    emit: Emit
    stop: Stop
    admission: anyio.Semaphore
    tally: verdicts.Tally
    breaker: Breaker
    left: dict[str, Unit]
    rollout: Rollout
    members: Members
    calls: Calls | None = None  # None until the limits are known
    held: int = 0
    causes: list[str] = field(default_factory=list)  # why parts of the run were given up
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    again: dict[str, Unit] = field(default_factory=dict)  # units that were decided again
    made: dict[str, Made] = field(default_factory=dict)  # the state of units that wait for the second stage
    passed: set[str] = field(default_factory=set)  # IDs of Versions that passed their verification
    undecided: dict[str, Undecided] = field(default_factory=dict)  # units to verify again at the end of the wave
    interruption: InterruptedRunError | None = None
    paused: RunPaused | None = None
    unjudged: bool = False  # the gate was cut off
    canary: int = 0  # size of the canary wave of the chain's first run
    canaries: frozenset[str] = frozenset()
    failed_touched: bool = False  # a unit failed after it was changed

    def expect_canaries(self, plan: Plan) -> None:
        """Determine which units are canaries. A chain keeps those of its first run."""
        self.canary = self.tally.before.canary or canary_size(plan, self.rollout)
        self.canaries = canaries(plan.units, self.rollout)

    def begin(self) -> None:
        """Start nothing if too much has failed before."""
        breach = self.tally.begin()
        if breach and not self.tally.before.breach:
            self._report_breach(breach)
        if breach:
            self.stop.request(breach)

    def breached(self, why: str, *, judged: bool = False) -> None:
        """Start nothing more: for good, or until someone lets it continue. `judged`: the gate decided, and not the
        number of failures, so all of the run counts as bad.
        """
        self.tally.breach = self.tally.breach or why
        self._report_breach(why, judged=judged)
        self.stop.request(why)

    def _report_breach(self, why: str, *, judged: bool = False) -> None:
        before, any_touched = self.tally.before, bool(self.members.touched) or bool(self.tally.before.turns)
        failed_touched = self.failed_touched or before.touched or (judged and any_touched)
        two_phase, on_breach = self.rollout.two_phase, self.rollout.on_breach
        then = verdicts.leads_to(on_breach, two_phase=two_phase, failed_touched=failed_touched, any_touched=any_touched)
        self.emit(Breached(self.world.clock(), why, then))

    def pause(self, why: str, wave: int, until: float = 0.0) -> None:
        """End the run here. It continues only when someone says so."""
        self.paused = RunPaused(self.world.clock(), why, wave, until)
        self.emit(self.paused)
        self.stop.request(why)

    def pause_for_breach(self) -> None:
        """Mark the run as paused if its breach leads to that."""
        begun_here = self.tally.breach and not self.tally.before.breach
        pauses = self.rollout.on_breach == PAUSE and not self.rollout.two_phase
        if pauses and begun_here and self.paused is None:
            self.pause(self.tally.breach, 0)

    def end(self, unit: Unit, outcome: Outcome) -> None:
        """Settle a unit. Its outcome is reported once here, and again only if reading back shows another one."""
        self.outcomes[unit.key] = outcome
        self.left.pop(unit.key, None)
        if isinstance(outcome, Failed):  # a unit that fails verification here may have been changed by an earlier run
            verified = outcome.step is Step.VERIFY
            self.failed_touched |= unit.key in self.members.touched or (
                verified and unit.key in self.tally.before.begun
            )
        stopped = self.tally.ended(outcome, unit.key if self._is_canary(unit) else "") or self._splits(unit, outcome)
        if stopped:  # before the outcome is reported: a kill between the two must not lose the breach
            self._report_breach(stopped)
        self.emit(UnitEnded(self.world.clock(), unit.key, outcome))
        if stopped:
            self.stop.request(stopped)
        opened = self.breaker.ended(unit, outcome, self.left.values())
        if opened is not None:
            self._close(opened)

    def _is_canary(self, unit: Unit) -> bool:
        turn = self.tally.before.turns.get(unit.key) if self.tally.before.in_waves else 0
        return 0 < turn <= self.canary if turn else unit.key in self.canaries

    def _splits(self, unit: Unit, outcome: Outcome) -> str:
        """Return why no tag moves in two phases, because this unit ended without success; "" if they may."""
        if not self.rollout.two_phase or self.tally.breach or not isinstance(outcome, Failed | Blocked):
            return ""
        what = "failed" if isinstance(outcome, Failed) else "is blocked"
        self.tally.breach = f"two_phase: {unit.key} {what}: no tag moves"
        return self.tally.breach

    def _close(self, opened: Opened) -> None:
        """Do not try calls that would only be refused."""
        lane = opened.lane
        self.causes.append(opened.cause)
        self.emit(BreakerOpened(self.world.clock(), lane.folder_id, lane.step, opened.cause, len(opened.units)))
        self.stop.close((unit.key for unit in opened.units), opened.cause)

    def given_up(self) -> str:
        """Return why parts of the run were given up, and how many functions each part had; "" if none was."""
        counts = Counter(outcome.reason for outcome in self.outcomes.values() if isinstance(outcome, Cancelled))
        left = {cause: counts[cause] for cause in self.causes}
        return "; ".join(
            f"{cause}; {count} more {'were' if count != 1 else 'was'} not tried" for cause, count in left.items()
        )

    def break_off(self, error: InterruptedRunError) -> None:
        """End the whole run: the cloud cannot be called any more."""
        self.interruption = self.interruption or error
        self.stop.abandon(error.message)

    def cut_off(self, unit: Unit, reason: str) -> Outcome:
        """Return the outcome of a unit that did not finish."""
        return verdicts.cut_off(self.calls.take(unit.key) if self.calls is not None else NOTHING, reason)

    async def carry_out(self, deployer: Deployer, unit: Unit, stage: slice) -> Outcome | None:
        """Make the changes of one unit in a stage. Returns its outcome after the last stage, None if another stage
        follows.
        """
        try:
            found = await self._carried_out(deployer, unit, stage, self.made.pop(unit.key, None))
        finally:
            self.admission.release()
        return self._settle(unit, found)

    async def verify_again(self, deployer: Deployer, unit: Unit, stage: slice) -> Outcome | None:
        """Verify a unit again, then continue with what is left of the stage; see `carry_out`.

        | the second verification | `on_inconclusive` | the unit                                  |
        | ---                     | ---               | ---                                       |
        | passed                  | any               | continues: its promoted tags move         |
        | failed                  | any               | failed                                    |
        | inconclusive            | pause             | inconclusive                              |
        | inconclusive            | fail              | failed                                    |
        | inconclusive            | pass              | continues; its verdict stays inconclusive |
        """
        number, waiting = verification_of(unit), self.undecided.pop(unit.key)
        try:
            found = await self._carried_out(deployer, unit, slice(number, stage.stop), waiting.made)
            if isinstance(found, Undecided) and self.rollout.on_inconclusive == "pass":
                found = await self._carried_out(deployer, unit, slice(number + 1, stage.stop), found.made)
        finally:
            self.admission.release()
        if isinstance(found, Undecided) and self.rollout.on_inconclusive == "fail":
            why = f"version {found.made.version_id}: {found.reason}, twice"
            advice = f"it {SERVES_LATEST}"
            found = Failed(Step.VERIFY, Failure(why, kind="verification", advice=advice))
        return self._settle(unit, found.outcome if isinstance(found, Undecided) else found)

    def seen(self, outcomes: Mapping[str, Outcome]) -> None:
        """Apply what reading back has shown, and report each outcome that differs."""
        for key, outcome in outcomes.items():
            if outcome != self.outcomes[key]:
                self.outcomes[key] = outcome
                self.emit(UnitEnded(self.world.clock(), key, outcome))

    @property
    def is_gate_left(self) -> bool:
        """Whether only the gate's answer is missing. What was made is not read back in that case: `resume` reads it
        back and asks the gate again.
        """
        return self.unjudged and not any(isinstance(outcome, Cancelled) for outcome in self.outcomes.values())

    def undecided_end(self, unit: Unit) -> Outcome | None:
        """Return the outcome of a unit that waits for its second verification and does not get it. None: it does not
        wait.
        """
        waiting = self.undecided.pop(unit.key, None)
        return waiting.outcome if waiting is not None else None

    async def _carried_out(
        self, deployer: Deployer, unit: Unit, stage: slice, made: Made | None
    ) -> Outcome | Made | Undecided:
        structlog.contextvars.bind_contextvars(function=unit.key)
        try:
            found = await deployer.carry_out(self.again.get(unit.key, unit), stage, made)
        except InterruptedRunError as error:
            self.break_off(error)
            return self.cut_off(unit, error.message)
        deployer.changes.calls.take(unit.key)
        return found

    def _settle(self, unit: Unit, found: Outcome | Made | Undecided) -> Outcome | None:
        """Record a unit's result. Returns None if the unit has not ended."""
        if isinstance(found, Made):
            self.made[unit.key] = found
            return None
        if isinstance(found, Undecided):
            self.undecided[unit.key] = found
            return None
        self.end(self.again.get(unit.key, unit), found)
        return found
