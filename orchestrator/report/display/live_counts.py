"""What a run's display shows, counted per event: drawing a frame does not take longer with more functions."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from orchestrator.journal.condition_events import LimitChanged, LongWait, OutageBegan, OutageEnded, SlotRefused
from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Step
from orchestrator.report.failures import cause_of

TO_DO, QUEUED, RUNNING = "to do", "queued", "running"  # states of a function that has not ended
_NOT_ENDED = frozenset({TO_DO, QUEUED, RUNNING})
_LATELY_S = 60.0  # the rate is measured over this time
_CAUSES_MAX = 100  # of failures that are kept
_MOVES = (
    UnitPlanned, StepStarted, StepFinished, StepRetried, Requested, OperationAccepted, OperationDone, UnitEnded,
)  # fmt: skip


@dataclass(slots=True)
class QuotaUse:
    """One quota of unfinished Operations: how many are ours, how many are allowed (None: not known), and how often one
    more was refused.
    """

    used: int = 0
    limit: float | None = None
    refused: int = 0


@dataclass(slots=True)
class CauseSoFar:
    """One cause of failures: its message, the last function that it was seen in, and how many there are."""

    text: str
    key: str
    count: int = 0


@dataclass(slots=True)
class _Place:
    """Where a function is: its wave (0: not worked on yet), and its state or outcome."""

    wave: int
    state: str


@dataclass(slots=True)
class LiveCounts:
    """A listener. `state`: the state that the same events were already folded into. Times are those of the events.

    A function is counted in the wave in which it is worked on. A wave has ended completely before the next one begins.
    """

    state: RunState
    rows: dict[int, dict[str, Counter[str]]] = field(default_factory=dict)  # wave → folder → state or outcome → count
    wave: int = 0  # the current one; 0: none has begun, or there is only one
    working: dict[str, UnitState] = field(default_factory=dict)  # units that run and do not wait for a slot
    quotas: dict[str, QuotaUse] = field(default_factory=dict)  # "folder ID", "cloud ID"
    causes: dict[str, CauseSoFar] = field(default_factory=dict)  # of failures, the latest last
    outage: OutageBegan | None = None
    wait: LongWait | None = None  # the last one
    _places: dict[str, _Place] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)  # function → cause
    _operations: dict[str, str] = field(default_factory=dict)  # unfinished Operation → its folder's quota
    _ends: deque[list[float]] = field(default_factory=deque)  # [second, functions that ended in it], the latest ones
    _began_at: float | None = None

    def __post_init__(self) -> None:
        for unit in self.state.units.values():  # the run may be under way already
            self._move(unit, None)

    def __call__(self, event: Event) -> None:
        match event:
            case WaveStarted(number=number, folders=folders) if folders:
                self.wave = number
                self.rows[number] = {folder: Counter({TO_DO: count}) for folder, count in folders.items()}
            case OutageBegan():
                self.outage = event
            case OutageEnded():
                self.outage = None
            case LongWait():
                self.wait = event
            case _:
                self._count_quota(event)
        if isinstance(event, _MOVES) and (unit := self.state.units.get(event.key)) is not None:
            self._move(unit, event.at)
            if isinstance(event, UnitEnded):
                self._count_cause(unit)

    def _count_quota(self, event: Event) -> None:
        match event:
            case LimitChanged(what=what, allowed=allowed) if what != "requests per second":
                self._quota(what).limit = allowed
            case SlotRefused(what=what) if not what.startswith("function "):
                self._quota(what).refused += 1
            case OperationAccepted(key=key, operation_id=operation) if operation not in self._operations:
                what = self._operations[operation] = f"folder {self.state.unit(key).folder_id}"
                self._quota(what).used += 1
            case OperationDone(operation_id=operation) if operation in self._operations:
                self._quota(self._operations.pop(operation)).used -= 1

    def per_minute(self, now: float) -> float | None:
        """Return how many functions ended per minute lately; None where it is too early to know."""
        if self._began_at is None or now - self._began_at < 1.0:
            return None
        self._forget(now)
        ended = sum(count for _, count in self._ends)
        return 60.0 * ended / min(_LATELY_S, now - self._began_at) if ended else None

    def used_of_cloud(self, folders: frozenset[str]) -> int:
        """Return the number of unfinished Operations in these folders."""
        return sum(self.quotas[what].used for folder in folders if (what := f"folder {folder}") in self.quotas)

    def _quota(self, what: str) -> QuotaUse:
        return self.quotas.setdefault(what, QuotaUse())

    def _move(self, unit: UnitState, at: float | None) -> None:
        """Count a function where it is now. `at`: when that happened, None where it is not known."""
        if unit.action in (Action.UNCHANGED, Action.BLOCKED):
            return  # in no wave
        state = _state_of(unit)
        place = self._places.get(unit.key)
        if place is None:
            place = self._places[unit.key] = _Place(0, TO_DO)
            self._row(0, unit.folder_id)[TO_DO] += 1
        if place.wave != self.wave and place.state in _NOT_ENDED and state != place.state:
            self._enter_wave(unit, place)
        if state == place.state:
            return
        row = self._row(place.wave, unit.folder_id)
        row[place.state] -= 1
        row[state] += 1
        if state == RUNNING:
            self.working[unit.key] = unit
        else:
            self.working.pop(unit.key, None)
        if at is not None and unit.started_at is not None:
            self._began_at = unit.started_at if self._began_at is None else self._began_at
            if place.state in _NOT_ENDED and state not in _NOT_ENDED:
                self._count_end(at)
        place.state = state

    def _enter_wave(self, unit: UnitState, place: _Place) -> None:
        """Put a function into the current wave, if there is room. Functions that a stop cancels are in no wave."""
        row = self._row(self.wave, unit.folder_id)
        if row[TO_DO] > 0:
            row[TO_DO] -= 1
            row[place.state] += 1
            self._row(place.wave, unit.folder_id)[place.state] -= 1
            place.wave = self.wave

    def _row(self, wave: int, folder: str) -> Counter[str]:
        return self.rows.setdefault(wave, {}).setdefault(folder, Counter())

    def _count_end(self, at: float) -> None:
        if not self._ends or at >= self._ends[-1][0] + 1.0:
            self._ends.append([at, 0])
            self._forget(at)
        self._ends[-1][1] += 1

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] < now - _LATELY_S:
            self._ends.popleft()

    def _count_cause(self, unit: UnitState) -> None:
        """Keep why a function has failed, by its outcome now: reading back may have changed it."""
        former = self.causes.get(self._failed.pop(unit.key, ""))
        if former is not None:
            former.count -= 1
        found = cause_of(unit)
        if found is None:
            return
        shape, text = found
        cause = self.causes.pop(shape, None) or CauseSoFar(text, unit.key)
        cause.text, cause.key, cause.count = text, unit.key, cause.count + 1
        self.causes[shape], self._failed[unit.key] = cause, shape
        if len(self.causes) > _CAUSES_MAX:
            del self.causes[next(iter(self.causes))]


def _state_of(unit: UnitState) -> str:
    if unit.outcome is not None:
        return outcome_name(unit.outcome)
    if unit.step is Step.QUEUE:
        return QUEUED
    return RUNNING if unit.step is not None else TO_DO
