"""Small objects with compare-and-set, as files: the `Records` port where there is no bucket, for one machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from orchestrator.errors import JournalError
from orchestrator.journal.folder import ADVICE, make_private_folder, make_state_dir, open_private

FOLDER = "claims"


class FileRecords:
    """Records below a state folder. Processes of this machine exclude each other by a lock of the operating system.

    Raises `JournalError` where the folder cannot be used.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._folder = state_dir / FOLDER

    async def read(self, key: str) -> tuple[bytes, str] | None:
        with self._locked():
            return self._found(key)

    async def create(self, key: str, body: bytes) -> str | None:
        with self._locked():
            return self._write(key, body) if self._found(key) is None else None

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        with self._locked():
            found = self._found(key)
            return self._write(key, body) if found is not None and found[1] == etag else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Held for a few file operations only, so waiting for it here does not hold the event loop up.
        make_state_dir(self._state_dir)
        try:
            make_private_folder(self._folder)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalError(f"claims cannot be kept in {self._folder}: {error.strerror}", advice=ADVICE) from error

    def _found(self, key: str) -> tuple[bytes, str] | None:
        try:
            body = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        return body, sha256(body).hexdigest()

    def _write(self, key: str, body: bytes) -> str:
        path = self._path(key)
        made = path.with_suffix(".new")
        with open(made, "wb", opener=open_private) as file:
            file.write(body)
        made.replace(path)  # a kill leaves the old or the new one, whole
        return sha256(body).hexdigest()

    def _path(self, key: str) -> Path:
        return self._folder / f"{quote(key, safe='')}.json"
