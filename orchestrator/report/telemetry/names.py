"""The names of everything that is sent, as listed in docs/telemetry.md. They are stable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PREFIX = "orchestrator."
# Of spans, by the span that has them. A name is that of the event's field, or of what it says of the run.
ATTRIBUTES = {
    "run": (
        "run_id", "verb", "job", "environment", "endpoint", "manifest", "commit", "functions", "exit_code", "reason",
    ),
    "function": (
        "function", "name", "folder_id", "function_id", "action", "reason", "base_version_id", "wave", "outcome",
        "version_id", "error_kind", "error_step", "operation_id", "request_id", "server_trace_id", "client_request_id",
        "http_status",
    ),
    "step": (
        "function", "step", "change", "call", "function_id", "idempotency_key", "attempt", "operation_id",
        "version_id", "request_id", "seconds", "polls", "bucket", "object", "sha256", "size_bytes", "existed",
        "verdict", "attempts",
    ),
    "gate": ("wave", "verdict", "exit_code"),
    "observe": ("function", "outcome", "version_id"),
}  # fmt: skip
# Events of the run's span, and of a step's.
SPAN_EVENTS = {
    "run": (
        "wave_started", "pause_began", "run_paused", "breached", "breaker_opened", "outage_began", "outage_ended",
        "long_wait", "lease_taken", "lease_lost", "rollback_begun",
    ),
    "step": ("step_retried",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `kind`: counter, up-down counter, gauge or histogram; `unit`: by UCUM."""

    name: str
    kind: str
    unit: str
    attributes: tuple[str, ...]
    what: str


# Seconds: from a call in a fast network to a build.
BOUNDARIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
ACTIVE = Metric(
    "orchestrator.operations.active", "up-down counter", "{operation}", ("scope", "id"),
    "Operations of this run in flight, in a folder or cloud",
)  # fmt: skip
LIMIT = Metric(
    "orchestrator.operations.limit", "gauge", "{operation}", ("scope", "id"),
    "Operations that may be in flight at once, in a folder or cloud",
)  # fmt: skip
RATE_LIMIT = Metric("orchestrator.requests.limit", "gauge", "{request}/s", (), "Requests that may be sent in a second")
REFUSALS = Metric(
    "orchestrator.refusals", "counter", "{refusal}", ("scope", "id"),
    "Operations that the cloud had no room for. A function has no id here",
)  # fmt: skip
RETRIES = Metric("orchestrator.retries", "counter", "{retry}", ("step",), "Calls that failed and were repeated")
STEP_DURATION = Metric(
    "orchestrator.step.duration", "histogram", "s", ("step", "ok"), "How long a step took, with its retries"
)
OPERATION_DURATION = Metric(
    "orchestrator.operation.duration", "histogram", "s", ("call", "ok"),
    "How long an Operation took by the cloud's own times, where it gave them",
)  # fmt: skip
POLLS = Metric("orchestrator.polls", "counter", "{poll}", ("call",), "Polls of Operations that are done")
FUNCTIONS = Metric("orchestrator.functions", "up-down counter", "{function}", ("outcome",), "Functions that have ended")
RUN_DURATION = Metric(
    "orchestrator.run.duration", "histogram", "s", ("verb", "exit_code"), "How long a run took, with its plan"
)
METRICS = (
    ACTIVE, LIMIT, RATE_LIMIT, REFUSALS, RETRIES, STEP_DURATION, OPERATION_DURATION, POLLS, FUNCTIONS, RUN_DURATION,
)  # fmt: skip


def root_of(run_id: str) -> tuple[int, int]:
    """Return the ids of a run's trace and of its first span. They follow from the id of the run, so that another
    process can link to it.
    """
    digest = hashlib.sha256(f"orchestrator run {run_id}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
