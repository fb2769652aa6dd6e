"""An event loop whose time passes only while all of its tasks wait, for programs whose server and client share it.

A busy machine stops a test for a while at any point. On the usual clock, a limit of 50 ms may then pass before the
request is sent, or a phase of half a second before the test has looked at it. Here, only waiting takes time: what is
ready is handled first. Unlike on `virtual_time`, waiting is real, so threads and other processes work too.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Args = TypeVarTuple("Args")


class _WaitingSelector(selectors.DefaultSelector):
    """Counts the seconds for which nothing was ready, and no more of them than it was allowed to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        began_at = time.monotonic()
        ready = super().select(timeout)
        waited_s = time.monotonic() - began_at
        self.now_s += waited_s if timeout is None else min(waited_s, timeout)
        return ready


class IdleLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0.0."""

    def __init__(self) -> None:
        self._waiting = _WaitingSelector()
        super().__init__(self._waiting)

    def time(self) -> float:
        return self._waiting.now_s

    def let_pass(self, seconds: float) -> None:
        """Let everything that is due within this time happen next, as if nothing had been ready for so long."""
        self._waiting.now_s += seconds


def let_pass(seconds: float) -> None:
    """Advance the time of this test's loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, IdleLoop)
    loop.let_pass(seconds)


OPTIONS: dict[str, Any] = {"loop_factory": IdleLoop}  # of anyio's backend "asyncio"


def run(program: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Run `program(*args)` to its end and return its result."""
    return anyio.run(program, *args, backend="asyncio", backend_options=OPTIONS)
