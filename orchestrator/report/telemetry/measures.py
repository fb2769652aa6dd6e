"""Turns events of a run into metrics: the instruments of `names.METRICS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.metrics import Meter

from orchestrator.journal.condition_events import LimitChanged, SlotRefused
from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.report.account.usage import RATE, KnownLimits, ScopeKey, scope_of
from orchestrator.report.telemetry import names
from orchestrator.report.telemetry.names import METRICS, PREFIX, Metric

_Attributes = Mapping[str, str | bool | int]


class _InFlight(NamedTuple):
    """An Operation that is not done: its call, and the scopes that it counts against."""

    call: str
    scopes: tuple[ScopeKey, ...]


class Measures:
    """Call it with each event of a run, in order."""

    def __init__(self, meter: Meter) -> None:
        made = {metric.name: _instrument(meter, metric) for metric in METRICS}
        self._instruments: Mapping[str, Any] = made
        self._limits = KnownLimits()
        self._folders: dict[str, str] = {}  # by function
        self._operations: dict[str, _InFlight] = {}  # by id
        self._outcomes: dict[str, str] = {}  # by function: the last one
        self._started: RunStarted | None = None

    def __call__(self, event: Event) -> None:  # noqa: C901 - one case an event
        match event:
            case RunStarted():
                self._started = event
            case UnitPlanned(key=key, folder_id=folder_id):
                self._folders[key] = folder_id
            case LimitChanged() | SlotRefused():
                self._limit(event)
            case StepFinished(step=step, seconds=seconds, ok=ok):
                self._record(names.STEP_DURATION, seconds, {"step": str(step), "ok": ok})
            case StepRetried(step=step):
                self._add(names.RETRIES, 1, {"step": str(step)})
            case OperationAccepted():
                self._accepted(event)
            case OperationDone():
                self._done(event)
            case UnitEnded(key=key, outcome=outcome):
                self._ended(key, outcome_name(outcome))
            case UnitsUnchanged(units=units):
                for unit in units:
                    self._ended(unit[0], "unchanged")
            case RunEnded(at=at, exit_code=code) if self._started is not None:
                started = self._started
                took_s = at - started.at + started.planned_s
                self._record(names.RUN_DURATION, took_s, {"verb": started.verb, "exit_code": code})

    def _limit(self, event: LimitChanged | SlotRefused) -> None:
        scope = scope_of(event.what)
        if isinstance(event, SlotRefused):
            self._add(names.REFUSALS, 1, _of(scope))
            return
        if scope == RATE:
            self._instruments[names.RATE_LIMIT.name].set(event.allowed)
            return
        if scope.kind == "folder" and event.cloud_id:
            self._limits.clouds[scope.id] = event.cloud_id
        self._instruments[names.LIMIT.name].set(event.allowed, _named(_of(scope)))

    def _accepted(self, event: OperationAccepted) -> None:
        if event.operation_id in self._operations:
            return
        scopes = self._limits.scopes_of(self._folders.get(event.key, ""))
        self._operations[event.operation_id] = _InFlight(str(event.call), scopes)
        for scope in scopes:
            self._add(names.ACTIVE, 1, _of(scope))

    def _done(self, event: OperationDone) -> None:
        found = self._operations.pop(event.operation_id, _InFlight("", ()))
        for scope in found.scopes:
            self._add(names.ACTIVE, -1, _of(scope))
        self._add(names.POLLS, event.polls, {"call": found.call})
        if event.seconds >= 0:
            self._record(names.OPERATION_DURATION, event.seconds, {"call": found.call, "ok": not event.error})

    def _ended(self, key: str, outcome: str) -> None:
        """Count an outcome. A later one, from reading back, replaces it."""
        former = self._outcomes.get(key)
        if former == outcome:
            return
        if former is not None:
            self._add(names.FUNCTIONS, -1, {"outcome": former})
        self._outcomes[key] = outcome
        self._add(names.FUNCTIONS, 1, {"outcome": outcome})

    def _add(self, metric: Metric, count: int, attributes: _Attributes) -> None:
        self._instruments[metric.name].add(count, _named(attributes))

    def _record(self, metric: Metric, value: float, attributes: _Attributes) -> None:
        self._instruments[metric.name].record(max(0.0, value), _named(attributes))


def _of(scope: ScopeKey) -> _Attributes:
    return {"scope": scope.kind} | ({"id": scope.id} if scope.kind != "function" else {})


def _named(attributes: _Attributes) -> _Attributes:
    return {PREFIX + name: value for name, value in attributes.items()}


def _instrument(meter: Meter, metric: Metric) -> Any:
    given = {"unit": metric.unit, "description": metric.what}
    match metric.kind:
        case "counter":
            return meter.create_counter(metric.name, **given)
        case "up-down counter":
            return meter.create_up_down_counter(metric.name, **given)
        case "gauge":
            return meter.create_gauge(metric.name, **given)
    boundaries = list(names.BOUNDARIES_S)
    return meter.create_histogram(metric.name, **given, explicit_bucket_boundaries_advisory=boundaries)
