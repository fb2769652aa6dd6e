from __future__ import annotations

import pytest

from orchestrator.report.telemetry.signals import Signals, signals_of

HTTP, GRPC = ("otlp_proto_http",), ("otlp_proto_grpc",)
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, (), ()),
        ({"OTEL_SERVICE_NAME": "deployments", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, (), ()),
        (ENDPOINT, HTTP, HTTP),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, (), ()),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, (), ()),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, HTTP, HTTP),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, (), HTTP),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none"}, HTTP, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, HTTP, ()),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, (), HTTP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1/v1/traces"}, HTTP, ()),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1/v1/metrics"}, (), HTTP),
        ({"OTEL_TRACES_EXPORTER": "otlp, zipkin,otlp"}, (*HTTP, "zipkin"), ()),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, GRPC, GRPC),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, GRPC, HTTP),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            GRPC,
            HTTP,
        ),
    ],
)
def test_what_the_environment_asks_for(
    environ: dict[str, str], traces: tuple[str, ...], metrics: tuple[str, ...]
) -> None:
    assert signals_of(environ) == Signals(traces, metrics)
    assert signals_of(environ).is_on == bool(traces or metrics)


def test_a_value_that_is_not_supported_is_named_once_and_the_rest_has_an_effect() -> None:
    found = signals_of(ENDPOINT | {"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    assert (found.traces, found.metrics) == ((), ())
    assert found.problems == (
        'OTEL_TRACES_EXPORTER: "console" is not supported. Use --events - to see what happens',
        'OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is not supported. Use http/protobuf or grpc',
    )
