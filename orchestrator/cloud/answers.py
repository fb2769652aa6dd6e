"""From bytes and headers to an `Answer`, or to a `CloudError` that says what came instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import orjson
from yarl import URL

from orchestrator.cloud.wording import advise, excerpt, redacted
from orchestrator.errors import CloudError, Code
from orchestrator.model import Operation, decode

T = TypeVar("T")

Value = TypeVar("Value")

CLIENT_REQUEST_ID = "x-client-request-id"
REQUEST_ID = "x-request-id"
SERVER_TRACE_ID = "x-server-trace-id"
POLL_INTERVAL = "x-operation-poll-interval"  # integer seconds; seen by the official Go client since 2018

# Used only if an answer has no gRPC code. 404 is not listed: an unknown path or another server's page does not prove
# that the object does not exist, and nothing may act as if it did.
_CODE_OF_STATUS = {
    400: Code.INVALID_ARGUMENT, 401: Code.UNAUTHENTICATED, 403: Code.PERMISSION_DENIED, 408: Code.DEADLINE_EXCEEDED,
    409: Code.ABORTED, 413: Code.INVALID_ARGUMENT, 429: Code.RESOURCE_EXHAUSTED, 499: Code.CANCELLED,
    500: Code.INTERNAL, 501: Code.UNIMPLEMENTED, 502: Code.UNAVAILABLE, 503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}  # fmt: skip
NOT_THE_CLOUD = "the response is not from the cloud's API: check --endpoint, HTTPS_PROXY and NO_PROXY"
_XML_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")
_XML_MESSAGE = re.compile(rb"<Message>(.{1,2000}?)</Message>", re.DOTALL)
_XML_REQUEST_ID = re.compile(rb"<RequestId>([^<]{1,100})</RequestId>")


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object that a service answered, with facts from its headers. `headers` ignores case."""

    json: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    http_status: int = 200
    client_request_id: str = ""
    poll_after_s: float | None = None  # `x-operation-poll-interval`, else `Retry-After`
    size_bytes: int = 0  # after decompression

    @property
    def request_id(self) -> str:
        return self.headers.get(REQUEST_ID, "")

    @property
    def server_trace_id(self) -> str:
        return self.headers.get(SERVER_TRACE_ID, "")


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole HTTP answer to `call`, not parsed yet. `secret` must not appear in any message."""

    call: str
    url: URL
    status: int
    headers: Mapping[str, str]
    content: bytes
    client_request_id: str
    secret: str

    def error(
        self, message: str, *, code: Code | None, advice: str, now: float, request_id: str = "", quota: str = ""
    ) -> CloudError:
        return CloudError(
            message,
            call=self.call,
            code=code,
            http_status=self.status,
            retry_after_s=retry_after_s(self.headers, now),
            request_id=self.headers.get(REQUEST_ID, "") or request_id,
            server_trace_id=self.headers.get(SERVER_TRACE_ID, ""),
            client_request_id=self.client_request_id,
            quota=quota,
            advice=advice,
        )


def read(raw: Raw, now: float) -> Answer:
    """Return the JSON object of a good answer. Raises `CloudError` for any other answer. `now`: epoch seconds."""
    try:
        json = orjson.loads(raw.content)
    except orjson.JSONDecodeError:
        json = None
    if 200 <= raw.status < 300 and isinstance(json, dict):
        wait_s = poll_after_s(raw.headers, now)
        return Answer(json, raw.headers, raw.status, raw.client_request_id, wait_s, len(raw.content))
    if raw.status >= 400 and isinstance(json, dict):
        raise _refusal(raw, json, now)
    code = _CODE_OF_STATUS.get(raw.status)
    xml_id = _XML_REQUEST_ID.search(raw.content)
    request_id = xml_id[1].decode("utf-8", "replace") if xml_id else ""
    raise raw.error(_instead(raw), code=code, advice=NOT_THE_CLOUD, now=now, request_id=request_id)


def _refusal(raw: Raw, json: Mapping[str, Any], now: float) -> CloudError:
    body = decode.error_body(json)
    if body is None:  # JSON, but not the API's own format: perhaps from a gateway
        message = f"{raw.url.host} returned HTTP {raw.status} without an error code: {excerpt(raw.content, raw.secret)}"
        return raw.error(message, code=_CODE_OF_STATUS.get(raw.status), advice=NOT_THE_CLOUD, now=now)
    code = body.code or _CODE_OF_STATUS.get(raw.status)
    message = redacted(body.message, raw.secret) or f"{raw.call} was refused with HTTP {raw.status} and no message"
    return raw.error(
        message, code=code, advice=advise(code, message), now=now, request_id=body.request_id, quota=body.quota
    )


def _instead(raw: Raw) -> str:
    """Return what came instead of a JSON object."""
    where, start = f"{raw.url.host} returned HTTP {raw.status}", raw.content.lstrip()[:200].lower()
    if 300 <= raw.status < 400:
        return f"{where}, a redirect to {_target(raw)}, as login pages of networks do; redirects are not followed"
    if raw.status == 407:
        return "the proxy requires a user name and a password (HTTP 407)"
    if not raw.content.strip():
        return f"{where} with an empty body"
    if code := _XML_CODE.search(raw.content):
        message = _XML_MESSAGE.search(raw.content)
        said = excerpt(message[1], raw.secret) if message else ""
        return f"{where} with XML instead of JSON: {code[1].decode()}" + (f": {said}" if said else "")
    said = excerpt(raw.content, raw.secret)
    if start.startswith((b"<!doctype html", b"<html")) or "html" in raw.headers.get("Content-Type", "").lower():
        return f"{where} with an HTML page instead of JSON: {said}"
    if start.startswith(b"{"):
        return f"{where} with JSON that is cut off or damaged: {said}"
    return f"{where} with something that is not a JSON object: {said}"


def _target(raw: Raw) -> str:
    try:
        target = raw.url.join(URL(raw.headers.get("Location", "")))
    except ValueError:
        return "nowhere"
    return redacted(f"{target.scheme}://{target.host}{target.path}"[:200], raw.secret)


def unusable(call: str, answer: Answer, why: str) -> CloudError:
    """Return the error for an answer that is a JSON object, but not the one that `call` returns."""
    return CloudError(
        f"the response to {call} cannot be used: {why}",
        call=call,
        http_status=answer.http_status,
        request_id=answer.request_id,
        server_trace_id=answer.server_trace_id,
        client_request_id=answer.client_request_id,
        advice=NOT_THE_CLOUD,
    )


def decoded(call: str, answer: Answer, decoder: Callable[[object], Value], json: object) -> Value:
    """Decode a part of an answer. Raises `CloudError` if it has the wrong form."""
    try:
        return decoder(json)
    except ValueError as error:
        raise unusable(call, answer, str(error)) from error


def operation_of(call: str, answer: Answer) -> Operation:
    """Decode an answer that is an Operation, with its IDs and the wait that the server asks for."""
    operation = decoded(call, answer, decode.operation, answer.json)
    return replace(
        operation,
        poll_after_s=answer.poll_after_s,
        request_id=answer.request_id,
        server_trace_id=answer.server_trace_id,
    )


def http_date(value: str | None) -> datetime | None:
    """Parse an HTTP date (RFC 9110, all three forms) as UTC; None if it is not one."""
    if not value:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Parse `Retry-After`: seconds, or a date relative to the answer's own `Date` (else to `now`, epoch seconds)."""
    value = headers.get("Retry-After")
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    until = http_date(value)
    if until is None:
        return None
    sent_at = http_date(headers.get("Date"))
    return max(0.0, until.timestamp() - (sent_at.timestamp() if sent_at else now))


def poll_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return when the server wants to be polled again: `x-operation-poll-interval`, else `Retry-After`."""
    interval = _seconds(headers.get(POLL_INTERVAL))
    return interval if interval is not None else retry_after_s(headers, now)
