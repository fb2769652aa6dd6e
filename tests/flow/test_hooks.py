"""Posting of notifications to real-world receivers: slow, broken, missing, elsewhere, talkative."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import anyio
import orjson
import pytest
from aiohttp import web

from orchestrator.cloud import hooks
from orchestrator.cloud.hooks import ANSWER_MAX_BYTES, Post, deliver
from orchestrator.cloud.transport import open_transport
from tests import idle_time
from tests.flow.httpserver import VERSION, Seen, Server, serving
from tests.ports import unserved

BODY = orjson.dumps({"kind": "failed"})


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "BACK_OFF_S", (0.0, 0.0))


def delivered(handler: Callable[[Seen], web.Response], **changes: object) -> tuple[str, Server]:
    """Post to a receiver. Returns why it was not accepted, and what the receiver has seen."""

    async def main() -> tuple[str, Server]:
        async with serving(handler) as server, open_transport({}, version=VERSION) as transport:
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
        ((410,), "HTTP 410", 1),
        ((401,), "HTTP 401", 1),
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


@pytest.mark.parametrize(("status", "why"), [(200, ""), (400, "HTTP 400")])
def test_a_large_answer_is_not_read(status: int, why: str) -> None:
    reported, server = delivered(lambda _: web.Response(status=status, body=b"x" * (2 * ANSWER_MAX_BYTES)))
    assert (reported, len(server.seen)) == (why, 1)


def test_a_slow_receiver_costs_its_limit() -> None:
    async def main() -> str:
        async def slow(_: Seen) -> web.Response:
            await anyio.sleep_forever()
            raise AssertionError

        async with serving(slow) as server, open_transport({}, version=VERSION) as transport:
            return await deliver(transport, Post(server.url, BODY, "failed", "k", timeout_s=0.05))

    assert "did not answer within" in idle_time.run(main)


def test_nobody_there_is_said() -> None:
    async def main() -> str:
        async with open_transport({}, version=VERSION) as transport:
            return await deliver(transport, Post(f"http://{address}/secret", BODY, "failed", "k"))

    with unserved() as address:
        assert anyio.run(main) == f"no connection to {address}: connection refused"
