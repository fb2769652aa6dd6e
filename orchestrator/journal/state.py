"""What has happened so far, folded from events: the displays, the summary and `show` read this, live or from a journal.

Any prefix of a run's events folds, and so does one with unknown kinds left out: a fact that is missing stays empty.
A run and all that took it up are one chain: their events, one run after the other, fold into one state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    Breached,
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
    UnitsUnchanged,
)
from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.journal.rollout_events import GateEnded, GivenUp, RollbackBegun, RunPaused, VersionVerified
from orchestrator.journal.runs import PAUSE, Link, RolloutState, link_of
from orchestrator.journal.unit_state import UnitState, names_of, plan_again
from orchestrator.model import Action, Failed, Step, Unchanged

_Name = TypeVar("_Name", bound=str)  # an outcome's, or a step's


@dataclass(slots=True)
class RunState:
    """A run, or a chain of runs, as far as its events tell: `run_id` and times are the last run's, the units all.

    The counters are kept per event, so displays read them for nothing.
    """

    run_id: str = ""
    verb: str = ""
    endpoint: str = ""
    manifest: str = ""
    program: str = ""
    resumes: str = ""  # the run that this one takes up
    identity: Identity = NOTHING_KNOWN  # of the chain's first run
    chain: list[Link] = field(default_factory=list)
    rollout: RolloutState = field(default_factory=RolloutState)
    breach: str = ""  # why too many failures have stopped it, for good
    given_up: bool = False  # what is undone stays so
    total: int = 0  # units of the plan, of the first run's
    turns: int = 0  # of them, those for which something is done: its waves are made of these
    started_at: float | None = None
    planned_s: float = 0.0  # before it started, builds included
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""  # why it stopped before its plan was done
    units: dict[str, UnitState] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)  # ended units by the outcome's name
    steps: dict[Step, int] = field(default_factory=dict)  # units that are in a step, by step
    running: dict[str, UnitState] = field(default_factory=dict)  # begun and not ended
    ended: int = 0
    keys: dict[tuple[str, str], str] = field(default_factory=dict)  # of the runs before, by folder and function

    def apply(self, event: Event) -> None:
        """Take one event in, in constant time. Kinds that this program does not know change nothing."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def approve(self) -> None:
        """Let a paused chain go on. A breach that it paused for is past then: what has failed by now counts no more."""
        if self.breach and self.rollout.then == PAUSE:
            self.breach = self.rollout.then = ""
            for unit in self.units.values():
                unit.excused = unit.excused or isinstance(unit.outcome, Failed)
        self.rollout.paused = None

    def unit(self, key: str) -> UnitState:
        """Give the unit of that key, empty where nothing has said anything of it."""
        if key not in self.units:
            self.units[key] = UnitState(key)
        return self.units[key]


def fold(events: Iterable[Event]) -> RunState:
    """Fold events into the state that they lead to."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def _run_started(state: RunState, event: RunStarted) -> None:
    if state.chain:  # a run before it, which this one takes up
        for unit in list(state.running.values()):
            _leave(state, unit)
        state.running.clear()
        state.ended_at, state.exit_code, state.reason = None, None, ""
        state.keys = {name: unit.key for unit in state.units.values() for name in names_of(unit)}
    else:
        state.identity, state.total, state.rollout.canary = event.identity, event.units, event.canary
    if event.approves:
        state.approve()
    state.run_id, state.verb, state.endpoint = event.run_id, event.verb, event.endpoint
    state.manifest, state.program, state.resumes = event.manifest, event.program, event.resumes
    state.rollout.apply(event)
    state.started_at, state.planned_s = event.at, event.planned_s
    state.chain.append(link_of(event))


def _run_ended(state: RunState, event: RunEnded) -> None:
    state.ended_at, state.exit_code, state.reason = event.at, event.exit_code, event.reason
    if state.chain:
        link = state.chain[-1]
        link.ended_at, link.exit_code, link.reason = event.at, event.exit_code, event.reason


def _breached(state: RunState, event: Breached) -> None:
    state.breach = state.breach or event.reason
    state.rollout.apply(event)


def _given_up(state: RunState, _event: GivenUp) -> None:
    state.given_up = True


def _verified(state: RunState, event: VersionVerified) -> None:
    state.unit(event.key).verified(event)


def _planned(state: RunState, event: UnitPlanned) -> None:
    if state.keys:
        _call(state, event)
    unit = state.unit(event.key)
    if not unit.turn and len(state.chain) < 2 and event.action not in (Action.UNCHANGED, Action.BLOCKED):
        unit.turn = state.turns = state.turns + 1
    if unit.outcome is not None:  # it is taken up again
        _count(state.outcomes, outcome_name(unit.outcome), -1)
        state.ended -= 1
        unit.outcome = unit.ended_at = None
        unit.excused = False
    unit.name, unit.folder_id, unit.action, unit.reason = event.name, event.folder_id, event.action, event.reason
    unit.function_id = event.function_id or unit.function_id
    unit.warnings = tuple(event.warnings)
    # A unit that nothing can be done for now is still what it was meant to be.
    unit.fingerprint = event.fingerprint or unit.fingerprint
    unit.base_version_id = event.base_version_id or unit.base_version_id
    unit.before, unit.way_back = event.before or unit.before, event.way_back or unit.way_back
    plan_again(unit, event)


def _call(state: RunState, event: UnitPlanned) -> None:
    """Call a unit of a run before as this run does: a key is only a label, which may be another by now."""
    before = next((key for name in names_of(event) if (key := state.keys.get(name)) is not None), None)
    if before == event.key:
        return
    if event.key in state.units:  # another Function was called so
        other = state.units.pop(event.key)
        other.key = f"{other.folder_id}/{other.name or other.function_id}"
        state.units[other.key] = other
        state.keys.update(dict.fromkeys(names_of(other), other.key))
    if before is not None and before in state.units:
        unit = state.units.pop(before)
        unit.key = event.key
        state.units[event.key] = unit
        state.keys.update(dict.fromkeys(names_of(event), event.key))


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
    change, unit.call = unit.change(event.change, event.call), event.call
    unit.function_id = event.function_id or unit.function_id
    if change is not None:
        change.requests.append(event)
        # A journal holds no StepStarted: the request itself tells which step a unit is in.
        _enter(state, unit, change.change.kind.step, event.at)


def _accepted(state: RunState, event: OperationAccepted) -> None:
    unit = state.unit(event.key)
    change, unit.call = unit.change(event.change, event.call), event.call
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


def _unchanged(state: RunState, event: UnitsUnchanged) -> None:
    for key, name, folder_id, function_id, version_id, fingerprint, reason, *_ in event.units:
        facts = name, folder_id, function_id, Action.UNCHANGED, reason, version_id, fingerprint
        _planned(state, UnitPlanned(event.at, key, *facts))
        _unit_ended(state, UnitEnded(event.at, key, Unchanged(version_id)))


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
    Breached: _breached,
    GivenUp: _given_up,
    GateEnded: lambda state, event: state.rollout.apply(event),
    RunPaused: lambda state, event: state.rollout.apply(event),
    RollbackBegun: lambda state, event: state.rollout.apply(event),
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
