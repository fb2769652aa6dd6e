"""Answers of Object Storage, read up to a bound: botocore itself reads whatever comes.

Imports botocore, which is slow to load: import this module in a worker thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError, ConnectionClosedError

from orchestrator.cloud import bounds

_PIECE_BYTES = 64 * 1024


class TooLargeError(BotoCoreError):
    """An answer is larger than any that we ask for."""

    fmt = "an answer of more than {words}, which was not read"


class _Bounded:
    """An urllib3 response that raises `TooLargeError` where it goes on for too long."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._read_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def read(self, amt: int | None = None, **options: Any) -> bytes:
        pieces = bytearray()
        while amt is None or len(pieces) < amt:
            left = _PIECE_BYTES if amt is None else min(_PIECE_BYTES, amt - len(pieces))
            piece: bytes = self._raw.read(left, **options)
            if not piece:
                break
            self._count(piece)
            pieces += piece
        return bytes(pieces)

    def stream(self, amt: int = _PIECE_BYTES, **options: Any) -> Iterator[bytes]:
        for piece in self._raw.stream(amt, **options):
            self._count(piece)
            yield piece

    def _count(self, piece: bytes) -> None:
        self._read_bytes += len(piece)
        if self._read_bytes > bounds.ANSWER_MAX_BYTES:
            self._raw.close()
            raise TooLargeError(words=bounds.megabytes(bounds.ANSWER_MAX_BYTES))


def send_bounded(send: Callable[[AWSPreparedRequest], AWSResponse], request: AWSPreparedRequest) -> AWSResponse:
    """Do what botocore's `send` does, without reading more of an answer than the bound."""
    whole, request.stream_output = not request.stream_output, True
    response = send(request)
    response.raw = _Bounded(response.raw)
    if whole:
        try:
            _ = response.content  # reads it, so that the connection is free again
        except BotoCoreError:
            raise
        except Exception as error:  # as botocore does where it reads by itself
            raise ConnectionClosedError(endpoint_url=request.url, error=error) from error
    return response
