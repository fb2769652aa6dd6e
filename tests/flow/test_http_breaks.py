"""A call that gets no response: what happened, and whether the service may have seen it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anyio
import pytest
from anyio.abc import SocketStream

from orchestrator.cloud.broken import before_sending
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code
from tests import idle_time
from tests.flow.httpserver import VERSION, answer, raw_serving, serving
from tests.flow.test_http_failures import fail
from tests.ports import unserved


def fail_raw(talk: Callable[[SocketStream], Awaitable[None]], **options: Any) -> CloudError:
    async def main() -> CloudError:
        async with raw_serving(talk) as url:
            return await fail(url, **options)

    return idle_time.run(main)


def test_a_refused_connection_was_never_sent() -> None:
    with unserved() as address:
        error = anyio.run(fail, f"http://{address}")
    assert (error.sent, error.http_status, error.code) == (False, None, None)
    assert error.message.endswith("connection refused")


def test_an_unknown_name_was_never_sent() -> None:
    error = anyio.run(fail, "http://no-such-host.invalid")
    assert not error.sent
    assert error.message.startswith("the name no-such-host.invalid cannot be found")


def test_tls_to_a_plain_server_was_never_sent() -> None:
    async def main() -> CloudError:
        async with serving(lambda _seen: answer({})) as server:
            return await fail(server.url.replace("http", "https"))

    error = anyio.run(main)
    assert (error.sent, "no TLS connection to 127.0.0.1" in error.message) == (False, True)


async def hang_up(stream: SocketStream) -> None:
    await stream.receive()


async def cut(stream: SocketStream) -> None:
    await stream.receive()
    await stream.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": ')


async def babble(stream: SocketStream) -> None:
    await stream.receive()
    await stream.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def stay_silent(stream: SocketStream) -> None:
    await stream.receive()
    await anyio.sleep_forever()


async def bad_gzip(stream: SocketStream) -> None:
    await stream.receive()
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")


@pytest.mark.parametrize(
    ("talk", "part"),
    [
        (hang_up, "closed the connection without a response"),
        (cut, "was cut off"),
        (babble, "is not HTTP"),
        (bad_gzip, "127.0.0.1"),
    ],
)
def test_what_breaks_after_sending_may_have_acted(talk: Callable[[SocketStream], Awaitable[None]], part: str) -> None:
    error = fail_raw(talk)
    assert part in error.message
    assert (error.sent, error.http_status) == (True, None)


def test_a_time_out_after_sending_may_have_acted() -> None:
    error = fail_raw(stay_silent, total_limit_s=0.2)
    assert error.sent
    assert "did not respond within 0.2s" in error.message


def test_a_time_out_while_waiting_for_a_connection_was_never_sent() -> None:
    async def main() -> CloudError:
        async with raw_serving(stay_silent) as url, open_transport({}, version=VERSION) as transport:
            transport._session.connector._limit_per_host = 1  # type: ignore[union-attr] # the session is open
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(transport_get, transport, url)
                await anyio.wait_all_tasks_blocked()
                error = await transport_get(transport, url, 0.2)
                tasks.cancel_scope.cancel()
            return error

    error = idle_time.run(main)
    assert not error.sent
    assert "no connection to 127.0.0.1" in error.message


async def transport_get(transport: Any, url: str, limit_s: float = 60.0) -> CloudError:
    with pytest.raises(CloudError) as caught:
        await transport.request("GET", url, name="get operation", total_limit_s=limit_s)
    return caught.value


def test_cancelling_a_call_ends_it_at_once() -> None:
    async def main() -> bool:
        async with raw_serving(stay_silent) as url, open_transport({}, version=VERSION) as transport:
            with anyio.move_on_after(0.1) as scope:
                await transport.request("GET", url, name="get operation")
            return scope.cancelled_caught

    assert anyio.run(main)


def test_a_connection_that_is_not_made_in_time_was_never_sent() -> None:
    assert before_sending(aiohttp.ConnectionTimeoutError())
    assert not before_sending(aiohttp.SocketTimeoutError())


def test_a_kept_connection_that_the_server_dropped_does_not_hurt_a_get() -> None:
    async def main() -> int:
        answered = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        talks: list[SocketStream] = []

        async def once(stream: SocketStream) -> None:
            talks.append(stream)
            await stream.receive()
            await stream.send(answered)

        async with raw_serving(once) as url, open_transport({}, version=VERSION) as transport:
            for _ in range(3):
                await transport.request("GET", url, name="get operation")
            return len(talks)

    assert anyio.run(main) == 3


def test_text_that_is_no_unicode_is_refused_before_sending() -> None:
    error = anyio.run(functools.partial(fail, "http://127.0.0.1:1", body={"environment": {"A": "\udcff"}}))
    assert (error.sent, error.code) == (False, Code.INVALID_ARGUMENT)
    assert "not valid Unicode" in error.message
