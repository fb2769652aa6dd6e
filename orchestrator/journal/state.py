"""What has happened so far, folded from events: the displays, the summary and `show` read this, live or from a journal.

Any prefix of a run's events folds, and so does one with unknown kinds left out: a fact that is missing stays empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import Step

_Name = TypeVar("_Name", bound=str)  # an outcome's, or a step's


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of `runs`. `outcomes`: units by the outcome's name; `ended_at`, `exit_code` None: not ended."""

    id: str
    verb: str
    endpoint: str
    started_at: float
    ended_at: float | None
    exit_code: int | None
    units: int
    program: str
    outcomes: Mapping[str, int]


@dataclass(slots=True)
class RunState:
    """A run as far as its events tell. The counters are kept per event, so displays read them for nothing."""

    run_id: str = ""
    verb: str = ""
    endpoint: str = ""
    manifest: str = ""
    program: str = ""
    resumes: str = ""  # the run that this one takes up
    total: int = 0  # units of the plan
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""  # why it stopped before its plan was done
    units: dict[str, UnitState] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)  # ended units by the outcome's name
    steps: dict[Step, int] = field(default_factory=dict)  # units that are in a step, by step
    running: dict[str, UnitState] = field(default_factory=dict)  # begun and not ended
    ended: int = 0

    def apply(self, event: Event) -> None:
        """Take one event in, in constant time. Kinds that this program does not know change nothing."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def unit(self, key: str) -> UnitState:
        """Give the unit of that key, empty where nothing has said anything of it."""
        found = self.units.get(key)
        if found is None:
            found = self.units[key] = UnitState(key)
        return found


def fold(events: Iterable[Event]) -> RunState:
    """Fold events into the state that they lead to."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def _run_started(state: RunState, event: RunStarted) -> None:
    state.run_id, state.verb, state.endpoint = event.run_id, event.verb, event.endpoint
    state.manifest, state.program, state.total = event.manifest, event.program, event.units
    state.resumes = event.resumes
    state.started_at = event.at


def _run_ended(state: RunState, event: RunEnded) -> None:
    state.ended_at, state.exit_code, state.reason = event.at, event.exit_code, event.reason


def _planned(state: RunState, event: UnitPlanned) -> None:
    unit = state.unit(event.key)
    unit.name, unit.folder_id, unit.action, unit.reason = event.name, event.folder_id, event.action, event.reason
    unit.function_id = event.function_id or unit.function_id
    unit.warnings = tuple(event.warnings)
    unit.base_version_id, unit.fingerprint, unit.before = event.base_version_id, event.fingerprint, event.before
    for known, change in zip(unit.changes, event.changes, strict=False):  # planned again, on another base
        known.change = change
    unit.changes = unit.changes or [ChangeState(change) for change in event.changes]


def _step_started(state: RunState, event: StepStarted) -> None:
    _enter(state, state.unit(event.key), event.step, event.at)


def _step_finished(state: RunState, event: StepFinished) -> None:
    unit = state.unit(event.key)
    unit.seconds[event.step] = unit.seconds.get(event.step, 0.0) + event.seconds
    if unit.step is event.step:
        _leave(state, unit)


def _step_retried(state: RunState, event: StepRetried) -> None:
    unit = state.unit(event.key)
    unit.retries += 1
    unit.retry_reason = event.reason


def _bytes_sent(state: RunState, event: BytesSent) -> None:
    # May come from a worker thread: it changes a known unit's figures and nothing else.
    unit = state.units.get(event.key)
    if unit is not None:
        unit.sent_bytes, unit.size_bytes = event.sent_bytes, event.size_bytes


def _package_stored(state: RunState, event: PackageStored) -> None:
    state.unit(event.key).package = event


def _requested(state: RunState, event: Requested) -> None:
    unit = state.unit(event.key)
    change = unit.change(event.change, event.call)
    unit.function_id = event.function_id or unit.function_id
    if change is not None:
        change.requests.append(event)
        # A journal holds no StepStarted: the request itself tells which step a unit is in.
        _enter(state, unit, change.change.kind.step, event.at)


def _accepted(state: RunState, event: OperationAccepted) -> None:
    unit = state.unit(event.key)
    change = unit.change(event.change, event.call)
    if change is not None:
        change.operations[event.operation_id] = event
    unit.function_id = event.function_id or unit.function_id
    _enter(state, unit, Step.TRACK, event.at)


def _done(state: RunState, event: OperationDone) -> None:
    unit = state.unit(event.key)
    for change in unit.changes:
        if event.operation_id in change.operations:
            change.done[event.operation_id] = event
    if unit.step is Step.TRACK:
        _leave(state, unit)


def _unit_ended(state: RunState, event: UnitEnded) -> None:
    unit = state.unit(event.key)
    if unit.outcome is None:
        state.ended += 1
    else:
        _count(state.outcomes, outcome_name(unit.outcome), -1)
    _count(state.outcomes, outcome_name(event.outcome), +1)
    _leave(state, unit)
    state.running.pop(unit.key, None)
    unit.outcome, unit.ended_at = event.outcome, event.at


def _enter(state: RunState, unit: UnitState, step: Step, at: float) -> None:
    if unit.outcome is not None or unit.step is step:
        return
    _leave(state, unit)
    _count(state.steps, step, +1)
    state.running[unit.key] = unit
    unit.step, unit.step_since = step, at
    if unit.started_at is None:
        unit.started_at = at


def _leave(state: RunState, unit: UnitState) -> None:
    if unit.step is not None:
        _count(state.steps, unit.step, -1)
        unit.step = None


def _count(counts: dict[_Name, int], name: _Name, change: int) -> None:
    left = counts.get(name, 0) + change
    if left:
        counts[name] = left
    else:
        del counts[name]


_HANDLERS: Mapping[type[Event], Callable[[RunState, Any], None]] = {
    RunStarted: _run_started,
    RunEnded: _run_ended,
    UnitPlanned: _planned,
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
