"""Stops a run, or some of its units: nothing new starts, and what was sent settles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import anyio


class StoppedError(Exception):
    """What was being prepared is given up. Nothing had been sent to the cloud."""


class Stop:
    """A request to stop, and the waits that it ends."""

    def __init__(self) -> None:
        self.reason = ""
        self.lost = ""  # why this run has lost its lease or lock; "" while it holds it
        self.called_off = ""  # why someone, and not the run itself, stopped it
        self.heard: Callable[[], None] = lambda: None  # called once, when a stop is requested
        self._closed: dict[str, str] = {}  # unit → why nothing starts for it any more
        self._scopes: dict[anyio.CancelScope, str] = {}  # → the unit that waits in it, "" for the run
        self._abandon = anyio.CancelScope()
        self._follows: list[Stop] = []

    def successor(self) -> Stop:
        """Return the stop of a run that follows this one. It does not take over this run's own stop, but everything
        from outside: someone calls it off, a lease is lost, the program is left at once.
        """
        made = Stop()
        self._follows.append(made)
        return made

    def call_off(self, reason: str) -> None:
        """Start nothing new, because someone says so."""
        self.called_off = self.called_off or reason
        self.request(reason)
        for follows in self._follows:
            follows.call_off(reason)

    def request(self, reason: str) -> None:
        """Start nothing new. Only the first reason counts."""
        if not self.reason:
            self.heard()
        self.reason = self.reason or reason
        for scope in self._scopes:
            scope.cancel()

    def lose(self, why: str) -> None:
        """Stop, because others may be changing what this run had for itself: what it has read is not reliable any
        more.
        """
        self.lost = self.lost or why
        self.request(why)
        for follows in self._follows:
            follows.lose(why)

    def close(self, units: Iterable[str], reason: str) -> None:
        """Start nothing new for these units; the others continue. For each, only the first reason counts."""
        for unit in units:
            self._closed.setdefault(unit, reason)
        for scope, unit in self._scopes.items():
            if unit in self._closed:
                scope.cancel()

    def why(self, unit: str) -> str:
        """Return why nothing new starts for a unit, "" if it may."""
        return self.reason or self._closed.get(unit, "")

    def abandon(self, reason: str) -> None:
        """Leave at once, without waiting for what was sent."""
        self.request(reason)
        self._abandon.cancel()
        for follows in self._follows:
            follows.abandon(reason)

    @property
    def whole_run(self) -> anyio.CancelScope:
        """The scope that `abandon` cancels; the run enters it once."""
        return self._abandon

    @contextmanager
    def interruptible(self, unit: str = "") -> Iterator[None]:
        """Let a stop, or a stop of this `unit`, end the block. Raises `StoppedError` if it did."""
        with anyio.CancelScope() as scope:
            if self.why(unit):
                scope.cancel()
            self._scopes[scope] = unit
            try:
                yield
            finally:
                del self._scopes[scope]
        if scope.cancelled_caught:
            raise StoppedError(self.why(unit))
