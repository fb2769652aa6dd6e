"""Sending to and receiving from Object Storage, where botocore is not enough: uploads can be ended at any moment, and
answers are read up to a limit.

Imports botocore, which is slow to load: import this module in a worker thread only.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from typing import Any, BinaryIO

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import BotoCoreError, ConnectionClosedError, ReadTimeoutError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as SlowReadError

from orchestrator.cloud import bounds
from orchestrator.cloud.s3.call import ThreadCall, current_call
from orchestrator.model.units import as_size

_REPORT_STEP_BYTES = 256 * 1024


class Upload:
    """A file as the body of a request. `progress` gets the number of bytes sent so far; a rewind starts again from
    0.
    """

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
        """From now on, reading is sending. Before, the body is read to sign its SHA-256."""
        self._sending = True

    def read(self, size: int = -1) -> bytes:
        """Raise `AbandonedError` if abandoned: the body then never reaches its end, so no object is created."""
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
    """Read the headers of a "100 Continue" answer. If they are cut off, botocore's own reading never ends."""
    while (line := fp.readline()) != b"\r\n":
        if not line:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of a response")


class _Head:
    """The file that an answer is read from. Remembers the last line that was read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.last = b""

    def readline(self, *limit: int) -> bytes:
        self.last = self.file.readline(*limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _with_whole_head(make: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return an answer that fails if its headers are cut off. http.client takes a closed connection for the end of the
    headers, so an object could lack some of its metadata.
    """
    response = make(*args, **options)
    begin = response.begin

    def begin_whole() -> None:
        head = response.fp = _Head(response.fp)
        begin()
        if response.fp is head:  # it is closed already if there is no body
            response.fp = head.file
        if not head.last:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of a response")

    response.begin = begin_whole
    return response


def _whole_answer(connection: Any, getresponse: Callable[[], Any]) -> Any:
    make, whole = connection.response_class, partial(_with_whole_head, connection.response_class)
    connection.response_class = whole
    try:
        return getresponse()
    finally:
        if connection.response_class is whole:  # otherwise it was closed, and has its original class
            connection.response_class = make


class _Connection(AWSHTTPConnection):
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _attach(self)
        return super().request(method, url, *args, **kwargs)

    def getresponse(self) -> Any:
        return _whole_answer(self, super().getresponse)

    def _consume_headers(self, fp: BinaryIO) -> None:
        _read_headers(fp)


class _TlsConnection(AWSHTTPSConnection):
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _attach(self)
        return super().request(method, url, *args, **kwargs)

    def getresponse(self) -> Any:
        return _whole_answer(self, super().getresponse)

    def _consume_headers(self, fp: BinaryIO) -> None:
        _read_headers(fp)


class Pool(AWSHTTPConnectionPool):
    """Connections that register with the thread's `ThreadCall`."""

    ConnectionCls = _Connection


class TlsPool(AWSHTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TlsConnection


_PIECE_BYTES = 64 * 1024


class TooLargeError(BotoCoreError):
    """An answer is larger than any that is expected."""

    fmt = "a response larger than {words}, which was not read"


@contextmanager
def _broken(url: str) -> Iterator[None]:
    """Raise botocore's errors instead of lower-level ones. Botocore does so only if it reads the whole body of a
    request that it did not stream, so a refusal that is cut off would escape.
    """
    try:
        yield
    except SlowReadError as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from error
    except (HTTPError, HTTPException, OSError) as error:
        raise ConnectionClosedError(endpoint_url=url, error=error) from error


class _Bounded:
    """An urllib3 response that raises `TooLargeError` if it is too long, and otherwise only botocore's errors."""

    def __init__(self, raw: Any, url: str) -> None:
        self._raw = raw
        self._url = url
        self._read_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def read(self, amt: int | None = None, **options: Any) -> bytes:
        pieces = bytearray()
        while amt is None or len(pieces) < amt:
            left = _PIECE_BYTES if amt is None else min(_PIECE_BYTES, amt - len(pieces))
            with _broken(self._url):
                piece: bytes = self._raw.read(left, **options)
            if not piece:
                self._end()
                break
            self._count(piece)
            pieces += piece
        return bytes(pieces)

    def stream(self, amt: int = _PIECE_BYTES, **options: Any) -> Iterator[bytes]:
        pieces = self._raw.stream(amt, **options)
        while True:
            with _broken(self._url):
                piece = next(pieces, None)
            if piece is None:
                return self._end()
            self._count(piece)
            yield piece

    def _end(self) -> None:
        """Raise if the answer ends before its Content-Length: urllib3 takes a closed connection for the end."""
        left_bytes = self._raw.length_remaining
        if left_bytes:
            error = f"the answer ended {left_bytes} bytes too early"
            raise ConnectionClosedError(endpoint_url=self._url, error=error)

    def _count(self, piece: bytes) -> None:
        self._read_bytes += len(piece)
        if self._read_bytes > bounds.ANSWER_MAX_BYTES:
            self._raw.close()
            raise TooLargeError(words=as_size(bounds.ANSWER_MAX_BYTES))


def send_bounded(send: Callable[[AWSPreparedRequest], AWSResponse], request: AWSPreparedRequest) -> AWSResponse:
    """Do what botocore's `send` does, but read no more of an answer than the limit."""
    whole, request.stream_output = not request.stream_output, True
    response = send(request)
    response.raw = _Bounded(response.raw, request.url)
    if whole:
        _ = response.content  # reads it, so that the connection is free again
    return response
