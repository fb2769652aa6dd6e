"""Every way in which a call can fail becomes one CloudError with its facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code
from tests.flow.httpserver import VERSION, answer, serving

SECRET = "t1.9euelZqVkJ.abcdefghijklmnopqrstuvwxyz"
HTML = (
    "<!doctype html><html><head><title>Access denied</title><style>b{}</style></head>"
    "<body>by <b>Squid</b></body></html>"
)
S3 = (
    "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message>"
    "<RequestId>s3-7</RequestId></Error>"
)
QUOTA: dict[str, Any] = {
    "code": 8,
    "message": "Quota limit serverless.functions.count exceeded",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req-in-body"},
        {
            "@type": "type.googleapis.com/yandex.cloud.quota.QuotaFailure",
            "violations": [{"metric": {"name": "serverless.functions.count", "limit": "10", "usage": 10}}],
        },
    ],
}


def text(body: str | bytes, status: int = 200, kind: str = "text/plain", **headers: str) -> web.Response:
    content = body.encode() if isinstance(body, str) else body
    return web.Response(body=content, status=status, content_type=kind, headers=headers)


async def fail(url: str, **options: Any) -> CloudError:
    async with open_transport({}, version=VERSION, clock=lambda: 0.0) as transport:
        bearer = {"Authorization": f"Bearer {SECRET}"}
        with pytest.raises(CloudError) as caught:
            await transport.request("POST", url, name="createVersion", extra_headers=bearer, secret=SECRET, **options)
    assert SECRET not in f"{caught.value.message} {caught.value.advice}"
    return caught.value


def fail_with(response: Callable[[], web.Response]) -> CloudError:
    async def main() -> CloudError:
        async with serving(lambda _seen: response()) as server:
            return await fail(server.url)

    return anyio.run(main)


ODD_ANSWERS: list[tuple[str, Callable[[], web.Response], Code | None, str]] = [
    (
        "html with 200",
        lambda: text(HTML, kind="text/html"),
        None,
        "HTTP 200 with an HTML page instead of JSON: Access denied by Squid",
    ),
    ("html with 502", lambda: text(HTML, 502, "text/html"), Code.UNAVAILABLE, "HTTP 502 with an HTML page"),
    ("html with 403", lambda: text(HTML, 403, "text/html"), Code.PERMISSION_DENIED, "HTTP 403 with an HTML page"),
    ("html with 404 proves nothing", lambda: text(HTML, 404, "text/html"), None, "HTTP 404 with an HTML page"),
    ("empty with 200", lambda: text(""), None, "HTTP 200 with an empty body"),
    ("empty with 503", lambda: text("  \n", 503), Code.UNAVAILABLE, "HTTP 503 with an empty body"),
    ("cut json", lambda: text('{"id": "d4e'), None, 'HTTP 200 with JSON that is cut off or damaged: {"id": "d4e'),
    ("a list", lambda: answer([1, 2]), None, "HTTP 200 with something that is not a JSON object: [1,2]"),
    ("null", lambda: answer(None), None, "with something that is not a JSON object: null"),
    ("bytes", lambda: text(b"\x00\xff\x01PK"), None, "with something that is not a JSON object"),
    ("plain text", lambda: text("upstream\r\n timed  out", 504), Code.DEADLINE_EXCEEDED, "object: upstream timed out"),
    (
        "xml",
        lambda: text(S3, 503, "application/xml"),
        Code.UNAVAILABLE,
        "with XML instead of JSON: SlowDown: Reduce your rate.",
    ),
    ("foreign json", lambda: answer({"error": "no route"}, 404), None, 'without an error code: {"error":"no route"}'),
    (
        "portal",
        lambda: text("", 302, Location="http://login.example/in?token=x"),
        None,
        "a redirect to http://login.example/in, as login pages",
    ),
    ("proxy login", lambda: text(HTML, 407, "text/html"), None, "the proxy requires a user name and a password"),
    ("too large", lambda: text(HTML, 413, "text/html"), Code.INVALID_ARGUMENT, "HTTP 413"),
    ("odd grpc code", lambda: answer({"code": 99, "message": "new"}, 409), Code.ABORTED, "new"),
    (
        "no message",
        lambda: answer({"code": 13}, 500),
        Code.INTERNAL,
        "createVersion was refused with HTTP 500 and no message",
    ),
]


@pytest.mark.parametrize(
    ("response", "code", "part"), [row[1:] for row in ODD_ANSWERS], ids=[row[0] for row in ODD_ANSWERS]
)
def test_an_odd_answer_becomes_one_clear_error(
    response: Callable[[], web.Response], code: Code | None, part: str
) -> None:
    error = fail_with(response)
    assert part in error.message
    assert (error.code, error.sent, error.call) == (code, True, "createVersion")
    assert error.http_status == response().status
    assert "\n" not in error.message


REFUSALS = [
    (3, 400),
    (5, 404),
    (6, 409),
    (7, 403),
    (8, 429),
    (9, 400),
    (10, 409),
    (11, 400),
    (12, 501),
    (13, 500),
    (14, 503),
    (15, 500),
]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_the_body_s_code_counts_not_the_http_status(code: int, status: int) -> None:
    error = fail_with(lambda: answer({"code": code, "message": "m"}, status))
    assert (error.code, error.http_status, error.message) == (Code(code), status, "m")


def test_the_server_s_message_is_kept_whole() -> None:
    message = "Исходный архив не является валидным ZIP архивом. " * 20
    assert fail_with(lambda: answer({"code": 3, "message": message}, 400)).message == message


def test_a_quota_failure_names_its_metric_and_the_request() -> None:
    error = fail_with(lambda: answer(QUOTA, 429, {"x-server-trace-id": "trace-1"}))
    assert (error.quota, error.request_id, error.server_trace_id) == (
        "serverless.functions.count",
        "req-in-body",
        "trace-1",
    )


def test_ids_of_headers_are_kept() -> None:
    error = fail_with(
        lambda: answer({"code": 13, "message": "m"}, 500, {"x-request-id": "r-1", "X-Server-Trace-Id": "t-1"})
    )
    assert (error.request_id, error.server_trace_id, len(error.client_request_id)) == ("r-1", "t-1", 36)


def test_the_request_id_of_xml_is_kept() -> None:
    assert fail_with(lambda: text(S3, 503, "application/xml")).request_id == "s3-7"


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("Service account aje1 is not available", "iam.serviceAccounts.user"),
        ("VPC Network enp1 not found or permission denied", "vpc.user"),
        ("Secret e6q or its version latest not found", "lockbox.viewer"),
    ],
)
def test_known_refusals_get_advice(message: str, part: str) -> None:
    assert part in fail_with(lambda: answer({"code": 3, "message": message}, 400)).advice


@pytest.mark.parametrize(
    "echo",
    [
        f"Authorization: Bearer {SECRET}",
        f"<html>{SECRET}</html>",
        "x" * 100 + SECRET,
        "token y0_AgAAAAAabcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhamUifQ.c2lnbmF0dXJl",
        "Bearer another-one",
    ],
)
def test_a_page_that_echoes_credentials_is_cleaned(echo: str) -> None:
    message = fail_with(lambda: text(echo, 502)).message
    assert not any(part in message for part in (SECRET[:12], "y0_Ag", "eyJ", "another-one"))


def test_a_server_message_that_echoes_the_token_is_cleaned() -> None:
    error = fail_with(lambda: answer({"code": 3, "message": f"bad {SECRET}"}, 400))
    assert error.message == "bad [redacted]"


def test_an_excerpt_is_short() -> None:
    assert len(fail_with(lambda: text("word " * 1000, 502)).message) < 220
