"""What the outcomes of units mean for their run: its exit code, its waves, when it stops; each with its truth table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from orchestrator.engine.calls import InFlight
from orchestrator.errors import Code, Exit
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Failure,
    Outcome,
    Step,
    Unchanged,
    Unit,
    Unknown,
)

# Steps in which a call is refused at once; what fails later says something of that function alone.
_CALLS = {Step.UPLOAD, Step.FUNCTION, Step.UPDATE, Step.CREATE, Step.TAG}


def exit_code(outcomes: Iterable[Outcome], *, interrupted: bool, lost: bool = False) -> Exit:
    """Say what a run ends with, by what became of its units.

    | outcomes                                                                | exit |
    | ---                                                                     | ---  |
    | any; the lease, or the lock, was lost: others may have changed it since | 3    |
    | any Unknown                                                             | 3    |
    | interrupted, and any Cancelled, or Deployed that was not read back      | 3    |
    | any Failed, Blocked or Cancelled                                        | 1    |
    | only Deployed and Unchanged: an interruption that came too late is none | 0    |
    """
    outcomes = tuple(outcomes)
    found = {type(outcome) for outcome in outcomes}
    unread = any(isinstance(outcome, Deployed) and not outcome.read_back for outcome in outcomes)
    if lost or Unknown in found or (interrupted and (Cancelled in found or unread)):
        return Exit.INTERRUPTED
    return Exit.FAILED if found - {Deployed, Unchanged} else Exit.DONE


def wave_ends(units: int, waves: Sequence[int | str]) -> tuple[int, ...]:
    """Say after how many units each wave ends; the last one ends with the last unit, whatever was declared.

    | units | waves              | ends        |
    | ---   | ---                | ---         |
    | 100   | 1, "10%", "100%"   | 1, 10, 100  |
    | 5     | 1, "10%", "100%"   | 1, 5        |  a share is rounded up; a wave without units is none
    | 10    | 3                  | 3, 10       |
    | 0     | any                |             |
    """
    ends: list[int] = []
    for wave in (*waves, "100%"):
        end = min(units, _count(wave, units))
        if end > (ends[-1] if ends else 0):
            ends.append(end)
    return tuple(ends)


def breach(failed: int, units: int, max_failures: int | str | None) -> str:
    """Say why a run of `units` must stop after `failed` failures, "" where it need not: only *more* than allowed stops.

    | failed | units | max_failures | stops |
    | ---    | ---   | ---          | ---   |
    | any    | any   | none         | no    |
    | 0      | any   | any          | no    |
    | 1      | 100   | 0            | yes   |
    | 2      | 100   | "2%"         | no    |
    | 3      | 100   | "2%"         | yes   |
    | 1      | 10    | "2%"         | yes   |  2 % of 10 is less than one
    """
    if max_failures is None or not failed:
        return ""
    allowed = max_failures if isinstance(max_failures, int) else units * float(max_failures.rstrip("%")) / 100
    return f"{failed} of {units} failed, more than max_failures = {max_failures}" if failed > allowed else ""


BREAKER = 5  # functions in a row that are refused alike


def refused_alike(failures: Sequence[tuple[str, str]]) -> str:
    """Say why a run must stop that nothing but refusals of one kind came out of lately, "" where it need not.

    `failures`: (kind, message) of the last ends, oldest first; of an end that was no refusal ("", "").

    | the last five ends                             | stops |
    | ---                                            | ---   |
    | PERMISSION_DENIED of the same words, each      | yes   |
    | the same, but one was deployed or failed later | no    |
    | refusals of different kinds or words           | no    |
    | fewer than five                                | no    |
    """
    last = failures[-BREAKER:]
    if len(last) < BREAKER or len(set(last)) > 1 or not last[0][0]:
        return ""
    return f"{BREAKER} functions in a row were refused alike: {last[0][0]}: {last[0][1]}"


def _count(share: int | str, units: int) -> int:
    return share if isinstance(share, int) else ceil(units * float(share.rstrip("%")) / 100)


@dataclass(slots=True)
class Tally:
    """The failures of a run so far. `units`: how many something is done for."""

    units: int
    max_failures: int | str | None
    failed: int = 0
    breach: str = ""  # why too many failures stop the run
    _ends: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=BREAKER))

    def ended(self, unit: Unit, outcome: Outcome) -> str:
        """Count an outcome in. Says why the run must stop now, "" where it need not, or does so already."""
        self._ends.append(_refusal(outcome, unit))
        if not isinstance(outcome, Failed) or self.breach:
            return ""
        self.failed += 1
        self.breach = breach(self.failed, self.units, self.max_failures) or refused_alike(tuple(self._ends))
        return self.breach


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


def settled(unit: Unit) -> Outcome | None:
    """Give the outcome of a unit for which nothing is done; None where something is."""
    if unit.action is Action.UNCHANGED:
        return Unchanged(unit.base_version_id or "")
    if unit.action is Action.BLOCKED:
        if unit.failed_step is not None:
            return Failed(unit.failed_step, unit.failure or Failure(unit.reason))
        advice = f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""
        return Blocked(unit.reason + advice)
    return None


def cut_off(in_flight: InFlight, reason: str) -> Outcome:
    """Say what is true of a unit that had to stop where it was: unknown only where something is in flight."""
    if in_flight:
        return Unknown(f"not seen to end: {reason}", in_flight.operation_id, in_flight.version_id)
    return Cancelled(reason)
