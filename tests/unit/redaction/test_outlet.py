"""Hostile text in every field of every answer, through every channel: none of it controls a terminal or a CI."""

from __future__ import annotations

import copy
import io
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import CloudError, Code, ManifestError, Mistake, UsageError
from orchestrator.journal.event_json import EVENTS, to_dict
from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, StepStarted, UnitEnded
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Blocked, Cancelled, ChangeKind, Failed, Failure, Outcome, Rollout, Step, Unknown
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import EXACT, Redactor
from orchestrator.report.display.console import progress
from orchestrator.report.display.displays import EventFile
from orchestrator.report.formats import FORMATS
from orchestrator.report.logs import LogListener, configure
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.views import DocumentView, ResultView
from tests.runs import RUN_ID, STARTED_AT, ended, planned, started
from tests.unit.redaction.test_redactor import IAM, JWT, OAUTH, PEM, STATIC
from tests.unit.report.test_formats import VIEWS

PASSWORD = "Tr0ub4dor&3"
SECRETS = (IAM, JWT, OAUTH, PEM, STATIC, PASSWORD)
HOSTILE = (
    "\n::error file=a,line=1::you have been had", "\r\n  ::add-mask::x", "::set-output name=a::b", "\n##[group]FAKE",
    "##vso[task.complete result=Succeeded]", "##teamcity[x]", "%0A::warning::", "\x1b[2J\x1b[1;1H", "\x1b]0;title\x07",
    "\x9b31m", "\x9d", "\x85::error::", "\u202eevil\u202c", "\u2066", "\u2028::error::", "\u2029", "\x00", "\x7f",
    "\nFAKE plan: 0 create", "\rFAKE", "\x0bFAKE", "\x0cFAKE", "\u00a0::error::", "\udc80", "\U000e0041",
    "section_start:1:x\r\x1b[0K",
)  # fmt: skip
SPACED = [f" {secret} " for secret in SECRETS]
PIECES = st.sampled_from([*HOSTILE, *SPACED, " ", "words", "function", "\n"])
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=6)
COMMANDING = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def outlet() -> Outlet:
    redactor = Redactor()
    redactor.add_variables({"DB_PASSWORD": PASSWORD})
    return Outlet(redactor)


