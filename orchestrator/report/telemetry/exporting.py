"""Sends spans and metrics in separate threads: the run passes events on and never waits.

Imports OpenTelemetry, so it is only imported if something is to be sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from queue import SimpleQueue
from typing import Any, cast
from urllib.parse import unquote

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from orchestrator.journal.events import Event
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import is_worth_hiding
from orchestrator.report.telemetry.measures import Measures
from orchestrator.report.telemetry.names import root_of
from orchestrator.report.telemetry.signals import HEADERS, About, Signals
from orchestrator.report.telemetry.spans import RunSpans
from orchestrator.report.telemetry.writing import SpanWriter

_LOGGER = "opentelemetry"
QUEUE_MAX = 16_384  # spans that wait to be sent; the library's 2,048 are fewer than a fast run ends in a few seconds


class NoExporterError(Exception):
    """No installed package has an exporter of this name."""


class Exporting:
    """Sends the telemetry of one run. Call `hear` with each event, then `end`, whose wait is bounded."""

    def __init__(self, signals: Signals, about: About, environ: Mapping[str, str], outlet: Outlet) -> None:
        for secret in _secrets(environ):
            outlet.redactor.add(secret)
        self._said = _Said.listening()
        self._counts, self._sent = _Counts(), [_Sent(_load("traces", name)()) for name in signals.traces]
        self._measured = [_Sent(_load("metrics", name)()) for name in signals.metrics]
        resource, size = _resource(about), None if environ.get(OTEL_BSP_MAX_QUEUE_SIZE) else QUEUE_MAX
        self._tracers = TracerProvider(resource=resource, id_generator=RunIds(about.run_id), shutdown_on_exit=False)
        self._tracers.add_span_processor(self._counts)
        for sent in self._sent:
            self._tracers.add_span_processor(BatchSpanProcessor(cast("SpanExporter", sent), max_queue_size=size))
        readers = [PeriodicExportingMetricReader(cast("MetricExporter", sent)) for sent in self._measured]
        self._meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._hearers: list[Callable[[Event], None]] = []
        if self._sent:
            self._spans = RunSpans(SpanWriter(self._tracers.get_tracer("orchestrator", about.program), outlet))
            self._hearers.append(self._spans)
        if self._measured:
            self._hearers.append(Measures(self._meters.get_meter("orchestrator", about.program)))
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._missed = ""  # why an event is in no span
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """Queue an event."""
        self._events.put(event)

    def end(self, bound_s: float) -> str:
        """Send what is left, for at most so many seconds. Return what was not sent, and why; "" where all was."""
        self._events.put(None)
        self._thread.join(bound_s)
        logging.getLogger(_LOGGER).removeHandler(self._said)
        why = self._said.why or (f"not taken within {bound_s:g} s" if self._thread.is_alive() else "")
        ended, lost = self._counts.ended, list[str]()
        for sent in self._sent:
            if count := ended - sent.items:
                lost.append(f"{count:,} of {ended:,} spans were not sent")
        if any(not sent.is_whole for sent in self._measured):
            lost.append("the last metrics were not sent")
        missed = [f"an event is missing: {self._missed}"] if self._missed else []
        return "; ".join([", ".join(lost) + (f": {why}" if why else "")] * bool(lost) + missed)

    def _work(self) -> None:
        for event in iter(self._events.get, None):
            for hearer in self._hearers:
                try:
                    hearer(event)
                except Exception as error:  # noqa: BLE001 - telemetry stops no run: what is missing is reported
                    self._missed = f"{event.kind}: {type(error).__name__}: {error}"
        if self._sent:
            self._spans.close()
        for sent in self._measured:
            sent.is_whole = False  # until the last ones are sent
        self._meters.shutdown()
        self._tracers.shutdown()


class _Counts(SpanProcessor):
    """Counts the spans that have ended."""

    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - as the library calls it
        self.ended += 1


class _Sent:
    """An exporter, and what it has accepted: how many spans, or whether it accepted the last metrics."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self.items = 0
        self.is_whole = False

    def export(self, data: Any, *args: Any, **given: Any) -> Any:
        """Export a batch of spans, or all metrics."""
        result = self._exporter.export(data, *args, **given)
        self.is_whole = result in (SpanExportResult.SUCCESS, MetricExportResult.SUCCESS)
        self.items += len(data) if self.is_whole and isinstance(data, Sequence) else 0
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


class RunIds(RandomIdGenerator):
    """IDs of one run's spans. The IDs of the first span follow from the run's ID."""

    def __init__(self, run_id: str) -> None:
        self._trace_id, self._root_id = root_of(run_id)
        self._is_root = True

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        if self._is_root:
            self._is_root = False
            return self._root_id
        return super().generate_span_id()


class _Said(logging.Handler):
    """Keeps the reason why the library could not send, from its logs. A cause overrides the message that it gave up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._cause = self._text = ""

    @property
    def why(self) -> str:
        """The latest reason, "" for none."""
        return self._cause or self._text

    @classmethod
    def listening(cls) -> _Said:
        """Return a handler that listens from now on."""
        logger, said = logging.getLogger(_LOGGER), cls()
        logger.propagate = False
        logger.addHandler(said)  # a rollback has its own while its run still has one
        return said

    def emit(self, record: logging.LogRecord) -> None:
        errors = [record.exc_info[1] if record.exc_info else None]
        errors += [one for one in record.args if isinstance(one, Exception)] if isinstance(record.args, tuple) else []
        found = next(filter(None, errors), None)
        self._text = record.getMessage()
        self._cause = _first_cause(found) if found is not None else self._cause


def _first_cause(error: BaseException) -> str:
    """Return the first cause of a library's error, such as "Connection refused", without the errors around it."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), *error.args[:2], error.__cause__, error.__context__]
        cause = next((one for one in inner if isinstance(one, BaseException)), None)
        if cause is None:
            break
        error = cause
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what the headers have that must not be shown: whole values, and the part after "Basic" or "Bearer"."""
    for name in HEADERS:
        for pair in environ.get(name, "").split(","):
            value = unquote(pair.partition("=")[2].strip())
            yield from filter(is_worth_hiding, {value, value.rpartition(" ")[2]})


def _load(signal: str, name: str) -> Callable[[], Any]:
    for found in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return cast("Callable[[], Any]", found.load())
    raise NoExporterError(name)


def _resource(about: About) -> Resource:
    """Describe this process. What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say comes first."""
    ours = {"service.name": "orchestrator", "service.version": about.program, "service.instance.id": about.run_id}
    ours |= {"deployment.environment.name": about.environment} if about.environment else {}
    said = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in ours.items() if name not in said})
