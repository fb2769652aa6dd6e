"""Stopping a run: nothing new starts, what was asked for settles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio


class StoppedError(Exception):
    """Whatever was being prepared is given up; nothing had been asked of the cloud."""


class Stop:
    """A request to stop, and the waits that it ends."""

    def __init__(self) -> None:
        self.reason = ""
        self.lost = ""  # why this run does not hold any more what kept others away; "" while it does
        self.heard: Callable[[], None] = lambda: None  # called once, when a stop is requested
        self._scopes: set[anyio.CancelScope] = set()
        self._abandon = anyio.CancelScope()

    def request(self, reason: str) -> None:
        """Start nothing new. Only the first reason counts."""
        if not self.reason:
            self.heard()
        self.reason = self.reason or reason
        for scope in self._scopes:
            scope.cancel()

    def lose(self, why: str) -> None:
        """Stop, since others may change by now what this run had for itself: what it saw of it proves nothing."""
        self.lost = self.lost or why
        self.request(why)

    def abandon(self, reason: str) -> None:
        """Leave at once: not even what was asked for is waited for."""
        self.request(reason)
        self._abandon.cancel()

    @property
    def whole_run(self) -> anyio.CancelScope:
        """The scope that `abandon` cancels; the run enters it once."""
        return self._abandon

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a stop end what happens inside. Raises `StoppedError` where it did."""
        with anyio.CancelScope() as scope:
            if self.reason:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise StoppedError(self.reason)
