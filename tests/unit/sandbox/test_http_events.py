"""HTTP requests as events, and handlers' results as HTTP answers, by tables."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.sandbox.invocation.calls import FunctionCall
from orchestrator.sandbox.invocation.http_events import MalformedError, http_event, http_reply


def test_an_event_has_what_the_docs_say() -> None:
    call = FunctionCall(
        "d4e1",
        method="PUT",
        headers=(("X-A", "1"), ("X-A", "2"), ("Authorization", "Bearer t"), ("Cookie", "c"), ("User-Agent", "curl")),
        query=(("q", "1"), ("q", "2"), ("tag", "stable")),
        body="ä".encode(),
        source_ip="127.0.0.9",
    )
    assert orjson.loads(http_event(call, "id", 1_800_000_000.5)) == {
        "httpMethod": "PUT",
        "headers": {"X-A": "2", "User-Agent": "curl"},
        "multiValueHeaders": {"X-A": ["1", "2"], "User-Agent": ["curl"]},
        "queryStringParameters": {"q": "2", "tag": "stable"},
        "multiValueQueryStringParameters": {"q": ["1", "2"], "tag": ["stable"]},
        "requestContext": {
            "identity": {"sourceIp": "127.0.0.9", "userAgent": "curl"},
            "httpMethod": "PUT",
            "requestId": "id",
            "requestTime": "15/Jan/2027:08:00:00 +0000",
            "requestTimeEpoch": 1_800_000_000,
        },
        "body": "ä",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        ({"statusCode": 200}, 200, (), b""),
        ({"statusCode": 404, "body": "ä"}, 404, (), "ä".encode()),
        ({"statusCode": 200, "body": {"a": 1}}, 200, (), b'{"a":1}'),
        ({"statusCode": 200, "body": "/w==", "isBase64Encoded": True}, 200, (), b"\xff"),
        ({"statusCode": 200, "headers": {"X-A": "b", "X-N": 1}}, 200, (("X-A", "b"), ("X-N", "1")), b""),
        ({"statusCode": 200, "headers": {"a": "0"}, "multiValueHeaders": {"A": ["1", "2"]}}, 200,
         (("A", "1"), ("A", "2")), b""),
        ({"statusCode": 200, "headers": {"X-Request-Id": "f", "X-Function-Error": "true", "Host": "h"}}, 200, (), b""),
        *(
            ({"statusCode": 200, "headers": {name: "s"}}, 200, ((f"X-Yf-Remapped-{name}", "s"),), b"")
            for name in ("Content-MD5", "Date", "Server", "WWW-Authenticate")
        ),
    ],
)  # fmt: skip
def test_an_answer(result: Any, status: int, headers: Any, body: bytes) -> None:
    reply = http_reply(orjson.dumps(result))
    assert (reply.status, reply.headers, reply.body) == (status, headers, body)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (b"text", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "statusCode is not"),
        (b'{"statusCode": "200"}', "statusCode is not"),
        (b'{"statusCode": true}', "statusCode is not"),
        (b'{"statusCode": 99}', "statusCode is not"),
        (b'{"statusCode": 200, "headers": []}', ""),
        (b'{"statusCode": 200, "headers": ["a"]}', "headers is not an object"),
        (b'{"statusCode": 200, "multiValueHeaders": {"a": "b"}}', "a is not a list"),
        (b'{"statusCode": 200, "headers": {"a b": "c"}}', "cannot be sent"),
        (b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}', "cannot be sent"),
        (b'{"statusCode": 200, "headers": {"Via": "x"}}', "Via is not allowed"),
        (b'{"statusCode": 200, "body": "%", "isBase64Encoded": true}', "not Base64"),
    ],
)
def test_an_answer_of_another_shape(result: bytes, why: str) -> None:
    if not why:  # an empty list counts as no headers
        assert http_reply(result).headers == ()
        return
    with pytest.raises(MalformedError, match=why):
        http_reply(result)
