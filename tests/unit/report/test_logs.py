from __future__ import annotations

import io
import logging
import re
from typing import Any

import orjson
import pytest
import structlog

from orchestrator.journal.events import BytesSent, Event, StepRetried, UnitEnded
from orchestrator.model import Blocked, Cancelled, Deployed, Outcome, Step, Unchanged, Unknown
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import MARK
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display import log_lines
from orchestrator.report.logs import LogListener, _Bridge, configure
from tests.runs import RUN_ID, deployment, ended, failed, started
from tests.unit.redaction.test_redactor import BODY, IAM, JWT, LOCKBOX, OAUTH, PEM, STATIC


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


class Logs(io.StringIO):
    """A stream with the lines that were logged as JSON."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.getvalue().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


class Terminal(Logs):
    """The same on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def logs() -> Logs:
    stream = Logs()
    configure("debug", "json", stream)
    return stream


def test_a_line_has_its_level_an_iso_time_in_utc_and_the_bound_context(logs: Logs) -> None:
    with structlog.contextvars.bound_contextvars(run_id=RUN_ID, function="auth", operation_id="o", step="track"):
        structlog.get_logger().info("polled", attempt=2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", logs.last.pop("timestamp"))
    assert logs.last | {"timestamp": ""} == {
        "event": "polled", "level": "info", "attempt": 2, "run_id": RUN_ID, "function": "auth", "operation_id": "o",
        "step": "track", "timestamp": "",
    }  # fmt: skip


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_lines_below_the_level_are_not_shown(level: str, shown: int) -> None:
    stream = Logs()
    configure(level, "json", stream)
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("said")
    assert len(stream.lines) == shown


def test_the_console_form_is_one_plain_line_where_there_is_no_terminal() -> None:
    stream = Logs()
    configure("info", "console", stream)
    structlog.get_logger().info("deployed", function="auth")
    assert re.fullmatch(r"\S+Z \[info +\] deployed function=auth\n", stream.getvalue())


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize(
    "event", [*deployment("auth"), ended(1, reason='it "said" a=b'), UnitEnded(1.0, "a", failed())]
)
def test_a_line_is_laid_out_as_structlog_does_it(event: Event, colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, dict[str, Any]]] = []

    def kept(safe: dict[str, Any], look: log_lines.Look) -> str:
        lines.append((laid_out(safe, look), dict(safe)))
        return ""

    laid_out, renderer = log_lines.laid_out, structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
    monkeypatch.setattr(log_lines, "laid_out", kept)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    configure("debug", "console", Terminal() if colours else Logs())
    LogListener(RUN_ID)(event)
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(structlog.get_logger(), level)("one")
    structlog.get_logger().warning("of a library", logger="botocore", number=1.5, nothing=None, quote="it's", empty="")
    structlog.get_logger().warning("")
    assert len(lines) >= 7
    for line, safe in lines:
        assert line == renderer(None, "", safe)
        assert ("\x1b" in line) is colours


@pytest.mark.parametrize(
    "bad", ["\x1b[31m", "\x1b]0;title\x07", "\a", "\r", "\n", "\x9b31m", "\u202e", "\u2066", "\x7f"]
)
def test_no_value_controls_a_coloured_terminal(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    configure("info", "console", stream)
    log = structlog.get_logger().bind(**{f"bound{bad}": f"b{bad}"})
    text = f"text{bad}"
    log.info(text, value=f"a{bad}", several=[bad], logger=f"lib{bad}", error=ValueError(bad))
    shown = re.sub(r"\x1b\[\d+m", "", stream.getvalue().removesuffix("\n"))
    assert shown.isascii()
    assert shown.isprintable()


@pytest.mark.parametrize(("number", "level"), [(30, "warning"), (35, "warning"), (45, "error"), (77, "critical")])
def test_a_library_may_log_at_a_level_of_its_own(number: int, level: str, logs: Logs) -> None:
    logging.getLogger("library").log(number, "said")
    assert (logs.last["event"], logs.last["level"]) == ("said", level)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("fine", "fine"), ("two words", "'two words'"), ("a\nb", r"a\nb"), ("\x1b[31m", r"\x1b[31m"),
        ("\u202e", r"\u202e"),
        ("::error::", r"\x3a:error::"), ("##[group]", r"\x23#[group]"), (["a", "b"], "\"['a', 'b']\""),
        ("C:\\dir", "C:\\dir"),
        (1.5, "1.5"), (None, "None"), ("готово", "готово"),
    ],
)  # fmt: skip
def test_a_value_on_the_console_is_on_one_line_and_commands_nothing(value: object, shown: str) -> None:
    stream = Logs()
    configure("info", "console", stream)
    structlog.get_logger().info("said", value=value)
    assert stream.getvalue().endswith(f" said value={shown}\n")


