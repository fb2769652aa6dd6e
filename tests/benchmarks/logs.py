"""Cost of logs and telemetry: `python -m tests.benchmarks.logs [FUNCTIONS]`. CPU time per event, each logged once.

Two dozen events per function, as in a deployment. Each text is searched for fifty known secrets.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator

from orchestrator.journal.events import Event
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.logs import LogListener, configure
from orchestrator.report.telemetry.exporting import Exporting
from orchestrator.report.telemetry.signals import About, signals_of
from tests.runs import RUN_ID, deployment, started
from tests.telemetry import collector

SECRETS = 50


class Nowhere(io.StringIO):
    """A stream that discards everything."""

    def write(self, text: str) -> int:
        return len(text)


class Terminal(Nowhere):
    """A terminal that discards everything: it gets colours."""

    def isatty(self) -> bool:
        return True


def events(functions: int) -> Iterator[Event]:
    """Yield the events of a run with this many functions."""
    yield started(units=functions)
    for number in range(functions):
        yield from deployment(f"function-{number:05d}")


def outlet() -> Outlet:
    """Return an outlet that knows secrets."""
    redactor = Redactor()
    for number in range(SECRETS):
        redactor.add(f"s3cr3t-value-{number:04d}")
    return Outlet(redactor)


def main() -> None:
    functions = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    run = list(events(functions))
    for name, form, stream in (
        ("json", "json", Nowhere()), ("console", "console", Nowhere()), ("coloured", "console", Terminal())
    ):  # fmt: skip
        for level in ("debug", "info"):
            configure(level, form, stream, outlet())
            listener = LogListener(RUN_ID)
            began_s = time.process_time()
            for event in run:
                listener(event)
            each_s = (time.process_time() - began_s) / len(run)
            print(f"{name:8} {level:6} {each_s * 1e6:5.1f} µs an event")  # noqa: T201 - this is its purpose
    with collector() as found:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = found.url
        exporting = Exporting(signals_of(os.environ), About(RUN_ID, "0", ""), os.environ, outlet())
        began_s, began_all_s = time.thread_time(), time.process_time()
        for event in run:
            exporting.hear(event)
        each_s = (time.thread_time() - began_s) / len(run)
        lost = exporting.end(600.0)
        all_s = (time.process_time() - began_all_s) / len(run)
    print(f"telemetry {each_s * 1e6:5.1f} µs an event in the run, {all_s * 1e6:5.1f} µs with all threads {lost}")  # noqa: T201 - the same


if __name__ == "__main__":
    main()
