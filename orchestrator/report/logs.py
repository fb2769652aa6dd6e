"""Structured logs on stderr: one chain of processors for our logs and those of libraries. The last one redacts."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orchestrator.errors import Exit
from orchestrator.journal.condition_events import (
    BreakerOpened,
    LeaseLost,
    LeaseTaken,
    LimitChanged,
    LongWait,
    OutageBegan,
    OutageEnded,
)
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    PackageStored,
    Requested,
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Blocked, Cancelled, Deployed, Failed, Inconclusive, Pruned, Unchanged, Unknown, Verdict
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.log_lines import OURS, log_lines
from orchestrator.report.display.rollout_lines import ROLLOUT_LINES, LogLine
from orchestrator.report.streams import Unbroken, may_colour

# Parts that differ between otherwise equal errors: cloud IDs and numbers.
_IDS = re.compile(r"\b(?:[a-z0-9]{20}|[0-9a-f-]{32,64}|\d+(?:\.\d+)?)\b")
_IN_BRIEF = ("function", "step", "kind", "message")
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, format: str, stream: TextIO, outlet: Outlet | None = None) -> None:
    """Configure logging for the process. `level`: debug | info | warning | error; `format`: console | json.

    Records of libraries that use `logging` (boto3, aiohttp) pass through the same chain, from level warning. `outlet`
    knows the run's own secret values. Text that looks like a secret is hidden without it too.
    """
    out = Unbroken(stream)
    structlog.configure(
        processors=_chain(format, colours=may_colour(stream), outlet=outlet or Outlet(Redactor())),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", out)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(logging.WARNING))
    root.setLevel(logging.WARNING)


def _chain(format: str, *, colours: bool, outlet: Outlet) -> list[Processor]:
    """Return the processors: what they make of an event is written."""

    def as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        return outlet.json(event, ours={name: event.pop(name) for name in OURS})

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        as_json if format == "json" else log_lines(outlet, colours=colours),
    ]


class _Bridge(logging.Handler):
    """Passes a library's log record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = structlog.get_logger().bind(logger=record.name)
            level = min(record.levelno // 10 * 10, logging.CRITICAL)  # structlog knows no levels between
            log.log(level, record.getMessage(), exc_info=record.exc_info or None)
        except Exception as error:  # noqa: BLE001 - a library's bad record is logged, never raised
            # Without its arguments: logging's own `handleError` would print them unredacted.
            structlog.get_logger().error("bad log record", logger=record.name, error=type(error).__name__)


class LogListener:
    """Turns events into log calls, and binds `run_id` for everything else that is logged during the run.

    `brief`: a table follows, so outcomes are not logged, except for the first failure of its kind, or with
    `each_failure` all failures. Of equal retries only the first is logged.
    """

    def __init__(self, run_id: str, *, brief: bool = False, each_failure: bool = False) -> None:
        self._run_id = run_id
        # Bound once: the logger that is looked up for each line costs as much as the line itself.
        self._log: Any = structlog.get_logger().bind(run_id=run_id)
        self._brief = brief
        self._each_failure = each_failure
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):  # the tasks that the run starts inherit it
            structlog.contextvars.bind_contextvars(run_id=self._run_id)
        handler = _LINES.get(type(event))
        if handler is not None and not (self._brief and self._is_left_out(event)):
            level, text, facts = handler(event)
            if self._brief and isinstance(event, UnitEnded):  # the full text follows at the end
                facts = {name: facts[name] for name in _IN_BRIEF if name in facts}
            self._log.log(LEVELS[level], text, **facts)
        if isinstance(event, RunEnded):
            structlog.contextvars.unbind_contextvars("run_id")

    def _is_left_out(self, event: Event) -> bool:
        match event:
            case UnitEnded(outcome=Failed()) if self._each_failure:
                return False
            case UnitEnded(outcome=Failed(step, failure)):
                kind = "failed", step, failure.kind
            case UnitEnded():
                return True
            case StepRetried(step=step, reason=reason):
                kind = "retried", step, _IDS.sub("…", reason)
            case _:
                return False
        known = kind in self._seen
        self._seen.add(kind)
        return known


def _run_started(event: RunStarted) -> LogLine:
    facts = {"verb": event.verb, "endpoint": event.endpoint, "functions": event.units, "program": event.program}
    more = {"environment": event.identity.environment, "adopt": " ".join(event.adopt), "skips": " ".join(event.skips)}
    return "info", "run started", facts | {name: value for name, value in more.items() if value}


def _breaker(event: BreakerOpened) -> LogLine:
    facts = {"reason": event.reason, "not_tried": event.left, "folder_id": event.folder_id}
    return "error", "refused repeatedly: no more of these calls are made", facts


def _outage_began(event: OutageBegan) -> LogLine:
    return "warning", "the cloud does not respond: the run waits", {"reason": event.reason}


def _outage_ended(event: OutageEnded) -> LogLine:
    return "warning", "the cloud responds again: the run continues", {"seconds": round(event.seconds, 1)}


