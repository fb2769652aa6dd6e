"""An event of the log as a line for people, with a traceback below it."""

from __future__ import annotations

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import one_line, several_lines, uncommanding

OURS = ("level", "timestamp")  # of each event, set by the program itself
_TRACES = ("exception", "stack")
_COLUMNS = frozenset({"timestamp", "level", "event", "logger", "logger_name"})  # shown first, without their names
_QUOTED = frozenset(" \t=\r\n\"'")  # a value with one of these has quotes
_SIMPLE = frozenset({str, int, float, bool, type(None)})


def log_lines(outlet: Outlet, *, colours: bool) -> Processor:
    """Return the renderer of the console. Each event is one line, except for a traceback below it."""
    coloured = structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)

    def on_lines(logger: WrappedLogger, method: str, event: EventDict) -> str:
        ours = {name: event.pop(name) for name in OURS}
        redacted = {**outlet.redactor.value(event), **ours}
        traces = [redacted.pop(name) for name in _TRACES if name in redacted]
        below = [f"  | {line}" for trace in traces for line in several_lines(trace).splitlines()]
        line = "" if colours else _simple(redacted)
        if not line:
            safe: EventDict = {str(_on_a_line(name)): _on_a_line(value) for name, value in redacted.items()}
            line = str(coloured(logger, method, safe)) if colours else plain_line(safe)
        return "\n".join([line, *map(uncommanding, below)]) if below else line

    return on_lines


def plain_line(event: EventDict) -> str:
    """Return a line as structlog's own renderer writes it without colours, in a fifth of the time."""
    parts = [str(event.get("timestamp", "")), f"[{event.get('level', ''):<9}]", str(event.get("event", ""))]
    parts += [f"[{event[name]}]" for name in ("logger", "logger_name") if name in event]
    parts += [f"{name}={_quoted(event[name])}" for name in sorted(event) if name not in _COLUMNS]
    return " ".join(filter(None, parts)).rstrip(" ")


def _simple(event: EventDict) -> str:
    """Return the line if nothing in it must be escaped, as in nearly all; otherwise ""."""
    if not _SIMPLE.issuperset(map(type, event.values())):
        return ""
    line = plain_line(event)
    escaped = "::" in line or "##" in line or "\\" in line
    return line if line.isascii() and line.isprintable() and not escaped else ""


def _quoted(value: object) -> str:
    return value if isinstance(value, str) and _QUOTED.isdisjoint(value) else repr(value)


def _on_a_line(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return uncommanding(one_line(value if isinstance(value, str) else repr(value)))
