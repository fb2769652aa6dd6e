"""What has become of the units of one run so far, and what that means for those that are left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import anyio
import structlog

from orchestrator.engine import verdicts
from orchestrator.engine.attempts import Made
from orchestrator.engine.breaker import Breaker, Opened
from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import NOTHING, Calls
from orchestrator.engine.unit import Deployer
from orchestrator.engine.world import World
from orchestrator.errors import InterruptedRunError
from orchestrator.journal.events import Breached, BreakerOpened, UnitEnded
from orchestrator.model import Cancelled, Outcome, Unit
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True)
class Result:
    """How every unit of the plan ended; `interruption` where the run could not go on by itself."""

    outcomes: dict[str, Outcome]
    interruption: InterruptedRunError | None = None
    breach: str = ""  # why too many failures stopped the run, or ended a part of it
    held: int = 0  # slots that were not given back: of Operations whose end was not seen


@dataclass(slots=True)
class RunProgress:
    """What the units of a run have in common, and what has become of them so far. `left`: what has not ended."""

    world: World
    emit: Emit
    stop: Stop
    admission: anyio.Semaphore
    tally: verdicts.Tally
    breaker: Breaker
    left: dict[str, Unit]
    calls: Calls | None = None  # None until it is known how many calls may be made
    held: int = 0
    causes: list[str] = field(default_factory=list)  # why parts of the run were given up
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    again: dict[str, Unit] = field(default_factory=dict)  # units that were decided again
    made: dict[str, Made] = field(default_factory=dict)  # what units stand at that wait for the second stage
    passed: set[str] = field(default_factory=set)  # ids of Versions that have passed their verification
    interruption: InterruptedRunError | None = None

    def begin(self) -> None:
        """Start nothing where too much has failed before."""
        breach = self.tally.begin()
        if breach and not self.tally.before.breach:
            self.emit(Breached(self.world.clock(), breach))
        if breach:
            self.stop.request(breach)

    def breached(self, why: str) -> None:
        """Start nothing more, for good."""
        self.tally.breach = self.tally.breach or why
        self.emit(Breached(self.world.clock(), why))
        self.stop.request(why)

    def end(self, unit: Unit, outcome: Outcome) -> None:
        """Settle a unit: its outcome is said once here, and once more only if reading back says otherwise."""
        self.outcomes[unit.key] = outcome
        self.left.pop(unit.key, None)
        stopped = self.tally.ended(outcome)
        if stopped:  # before the outcome: a kill between the two must not lose it
            self.emit(Breached(self.world.clock(), stopped))
        self.emit(UnitEnded(self.world.clock(), unit.key, outcome))
        if stopped:
            self.stop.request(stopped)
        opened = self.breaker.ended(unit, outcome, self.left.values())
        if opened is not None:
            self._close(opened)

    def _close(self, opened: Opened) -> None:
        """Try no more of what would only be refused."""
        lane = opened.lane
        self.causes.append(opened.cause)
        self.emit(BreakerOpened(self.world.clock(), lane.folder_id, lane.step, opened.cause, len(opened.units)))
        self.stop.close((unit.key for unit in opened.units), opened.cause)

    def given_up(self) -> str:
        """Say why parts of the run were given up, and how many functions each of them had; "" where none was."""
        counts = Counter(outcome.reason for outcome in self.outcomes.values() if isinstance(outcome, Cancelled))
        left = {cause: counts[cause] for cause in self.causes}
        return "; ".join(
            f"{cause}; {count} more {'were' if count != 1 else 'was'} not tried" for cause, count in left.items()
        )

    def break_off(self, error: InterruptedRunError) -> None:
        """End the whole run: nothing can be asked of the cloud any more."""
        self.interruption = self.interruption or error
        self.stop.abandon(error.message)

    def cut_off(self, unit: Unit, reason: str) -> Outcome:
        """Say what is true of a unit that did not come to its end."""
        return verdicts.cut_off(self.calls.take(unit.key) if self.calls is not None else NOTHING, reason)

    async def carry_out(self, deployer: Deployer, unit: Unit, stage: slice) -> Outcome | None:
        """Carry out the changes of one unit that are in a stage, the last one to its outcome. None: others follow."""
        structlog.contextvars.bind_contextvars(function=unit.key)
        unit = self.again.get(unit.key, unit)
        try:
            found = await deployer.carry_out(unit, stage, self.made.pop(unit.key, None))
        except InterruptedRunError as error:
            self.break_off(error)
            found = self.cut_off(unit, error.message)
        finally:
            self.admission.release()
        deployer.changes.calls.take(unit.key)
        if isinstance(found, Made):
            self.made[unit.key] = found
            return None
        self.end(unit, found)
        return found