def _long_wait(event: LongWait) -> LogLine:
    return "warning", "waiting", {"seconds": round(event.seconds, 1), "reason": event.reason}


def _lease_taken(event: LeaseTaken) -> LogLine:
    return "info", "lease taken", {"fencing": event.fencing, "functions": event.functions}


def _lease_lost(event: LeaseLost) -> LogLine:
    return "error", "lease lost: nothing new starts", {"reason": event.reason}


def _limit_changed(event: LimitChanged) -> LogLine:
    lowered = event.reason in ("refused", "others use it")
    facts = {"what": event.what, "allowed": round(event.allowed, 1), "reason": event.reason}
    return "info" if lowered else "debug", "limit changed", facts


def _run_ended(event: RunEnded) -> LogLine:
    facts: dict[str, Any] = {"exit_code": event.exit_code}
    if event.reason:
        facts["reason"] = event.reason
    return "info" if event.exit_code == Exit.DONE else "warning", "run ended", facts


def _unit_ended(event: UnitEnded) -> LogLine:
    facts: dict[str, Any] = {"function": event.key}
    more: dict[str, Any]
    match event.outcome:
        case Deployed(version_id, read_back):
            level, text, more = ("debug", "version read back", {}) if read_back else ("info", "deployed", {})
            facts["version_id"] = version_id
        case Pruned(deleted, read_back):
            level, text = ("debug", "deletions read back") if read_back else ("info", "pruned")
            more = {"versions": deleted}
        case Unchanged(version_id):
            level, text, more = "debug", "unchanged", {"version_id": version_id}
        case Failed(step, failure):
            names = ("kind", "message", "operation_id", "http_status", "request_id", "server_trace_id", "advice")
            values = {name: getattr(failure, name) for name in names}
            level, text, more = "error", "failed", {"step": str(step)} | {k: v for k, v in values.items() if v}
        case Blocked(reason):
            level, text, more = "warning", "blocked", {"reason": reason}
        case Cancelled(reason):
            level, text, more = "warning", "cancelled", {"reason": reason}
        case Unknown(reason, operation_id):
            level, text, more = "warning", "outcome unknown", {"reason": reason, "operation_id": operation_id}
        case Inconclusive(reason, version_id):
            level, text, more = "warning", "inconclusive", {"reason": reason, "version_id": version_id}
    return level, text, facts | more


def _verified(event: VersionVerified) -> LogLine:
    level = "debug" if event.verdict is Verdict.PASSED else "warning"
    facts = {"function": event.key, "version_id": event.version_id, "verdict": str(event.verdict)}
    values = {"reason": event.reason, "calls": event.attempts, "seconds": round(event.seconds, 3)}
    return level, "verified", facts | {name: value for name, value in values.items() if value != ""}


def _retried(event: StepRetried) -> LogLine:
    facts = {"attempt": event.attempt, "wait_s": round(event.wait_s, 3), "reason": event.reason}
    if event.request_id:
        facts["request_id"] = event.request_id
    return "warning", "retrying", {"function": event.key, "step": str(event.step)} | facts


def _finished(event: StepFinished) -> LogLine:
    facts = {"function": event.key, "step": str(event.step), "seconds": round(event.seconds, 3)}
    return "debug", "step finished" if event.ok else "step not finished", facts


def _done(event: OperationDone) -> LogLine:
    facts = {"function": event.key, "operation_id": event.operation_id, "seconds": round(event.seconds, 3)}
    return "debug", "operation done", facts | ({"error": event.error} if event.error else {})


def _fields(text: str, *names: str) -> Callable[[Any], LogLine]:
    def line(event: Any) -> LogLine:
        values = {name: getattr(event, name) for name in names}
        return "debug", text, {"function": event.key} | {name: value for name, value in values.items() if value != ""}

    return line


_LINES: Mapping[type[Event], Callable[[Any], LogLine]] = {
    **ROLLOUT_LINES,
    RunStarted: _run_started,
    UnitPlanned: _fields("planned", "action", "reason", "function_id", "base_version_id"),
    BreakerOpened: _breaker,
    LeaseTaken: _lease_taken,
    LeaseLost: _lease_lost,
    LimitChanged: _limit_changed,
    OutageBegan: _outage_began,
    LongWait: _long_wait,
    OutageEnded: _outage_ended,
    StepStarted: _fields("step started", "step"),
    StepFinished: _finished,
    StepRetried: _retried,
    PackageStored: _fields("package stored", "bucket", "object", "sha256", "size_bytes", "existed"),
    Requested: _fields("requested", "call", "function_id", "idempotency_key", "attempt"),
    OperationAccepted: _fields("operation accepted", "call", "operation_id", "function_id", "version_id", "request_id"),
    OperationDone: _done,
    VersionVerified: _verified,
    UnitEnded: _unit_ended,
    RunEnded: _run_ended,
}
