"""Posting of notifications to real-world receivers: slow, broken, missing, elsewhere, talkative."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable
from pathlib import Path

import anyio
import orjson
import pytest
from aiohttp import web
from anyio.abc import SocketAttribute, SocketStream

from orchestrator.cloud import hooks
from orchestrator.cloud.hooks import Post, deliver
from orchestrator.cloud.transport import open_transport
from tests import idle_time
from tests.flow.httpserver import VERSION, Seen, Server, serving
from tests.flow.test_http_proxy import certificate
from tests.ports import unserved

BODY = orjson.dumps({"kind": "failed"})


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "BACK_OFF_S", (0.0, 0.0))


def delivered(
    handler: Callable[[Seen], web.Response], tls: ssl.SSLContext | None = None, **changes: object
) -> tuple[str, Server]:
    """Post to a receiver. Returns why it was not accepted, and what the receiver has seen."""

    async def main() -> tuple[str, Server]:
        async with serving(handler, tls=tls) as server, open_transport({}, version=VERSION) as transport:
            given = {"secret": "key", "timeout_s": 5.0} | changes
            post = Post(f"{server.url}/hook?a=b", BODY, "failed", "R1:failed", **given)  # type: ignore[arg-type]  # a test's own
            return await deliver(transport, post, clock=lambda: 1_795_000_000.7), server

    return anyio.run(main)


def test_a_body_is_posted_once_with_its_signature_and_its_key() -> None:
    why, server = delivered(lambda _: web.Response(status=204))
    (seen,) = server.seen
    assert (why, seen.method, seen.target, seen.body) == ("", "POST", "/hook?a=b", {"kind": "failed"})
    assert seen.headers["Idempotency-Key"] == "R1:failed"
    assert seen.headers["X-Orchestrator-Kind"] == "failed"
    assert seen.headers["X-Orchestrator-Timestamp"] == "1795000000"
    expected = hmac.new(b"key", b"1795000000." + BODY, hashlib.sha256).hexdigest()
    assert seen.headers["X-Orchestrator-Signature"] == f"sha256={expected}"
    assert "Authorization" not in seen.headers
    assert "X-Orchestrator-Signature" not in delivered(lambda _: web.Response(), secret="")[1].seen[0].headers


@pytest.mark.parametrize(
    ("statuses", "why", "tries"),
    [
        ((500, 503, 200), "", 3),
        ((429, 200), "", 2),
        ((500, 502, 503), "HTTP 503", 3),
        ((410,), "HTTP 410: check its url", 1),
        ((401,), "HTTP 401: check its url and secret", 1),
    ],
)
def test_what_may_pass_is_tried_again_with_the_same_key(statuses: tuple[int, ...], why: str, tries: int) -> None:
    left = list(statuses)
    reported, server = delivered(lambda _: web.Response(status=left.pop(0)))
    assert (reported, len(server.seen)) == (why, tries)
    assert {seen.headers["Idempotency-Key"] for seen in server.seen} == {"R1:failed"}


def test_no_redirect_is_followed() -> None:
    elsewhere = {"Location": "/other"}
    reported, server = delivered(lambda _: web.Response(status=307, headers=elsewhere))
    assert reported == "HTTP 307: the address has moved, and redirects are not followed"
    assert [seen.path for seen in server.seen] == ["/hook"]


def test_a_certificate_that_is_not_trusted_is_final_and_has_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "BACK_OFF_S", (1e9,))
    why, server = delivered(lambda _: web.Response(), tls=certificate(tmp_path)[0])
    assert "is not trusted: self-signed certificate: set SSL_CERT_FILE" in why
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "why", "tries"), [(200, "", 1), (409, "HTTP 409", 1), (500, "HTTP 500", 3)]
)  # fmt: skip
def test_a_large_answer_is_not_read(status: int, why: str, tries: int) -> None:
    reported, server = delivered(lambda _: web.Response(status=status, body=b"x" * 10_000_000))
    assert (reported, len(server.seen)) == (why, tries)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"HTTP/1.1 202 OK\r\nContent-Encoding: gzip\r\n\r\nx"]
)
def test_what_was_accepted_is_not_sent_again_because_the_rest_of_the_answer_is_missing(head: bytes) -> None:
    async def main() -> tuple[str, int]:
        tries, listener = 0, await anyio.create_tcp_listener(local_host="127.0.0.1")

        async def answer(stream: SocketStream) -> None:
            nonlocal tries
            tries += 1
            async with stream:
                await stream.receive()
                await stream.send(head)
                await anyio.sleep_forever()

        async with open_transport({}, version=VERSION) as transport, anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            port = listener.extra(SocketAttribute.local_port)
            why = await deliver(transport, Post(f"http://127.0.0.1:{port}/", BODY, "failed", "k", timeout_s=5.0))
            group.cancel_scope.cancel()
        await listener.aclose()
        return why, tries

    assert anyio.run(main) == ("", 1)


@pytest.mark.parametrize(("after", "waited_s"), [("7", 7.0), ("0", 1.0), ("soon", 1.0), (None, 1.0)])
def test_a_receiver_says_when_it_wants_the_next_attempt(
    after: str | None, waited_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(hooks, "BACK_OFF_S", (1.0, 2.0))
    monkeypatch.setattr(anyio, "sleep", sleep)
    left, headers = [429, 200], {"Retry-After": after} if after else {}
    why, _ = delivered(lambda _: web.Response(status=left.pop(0), headers=headers))
    assert (why, slept) == ("", [waited_s])


@pytest.mark.parametrize("url", ["https://[::1", "https://127.0.0.1:99999/", "http://a..b/", "http://\u00fc:9/"])
def test_a_url_that_no_library_can_read_is_reported_and_not_quoted(url: str) -> None:
    async def main() -> str:
        async with open_transport({}, version=VERSION) as transport:
            return await deliver(transport, Post(f"{url}/secret", BODY, "failed", "k"))

    assert anyio.run(main) == "its url is not a valid address"


def test_a_slow_receiver_costs_its_limit() -> None:
    async def main() -> str:
        async def slow(_: Seen) -> web.Response:
            await anyio.sleep_forever()
            raise AssertionError

        async with serving(slow) as server, open_transport({}, version=VERSION) as transport:
            return await deliver(transport, Post(server.url, BODY, "failed", "k", timeout_s=0.05))

    assert "did not respond within" in idle_time.run(main)


def test_nobody_there_is_said() -> None:
    async def main() -> str:
        async with open_transport({}, version=VERSION) as transport:
            return await deliver(transport, Post(f"http://{address}/secret", BODY, "failed", "k"))

    with unserved() as address:
        assert anyio.run(main) == f"no connection to {address}: connection refused"