def poisoned(value: Any, text: str) -> Any:
    """Copy a value with this text in place of every text in it, including keys of mappings and paths."""
    if isinstance(value, Enum | Rollout):  # a rollout was parsed by ourselves
        return value
    if isinstance(value, str):
        return text
    if isinstance(value, Path):
        return Path(text.replace("\0", "") or ".")
    if isinstance(value, Mapping):
        return {poisoned(key, text): poisoned(item, text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(poisoned(item, text) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for field in fields(value):
            object.__setattr__(made, field.name, poisoned(getattr(value, field.name), text))
        return made
    return value


def failure(text: str) -> Failure:
    return Failure(text, text, 400, text, text, text, text, text, f"{text}\n{text}")


def outcomes(text: str) -> list[Outcome]:
    return [
        Failed(Step.TRACK, failure(text)), Blocked(text), Cancelled(text), Unknown(text, text, text),
    ]  # fmt: skip


def events(text: str) -> list[Event]:
    """Return a run in which the cloud, the manifest and the packages are hostile."""
    made: list[Event] = [poisoned(started(units=4), text)]
    for number, outcome in enumerate(outcomes(text)):
        key = f"{text}{number}"
        made += [
            poisoned(planned(key), key),
            StepStarted(STARTED_AT, key, Step.TRACK),
            Requested(STARTED_AT, key, ChangeKind.VERSION, text, text, 1),
            OperationAccepted(STARTED_AT, key, ChangeKind.VERSION, text, text, text, text),
            OperationDone(STARTED_AT, key, text, 1.0, text),
            UnitEnded(STARTED_AT, key, outcome),
        ]
    return [*made, ended(1, reason=text)]


def cloud_error(text: str) -> CloudError:
    return CloudError(
        text, call=text, code=Code.UNAUTHENTICATED, http_status=401, request_id=text, server_trace_id=text,
        client_request_id=text, quota=text, advice=text,
    )  # fmt: skip


@contextmanager
def stderr() -> Iterator[io.StringIO]:
    """Capture standard error, and restore the logs afterwards."""
    root, before, stream = logging.getLogger(), sys.stderr, io.StringIO()
    handlers, level = list(root.handlers), root.level
    sys.stderr, root.handlers[:] = stream, []  # pytest passes on what it captures itself as text
    try:
        yield stream
    finally:
        sys.stderr = before
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root.handlers[:] = handlers
        root.setLevel(level)


def messages(text: str, format: str) -> str:
    with stderr() as stream:
        said = Messages()
        said.outlet = outlet()
        said.configure("debug", format)
        said.say(text)
        said.warn(text)
        said.mention(with_facts(cloud_error(text)))
        said.fail(cloud_error(text))
        said.fail(UsageError(text, advice=text))
        said.fail(ManifestError((Mistake(text, 3, text, text),)))
        said.plan(poisoned(VIEWS["a plan"][0], text))
    return stream.getvalue()


def logs(text: str, format: str) -> str:
    with stderr() as stream:
        configure("debug", format, stream, outlet())
        listener = LogListener(RUN_ID)
        for event in events(text):
            listener(event)
        log = structlog.get_logger().bind(bound=text)
        log.info(text, value=text, nested={text: [text]}, error=cloud_error(text))
        logging.getLogger("botocore").warning("said %s", text)
        try:
            raise_(cloud_error(text))
        except CloudError:
            log.exception(text)
    return stream.getvalue()


def raise_(error: Exception) -> None:
    raise error


def shown(text: str) -> str:
    state = fold(events(text))
    display = progress(io.StringIO(), total=9, state=state, outlet=outlet(), clock=lambda: STARTED_AT)
    running = RunState()
    for event in (started(), StepStarted(STARTED_AT, text, Step.TRACK)):
        running.apply(event)
    live = progress(io.StringIO(), total=9, state=running, outlet=outlet(), clock=lambda: STARTED_AT)
    return "\n".join([outlet().line(display.line()), *(line.text for line in live.region(200, 40))])


def rendered(text: str, format: str, name: str, width: int | None) -> str:
    view = ResultView(fold(events(text))) if name == "result" else poisoned(VIEWS[name][0], text)
    try:
        return FORMATS[format]()(view, width, outlet())
    except ManifestError as error:
        return outlet().line(str(error))


PEOPLE: dict[str, Callable[[str], str]] = {
    "messages": lambda text: messages(text, "console"),
    "logs": lambda text: logs(text, "console"),
    "progress": shown,
    "usage": lambda text: outlet().lines(text),
}


def check_people(reported: str) -> None:
    assert COMMANDING.search(reported) is None
    assert "##[" not in reported
    assert "##vso[" not in reported
    assert "##teamcity[" not in reported
    assert not re.search(r"(?m)^\s*::", reported)
    assert not any(secret in reported or secret[20:50] in reported for secret in SECRETS if len(secret) > 50)
    assert PASSWORD not in reported


@pytest.mark.parametrize("channel", PEOPLE)
@given(text=TEXTS.map("".join))
def test_no_channel_for_people_is_commanded_or_tells_a_secret(channel: str, text: str) -> None:
    reported = PEOPLE[channel](text)
    check_people(reported)
    if channel != "usage":  # a text's lines are kept there
        assert not re.search(r"(?m)^\s*FAKE", reported), "foreign text began a line"


@pytest.mark.parametrize("name", [*VIEWS, "result"])
@given(text=TEXTS.map("".join), width=st.sampled_from([None, 30]))
def test_no_view_is_commanded_or_tells_a_secret(name: str, text: str, width: int | None) -> None:
    reported = rendered(text, "text", name, width)
    check_people(reported)
    assert not re.search(r"(?m)^\s*FAKE", reported), "foreign text began a line"


def check_json(reported: str, secrets: tuple[str, ...] = SECRETS) -> Any:
    assert COMMANDING.search(reported) is None
    assert "##[" not in reported
    assert "##vso[" not in reported
    assert not any(secret in reported or secret[20:50] in reported for secret in secrets if len(secret) > 50)
    assert PASSWORD not in reported
    return orjson.loads(reported)


@pytest.mark.parametrize("name", [*VIEWS, "result"])
@given(text=TEXTS.map("".join))
def test_json_stays_json_without_secrets(name: str, text: str) -> None:
    check_json(rendered(text, "json", name, None))


@given(text=TEXTS.map("".join))
def test_each_log_and_message_as_json_is_one_line_of_it(text: str) -> None:
    for reported in (logs(text, "json"), messages(text, "json")):
        for line in reported.removesuffix("\n").split("\n"):
            assert isinstance(check_json(line), dict)


@given(text=TEXTS.map("".join))
def test_each_event_is_one_line_of_json(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("events") / "events.ndjson"
    file, made = EventFile(str(target), RUN_ID, outlet()), events(text)
    for event in made:
        file(event)
    lines = target.read_text("utf-8").removesuffix("\n").split("\n")
    assert len(lines) == len(made) + 1
    for line in lines:
        assert "kind" in check_json(line)


@given(text=st.lists(st.sampled_from([*SPACED, "words"]), min_size=1).map("".join))
def test_the_journal_holds_no_secret_but_in_what_a_run_goes_on_by(text: str) -> None:
    redactor = outlet().redactor
    for event in events(text):
        cleaned = to_dict(redactor.event(event))
        foreign = dict(flat(cleaned))
        assert not any(secret in str(value) for value in foreign.values() for secret in SECRETS)
        assert all(cleaned[name] == value for name, value in to_dict(event).items() if name in EXACT)


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from () if key in EXACT else flat(item, key)
    else:
        yield name, value


def test_every_text_of_every_event_is_redacted_or_one_that_a_run_goes_on_by() -> None:
    reported = {field.name for kind in EVENTS.values() for field in fields(kind)} - EXACT
    assert {"reason", "error", "outcome", "request_id"} <= reported


@given(st.text())
def test_text_that_commands_nothing_is_left_as_it_is(text: str) -> None:
    plain = "".join(c for c in text if c.isprintable())
    if "::" not in plain and "##" not in plain:
        line = Outlet(Redactor()).rendered
        assert line(plain) == plain


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists))
def test_json_reads_back_equal(value: Any) -> None:
    made = Outlet(Redactor()).json([value])
    assert orjson.loads(made) == Redactor().value([value])
    assert "\n" not in made


def test_a_document_of_ours_is_not_changed() -> None:
    from orchestrator.app.commands.schema import schema_command

    view = schema_command("manifest").view
    assert isinstance(view, DocumentView)
    assert {render()(view, None, outlet()) for render in FORMATS.values()} == {view.text}
