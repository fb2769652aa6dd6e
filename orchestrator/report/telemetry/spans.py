"""Turns events of a run into spans: one for the run, and below it those of its functions and gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, TraceFlags, set_span_in_context

from orchestrator.errors import Exit
from orchestrator.journal.event_json import to_dict
from orchestrator.journal.events import Event, RunEnded, RunStarted
from orchestrator.journal.rollout_events import GateEnded, RollbackBegun, WaveStarted
from orchestrator.model import Verdict
from orchestrator.report.telemetry.function_spans import FunctionSpans
from orchestrator.report.telemetry.names import PREFIX, SPAN_EVENTS, root_of
from orchestrator.report.telemetry.writing import Facts, SpanWriter, nanoseconds


class RunSpans:
    """Call it with each event of a run, in order. Call `close` at the end, or when no more events follow."""

    def __init__(self, writer: SpanWriter) -> None:
        self._writer = writer
        self._root: Span = INVALID_SPAN
        self._functions = FunctionSpans(writer)
        self._at = 0.0
        self._handlers: Mapping[type[Event], Callable[[Any], None]] = {
            RunStarted: self._started,
            WaveStarted: self._wave_started,
            GateEnded: self._gate_ended,
            RollbackBegun: self._rollback_begun,
            RunEnded: self._ended,
        }

    def __call__(self, event: Event) -> None:
        self._at = event.at
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        else:
            self._functions(event)
        if event.kind in SPAN_EVENTS["run"]:
            self._writer.note(self._root, event.kind, event.at, _flat(event))

    def close(self) -> None:
        """End all open spans: the run was cut off."""
        self._functions.close(self._at)
        if self._root.is_recording():
            self._root.end(nanoseconds(self._at))

    def _started(self, event: RunStarted) -> None:
        identity = event.identity
        facts: Facts = {
            "run_id": event.run_id, "verb": event.verb, "job": identity.selection.job, "endpoint": event.endpoint,
            "environment": identity.environment, "manifest": event.manifest, "commit": identity.commit,
            "functions": event.units,
        }  # fmt: skip
        self._root = self._writer.start(event.verb, Context(), event.at - event.planned_s, facts)
        for name in ("resumes", "rolls_back", "approves"):
            if run_id := getattr(event, name):
                self._link(name, run_id)
        self._functions.parent = set_span_in_context(self._root, Context())

    def _link(self, name: str, run_id: str) -> None:
        trace_id, span_id = root_of(run_id)
        context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        self._root.add_link(context, {f"{PREFIX}link": name, **self._writer.attributes({"run_id": run_id})})

    def _ended(self, event: RunEnded) -> None:
        self._writer.add(self._root, {"exit_code": event.exit_code, "reason": event.reason})
        self._writer.judge(self._root, ok=event.exit_code == Exit.DONE, why=event.reason)
        self.close()

    def _wave_started(self, event: WaveStarted) -> None:
        self._functions.wave = event.number

    def _gate_ended(self, event: GateEnded) -> None:
        facts = {"wave": event.wave, "verdict": str(event.verdict)}
        facts |= {"exit_code": event.exit_code} if event.exit_code is not None else {}
        span = self._writer.start("gate", self._functions.parent, event.at - event.seconds, facts)
        self._writer.judge(span, ok=event.verdict is Verdict.PASSED, why=event.output)
        span.end(nanoseconds(event.at))

    def _rollback_begun(self, event: RollbackBegun) -> None:
        self._link("rolled_back_by", event.run_id)


def _flat(event: Event) -> Facts:
    """Return the fields of an event that are attributes of a span event."""
    return {name: value for name, value in to_dict(event).items() if name not in ("kind", "at", "folders")}
