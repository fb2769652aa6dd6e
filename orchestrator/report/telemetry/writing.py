"""Writes spans: attributes, statuses and times, from events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from orchestrator.redaction.outlet import Outlet
from orchestrator.report.telemetry.names import PREFIX

Facts = dict[str, Any]  # by the names of `names.ATTRIBUTES`


class SpanWriter:
    """Starts spans. Every text goes through the outlet: no secret is in an attribute, a status or a name."""

    def __init__(self, tracer: Tracer, outlet: Outlet) -> None:
        self.tracer = tracer
        self._outlet = outlet

    def start(self, name: str, parent: Context | None, since: float, facts: Mapping[str, Any]) -> Span:
        """Start a span. `since`: seconds since the epoch."""
        return self.tracer.start_span(
            self._outlet.line(name), parent, attributes=self.attributes(facts), start_time=nanoseconds(since)
        )

    def add(self, span: Span, facts: Mapping[str, Any]) -> None:
        """Add attributes to a span."""
        span.set_attributes(self.attributes(facts))

    def judge(self, span: Span, *, ok: bool, why: str = "") -> None:
        """Set the status of a span."""
        described = self._outlet.line(why) if why and not ok else None
        span.set_status(Status(StatusCode.OK if ok else StatusCode.ERROR, described))

    def note(self, span: Span, kind: str, at: float, facts: Mapping[str, Any]) -> None:
        """Add an event to a span."""
        span.add_event(kind, self.attributes(facts), nanoseconds(at))

    def attributes(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes, without empty ones."""
        found: dict[str, Any] = {}
        for name, value in facts.items():
            if isinstance(value, str):
                if value:
                    found[PREFIX + name] = self._outlet.line(value)
            elif isinstance(value, bool | int | float):
                found[PREFIX + name] = value
            elif value:
                found[PREFIX + name] = [self._outlet.line(str(item)) for item in value]
        return found


def nanoseconds(at: float) -> int:
    """Return a time since the epoch as OpenTelemetry counts it."""
    return round(at * 1e9)
