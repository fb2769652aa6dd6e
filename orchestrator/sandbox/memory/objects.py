"""The sandbox's buckets and objects: in memory, or as files that outlive the process.

On disk an object is two files in its bucket's folder: the bytes under a fresh name, and a small JSON file with its
facts, named by the SHA-256 of the key. The JSON file is renamed into place last, so an object exists completely or not
at all, and a key never becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from orchestrator.journal.folder import make_private_folder, open_private

BINARY = "application/octet-stream"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY_BYTES_MAX = 1023  # fewer than 1,024 (cloud-api#object-storage)
_PART = ".part"  # suffix of files that are still being received


class RefusedError(Exception):
    """A violation of a bucket's rules. `code`: the S3 error code: NoSuchBucket, PreconditionFailed …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's facts. `etag`: MD5 in hex, without quotes. `modified_at`: seconds since the epoch."""

    key: str
    etag: str
    size_bytes: int
    modified_at: float
    content_type: str = BINARY


@dataclass(frozen=True, slots=True)
class Condition:
    """When a put is allowed. `if_none_match`: only if the key is free. `if_match`: only over that ETag, or "*"."""

    if_none_match: bool = False
    if_match: str | None = None


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page, sorted by key. `token` (empty: no more) is for the next call."""

    objects: tuple[Stored, ...]
    token: str


class Incoming:
    """Bytes of an object that are still being received, with their digests so far."""

    def __init__(self, file: BinaryIO, path: Path | None = None) -> None:
        self.file = file
        self.path = path
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self.md5.update(chunk)
        self.sha256.update(chunk)
        self.size_bytes += len(chunk)


