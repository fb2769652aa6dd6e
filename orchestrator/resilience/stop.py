"""Stopping a run, or some of its units: nothing new starts, what was asked for settles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import anyio


class StoppedError(Exception):
    """Whatever was being prepared is given up; nothing had been asked of the cloud."""


class Stop:
    """A request to stop, and the waits that it ends."""

    def __init__(self) -> None:
        self.reason = ""
        self.lost = ""  # why this run does not hold any more what kept others away; "" while it does
        self.called_off = ""  # why somebody, not the run itself, has stopped it
        self.heard: Callable[[], None] = lambda: None  # called once, when a stop is requested
        self._closed: dict[str, str] = {}  # unit → why nothing is begun for it any more
        self._scopes: dict[anyio.CancelScope, str] = {}  # → the unit that waits in it, "" for the run
        self._abandon = anyio.CancelScope()
        self._follows: list[Stop] = []

    def successor(self) -> Stop:
        """Make the stop of a run that follows on this one. What stops this one does not stop it, but what comes from
        outside by now does: somebody who calls it off, a lease that is lost, the leaving at once.
        """
        made = Stop()
        self._follows.append(made)
        return made

    def call_off(self, reason: str) -> None:
        """Start nothing new, since somebody says so."""
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
        """Stop, since others may change by now what this run had for itself: what it saw of it proves nothing."""
        self.lost = self.lost or why
        self.request(why)
        for follows in self._follows:
            follows.lose(why)

    def close(self, units: Iterable[str], reason: str) -> None:
        """Start nothing new for these units; the others go on. Of each only the first reason counts."""
        for unit in units:
            self._closed.setdefault(unit, reason)
        for scope, unit in self._scopes.items():
            if unit in self._closed:
                scope.cancel()

    def why(self, unit: str) -> str:
        """Say why nothing new is started for a unit, "" where that is not so."""
        return self.reason or self._closed.get(unit, "")

    def abandon(self, reason: str) -> None:
        """Leave at once: not even what was asked for is waited for."""
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
        """Let a stop, or one of this `unit`, end what happens inside. Raises `StoppedError` where it did."""
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
