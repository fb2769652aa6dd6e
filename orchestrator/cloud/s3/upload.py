"""Bodies and connections of uploads that can be ended at any moment.

Imports botocore, which is slow to load: import this module in a worker thread only.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, BinaryIO

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool

from orchestrator.cloud.s3.call import ThreadCall, current_call

_REPORT_STEP_BYTES = 256 * 1024


class Upload:
    """A file as the body of a request. `progress` gets the bytes sent so far, a rewind starts again from 0."""

    def __init__(
        self, file: BinaryIO, size_bytes: int, call: ThreadCall, progress: Callable[[int], None] | None
    ) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._call = call
        self._progress = progress
        self._reported_bytes = 0
        self._sending = False

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def sending(self) -> None:
        """From here on reading is sending; before, the body is read to sign its SHA-256."""
        self._sending = True

    def read(self, size: int = -1) -> bytes:
        """Raises `AbandonedError`: an abandoned body never reaches its end, so no object is made of it."""
        self._call.go_on()
        if self._call.answered:
            return b""
        if self._sending and self._progress is not None:
            self._report(self._file.tell(), self._progress)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _report(self, sent_bytes: int, progress: Callable[[int], None]) -> None:
        step_bytes = abs(sent_bytes - self._reported_bytes)
        if step_bytes >= _REPORT_STEP_BYTES or (step_bytes and sent_bytes == self._size_bytes):
            self._reported_bytes = sent_bytes
            progress(sent_bytes)


def _attach(connection: Any) -> None:
    call = current_call()
    if call is not None:
        call.attach(connection)


def _read_headers(fp: BinaryIO) -> None:
    """Read the headers of an answer "100 Continue". Where they are cut off, botocore's own reading never ends."""
    while (line := fp.readline()) != b"\r\n":
        if not line:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of an answer")


class _Connection(AWSHTTPConnection):
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _attach(self)
        return super().request(method, url, *args, **kwargs)

    def _consume_headers(self, fp: BinaryIO) -> None:
        _read_headers(fp)


class _TlsConnection(AWSHTTPSConnection):
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _attach(self)
        return super().request(method, url, *args, **kwargs)

    def _consume_headers(self, fp: BinaryIO) -> None:
        _read_headers(fp)


class Pool(AWSHTTPConnectionPool):
    """Connections that tell the thread's `ThreadCall` of themselves."""

    ConnectionCls = _Connection


class TlsPool(AWSHTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TlsConnection
