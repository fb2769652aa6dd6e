"""A call in a worker thread that the event loop can end: it stops waiting, whatever it waits for."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Lock, local
from types import TracebackType
from typing import Any, Self

_thread = local()  # .call: the current call of this worker thread


class AbandonedError(Exception):
    """Raised in a worker thread when nothing waits for its call any more."""


class ThreadCall:
    """One call in a worker thread, which enters it as a context. `abandon` is for other threads."""

    def __init__(self) -> None:
        self._abandoned = Event()
        self._lock = Lock()
        self._connection: Any = None

    def __enter__(self) -> Self:
        _thread.call = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _thread.call = None
        with self._lock:
            self._connection = None

    def attach(self, connection: Any) -> None:
        """Register the connection that a request of this call uses. Raises `AbandonedError`."""
        self.go_on()
        with self._lock:
            self._connection = connection

    def go_on(self) -> None:
        """Raise `AbandonedError` if the call was abandoned."""
        if self._abandoned.is_set():
            raise AbandonedError

    @property
    def answered(self) -> bool:
        """The server answered before it wanted the body: the rest of the body is discarded."""
        return bool(getattr(self._connection, "_response_received", False))  # botocore's own mark, of Expect

    def abandon(self) -> None:
        """End the call: nothing more is sent, and a thread that waits on its socket gets an error."""
        self._abandoned.set()
        with self._lock:
            sock = getattr(self._connection, "sock", None)
            if isinstance(sock, socket.socket):
                with suppress(OSError):
                    # The plain socket's shutdown: a TLS socket's must not be called from another thread.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def current_call() -> ThreadCall | None:
    """The current call of this thread."""
    call: ThreadCall | None = getattr(_thread, "call", None)
    return call
