"""What the outcomes of units mean for their run: its exit code and when it stops. Each rule has its truth table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.engine.calls import InFlight
from orchestrator.engine.spreading.gate_facts import Member
from orchestrator.errors import Exit
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Failure,
    Inconclusive,
    Outcome,
    Pruned,
    Unchanged,
    Unit,
    Unknown,
)

STOP, ROLLBACK = "stop", "rollback"  # what a breach leads to


def rolled_back_code(back: int) -> Exit:
    """Return the exit code of a run that was rolled back. `back`: the rollback's exit code. It has read back every
    changed function in its former state, except new ones.

    | the rollback | exit                                   |
    | ---          | ---                                    |
    | 0            | 5: everything is restored              |
    | 3            | 3: `resume` continues the rollback     |
    | 1, others    | 1: something was left alone, or failed |
    """
    return {Exit.DONE: Exit.ROLLED_BACK, Exit.INTERRUPTED: Exit.INTERRUPTED}.get(Exit(back), Exit.FAILED)


def exit_code(
    outcomes: Iterable[Outcome],
    *,
    interrupted: bool,
    lost: bool = False,
    breached: bool = False,
    paused: bool = False,
    unwritten: bool = False,
) -> Exit:
    """Return the exit code of a run by the outcomes of its units. `breached`: it was stopped for good.

    | outcomes                                                                  | exit |
    | ---                                                                       | ---  |
    | any; the lease, or the lock, was lost: others may have changed it         | 3    |
    | any; the journal cannot be written: it does not have all outcomes         | 3    |
    | any Unknown                                                               | 3    |
    | any; it is paused: `promote` continues it                                 | 3    |
    | any Inconclusive: `resume` verifies it again, except after a breach       | 3    |
    | interrupted, and any Deployed or Pruned that was not read back            | 3    |
    | interrupted, and any Cancelled: `resume` starts it, except after a breach | 3    |
    | any; breached, for example by its gate although all are deployed          | 1    |
    | any Failed, Blocked or Cancelled                                          | 1    |
    | only these and Unchanged: an interruption that came too late is ignored   | 0    |
    """
    outcomes = tuple(outcomes)
    found = {type(outcome) for outcome in outcomes}
    unread = any(isinstance(outcome, Deployed | Pruned) and not outcome.read_back for outcome in outcomes)
    startable = Cancelled in found and not breached
    unsure = Inconclusive in found and not breached
    held_up = lost or unwritten or paused
    if held_up or unsure or Unknown in found or (interrupted and (startable or unread)):
        return Exit.INTERRUPTED
    return Exit.FAILED if breached or found - {Deployed, Pruned, Unchanged} else Exit.DONE


def breach(failed: int, units: int, max_failures: int | str | None) -> str:
    """Return why a run of `units` must stop after `failed` failures, "" if it need not. Only *more* than allowed stops
    it.

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


def leads_to(on_breach: str, *, two_phase: bool, failed_touched: bool, any_touched: bool) -> str:
    """Return what a breach leads to: "stop", "rollback" or "pause". A failure before anything was changed (a build, a
    package, a refusal) says nothing against the new Versions, so by itself it rolls nothing back.

    | on_breach | two_phase | something was changed for       | leads to |
    | ---       | ---       | ---                             | ---      |
    | stop      | no        | any                             | stop     |
    | pause     | no        | any                             | pause    |
    | rollback  | no        | one that failed                 | rollback |
    | rollback  | no        | only others, or none            | stop     |
    | any       | yes       | any function: all move, or none | rollback |
    | any       | yes       | none                            | stop     |
    """
    if two_phase:
        return ROLLBACK if any_touched else STOP
    if on_breach == ROLLBACK:
        return ROLLBACK if failed_touched else STOP
    return on_breach


@dataclass(frozen=True, slots=True)
class Before:
    """What counts from the runs that a run resumes: how many failed, of how many that ended. `breach`: why too many had
    failed by then.

    Their waves continue here. `in_waves`: how many units these have. `turns`: by key, the place, from 1, of a resumed
    unit among them. `failed_at`: the places of those that failed in a wave. `unprepared_at`: the places that units
    which failed in planning would have had. `canary`: how many of them are canaries. `approved`: someone has let the
    chain continue. `members`: what the earlier runs have ended, by its turn, for the gate. `touched`: a unit failed
    after it was changed. `verified`: by key, the last verdict on the version of a resumed unit. `begun`: keys of
    resumed units that may have been changed.
    """

    failed: int = 0
    units: int = 0
    failed_at: tuple[int, ...] = ()
    turns: Mapping[str, int] = field(default_factory=dict)
    in_waves: int = 0
    breach: str = ""
    unprepared_at: tuple[int, ...] = ()
    canary: int = 0
    approved: bool = False
    members: tuple[tuple[int, Member], ...] = ()
    touched: bool = False
    verified: Mapping[str, VersionVerified] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()


