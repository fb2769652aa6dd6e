"""What an answer, or the end of a command, means for a version."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.function.verification import RUN_HEADER, contains, judge_answer, judge_end, verify_request
from orchestrator.model import HttpCheck, InvokeAnswer, Verdict, Verify

PASSED, FAILED, INCONCLUSIVE, AGAIN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, None
EVENT, HTTP = Verify(expect={"ok": True}), Verify(http=HttpCheck(expect_status=201, expect_body={"a": 1}))
TEXT = Verify(http=HttpCheck(expect_body="well"))
PLATFORM = {"errorCode": 1, "errorMessage": "no", "errorType": "ClientError"}


def answer(status: int = 200, body: Any = None, **headers: str) -> InvokeAnswer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return InvokeAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, 0.1)


@pytest.mark.parametrize(
    ("verify", "found", "verdict"),
    [
        (EVENT, answer(body={"ok": True, "more": 1}), PASSED),
        (EVENT, answer(body={"ok": 1}), FAILED),
        (EVENT, answer(body=b"no JSON"), FAILED),
        (Verify(), answer(body=b"anything"), PASSED),
        (Verify(), answer(body=None, x_function_error="true"), FAILED),
        (Verify(), answer(502, x_function_error="true"), FAILED),
        (Verify(), answer(502), FAILED),
        (Verify(), answer(504), FAILED),
        (Verify(), answer(x_function_version_id="v0"), AGAIN),
        (Verify(), answer(502, x_function_error="true", x_function_version_id="v0"), AGAIN),
        (Verify(), answer(x_function_version_id="v1"), PASSED),
        *[(Verify(), answer(status, PLATFORM), AGAIN) for status in (404, 429, 500, 503)],
        *[(Verify(), answer(status, PLATFORM), INCONCLUSIVE) for status in (400, 401, 403, 413, 302, 501)],
        (HTTP, answer(201, {"a": 1}), PASSED),
        (HTTP, answer(200, {"a": 1}), FAILED),
        (HTTP, answer(201, {"a": 2}), FAILED),
        (HTTP, answer(201, {"a": 1}, x_function_error="true"), FAILED),
        *[(HTTP, answer(status, PLATFORM), AGAIN) for status in (404, 429, 500, 503)],
        *[(HTTP, answer(status, b"user code"), FAILED) for status in (400, 401, 403, 404, 413, 429, 500, 503)],
        *[(HTTP, answer(status, PLATFORM), INCONCLUSIVE) for status in (400, 401, 403, 413)],
        (TEXT, answer(body=b"all is well"), PASSED),
        (TEXT, answer(body=b"\xff"), FAILED),
    ],
)
def test_an_answer_means(verify: Verify, found: InvokeAnswer, verdict: Verdict | None) -> None:
    judged = judge_answer(verify, found, "v1")
    assert judged.verdict is verdict
    assert bool(judged.reason) is (verdict is not PASSED)
    assert not judged.counts
    assert judged.busy is (found.status == 429 and verdict is AGAIN)


@pytest.mark.parametrize(
    ("verify", "found", "says"),
    [
        (EVENT, answer(body={"ok": 1}), "what `verify` expects"),
        (HTTP, answer(200, {"a": 1}), "what `verify` expects"),
        (EVENT, answer(502, x_function_error="true"), "look at the function's logs"),
        (EVENT, answer(504), "look at the function's logs"),
    ],
)
def test_where_to_look_is_said(verify: Verify, found: InvokeAnswer, says: str) -> None:
    assert says in judge_answer(verify, found, "v1").advice


def test_an_account_without_the_right_is_reported_the_role() -> None:
    assert "functions.functionInvoker" in judge_answer(Verify(), answer(403), "v1").reason


@pytest.mark.parametrize(("said", "wait_s"), [("7", 7.0), ("9999", 60.0), ("soon", 0.0), ("", 0.0)])
def test_the_cloud_is_left_alone_for_as_long_as_it_says(said: str, wait_s: float) -> None:
    assert judge_answer(Verify(), answer(503, retry_after=said), "v1").wait_s == wait_s


def test_of_a_long_answer_the_beginning_is_shown() -> None:
    reason = judge_answer(EVENT, answer(body={"text": "x" * 5000}), "v1").reason
    assert len(reason) < 300


@pytest.mark.parametrize(
    ("expected", "found", "does"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {}}, {"a": {"b": 2}}, True),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, False),
        ([1], [1, 2], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ([1], "1", False),
        ("ab", "ab", True),
        ("a", ["a"], False),
        (1, True, False),
        (True, 1, False),
        (1, 1.0, True),
        (None, None, True),
        ({"a": None}, {}, False),
        ({}, [], False),
    ],
)
def test_json_contains(expected: Any, found: Any, does: bool) -> None:
    assert contains(expected, found) is does


@pytest.mark.parametrize(
    ("status", "verdict", "counts"),
    [
        (0, PASSED, False),
        (None, FAILED, False),
        (75, AGAIN, True),
        (126, INCONCLUSIVE, False),
        (127, INCONCLUSIVE, False),
        (1, FAILED, False),
        (-9, FAILED, False),
    ],
)
def test_the_end_of_a_command_means(status: int | None, verdict: Verdict | None, counts: bool) -> None:
    judged = judge_end(Verify(command=("./smoke.sh",)), status, "x" * 500 + "the end")
    assert (judged.verdict, judged.counts) == (verdict, counts)
    if verdict is not PASSED:
        assert judged.reason.endswith("the end")
        assert len(judged.reason) < 300


def test_an_event_is_sent_as_it_is_and_an_http_call_can_be_reported_from_others() -> None:
    raw = verify_request(Verify(payload=[1]), "d4e", "orc-a", "run")
    assert (raw.raw, raw.method, raw.body, raw.tag) == (True, "POST", b"[1]", "orc-a")
    assert verify_request(Verify(), "d4e", "orc-a", "run").body == b"{}"
    http = verify_request(Verify(http=HttpCheck("PUT", {"A": "b"}, {"q": "1"}, "hi")), "d4e", "orc-a", "run")
    assert (http.raw, http.method, http.body, http.query) == (False, "PUT", b"hi", {"q": "1"})
    assert http.headers == {"A": "b", RUN_HEADER: "run"}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"errorMessage": "broken", "errorType": "ValueError", "stackTrace": ["…"]}, "ValueError: broken"),
        ({"errorMessage": "broken"}, "broken"),
        ({}, "{}"),
        (b"plain", "plain"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "��"),
    ],
)
def test_a_handlers_error_is_reported_in_a_few_words(body: Any, shown: str) -> None:
    judged = judge_answer(Verify(), answer(502, body, x_function_error="true"), "v1")
    assert judged.reason == f"its handler failed: {shown}"
