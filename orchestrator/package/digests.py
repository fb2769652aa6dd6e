"""Digests of files that are kept between runs: the SHA-256 of the content, by what `stat` returns for the file.

Only digests of contents are kept, never which files are packed. Rules and links are evaluated again each time, so no
change of a manifest or of this program can make the kept digests wrong. A package is written from what is really read.

| a file, since it was read                                       | its digest                                |
| ---                                                             | ---                                       |
| its `stat` is the same                                          | known                                     |
| written, replaced, touched, renamed, chmod; its mtime put back  | read again: its ctime at least is another |
| a link to it leads elsewhere                                    | that of what it leads to now              |
| it changed in the `SETTLED_NS` before it was read, or meanwhile | was not kept: another edit may have the   |
|                                                                 | same time stamp (git: "racily clean")     |

It does not detect writes through a memory map during the read, or file systems whose ctime can be set (some network and
FUSE ones); neither does git. It is a cache: losing the file only costs the time to read everything again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.journal.folder import open_private

DIGESTS = "digests.bin"
PACKAGES = "packages"  # folder of the file, in the state folder
FILES_MAX = 500_000  # number of kept digests: 25 MB
UNUSED_DAYS_MAX = 30  # a digest that was not used for so long is dropped
# How long a file must be unchanged before its `stat` identifies its content: twice the coarsest time stamp of a file
# system (2 s, FAT).
SETTLED_NS = 4_000_000_000

_HEAD = b"orchestrator digests 1\n"  # raised when the format changes, or what the digests are computed from
_DIGEST = hashlib.sha256().digest_size
_RECORD = struct.Struct("<16s34s")  # the file's key; its digest, and the day it was last used
_STAT = struct.Struct("<QQqqqI")
_DAY_NS = 86_400 * 1_000_000_000
_TOLD_AFTER_DAYS = 7  # the file is not rewritten in every run only to record that it was used


def _key(path: str, status: os.stat_result) -> bytes:
    """Return the key of a file: `path` as it is reached, and every part of its stat that an edit can change."""
    packed = _STAT.pack(
        status.st_dev & 0xFFFF_FFFF_FFFF_FFFF, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
        status.st_mode,
    )  # fmt: skip
    return hashlib.blake2b(packed + os.fsencode(path), digest_size=16).digest()


class Digests:
    """Digests of files. `path`: the file that stores them, None if nothing is stored. Can be used from any thread."""

    def __init__(self, path: Path | None, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._kept: dict[bytes, bytes] | None = None  # not read yet
        self._used = set[bytes]()
        self._noted: dict[bytes, tuple[bytes, int]] = {}  # with how long before the read the file had changed

    def now_ns(self) -> int:
        """Return the time. `note` needs it from just before a file is read."""
        return self._clock_ns()

    def known(self, path: str, status: os.stat_result) -> bytes | None:
        """Return the SHA-256 of a file, None if it must be read. `status`: as of now, links followed."""
        if self._path is None:
            return None
        kept = self._kept
        if kept is None:
            kept = self._load()
        key = _key(path, status)
        if (found := kept.get(key)) is not None:
            self._used.add(key)
            return found[:_DIGEST]
        noted = self._noted.get(key)
        return noted[0] if noted is not None else None

    def note(self, path: str, before: os.stat_result, after: os.stat_result, digest: bytes, began_ns: int) -> None:
        """Record the SHA-256 of a file that was read. `before`: its stat before. `after`: its stat when it was opened.
        `began_ns`: when reading began.
        """
        if self._path is None or not stat.S_ISREG(after.st_mode):
            return
        settled_ns = began_ns - max(after.st_mtime_ns, after.st_ctime_ns)
        if settled_ns > SETTLED_NS and (key := _key(path, before)) == _key(path, after):
            self._noted[key] = (digest, settled_ns)

    def save(self) -> None:
        """Write the file if there is something new. What cannot be written is read again next time."""
        kept, today = self._kept or {}, min(max(self._clock_ns() // _DAY_NS, 0), 0xFFFF)
        stale = any(_day(kept[key]) < today - _TOLD_AFTER_DAYS for key in self._used)
        if self._path is None or not (self._noted or stale):
            return
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            with open(part, "wb", opener=open_private) as file:
                file.write(_HEAD)
                file.flush()
                behind_ns = max(0, self._clock_ns() - os.fstat(file.fileno()).st_mtime_ns)
                payload = self._payload(today, behind_ns)
                file.write(hashlib.sha256(payload).digest() + payload)
            part.replace(self._path)

    def _payload(self, today: int, behind_ns: int) -> bytes:
        """Return the records to keep. `behind_ns`: how far the file system's clock is behind ours, which makes files
        seem older than they are.
        """
        now, first = today.to_bytes(2, "little"), today - UNUSED_DAYS_MAX
        kept = self._kept or {}
        records = {key: record for key, record in kept.items() if _day(record) >= first}
        records |= {key: kept[key][:_DIGEST] + now for key in self._used}
        records |= {key: one + now for key, (one, ns) in self._noted.items() if ns > SETTLED_NS + behind_ns}
        if len(records) > FILES_MAX:  # of one day, always the same ones, so that they are useful
            first_ones = sorted(records, key=lambda key: (-_day(records[key]), key))[:FILES_MAX]
            records = {key: records[key] for key in first_ones}
        return b"".join(_RECORD.pack(*row) for row in records.items())

    def _load(self) -> dict[bytes, bytes]:
        with self._lock:
            if self._kept is None:
                self._kept = _read(self._path) if self._path is not None else {}
            return self._kept


NOTHING_KNOWN = Digests(None)


def _read(path: Path) -> dict[bytes, bytes]:
    """Read the file. One that is missing, broken, too large or from another program counts as empty."""
    most = len(_HEAD) + _DIGEST + FILES_MAX * _RECORD.size
    try:
        with open(path, "rb", opener=open_private) as file:
            data = file.read(most + 1)
    except OSError:
        return {}
    checked, payload = data[len(_HEAD) :][:_DIGEST], memoryview(data)[len(_HEAD) + _DIGEST :]
    if not data.startswith(_HEAD) or len(data) > most or hashlib.sha256(payload).digest() != checked:
        return {}
    if len(payload) % _RECORD.size:
        return {}
    return dict(_RECORD.iter_unpack(payload))


def _day(record: bytes) -> int:
    return int.from_bytes(record[_DIGEST:], "little")
