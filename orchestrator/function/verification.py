"""How a Version is called for its verification, and what its answer means. Pure.

An answer with status 200, without a function error and as expected, has passed. An answer of user code is final, so
that it is not called twice. An answer that the platform gives in its place is no verdict on the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from orchestrator.model import HttpCheck, InvokeAnswer, InvokeRequest, Verdict, Verify

RUN_HEADER = "X-Orchestrator-Verify"  # so that user code, and readers of its logs, can recognise these calls
_ERROR = "x-function-error"  # set if user code has failed (cloud-api#invocation)
_ANSWERED_BY = "x-function-version-id"  # not documented; if it is there, it shows a late tag
_SHOWN_CHARS = 200  # of an answer
_WAIT_MAX_S = 60.0  # between two calls, whatever the platform requests
_NO_RIGHT = "the deploying account may not call it: give it the role functions.functionInvoker"
# What the platform answers in place of user code, and its meaning. None: try again.
_PLATFORM: Mapping[int, tuple[Verdict | None, str]] = {
    400: (Verdict.INCONCLUSIVE, "the call was refused as malformed"),
    401: (Verdict.INCONCLUSIVE, _NO_RIGHT),
    403: (Verdict.INCONCLUSIVE, _NO_RIGHT),
    404: (None, "the invoke endpoint does not know the tag yet"),
    413: (Verdict.INCONCLUSIVE, "the call is too large for the cloud"),
    429: (None, "the cloud has no capacity for another call"),
    500: (None, "the invoke endpoint failed"),
    502: (Verdict.FAILED, "its handler failed, or its response is malformed"),
    503: (None, "the invoke endpoint is not available"),
    504: (Verdict.FAILED, "it did not respond within its own timeout"),
}
_BUSY = 429
_DECLARED = "fix the function, or correct what `verify` expects of it"


@dataclass(frozen=True, slots=True)
class Judged:
    """The meaning of one call. `verdict`: None if it is to be repeated. `counts`: as one of the declared attempts.
    `busy`: other calls must slow down. `wait_s`: how long the cloud asks to wait. `advice`: where to look after a
    failure.
    """

    verdict: Verdict | None
    reason: str = ""
    counts: bool = False
    busy: bool = False
    wait_s: float = 0.0
    advice: str = "look at the function's logs"


def verify_request(verify: Verify, function_id: str, tag: str, run_id: str) -> InvokeRequest:
    """Return the call of one attempt."""
    if verify.http is None:
        payload = orjson.dumps({} if verify.payload is None else verify.payload)
        headers = {"Content-Type": "application/json"}
        return InvokeRequest(function_id, tag, headers=headers, body=payload, timeout_s=verify.timeout_s)
    http, body = verify.http, verify.http.body
    headers = {**http.headers, RUN_HEADER: run_id}
    content = b"" if body is None else body.encode()
    return InvokeRequest(function_id, tag, http.method, headers, http.query, content, False, verify.timeout_s)


def judge_answer(verify: Verify, answer: InvokeAnswer, version_id: str) -> Judged:
    """Return the meaning of an answer.

    | answer                                                  | verdict                          |
    | ---                                                     | ---                              |
    | from another Version than the requested one             | again: the tag routes there late |
    | X-Function-Error                                        | failed                           |
    | the expected status with the expected content           | passed                           |
    | the expected status with other content                  | failed                           |
    | 404, 429, 500, 503 of the platform                      | again                            |
    | 400, 401, 403, 413 of the platform                      | inconclusive                     |
    | 502, 504 of the platform                                | failed                           |
    | any other status of an event's call                     | inconclusive                     |
    | any other status of an HTTP call, or one of these by    | failed                           |
    | user code: its body is not the platform's error         |                                  |
    """
    by = answer.headers.get(_ANSWERED_BY)
    if by is not None and by != version_id:
        return Judged(None, f"version {by} answered: the tag is still routed to it")
    if answer.headers.get(_ERROR, "false").lower() != "false":
        return Judged(Verdict.FAILED, f"its handler failed: {_error(answer.body)}")
    expected = verify.http.expect_status if verify.http is not None else 200
    if answer.status == expected:
        wrong = _http_wrong(verify.http, answer.body) if verify.http is not None else _wrong(verify.expect, answer.body)
        return Judged(Verdict.FAILED, wrong, advice=_DECLARED) if wrong else Judged(Verdict.PASSED)
    if verify.http is not None and not _is_platforms(answer):
        return Judged(
            Verdict.FAILED, f"it returned HTTP {answer.status}, not {expected}: {_shown(answer.body)}", advice=_DECLARED
        )
    unknown = (Verdict.INCONCLUSIVE, _shown(answer.body) or "the invoke endpoint cannot call it")
    verdict, why = _PLATFORM.get(answer.status, unknown)
    wait_s = _retry_after_s(answer.headers.get("retry-after", ""))
    return Judged(verdict, f"HTTP {answer.status}: {why}", busy=answer.status == _BUSY, wait_s=wait_s)


def _is_platforms(answer: InvokeAnswer) -> bool:
    """Return whether the platform has answered an HTTP call in place of user code, which may use any status. The
    platform's errors have their own form. User code that answers in this form is called again; its other answers are
    final.
    """
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, Mapping) and {"errorMessage", "errorType"} <= body.keys()


def _retry_after_s(text: str) -> float:
    return min(float(text), _WAIT_MAX_S) if text.isdecimal() else 0.0


def verify_facts(name: str, function_id: str, folder_id: str, version_id: str, tag: str, run_id: str) -> dict[str, str]:
    """Return the environment variables that describe the Version to a verification command."""
    facts = {
        "FUNCTION": name, "FUNCTION_ID": function_id, "FOLDER_ID": folder_id, "VERSION_ID": version_id, "TAG": tag,
        "RUN_ID": run_id,
    }  # fmt: skip
    return {f"ORCHESTRATOR_{key}": value for key, value in facts.items()}


def judge_end(verify: Verify, status: int | None, output: str) -> Judged:
    """Return the meaning of a command's end. `status`: None if it was stopped at its time limit.

    | exit status                      | verdict                       |
    | ---                              | ---                           |
    | 0                                | passed                        |
    | 75 (EX_TEMPFAIL): no result yet  | again, as one of the attempts |
    | 126, 127 and "cannot start"      | inconclusive: it never ran    |
    | any other, none within its limit | failed                        |
    """
    name = verify.command[0]
    said = f": {_end(output)}" if output.strip() else ""
    match status:
        case 0:
            return Judged(Verdict.PASSED)
        case None:
            return Judged(Verdict.FAILED, f"{name} did not end within {verify.timeout_s:g} s{said}")
        case 75:
            return Judged(None, f"{name} has no result yet (exit status 75){said}", counts=True)
        case 126 | 127:
            return Judged(Verdict.INCONCLUSIVE, f"{name} did not run{said}")
    ended = f"failed with exit status {status}" if status > 0 else f"was killed by signal {-status}"
    return Judged(Verdict.FAILED, f"{name} {ended}{said}", advice=f"{name} decided this: run it by hand")


def contains(expected: Any, found: Any) -> bool:
    """Return whether JSON has at least what is expected: each field of an object, each item of a list at its place.

    | expected  | found            | contains |
    | ---       | ---              | ---      |
    | {"a": 1}  | {"a": 1, "b": 2} | yes      |
    | {"a": {}} | {"a": {"b": 2}}  | yes      |
    | [1]       | [1, 2]           | no       |
    | 1         | true             | no       |
    """
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and contains(expected[name], found[name]) for name in expected
        )
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != len(expected):
            return False
        return all(map(contains, expected, found))
    return bool(expected == found) and isinstance(expected, bool) == isinstance(found, bool)


def _wrong(expected: Any, body: bytes) -> str:
    if expected is None:
        return ""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return f"its response is not JSON: {_shown(body)}"
    return "" if contains(expected, found) else f"its response does not match `expect`: {_shown(body)}"


def _http_wrong(http: HttpCheck, body: bytes) -> str:
    if isinstance(http.expect_body, str):
        found = http.expect_body in body.decode("utf-8", "replace")
        return "" if found else f"its response does not contain the text of `expect_body`: {_shown(body)}"
    return _wrong(http.expect_body, body)


def _error(body: bytes) -> str:
    """Return type and message of an error in the platform's form (cloud-api#invocation); anything else unchanged."""
    try:
        found = orjson.loads(body)
        parts = [str(found[name]) for name in ("errorType", "errorMessage") if found.get(name)]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        parts = []
    return _shown(": ".join(parts).encode() or body)


def _shown(body: bytes) -> str:
    text = body[: 4 * _SHOWN_CHARS].decode("utf-8", "replace").strip()
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _end(output: str) -> str:
    """Return the last part of a command's output, which usually says what is wrong."""
    text = output.strip()
    return text if len(text) <= _SHOWN_CHARS else f"…{text[-_SHOWN_CHARS:]}"