class Objects:
    """All buckets. `folder` None: in memory. Thread-safe; every method is short enough for an event loop."""

    def __init__(self, folder: Path | None = None, buckets: Iterable[str] = ()) -> None:
        self._folder = folder
        self._lock = RLock()
        self._buckets: dict[str, dict[str, tuple[Stored, bytes | Path]]] = {}
        if folder is not None:
            make_private_folder(folder)
            for path in folder.iterdir():
                if path.is_dir() and _BUCKET_NAME.fullmatch(path.name):
                    make_private_folder(path)
                    self._buckets[path.name] = dict(_load(path))
        for bucket in buckets:
            self.create_bucket(bucket)

    @property
    def buckets(self) -> tuple[str, ...]:
        return tuple(sorted(self._buckets))

    def create_bucket(self, bucket: str) -> bool:
        """Create a bucket; False if it existed already. Raises `RefusedError` InvalidBucketName."""
        if not _BUCKET_NAME.fullmatch(bucket) or ".." in bucket:
            raise RefusedError("InvalidBucketName", "The specified bucket is not valid.")
        with self._lock:
            if bucket in self._buckets:
                return False
            if self._folder is not None:
                make_private_folder(self._folder / bucket)
            self._buckets[bucket] = {}
            return True

    def head(self, bucket: str, key: str) -> Stored | None:
        """Return the object's facts, None if there is no such object. Raises `RefusedError` NoSuchBucket."""
        found = self._of(bucket).get(key)
        return found[0] if found else None

    def get(self, bucket: str, key: str) -> bytes | Path | None:
        """Return the object's bytes, or the file that has them (open it before anything can replace the object)."""
        found = self._of(bucket).get(key)
        return found[1] if found else None

    def check(self, bucket: str, key: str, condition: Condition = ALWAYS) -> None:
        """Raise `RefusedError` if a put would be refused: NoSuchBucket, KeyTooLongError, PreconditionFailed."""
        found = self.head(bucket, key)
        if not key or len(key.encode()) > _KEY_BYTES_MAX:
            raise RefusedError("KeyTooLongError", f"A key is 1 to {_KEY_BYTES_MAX} bytes of UTF-8.")
        if condition.if_none_match and found is not None:
            raise RefusedError("PreconditionFailed", "The object exists already, If-None-Match: * fails.")
        match = condition.if_match
        if match is not None and (found is None or match not in ("*", found.etag)):
            raise RefusedError("PreconditionFailed", "The object's ETag differs, If-Match fails.")

    @contextmanager
    def incoming(self, bucket: str) -> Iterator[Incoming]:
        """Yield a place for bytes that arrive in pieces. Without `commit` in the block, they are discarded."""
        self._of(bucket)
        if self._folder is None:
            with tempfile.TemporaryFile() as file:
                yield Incoming(file)
            return
        path = self._folder / bucket / f"{uuid.uuid4().hex}{_PART}"
        try:
            with open(path, "w+b", opener=open_private) as file:
                yield Incoming(file, path)
        finally:
            path.unlink(missing_ok=True)

    def commit(
        self,
        bucket: str,
        key: str,
        incoming: Incoming,
        *,
        modified_at: float = 0.0,
        content_type: str = BINARY,
        condition: Condition = ALWAYS,
    ) -> Stored:
        """Make the received bytes the object, atomically. Raises `RefusedError` like `check`."""
        with self._lock:
            self.check(bucket, key, condition)
            stored = Stored(key, incoming.md5.hexdigest(), incoming.size_bytes, modified_at, content_type)
            old = self._buckets[bucket].get(key)
            self._buckets[bucket][key] = (stored, self._keep(bucket, stored, incoming))
            if old and isinstance(old[1], Path):
                old[1].unlink(missing_ok=True)
            return stored

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        modified_at: float = 0.0,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> Stored:
        """Put a complete body. Raises `RefusedError` like `check`."""
        with self.incoming(bucket) as incoming:
            incoming.write(body)
            condition = Condition(if_none_match, if_match)
            return self.commit(bucket, key, incoming, modified_at=modified_at, condition=condition)

    def delete(self, bucket: str, key: str) -> bool:
        """Delete an object; False if there was none. Raises `RefusedError` NoSuchBucket."""
        with self._lock:
            found = self._of(bucket).pop(key, None)
            if found and isinstance(found[1], Path):
                _facts_path(found[1].parent, key).unlink(missing_ok=True)
                found[1].unlink(missing_ok=True)
            return found is not None

    def list(self, bucket: str, prefix: str = "", token: str = "", limit: int = 1000) -> Listing:
        """Return the objects whose keys begin with `prefix`, after `token`, in order of the keys' UTF-8 bytes."""
        with self._lock:
            objects = self._of(bucket)
            keys = sorted((key for key in objects if key.startswith(prefix)), key=str.encode)
            start = bisect_right(keys, token.encode(), key=str.encode) if token else 0
            page = keys[start : start + limit]
            more = start + limit < len(keys)
            return Listing(tuple(objects[key][0] for key in page), page[-1] if page and more else "")

    def _of(self, bucket: str) -> dict[str, tuple[Stored, bytes | Path]]:
        try:
            return self._buckets[bucket]
        except KeyError:
            raise RefusedError("NoSuchBucket", "The specified bucket does not exist.") from None

    def _keep(self, bucket: str, stored: Stored, incoming: Incoming) -> bytes | Path:
        incoming.file.flush()
        if self._folder is None or incoming.path is None:
            incoming.file.seek(0)
            return incoming.file.read()
        folder = self._folder / bucket
        data = incoming.path.rename(incoming.path.with_suffix(""))
        facts = folder / f"{data.name}.json{_PART}"
        with open(facts, "w", encoding="utf-8", opener=open_private) as file:
            json.dump({**asdict(stored), "data": data.name}, file)
        facts.replace(_facts_path(folder, stored.key))
        return data


def _facts_path(folder: Path, key: str) -> Path:
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _load(folder: Path) -> Iterator[tuple[str, tuple[Stored, Path]]]:
    """Read a bucket back, and delete what a killed process left incomplete."""
    known = set()
    for path in sorted(folder.glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        data = folder / facts.pop("data")
        known |= {path, data}
        yield facts["key"], (Stored(**facts), data)
    for path in folder.iterdir():
        if path not in known:
            path.unlink()
