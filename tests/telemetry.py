"""What a run sends as telemetry: kept in memory by OpenTelemetry's own test exporters, or received over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestrator.journal.events import Event
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.telemetry.exporting import RunIds
from orchestrator.report.telemetry.measures import Measures
from orchestrator.report.telemetry.names import PREFIX
from orchestrator.report.telemetry.spans import RunSpans
from orchestrator.report.telemetry.writing import SpanWriter
from tests.runs import RUN_ID


@dataclass(frozen=True)
class Sent:
    """The spans of one run, in the order in which they have ended."""

    spans: tuple[ReadableSpan, ...]

    def named(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """The children of a span, in the order in which they began."""
        children = [span for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]
        return sorted(children, key=lambda span: (span.start_time or 0, span.end_time or 0))

    @property
    def root(self) -> ReadableSpan:
        """The run's span."""
        (found,) = [span for span in self.spans if span.parent is None]
        return found


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a span or of one of its events or links, without the prefix that all of them have."""
    assert all(name.startswith(PREFIX) for name in span.attributes)
    return {name.removeprefix(PREFIX): value for name, value in span.attributes.items()}


def sent(events: Iterable[Event], *, run_id: str = RUN_ID, outlet: Outlet | None = None, close: bool = False) -> Sent:
    """The spans of these events. `close`: no others come, as in a run that is cut off."""
    exporter, tracers = InMemorySpanExporter(), TracerProvider(id_generator=RunIds(run_id), shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    spans = RunSpans(SpanWriter(tracers.get_tracer("test"), outlet or Outlet(Redactor())))
    for event in events:
        spans(event)
    if close:
        spans.close()
    return Sent(exporter.get_finished_spans())


Points = dict[str, dict[tuple[tuple[str, Any], ...], Any]]


def measured(events: Iterable[Event]) -> Points:
    """The metrics of these events: name → sorted attributes → value, of histograms the pair of count and sum."""
    reader = InMemoryMetricReader()
    measures = Measures(MeterProvider([reader], shutdown_on_exit=False).get_meter("test"))
    for event in events:
        measures(event)
    data = reader.get_metrics_data()
    found: Points = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data is not None else ():
        for point in metric.data.data_points:
            key = tuple(sorted(attributes(point).items()))
            value = getattr(point, "value", None)
            found.setdefault(metric.name, {})[key] = (point.count, point.sum) if value is None else value  # type: ignore[union-attr]
    return found


@dataclass
class Collector:
    """An OTLP receiver on loopback, which reads what it gets with the official protobufs."""

    url: str = ""
    status: int = 200
    answer: bytes = b""
    headers: list[dict[str, str]] = field(default_factory=list)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    silent: threading.Event | None = None  # no answer before it is set

    @property
    def spans(self) -> list[Any]:
        """All spans that came."""
        scopes = (scope for one in self.traces for resource in one.resource_spans for scope in resource.scope_spans)
        return [span for scope in scopes for span in scope.spans]

    @property
    def resource(self) -> dict[str, str]:
        """The attributes of the process that sent spans."""
        return {one.key: one.value.string_value for one in self.traces[0].resource_spans[0].resource.attributes}

    @property
    def metric_names(self) -> set[str]:
        """The names of all metrics that came."""
        scopes = (
            scope for one in self.metrics for resource in one.resource_metrics for scope in resource.scope_metrics
        )
        return {metric.name for scope in scopes for metric in scope.metrics}

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Read a request. Raises where it is none of OTLP."""
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        assert headers["content-type"] == "application/x-protobuf"
        self.headers.append(headers)
        kinds: dict[str, Any] = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
        message = kinds[path].FromString(body)
        (self.traces if path == "/v1/traces" else self.metrics).append(message)


@contextmanager
def collector(**given: Any) -> Iterator[Collector]:
    """Serve one for as long as the block lasts."""
    found = Collector(**given)

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.silent is not None:
                found.silent.wait(20)
            elif found.status == 200:
                found.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(found.status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        if found.silent is not None:
            found.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
