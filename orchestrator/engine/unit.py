"""Carries one unit through its changes, one after the other, to its outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.engine.attempts import Made, SettledError
from orchestrator.engine.calls import StepFailedError, UnsettledError
from orchestrator.engine.changing.changes import Changes
from orchestrator.engine.changing.code import CodeOf
from orchestrator.engine.changing.deletions import deleted
from orchestrator.engine.changing.verify import InconclusiveError
from orchestrator.engine.steps import At
from orchestrator.engine.verdicts import cut_off
from orchestrator.model import Action, ChangeKind, Deployed, Failed, Inconclusive, Outcome, Unit, Unknown
from orchestrator.resilience.stop import StoppedError


@dataclass(frozen=True, slots=True)
class Undecided:
    """The state of a unit whose verification was inconclusive, and why."""

    made: Made
    reason: str

    @property
    def outcome(self) -> Inconclusive:
        """The outcome if nothing more is tried."""
        return Inconclusive(self.reason, self.made.version_id)


def verification_of(unit: Unit) -> int:
    """Return the index of the change that verifies a unit, or the number of changes if there is none."""
    kinds = [change.kind for change in unit.changes]
    return kinds.index(ChangeKind.VERIFY) if ChangeKind.VERIFY in kinds else len(kinds)


@dataclass(frozen=True, slots=True)
class Deployer:
    """Carries out units, one coroutine each."""

    changes: Changes
    code: CodeOf

    async def carry_out(self, unit: Unit, stage: slice, made: Made | None = None) -> Outcome | Made | Undecided:
        """Make the changes of a unit in a stage; a failure is a value. Returns the state so far if other changes follow
        or if the verification was inconclusive, else the outcome. `made`: the state after the earlier changes.

        Raises `InterruptedRunError` if the run cannot continue: what was sent by then is in flight in `Calls`.
        """
        calls = self.changes.calls
        if unit.action is Action.PRUNE:
            return await deleted(self.changes.attempts, unit)
        try:
            return await self._deploy(unit, range(len(unit.changes))[stage], made)
        except StepFailedError as error:
            return Failed(error.step, error.failure)
        except UnsettledError as error:
            left = calls.take(unit.key)
            return Unknown(error.reason, left.operation_id, left.version_id)
        except InconclusiveError as error:
            return Undecided(error.made, error.reason)
        except SettledError as error:
            return error.outcome
        except StoppedError as error:
            return cut_off(calls.take(unit.key), str(error))

    async def _deploy(self, unit: Unit, stage: range, made: Made | None) -> Deployed | Made:
        made = made or Made(unit.function_id or "", unit.base_version_id or "", {})
        for number in stage:
            if unit.changes[number].kind is ChangeKind.VERSION:
                # Before any call: a Function whose first package cannot be built is not created.
                with self.changes.calls.stop.interruptible(unit.key):
                    made = replace(made, code=await self.code.of(unit, At(unit.key, number)))
        for number in stage:
            try:
                made = await self.changes.make(unit, At(unit.key, number), made)
            except StoppedError as error:
                left = self.changes.calls.take(unit.key)
                raise SettledError(cut_off(left, _how_far(unit, number, made, str(error)))) from error
        return Deployed(made.version_id) if stage.stop == len(unit.changes) else made


def _how_far(unit: Unit, number: int, made: Made, reason: str) -> str:
    """Return how far a unit got that had to stop before its change of this number."""
    if made.version_id in ("", unit.base_version_id):
        return reason
    left = "verified" if any(change.kind is ChangeKind.VERIFY for change in unit.changes[number:]) else "promoted"
    return f"{reason}; version {made.version_id} was made, but not {left} yet"
