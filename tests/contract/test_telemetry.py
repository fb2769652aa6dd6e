"""Telemetry over OTLP/HTTP: what arrives at a collector, and what is reported of one that takes nothing."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import anyio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from orchestrator.journal.events import Event, UnitEnded
from orchestrator.redaction.patterns import MARK
from orchestrator.report.messages import Messages
from orchestrator.report.telemetry import sending
from orchestrator.report.telemetry.names import METRICS, root_of
from orchestrator.report.telemetry.sending import telemetry
from orchestrator.report.telemetry.signals import About
from tests.ports import unserved
from tests.runs import RUN_ID, STARTED_AT, failed, whole_run
from tests.telemetry import Collector, collector

ABOUT = About(RUN_ID, "1.2.3", "prod")
WHOLE = whole_run("auth", "mail")
mentioned: list[str] = []  # by the last run


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that still try to send end soon after the test."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")


def send(
    monkeypatch: pytest.MonkeyPatch,
    environ: Mapping[str, str],
    events: Iterable[Event] = WHOLE,
    *,
    called_off: bool = False,
) -> Messages:
    """Hear events with this environment. Return the messages, with what was said to be incomplete."""
    messages = Messages()
    monkeypatch.setattr(messages, "warn", messages.incomplete.append)
    monkeypatch.setattr(messages, "mention", mentioned.append)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    async def main() -> None:
        async with telemetry(messages, ABOUT, environ, lambda: called_off) as listeners:
            for event in events:
                for listener in listeners:
                    listener(event)

    anyio.run(main)
    return messages


@pytest.fixture(autouse=True)
def forget() -> None:
    mentioned.clear()


def endpoint(found: Collector | str, **more: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": found if isinstance(found, str) else found.url, **more}


def test_spans_and_metrics_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-of-the-collector"
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Basic%20{secret},x-stage=production"}
    with collector() as found:
        messages = send(monkeypatch, endpoint(found, **headers, OTEL_RESOURCE_ATTRIBUTES="service.name=night"))
    assert messages.incomplete == []
    said = f"in production it said {secret} for Basic {secret}"
    assert messages.outlet.line(said) == f"in production it said {MARK} for {MARK}"
    assert {one["authorization"] for one in found.headers} == {f"Basic {secret}"}
    trace_id, root_id = root_of(RUN_ID)
    assert {span.trace_id for span in found.spans} == {trace_id.to_bytes(16)}
    assert mentioned == [f"telemetry: trace {trace_id.to_bytes(16).hex()}"]
    (root,) = [span for span in found.spans if not span.parent_span_id]
    assert (root.name, root.span_id) == ("deploy", root_id.to_bytes(8))
    below = {span.name for span in found.spans if span.parent_span_id == root.span_id}
    assert below == {"function auth", "function mail"}
    assert len(found.spans) == 1 + 2 * (1 + 7)
    assert {name: found.resource[name] for name in ("service.name", "service.version", "service.instance.id")} == {
        "service.name": "night", "service.version": "1.2.3", "service.instance.id": RUN_ID,
    }  # fmt: skip
    assert found.resource["deployment.environment.name"] == "prod"
    assert found.metric_names <= {metric.name for metric in METRICS}
    assert "orchestrator.step.duration" in found.metric_names


def test_a_trace_that_is_not_kept_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as found:
        messages = send(monkeypatch, endpoint(found, OTEL_TRACES_SAMPLER="always_off"))
    assert (found.traces, len(found.metrics), mentioned, messages.incomplete) == ([], 1, [], [])


def test_nothing_is_sent_that_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as found:
        send(monkeypatch, endpoint(found, OTEL_TRACES_EXPORTER="none"))
        assert (found.traces, len(found.metrics), mentioned) == ([], 1, [])
        send(monkeypatch, endpoint(found, OTEL_METRICS_EXPORTER="none", OTEL_TRACES_EXPORTER="otlp"))
        assert (len(found.spans), len(found.metrics)) == (17, 1)
        send(monkeypatch, endpoint(found, OTEL_SDK_DISABLED="true"))
        assert (len(found.spans), len(found.metrics)) == (17, 1)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (302, "HTTP 302 Found. Redirects are not followed"), (400, "HTTP 400 Bad Request. Look into the log"),
        (401, "HTTP 401 Unauthorized. Check OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "HTTP 404 Not Found. Check the path: /v1/traces"), (413, "Set OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
        (429, "HTTP 429 Too Many Requests. Look into the log"), (599, "HTTP 599. Look into the log"),
    ],
)  # fmt: skip
def test_a_collector_that_refuses_is_reported_once_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    with collector(status=status) as found:
        messages = send(monkeypatch, endpoint(found))
    (lost,) = messages.incomplete
    place = found.url.removeprefix("http://")
    assert lost.startswith(f"telemetry: 17 of 17 spans and the last metrics were not sent: {place} returned HTTP")
    assert said in lost


def test_a_collector_that_is_gone_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", logged.append)
    logging.getLogger().addHandler(handler)
    try:
        with unserved() as address:
            messages = send(monkeypatch, endpoint(f"http://{address}", OTEL_METRICS_EXPORTER="none"))
    finally:
        logging.getLogger().removeHandler(handler)
    (lost,) = messages.incomplete
    assert lost == (
        f"telemetry: 17 of 17 spans were not sent: no connection to {address}: connection refused. "
        "Check that a collector runs there, and OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    assert logged == [], "each try would be a line of the log"


def test_what_the_collector_rejected_of_what_it_took_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    with collector(answer=answer.SerializeToString()) as found:
        messages = send(monkeypatch, endpoint(found, OTEL_METRICS_EXPORTER="none"))
    place = found.url.removeprefix("http://")
    assert messages.incomplete == [f"telemetry: 3 of 17 spans were not sent: {place} rejected them: too old"]


def test_no_other_credentials_replace_those_of_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with collector() as found:
        send(monkeypatch, endpoint(found, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc"))
    assert {one["authorization"] for one in found.headers} == {"Bearer abc"}
    with collector() as found:
        send(monkeypatch, endpoint(found.url.replace("//", "//me:k3y@"), OTEL_EXPORTER_OTLP_HEADERS=""))
    assert {one["authorization"] for one in found.headers} == {"Basic bWU6azN5"}


@pytest.mark.parametrize("called_off", [False, True])
def test_a_collector_that_does_not_answer_is_waited_for_so_long(
    monkeypatch: pytest.MonkeyPatch, *, called_off: bool
) -> None:
    monkeypatch.setattr(sending, "CALLED_OFF_S" if called_off else "END_S", 0.05)
    monkeypatch.setattr(sending, "END_S" if called_off else "CALLED_OFF_S", 60.0)
    with collector(silent=threading.Event()) as found:
        messages = send(monkeypatch, endpoint(found, OTEL_METRICS_EXPORTER="none"), called_off=called_off)
    (lost,) = messages.incomplete
    assert lost.startswith("telemetry: 17 of 17 spans were not sent: no response within 0.05 s")


def test_spans_and_metrics_that_wait_for_one_place_have_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector(status=503) as found:
        messages = send(monkeypatch, endpoint(found))
    (lost,) = messages.incomplete
    assert lost.startswith("telemetry: 17 of 17 spans and the last metrics were not sent: ")
    assert "HTTP 503" in lost


def test_a_run_that_breaks_off_sends_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as found:
        send(monkeypatch, endpoint(found), WHOLE[:14])
    assert {span.name for span in found.spans} >= {"deploy", "function auth", "upload"}


def test_what_cannot_be_made_a_span_is_reported_and_the_rest_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = UnitEnded(STARTED_AT, "auth", None)  # type: ignore[arg-type]
    with collector() as found:
        messages = send(monkeypatch, endpoint(found), [*WHOLE[:-1], broken, UnitEnded(STARTED_AT, "late", failed())])
    assert "function late" in {span.name for span in found.spans}
    (lost,) = messages.incomplete
    assert lost.startswith("telemetry: an event is missing: unit_ended: KeyError")


def test_without_the_library_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.report.telemetry.exporting", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    (line,) = send(monkeypatch, endpoint("http://127.0.0.1:9")).incomplete
    assert line == (
        "telemetry is not sent: OpenTelemetry is not installed. "
        "Install it: pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_TRACES_SAMPLER", "odd", "sampler odd"), ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cr3t-without-a-name", MARK),
    ],
)  # fmt: skip
def test_a_value_that_the_library_ignores_is_reported(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    with collector() as found:
        messages = send(monkeypatch, endpoint(found, **{variable: value}, OTEL_METRICS_EXPORTER="none"))
    assert len(found.spans) == 17
    (line,) = messages.incomplete
    assert said in messages.outlet.line(line)
    assert "s3cr3t" not in messages.outlet.line(line)


class Broken(ModuleType):
    """A module whose import fails by a variable's value."""

    def __getattr__(self, name: str) -> None:
        raise ValueError("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer but got x")


def test_a_value_that_the_library_refuses_at_its_import_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "orchestrator.report.telemetry.exporting"
    monkeypatch.setitem(sys.modules, name, Broken(name))
    (line,) = send(monkeypatch, endpoint("http://127.0.0.1:9")).incomplete
    assert line.startswith("telemetry is not sent: ValueError: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otlp-proto-grpc"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, 'no exporter "zipkin". Name an exporter of an installed package'),
        ({"OTEL_TRACES_EXPORTER": "console"}, '"console" is not supported'),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "-1"}, "telemetry is not sent: ValueError"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "ENDPOINT is not a valid address. Write http://HOST:PORT"),
    ],
)
def test_a_value_that_cannot_be_followed_is_said(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], said: str
) -> None:
    (line,) = send(monkeypatch, environ).incomplete
    assert said in line
