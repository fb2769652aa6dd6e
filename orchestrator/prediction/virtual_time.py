"""Runs an anyio program on virtual time: when nothing is ready, the clock jumps to the next timer.

Hours pass in a moment, and the same program takes the same course every time. It uses the asyncio backend of
production, so its results apply there. No threads: the clock would jump while they work.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Args = TypeVarTuple("Args")


class StalledError(RuntimeError):
    """Nothing is ready, no timer is set, and the program has not ended: it would wait forever."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never blocks: instead of waiting for `timeout`, it adds it to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise StalledError("the program waits for something that can never happen")
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0.0 and passes only while all tasks wait."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # asyncio runs the timers that are due before time() + this. Its own nanosecond is lost in the rounding of times
        # beyond a few weeks, and a timer that is due right now would never run.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jumping.now_s


def run(program: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Run `program(*args)` to its end and return its result. Raises `StalledError` if it cannot end."""
    options = {"loop_factory": VirtualLoop}
    return anyio.run(program, *args, backend="asyncio", backend_options=options)
