"""HTTP requests as handlers receive them, and their results as HTTP answers (cloud-api#invocation, and the docs' page
on invoking): names, and which headers are removed, renamed or refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from orchestrator.sandbox.invocation.calls import FunctionCall, Pairs, Reply

_TAKEN_OUT_OF_REQUESTS = frozenset({
    "expect", "te", "trailer", "upgrade", "proxy-authenticate", "authorization", "connection", "content-md5",
    "max-forwards", "server", "transfer-encoding", "www-authenticate", "cookie",
})  # fmt: skip
_TAKEN_OUT_OF_ANSWERS = frozenset({
    "host", "authorization", "user-agent", "connection", "max-forwards", "cookie", "x-request-id", "x-function-id",
    "x-function-version-id", "x-content-type-options", "x-function-error", "content-length",
})  # fmt: skip
_REFUSED_IN_ANSWERS = frozenset({"proxy-authenticate", "transfer-encoding", "via"})
_RENAMED_IN_ANSWERS = frozenset({"content-md5", "date", "server", "www-authenticate"})
_RENAMED = "X-Yf-Remapped-"


class MalformedError(Exception):
    """A handler's result is not an HTTP answer. The text says why."""


def http_event(call: FunctionCall, request_id: str, at: float) -> bytes:
    """Return a request as the event of a handler. `at`: seconds since the epoch."""
    headers = [pair for pair in call.headers if pair[0].lower() not in _TAKEN_OUT_OF_REQUESTS]
    agent = next((value for name, value in headers if name.lower() == "user-agent"), "")
    try:
        body, encoded = call.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(call.body).decode(), True
    event = {
        "httpMethod": call.method,
        "headers": dict(headers),
        "multiValueHeaders": _lists(headers),
        "queryStringParameters": dict(call.query),
        "multiValueQueryStringParameters": _lists(call.query),
        "requestContext": {
            "identity": {"sourceIp": call.source_ip, "userAgent": agent},
            "httpMethod": call.method,
            "requestId": request_id,
            "requestTime": f"{datetime.fromtimestamp(at, UTC):%d/%b/%Y:%H:%M:%S %z}",
            "requestTimeEpoch": int(at),
        },
        "body": body,
        "isBase64Encoded": encoded,
    }
    return orjson.dumps(event)


def _lists(pairs: list[tuple[str, str]] | Pairs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def http_reply(result: bytes) -> Reply:
    """Parse a handler's result as an HTTP answer. Raises `MalformedError`."""
    try:
        answer = orjson.loads(result)
    except orjson.JSONDecodeError:
        raise MalformedError("it is not JSON") from None
    if not isinstance(answer, dict):
        raise MalformedError("it is not an object with statusCode")
    status = answer.get("statusCode")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise MalformedError("statusCode is not an HTTP status")
    return Reply(status, _headers(answer), _body(answer))


def _headers(answer: Mapping[str, Any]) -> Pairs:
    single, many = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(many, dict):
        raise MalformedError("headers is not an object")
    over = {name.lower() for name in many}
    pairs = [(name, value) for name, value in single.items() if name.lower() not in over]
    for name, values in many.items():
        if not isinstance(values, list):
            raise MalformedError(f"multiValueHeaders: {name} is not a list")
        pairs += [(name, value) for value in values]
    return tuple(named for name, value in pairs if (named := _header(name, value)) is not None)


def _header(name: str, value: object) -> tuple[str, str] | None:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or not text.isprintable():
        raise MalformedError(f"the header {name[:40]!r} cannot be sent")
    if name.lower() in _REFUSED_IN_ANSWERS:
        raise MalformedError(f"the header {name} is not allowed")
    if name.lower() in _TAKEN_OUT_OF_ANSWERS:
        return None
    return (_RENAMED + name if name.lower() in _RENAMED_IN_ANSWERS else name, text)


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if answer.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise MalformedError("body is not Base64") from None
    return body.encode() if isinstance(body, str) else orjson.dumps(body)