def test_text_of_other_scripts_stays_readable(logs: Logs) -> None:
    structlog.get_logger().info("готово")
    assert "готово" in logs.getvalue()


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("secret", [IAM, JWT, OAUTH, STATIC, PEM, f"https://me:{LOCKBOX}@host/"])
def test_secrets_are_hidden_in_texts_values_and_exceptions(format: str, secret: str) -> None:
    stream = Logs()
    configure("debug", format, stream)
    log = structlog.get_logger()
    text = f"with {secret}"
    log.info(text, url=secret, nested={"list": [{"deep": secret}]}, error=ValueError(secret))
    try:
        fail(RuntimeError(f"refused: {secret}"), ValueError(secret))
    except RuntimeError:
        log.exception("failed")
    shown = stream.getvalue()
    assert shown.count(MARK) >= 5
    assert "RuntimeError: refused" in shown
    assert not any(part in shown for part in (secret, LOCKBOX, BODY[:40], secret[20:60]))


def test_values_under_secret_names_are_hidden_even_when_bound(logs: Logs) -> None:
    log = structlog.get_logger().bind(token="abc", headers={"Authorization": "xyz"})
    log.info("sent", secret_id="e6q9876543210abcdefg")
    assert (logs.last["token"], logs.last["headers"]) == (MARK, {"Authorization": MARK})
    assert logs.last["secret_id"] == "e6q9876543210abcdefg"


def test_values_that_the_run_knows_are_hidden(logs: Logs) -> None:
    redactor = Redactor()
    configure("debug", "json", logs, Outlet(redactor))
    redactor.add(LOCKBOX)
    structlog.get_logger().info("echoed", body={"text": f"psql {LOCKBOX}"})
    assert logs.last["body"] == {"text": f"psql {MARK}"}


def test_libraries_come_through_the_same_chain_from_warning_on(logs: Logs) -> None:
    library = logging.getLogger("botocore.auth")
    library.info("not shown")
    library.warning("sent with %s", IAM)
    assert [(line["event"], line["level"], line["logger"]) for line in logs.lines] == [
        (f"sent with {MARK}", "warning", "botocore.auth")
    ]


def test_exceptions_of_libraries_are_rendered_and_redacted(logs: Logs) -> None:
    try:
        fail(OSError(f"no route with {JWT}"))
    except OSError:
        logging.getLogger("aiohttp.client").exception("unhandled")
    assert "OSError: no route with" in logs.last["exception"]
    assert JWT not in logs.getvalue()


def test_configuring_again_does_not_double_the_lines_of_libraries(logs: Logs) -> None:
    configure("debug", "json", logs)
    logging.getLogger("botocore").warning("once")
    assert len(logs.lines) == 1


def test_a_bad_record_of_a_library_is_reported_without_its_arguments(logs: Logs) -> None:
    record = logging.LogRecord("boto3", logging.WARNING, __file__, 1, "%d bytes", (IAM,), None)
    next(handler for handler in logging.getLogger().handlers if isinstance(handler, _Bridge)).handle(record)
    assert (logs.last["event"], logs.last["logger"]) == ("bad log record", "boto3")
    assert IAM not in logs.getvalue()


class Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [Broken(), io.StringIO()])
def test_a_stream_that_broke_or_was_closed_raises_nothing(stream: io.StringIO) -> None:
    if not isinstance(stream, Broken):
        stream.close()
    configure("debug", "console", stream)
    structlog.get_logger().error("said to nobody")
    logging.getLogger("boto3").error("the same")


