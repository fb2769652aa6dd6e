"""Turns events of functions into spans: one for each function, and below it one for each step.

Times are those of the events. The span of a step is made when the step has ended. It waits for the next event of its
change, which may have the ids that the cloud gave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
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
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Action, ChangeKind, Deployed, Failed, Outcome, Pruned, Step, Unchanged, Verdict
from orchestrator.report.telemetry.writing import Facts, SpanWriter, nanoseconds

_PLANNED = ("name", "folder_id", "function_id", "action", "reason", "base_version_id")
_REQUESTED = ("call", "function_id", "idempotency_key", "attempt")
_ACCEPTED = ("call", "operation_id", "function_id", "version_id", "request_id")
_STORED = ("bucket", "object", "sha256", "size_bytes", "existed")
_FAILED = ("operation_id", "request_id", "server_trace_id", "client_request_id")
_ASKED_IN = tuple({kind.step for kind in ChangeKind})


@dataclass(slots=True)
class _AtStep:
    """The step that a change is in, or was in last. `span`: of one that has ended, at `ended_at`. Its status is set
    with its end, since one that is OK stays so.
    """

    step: Step | None = None
    facts: Facts = field(default_factory=dict)  # of the call
    retries: list[tuple[float, Facts]] = field(default_factory=list)  # at which times, while it lasts
    span: Span | None = None
    ended_at: float = 0.0
    ok: bool = True
    why: str = ""


@dataclass(slots=True)
class _Function:
    """One function. `span`: None before it begins and after its end, when only `context` is left."""

    facts: Facts = field(default_factory=dict)  # of its plan
    span: Span | None = None
    context: Context | None = None
    steps: dict[int, _AtStep] = field(default_factory=dict)  # by change: some functions make several at once
    outcome: str = ""


class FunctionSpans:
    """Call it with each event of a run. `parent`: the run's span; `wave`: the one in progress, 0 for none."""

    def __init__(self, writer: SpanWriter) -> None:
        self.parent = Context()
        self.wave = 0
        self._writer = writer
        self._functions: dict[str, _Function] = {}
        self._handlers: Mapping[type[Event], Callable[[Any], None]] = {
            UnitPlanned: self._planned,
            StepStarted: self._step_started,
            StepFinished: self._step_finished,
            StepRetried: self._retried,
            Requested: self._requested,
            PackageStored: self._stored,
            OperationAccepted: self._accepted,
            OperationDone: self._done,
            VersionVerified: self._verified,
            UnitEnded: self._ended,
        }

    def __call__(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def close(self, at: float) -> None:
        """End the spans that have not ended."""
        for found in self._functions.values():
            self._end(found, at)

    def _planned(self, event: UnitPlanned) -> None:
        self._function(event.key).facts = {name: getattr(event, name) for name in _PLANNED}

    def _function(self, key: str) -> _Function:
        return self._functions.setdefault(key, _Function())

    def _begin(self, key: str, at: float) -> _Function:
        found = self._function(key)
        if found.context is None:
            facts = {"function": key, **found.facts} | ({"wave": self.wave} if self.wave else {})
            found.span = self._writer.start(f"function {key}", self.parent, at, facts)
            found.context, found.facts = set_span_in_context(found.span, Context()), {}
        return found

    def _step_started(self, event: StepStarted) -> None:
        found = self._begin(event.key, event.at)
        self._end_steps(found, event.change)
        found.steps[event.change] = _AtStep(event.step)

    def _step_finished(self, event: StepFinished) -> None:
        if self._function(event.key).facts.get("action") == Action.UNCHANGED:
            return  # it was packed to find that out, while the plan was made
        since = event.at - event.seconds
        found = self._begin(event.key, since)
        at = found.steps.setdefault(event.change, _AtStep(event.step))
        if at.span is not None:  # this one was done while the plan was made: no event says that it began
            self._end_steps(found, event.change)
            at = found.steps[event.change] = _AtStep(event.step)
        facts = {"function": event.key, "step": str(event.step), "change": event.change, **at.facts}
        at.span = self._writer.start(str(event.step), found.context, since, facts)
        at.step, at.ended_at, at.ok = event.step, event.at, event.ok
        for retried_at, facts in at.retries:
            self._writer.note(at.span, StepRetried.kind, retried_at, facts)

    def _requested(self, event: Requested) -> None:
        at = self._function(event.key).steps.setdefault(event.change, _AtStep())
        at.facts = {name: getattr(event, name) for name in _REQUESTED}

    def _add(self, event: Any, steps: Collection[Step], facts: Facts, *, wrong: str = "") -> None:
        """Add to the span of the step that has just ended, where it is one of these. `wrong`: why it is not OK."""
        at = self._function(event.key).steps.get(event.change)
        if at is None or at.span is None or at.step not in steps:
            return
        self._writer.add(at.span, facts)
        if wrong:
            at.ok, at.why = False, wrong

    def _retried(self, event: StepRetried) -> None:
        """Handle a retry: of a call whose step has ended with it, or within a step."""
        names = ("attempt", "wait_s", "reason", "request_id")
        facts: Facts = {name: getattr(event, name) for name in names}
        at = self._function(event.key).steps.get(event.change)
        if at is None or at.span is None:
            self._function(event.key).steps.setdefault(event.change, _AtStep()).retries.append((event.at, facts))
            return
        self._writer.note(at.span, event.kind, event.at, facts)
        self._add(event, (event.step,), {"request_id": event.request_id}, wrong=event.reason)

    def _accepted(self, event: OperationAccepted) -> None:
        self._add(event, _ASKED_IN, {name: getattr(event, name) for name in _ACCEPTED})

    def _done(self, event: OperationDone) -> None:
        facts: Facts = {"operation_id": event.operation_id, "polls": event.polls}
        facts |= {"seconds": event.seconds} if event.seconds >= 0 else {}
        self._add(event, (Step.TRACK,), facts, wrong=event.error)

    def _stored(self, event: PackageStored) -> None:
        self._add(event, (Step.UPLOAD, Step.PACKAGE), {name: getattr(event, name) for name in _STORED})

    def _verified(self, event: VersionVerified) -> None:
        facts = {"version_id": event.version_id, "verdict": str(event.verdict), "attempts": event.attempts}
        wrong = "" if event.verdict is Verdict.PASSED else event.reason or str(event.verdict)
        self._add(event, (Step.VERIFY,), facts, wrong=wrong)

    def _ended(self, event: UnitEnded) -> None:
        """End the span of a function. A later outcome, from reading back, gets its own span."""
        found, outcome = self._function(event.key), outcome_name(event.outcome)
        former, found.outcome = found.outcome, outcome
        if former == outcome or (found.context is None and isinstance(event.outcome, Unchanged)):
            return  # of a function for which nothing is done there is no span
        facts: Facts = {"function": event.key, "outcome": outcome}
        facts["version_id"] = getattr(event.outcome, "version_id", "")
        if former:
            span = self._writer.start(str(Step.READ_BACK), found.context or self.parent, event.at, facts)
            self._judge(span, event.outcome)
            span.end(nanoseconds(event.at))
            return
        span = self._begin(event.key, event.at).span or INVALID_SPAN
        if isinstance(event.outcome, Failed):
            failure = event.outcome.failure
            facts |= {name: getattr(failure, name) for name in _FAILED}
            facts |= {"error_kind": failure.kind, "error_step": str(event.outcome.step)}
            facts |= {"http_status": failure.http_status} if failure.http_status else {}
        self._writer.add(span, facts | {"reason": getattr(event.outcome, "reason", "")})
        self._judge(span, event.outcome)
        self._end(found, event.at)

    def _judge(self, span: Span, outcome: Outcome) -> None:
        """Set the status. There is none for what was not tried, or is not known."""
        if isinstance(outcome, Deployed | Pruned | Unchanged):
            self._writer.judge(span, ok=True)
        elif isinstance(outcome, Failed):
            self._writer.judge(span, ok=False, why=outcome.failure.message)

    def _end(self, found: _Function, at: float) -> None:
        self._end_steps(found)
        if found.span is not None:
            found.span.end(nanoseconds(at))
            found.span = None

    def _end_steps(self, found: _Function, change: int | None = None) -> None:
        """End the spans of steps that have ended, of one change or of all."""
        for number in list(found.steps) if change is None else [change]:
            at = found.steps.pop(number, None)
            if at is not None and at.span is not None:
                self._writer.judge(at.span, ok=at.ok, why=at.why)
                at.span.end(nanoseconds(at.ended_at))