NOTHING_BEFORE = Before()


@dataclass(slots=True)
class Tally:
    """The failures of a run so far. `units`: how many it changes, or would change if it could.

    `before`: of the runs that this one resumes.

    | failed                            | a count      | a share                                          |
    | ---                               | ---          | ---                                              |
    | in a wave                         | of the chain | of the units up to the running wave's end        |
    | in a run before, of the chain     | of the chain | the same: a chain has the waves of its first run |
    | while planning, e.g. a build      | of the chain | of all units: it is in no wave                   |
    | blocked                           | not at all   | not at all: it was not tried                     |
    | a canary, while planning or later | always stops | always stops                                     |

    Without `max_failures`, a wave with a failure is the last one, whichever run of the chain it happened in. A failure
    in planning counts for the wave that the unit would have been in, by its place in the plan.
    """

    units: int
    max_failures: int | str | None
    before: Before = NOTHING_BEFORE
    failed: int = 0
    breach: str = ""  # why too many failures stop the run
    # Places in the chain's waves of units that failed in planning.
    unprepared_at: list[int] = field(default_factory=list)
    _unprepared: int = 0  # of `failed`: before the first wave
    _reached: int = 0  # units of the chain up to the end of the running wave

    def begin(self) -> str:
        """Return why nothing may start at all because too much has failed before; "" if something may."""
        before = self.before
        canary = any(0 < turn <= before.canary for turn in before.failed_at)  # its end was seen only now
        self.breach = before.breach or ("a canary failed" if canary else "")
        self.breach = self.breach or breach(before.failed, before.units + self.units, self.max_failures)
        return self.breach

    def wave_begins(self, end: int) -> str:
        """Begin a wave that ends with the `end`-th unit of the chain's waves. Returns why nothing of it may start
        because too much of it failed in the earlier runs; "" if something may, or if the run stops anyway.
        """
        self._unprepared = self._unprepared if self._reached else self.failed
        self._reached = end
        if not self.breach and isinstance(self.max_failures, str):
            self.breach = breach(self._in_waves(), end, self.max_failures)
            return self.breach
        return ""

    def ended(self, outcome: Outcome, canary: str = "") -> str:
        """Count an outcome. Returns why the run must stop now, "" if it need not or already stops. `canary`: the key of
        the unit if it is one.
        """
        if not isinstance(outcome, Failed) or self.breach:
            return ""
        self.failed += 1
        if canary:
            self.breach = f"the canary {canary} failed"
            return self.breach
        failed = self.before.failed + self.failed
        self.breach = breach(failed, self.before.units + self.units, self.max_failures)
        if self._reached and isinstance(self.max_failures, str) and not self.breach:
            self.breach = breach(self._in_waves(), self._reached, self.max_failures)
        return self.breach

    def wave_ended(self, number: int) -> str:
        """End a wave that others would follow. Returns why none follows, "" if they may."""
        unprepared = (*self.unprepared_at, *self.before.unprepared_at)
        failed = self._in_waves() + sum(turn <= self._reached for turn in unprepared)
        if self.max_failures is not None or not failed or self.breach:
            return ""
        what = f"{failed} function{'s' if failed > 1 else ''}"
        self.breach = f"{what} of wave {number} failed, and max_failures is not declared: no other wave starts"
        return self.breach

    def _in_waves(self) -> int:
        """Count what has failed up to the end of the running wave, in all runs of the chain."""
        return self.failed - self._unprepared + sum(turn <= self._reached for turn in self.before.failed_at)


def settled(unit: Unit) -> Outcome | None:
    """Return the outcome of a unit with nothing to do; None if there is something to do."""
    if unit.action is Action.UNCHANGED:
        return Unchanged(unit.base_version_id or "")
    if unit.action is Action.BLOCKED:
        if unit.failed_step is not None:
            return Failed(unit.failed_step, unit.failure or Failure(unit.reason))
        advice = f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""
        return Blocked(unit.reason + advice)
    return None


def cut_off(in_flight: InFlight, reason: str) -> Outcome:
    """Return the outcome of a unit that had to stop where it was: unknown only if something is in flight."""
    if in_flight:
        return Unknown(f"its end was not seen: {reason}", in_flight.operation_id, in_flight.version_id)
    return Cancelled(reason)
