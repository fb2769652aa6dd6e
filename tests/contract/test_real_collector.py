"""What a collector that is not ours understands of our telemetry: it receives it, and sends what it has read on to one
of the tests, in requests of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.telemetry.exporting import Exporting
from orchestrator.report.telemetry.names import root_of
from orchestrator.report.telemetry.signals import About, signals_of
from tests.ports import reserved
from tests.runs import RUN_ID, whole_run
from tests.telemetry import Collector, collector

rotel = pytest.importorskip("rotel", reason="no collector is there for this platform")
START_S = 60.0


@contextmanager
def real(behind: Collector, folder: Path) -> Iterator[str]:
    """Start the collector. Yield its address once it listens; all that it has taken is passed on by the end."""
    with reserved(2) as (http, grpc), subprocess.Popen(
        [
            Path(rotel.__file__).parent / "rotel-agent", "start", "--exporter", "otlp",
            "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
            "--otlp-exporter-endpoint", behind.url, "--otlp-exporter-protocol", "http",
            "--pid-file", folder / "pid", "--log-file", folder / "log",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            until = time.monotonic() + START_S
            while not listens(http):
                assert process.poll() is None
                assert time.monotonic() < until
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()  # it passes on what it has, then it ends
            process.wait(START_S)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        time.sleep(0.05)
        return False
    return True


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_it_reads_every_span_and_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    with collector() as found:
        with real(found, tmp_path) as url:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
            exporting = Exporting(signals_of(os.environ), About(RUN_ID, "1", ""), os.environ, Outlet(Redactor()))
            for event in whole_run("auth", "mail"):
                exporting.hear(event)
            assert exporting.end(START_S) == ""
        assert {span.trace_id for span in found.spans} == {root_of(RUN_ID)[0].to_bytes(16)}
        (root,) = [span for span in found.spans if not span.parent_span_id]
        functions = [span for span in found.spans if span.parent_span_id == root.span_id]
        assert sorted(span.name for span in functions) == ["function auth", "function mail"]
        assert len(found.spans) == 1 + 2 * (1 + 7)
        assert found.resource["service.name"] == "orchestrator"
        assert {"orchestrator.functions", "orchestrator.polls", "orchestrator.step.duration"} <= found.metric_names