def test_standard_error_is_looked_up_when_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a live display that replaces stderr also gets the log lines."""
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    configure("info", "console", first)
    monkeypatch.setattr("sys.stderr", second)
    structlog.get_logger().info("said")
    assert (first.getvalue(), "said" in second.getvalue()) == ("", True)


# --- events ----------------------------------------------------------------------------------------------------------

ENDINGS: list[tuple[Outcome, str, str]] = [
    (Deployed("v1"), "info", "deployed"),
    (Deployed("v1", read_back=True), "debug", "version read back"),
    (Unchanged("v1"), "debug", "unchanged"),
    (failed(), "error", "failed"),
    (Blocked("it would lose its network"), "warning", "blocked"),
    (Cancelled(), "warning", "cancelled"),
    (Unknown("the answer was lost", "operation-1"), "warning", "outcome unknown"),
]


@pytest.mark.parametrize(("outcome", "level", "text"), ENDINGS)
def test_an_outcome_is_logged_at_its_level(logs: Logs, outcome: Outcome, level: str, text: str) -> None:
    LogListener(RUN_ID)(UnitEnded(1.0, "auth", outcome))
    assert (logs.last["level"], logs.last["event"]) == (level, text)
    assert (logs.last["function"], logs.last["run_id"]) == ("auth", RUN_ID)


def test_a_failure_is_logged_with_its_ids_and_advice(logs: Logs) -> None:
    LogListener(RUN_ID)(UnitEnded(1.0, "auth", failed()))
    assert {name: logs.last[name] for name in ("step", "kind", "http_status", "operation_id", "request_id")} == {
        "step": "track", "kind": "INVALID_ARGUMENT", "http_status": 400, "operation_id": "operation-9",
        "request_id": "request-9",
    }  # fmt: skip
    assert logs.last["server_trace_id"] == "trace-9"
    assert logs.last["advice"] == "grant iam.serviceAccounts.user"


LEVELS = {
    "planned": "debug", "step started": "debug", "step finished": "debug", "step not finished": "debug",
    "package stored": "debug", "requested": "debug", "retrying": "warning", "operation accepted": "debug",
    "operation done": "debug", "deployed": "info",
}  # fmt: skip


def test_every_step_of_a_deployment_is_logged_at_its_level(logs: Logs) -> None:
    listener = LogListener(RUN_ID)
    for event in deployment("auth"):
        listener(event)
    assert {line["event"]: line["level"] for line in logs.lines} == LEVELS
    assert all(line["function"] == "auth" and line["run_id"] == RUN_ID for line in logs.lines)


@pytest.mark.parametrize(("event", "level"), [(started(), "info"), (ended(0), "info"), (ended(1), "warning")])
def test_a_run_is_logged_from_its_start_to_its_end(logs: Logs, event: Event, level: str) -> None:
    LogListener(RUN_ID)(event)
    assert logs.last["level"] == level


def test_progress_of_bytes_is_not_logged(logs: Logs) -> None:
    LogListener(RUN_ID)(BytesSent(1.0, "auth", 1, 2))
    assert logs.lines == []


def test_the_run_id_is_bound_for_everything_from_its_start_to_its_end(logs: Logs) -> None:
    listener = LogListener(RUN_ID)
    listener(started())
    structlog.get_logger().info("during")
    listener(ended())
    structlog.get_logger().info("after")
    assert [line.get("run_id") for line in logs.lines if line["event"] in ("during", "after")] == [RUN_ID, None]


def test_what_the_table_tells_is_not_logged_function_by_function(logs: Logs) -> None:
    listener = LogListener(RUN_ID, brief=True)
    for key in ("a", "b", "c"):
        listener(UnitEnded(1.0, key, failed("no such account")))
        listener(UnitEnded(1.0, key, failed("build failed", Step.BUILD)))
        for outcome in (Deployed("v"), Blocked("by hand"), Cancelled(), Unknown("lost"), Unchanged("v")):
            listener(UnitEnded(1.0, key, outcome))
        listener(StepRetried(1.0, key, Step.CREATE, 1, 0.5, f"no answer after {len(logs.lines)} s"))
    assert [(line["event"], line["function"]) for line in logs.lines] == [
        ("failed", "a"), ("failed", "a"), ("retrying", "a")
    ]  # fmt: skip


def test_where_no_live_region_counts_them_each_failure_is_logged(logs: Logs) -> None:
    listener = LogListener(RUN_ID, brief=True, each_failure=True)
    for key in ("a", "b"):
        listener(UnitEnded(1.0, key, failed("no such account")))
        listener(UnitEnded(1.0, key, Deployed("v")))
    assert [(line["event"], line["function"]) for line in logs.lines] == [("failed", "a"), ("failed", "b")]
