"""Small objects with compare-and-set in a bucket: the `Records` port over Object Storage's conditional puts."""

from __future__ import annotations

from typing import TypeVar

from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError

T = TypeVar("T")


class S3Records:
    """Records in a bucket, written with `If-None-Match: *` and `If-Match` (cloud-api §4.7). Raises `CloudError`."""

    def __init__(self, store: S3ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    async def read(self, key: str) -> tuple[bytes, str] | None:
        return _raised(await self._store.with_token(lambda client, call: client.read(self._bucket, key, call)))

    async def create(self, key: str, body: bytes) -> str | None:
        return await self._write(key, body, None)

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        return await self._write(key, body, etag)

    async def _write(self, key: str, body: bytes, etag: str | None) -> str | None:
        return _raised(
            await self._store.with_token(lambda client, call: client.write(self._bucket, key, body, etag, call))
        )


def _raised(result: T | CloudError) -> T:
    if isinstance(result, CloudError):
        raise result
    return result
