"""Sends spans and metrics in separate threads: the run passes events on and never waits.

Imports OpenTelemetry, so it is only imported if something is to be sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision

from orchestrator.journal.events import Event
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import is_worth_hiding
from orchestrator.report.telemetry.measures import Measures
from orchestrator.report.telemetry.names import root_of
from orchestrator.report.telemetry.signals import HEADERS, OVER_HTTP, About, NoExporterError, Signals
from orchestrator.report.telemetry.spans import RunSpans
from orchestrator.report.telemetry.writing import SpanWriter

if TYPE_CHECKING:
    from orchestrator.report.telemetry.posting import Posting

_LOGGER = "opentelemetry"
_PROVIDERS = tuple(f"{signal}CREDENTIAL_PROVIDER" for signal in ("", "TRACES_", "METRICS_"))  # of sessions of users
_FULL = "too many spans waited to be sent. Raise OTEL_BSP_MAX_QUEUE_SIZE"
QUEUE_MAX = 16_384  # spans that wait to be sent; the library's 2,048 are fewer than a fast run ends in a few seconds


class Exporting:
    """Sends the telemetry of one run. Call `hear` with each event, then `end`, whose wait is bounded."""

    def __init__(self, signals: Signals, about: About, environ: Mapping[str, str], outlet: Outlet) -> None:
        for secret in _secrets(environ):
            outlet.redactor.add(secret)
        self._said = _Said.listening()
        self._counts, self._sent = _Counts(), [_opened("traces", name, environ) for name in signals.traces]
        self._measured = [_opened("metrics", name, environ) for name in signals.metrics]
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
        self.problems = self._said.taken()  # values of variables that the library replaced by its own
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._missed = ""  # why an event is in no span
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def is_sampled(self) -> bool:
        """Whether the trace is kept, as OTEL_TRACES_SAMPLER says."""
        trace_id = self._tracers.id_generator.generate_trace_id()
        decision = self._tracers.sampler.should_sample(None, trace_id, "run").decision
        return bool(self._sent) and decision is Decision.RECORD_AND_SAMPLE

    def hear(self, event: Event) -> None:
        """Queue an event."""
        self._events.put(event)

    def end(self, bound_s: float) -> str:
        """Send what is left, for at most so many seconds. Return what was not sent, and why; "" where all was."""
        self._events.put(None)
        self._thread.join(bound_s)
        logging.getLogger(_LOGGER).removeHandler(self._said)
        late_s, ended = bound_s if self._thread.is_alive() else None, self._counts.ended
        known = {sent.place: sent.failure for sent in (*self._sent, *self._measured) if sent.failure}
        lost: dict[str, list[str]] = {}  # by the reason
        for sent in self._sent:
            if count := ended - sent.items:
                why = sent.why(known, late_s, self._said.text) or (_FULL if sent.tried < ended else self._said.text)
                lost.setdefault(why, []).append(f"{count:,} of {ended:,} spans")
        for sent in self._measured:
            if not sent.is_whole:
                why = sent.why(known, late_s, self._said.text) or self._said.text
                lost.setdefault(why, []).append("the last metrics")
        said = [f"{' and '.join(what)} were not sent" + (f": {why}" if why else "") for why, what in lost.items()]
        missed = [f"an event is missing: {self._missed}"] if self._missed else []
        if left := self._events.qsize():
            missed.append(f"{left:,} events are missing: there was no time left to make spans of them")
        return "; ".join([*said, *missed])

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
        last = threading.Thread(target=self._tracers.shutdown, name="telemetry-spans", daemon=True)
        last.start()  # next to the metrics: the end waits for both together
        self._meters.shutdown()
        last.join()


class _Counts(SpanProcessor):
    """Counts the spans that have ended."""

    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - as the library calls it
        self.ended += 1


class _Sent:
    """An exporter, and what it has accepted: how many spans, or whether it accepted the last metrics. `posting` knows
    why it did not; None for exporters that do not post by it.
    """

    def __init__(self, exporter: Any, posting: Posting | None) -> None:
        self._exporter = exporter
        self._posting = posting
        self.items = self.tried = 0
        self.is_whole = False

    def export(self, data: Any, *args: Any, **given: Any) -> Any:
        """Export a batch of spans, or all metrics."""
        rejected = self._posting.rejected if self._posting is not None else 0
        count = len(data) if isinstance(data, Sequence) else 0
        self.tried += count
        result = self._exporter.export(data, *args, **given)
        rejected = self._posting.rejected - rejected if self._posting is not None else 0
        accepted = result in (SpanExportResult.SUCCESS, MetricExportResult.SUCCESS)
        self.is_whole = accepted and not rejected
        self.items += max(count - rejected, 0) if accepted else 0
        return result

    @property
    def place(self) -> str:
        """Where it has posted to, "" if that is not known."""
        return self._posting.place if self._posting is not None else ""

    @property
    def failure(self) -> str:
        """Why the latest post that failed was not accepted, "" if that is not known."""
        return self._posting.why if self._posting is not None else ""

    def why(self, known: Mapping[str, str], late_s: float | None, logged: str) -> str:
        """Return why something was not accepted, "" if that is not known. `known`: failures by place, of the other
        signal too; `late_s`: how long the end waited for this one; `logged`: what the library logged last, all that an
        exporter without a session of ours says.
        """
        # Before its first post its place is not known, and nearly always it is that of the other signal.
        if found := self.failure or known.get(self.place, "") or ("" if self.place else next(iter(known.values()), "")):
            return found
        if self._posting is None and logged:
            return logged
        at = f" from {self.place}" if self.place else ""
        return "" if late_s is None else f"no response within {late_s:g} s{at}"

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
    """Keeps what the library logs: about values of variables, and about exporters that do not say why they failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: dict[str, None] = {}
        self.text = ""  # the latest one

    @classmethod
    def listening(cls) -> _Said:
        """Return a handler that listens from now on."""
        logger, said = logging.getLogger(_LOGGER), cls()
        logger.propagate = False
        logger.addHandler(said)  # a rollback has its own while its run still has one
        return said

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        self._texts[self.text] = None

    def taken(self) -> tuple[str, ...]:
        """Return all texts so far, and forget them."""
        texts, self._texts, self.text = tuple(self._texts), {}, ""
        return texts


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what the headers have that must not be shown: whole values, and the part after "Basic" or "Bearer". The
    library's own message quotes a header that has no value.
    """
    for name in HEADERS:
        for pair in environ.get(name, "").split(","):
            header, _, value = pair.partition("=")
            value = unquote((value or header).strip())
            yield from filter(is_worth_hiding, {value, value.rpartition(" ")[2]})


def _opened(signal: str, name: str, environ: Mapping[str, str]) -> _Sent:
    """Return an exporter by its name. That of HTTP posts by a session of ours, unless the user has one."""
    load = _load(signal, name)
    if name != OVER_HTTP or any(environ.get(f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{one}") for one in _PROVIDERS):
        return _Sent(load(), None)
    from orchestrator.report.telemetry.posting import Posting  # noqa: PLC0415 - of this exporter alone

    posting = Posting()
    return _Sent(load(session=posting), posting)


def _load(signal: str, name: str) -> Callable[..., Any]:
    for found in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return cast("Callable[..., Any]", found.load())
    raise NoExporterError(name)


def _resource(about: About) -> Resource:
    """Describe this process. What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say comes first."""
    ours = {"service.name": "orchestrator", "service.version": about.program, "service.instance.id": about.run_id}
    ours |= {"deployment.environment.name": about.environment} if about.environment else {}
    said = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in ours.items() if name not in said})
