"""Files with one machine's knowledge of due times: claims, in the `Records` port if there is no bucket, and the due
times that a breach ended, for `jobs`, which does not read the bucket.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from orchestrator.coordination.claim import StoppedDue
from orchestrator.errors import JournalError
from orchestrator.journal.folder import ADVICE, make_private_folder, make_state_dir, open_private

_CLAIMS = "claims"  # folders in the state folder
_STOPPED = "due"


class FileRecords:
    """Records below a state folder. Processes of this machine exclude each other by a lock of the operating system.

    Raises `JournalError` if the folder cannot be used.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._folder = state_dir / _CLAIMS

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
        # Held only for a few file operations, so waiting for it here does not block the event loop.
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
        made.replace(path)  # a kill leaves the old or the new one, complete
        return sha256(body).hexdigest()

    def _path(self, key: str) -> Path:
        return self._folder / f"{quote(key, safe='')}.json"


def remember(state_dir: Path, job: str, breach: StoppedDue | None) -> None:
    """Store what the last call of a job found; None: remove it. Raises `JournalError`."""
    path = _path(state_dir, job)
    try:
        if breach is None:
            path.unlink(missing_ok=True)
            return
        make_state_dir(state_dir)
        make_private_folder(path.parent)
        made = path.with_suffix(".new")
        with open(made, "w", encoding="utf-8", opener=open_private) as file:
            json.dump(asdict(breach), file)
        made.replace(path)
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}", advice=ADVICE) from error


def known_stop(state_dir: Path, job: str) -> StoppedDue | None:
    """Return the due time of a job that a breach ended, as far as this machine knows, None for none."""
    try:
        return StoppedDue(**json.loads(_path(state_dir, job).read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # not worth a failure: the next call finds it again
        return None


def _path(state_dir: Path, job: str) -> Path:
    return state_dir / _STOPPED / f"{quote(job, safe='')}.json"
