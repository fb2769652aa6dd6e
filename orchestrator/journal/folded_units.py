"""The units of a run, or of a chain of runs, folded from their events, with counts per state.

The counts are updated with each event, so displays read them at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    BytesSent,
    Event,
    OperationAccepted,
    OperationDone,
    PackageStored,
    Requested,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.unit_state import UnitState, names_of, plan_again
from orchestrator.model import Action, Failed, Step, Unchanged

_Name = TypeVar("_Name", bound=str)  # of an outcome or a step


@dataclass(slots=True, kw_only=True)
class FoldedUnits:
    """All units by key, and counts of them. `keys`: their keys in the earlier runs, by folder and function."""

    units: dict[str, UnitState] = field(default_factory=dict)
    turns: int = 0  # units that the first run changes; its waves consist of these
    outcomes: dict[str, int] = field(default_factory=dict)  # ended units, by the outcome's name
    steps: dict[Step, int] = field(default_factory=dict)  # units that are in a step, by step
    running: dict[str, UnitState] = field(default_factory=dict)  # started and not ended
    ended: int = 0
    is_taken_up: bool = False  # resumed by a run after the first
    keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def unit(self, key: str) -> UnitState:
        """Return the unit with that key, an empty one if no event has mentioned it."""
        if key not in self.units:
            self.units[key] = UnitState(key)
        return self.units[key]

    def take_up(self) -> None:
        """Begin another run of the chain: nothing is in progress now, and keys may differ."""
        for unit in list(self.running.values()):
            _leave(self, unit)
        self.running.clear()
        self.is_taken_up = True
        self.keys = {name: unit.key for unit in self.units.values() for name in names_of(unit)}


def _verified(state: FoldedUnits, event: VersionVerified) -> None:
    state.unit(event.key).verified(event)


def _planned(state: FoldedUnits, event: UnitPlanned) -> None:
    if state.keys:
        _call(state, event)
    unit = state.unit(event.key)
    if not unit.turn and not state.is_taken_up and event.action not in (Action.UNCHANGED, Action.BLOCKED):
        unit.turn = state.turns = state.turns + 1
    if unit.outcome is not None:  # it is resumed
        _count(state.outcomes, outcome_name(unit.outcome), -1)
        state.ended -= 1
        unit.outcome = unit.ended_at = None
        unit.excused = False
    unit.name, unit.folder_id, unit.action, unit.reason = event.name, event.folder_id, event.action, event.reason
    unit.function_id = event.function_id or unit.function_id
    unit.warnings = tuple(event.warnings)
    # A unit that cannot be changed now keeps its earlier description.
    unit.fingerprint = event.fingerprint or unit.fingerprint
    unit.base_version_id = event.base_version_id or unit.base_version_id
    unit.before, unit.way_back = event.before or unit.before, event.way_back or unit.way_back
    plan_again(unit, event)


def _call(state: FoldedUnits, event: UnitPlanned) -> None:
    """Give a unit of an earlier run the key that this run uses: a key is only a label and may have changed."""
    before = next((key for name in names_of(event) if (key := state.keys.get(name)) is not None), None)
    if before == event.key:
        return
    if event.key in state.units:  # another Function had this key
        other = state.units.pop(event.key)
        other.key = f"{other.folder_id}/{other.name or other.function_id}"
        state.units[other.key] = other
        state.keys.update(dict.fromkeys(names_of(other), other.key))
    if before is not None and before in state.units:
        unit = state.units.pop(before)
        unit.key = event.key
        state.units[event.key] = unit
        state.keys.update(dict.fromkeys(names_of(event), event.key))


def _step_started(state: FoldedUnits, event: StepStarted) -> None:
    _enter(state, state.unit(event.key), event.step, event.at)


def _step_finished(state: FoldedUnits, event: StepFinished) -> None:
    unit = state.unit(event.key)
    unit.seconds[event.step] = unit.seconds.get(event.step, 0.0) + event.seconds
    if unit.step is event.step:
        _leave(state, unit)


def _step_retried(state: FoldedUnits, event: StepRetried) -> None:
    unit = state.unit(event.key)
    unit.retries += 1
    unit.retry_reason = event.reason


def _bytes_sent(state: FoldedUnits, event: BytesSent) -> None:
    # May come from a worker thread: it only changes figures of a known unit.
    unit = state.units.get(event.key)
    if unit is not None:
        unit.sent_bytes, unit.size_bytes = event.sent_bytes, event.size_bytes


def _package_stored(state: FoldedUnits, event: PackageStored) -> None:
    state.unit(event.key).package = event


def _requested(state: FoldedUnits, event: Requested) -> None:
    unit = state.unit(event.key)
    change, unit.call = unit.change(event.change, event.call), event.call
    unit.function_id = event.function_id or unit.function_id
    if change is not None:
        change.requests.append(event)
        # A journal has no StepStarted: the request itself shows which step a unit is in.
        _enter(state, unit, change.change.kind.step, event.at)


def _accepted(state: FoldedUnits, event: OperationAccepted) -> None:
    unit = state.unit(event.key)
    change, unit.call = unit.change(event.change, event.call), event.call
    if change is not None:
        change.operations[event.operation_id] = event
    unit.function_id = event.function_id or unit.function_id
    _enter(state, unit, Step.TRACK, event.at)


def _done(state: FoldedUnits, event: OperationDone) -> None:
    unit = state.unit(event.key)
    for change in unit.changes:
        if event.operation_id in change.operations:
            change.done[event.operation_id] = event
    if unit.step is Step.TRACK:
        _leave(state, unit)


def _unit_ended(state: FoldedUnits, event: UnitEnded) -> None:
    unit = state.unit(event.key)
    if unit.outcome is None:
        state.ended += 1
    else:
        _count(state.outcomes, outcome_name(unit.outcome), -1)
    _count(state.outcomes, outcome_name(event.outcome), +1)
    _leave(state, unit)
    state.running.pop(unit.key, None)
    unit.outcome, unit.ended_at = event.outcome, event.at
    if isinstance(event.outcome, Failed) and event.outcome.overwritten:
        unit.overwritten.add(event.outcome.overwritten)


def _unchanged(state: FoldedUnits, event: UnitsUnchanged) -> None:
    for key, name, folder_id, function_id, version_id, fingerprint, reason, *_ in event.units:
        facts = name, folder_id, function_id, Action.UNCHANGED, reason, version_id, fingerprint
        _planned(state, UnitPlanned(event.at, key, *facts))
        _unit_ended(state, UnitEnded(event.at, key, Unchanged(version_id)))


def _enter(state: FoldedUnits, unit: UnitState, step: Step, at: float) -> None:
    if unit.outcome is not None or unit.step is step:
        return
    _leave(state, unit)
    _count(state.steps, step, +1)
    state.running[unit.key] = unit
    unit.step, unit.step_since = step, at
    if unit.started_at is None:
        unit.started_at = at


def _leave(state: FoldedUnits, unit: UnitState) -> None:
    if unit.step is not None:
        _count(state.steps, unit.step, -1)
        unit.step = None


def _count(counts: dict[_Name, int], name: _Name, change: int) -> None:
    left = counts.get(name, 0) + change
    if left:
        counts[name] = left
    else:
        del counts[name]


OF_UNITS: Mapping[type[Event], Callable[[FoldedUnits, Any], None]] = {
    VersionVerified: _verified,
    UnitPlanned: _planned,
    UnitsUnchanged: _unchanged,
    StepStarted: _step_started,
    StepFinished: _step_finished,
    StepRetried: _step_retried,
    BytesSent: _bytes_sent,
    PackageStored: _package_stored,
    Requested: _requested,
    OperationAccepted: _accepted,
    OperationDone: _done,
    UnitEnded: _unit_ended,
}
