"""A network between the program and the sandbox that cuts, delays and truncates, controlled by a seed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import anyio.abc
from anyio.from_thread import start_blocking_portal

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


@dataclass
class Network:
    """Shares (0 to 1) of the traffic. `down`: nothing passes. `done`: counts of what was done to the traffic."""

    seed: int
    cut_requests: float = 0.03
    cut_answers: float = 0.03  # the other side has acted by then
    truncated: float = 0.02
    delayed: float = 0.1
    delay_s: float = 0.3
    down: bool = False
    url: str = ""
    done: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self, what: str, share: float) -> bool:
        if self._rng.random() >= share:
            return False
        self.done[what] = self.done.get(what, 0) + 1
        return True

    async def serve(self, near: anyio.abc.ByteStream, host: str, port: int) -> None:
        """Serve one connection."""
        async with near:
            if self.down:
                self.done["refused"] = self.done.get("refused", 0) + 1
                return
            with suppress(*_BROKEN):
                async with await anyio.connect_tcp(host, port) as far, anyio.create_task_group() as group:
                    group.start_soon(self._requests, near, far, group.cancel_scope)
                    await self._answers(far, near)
                    group.cancel_scope.cancel()

    async def _requests(
        self, near: anyio.abc.ByteStream, far: anyio.abc.ByteStream, connection: anyio.CancelScope
    ) -> None:
        with suppress(*_BROKEN):
            while not self.down and not self.draw("requests cut", self.cut_requests):
                await far.send(await near.receive())
        connection.cancel()

    async def _answers(self, far: anyio.abc.ByteStream, near: anyio.abc.ByteStream) -> None:
        with suppress(*_BROKEN):
            while True:
                part = await far.receive()
                if self.down or self.draw("answers cut", self.cut_answers):
                    return
                if self.draw("truncated", self.truncated):
                    await near.send(part[: len(part) // 2])
                    return
                if self.draw("delayed", self.delayed):
                    await anyio.sleep(self._rng.uniform(0.0, self.delay_s))
                await near.send(part)


@contextmanager
def between(url: str, network: Network) -> Iterator[Network]:
    """Listen on a local port and forward to `url`."""
    far = urlsplit(url)

    @asynccontextmanager
    async def listening() -> AsyncIterator[None]:
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as group,
        ):
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            network.url = f"http://127.0.0.1:{port}"
            group.start_soon(listener.serve, lambda near: network.serve(near, str(far.hostname), int(far.port or 0)))
            yield
            group.cancel_scope.cancel()

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(listening()):
        yield network
