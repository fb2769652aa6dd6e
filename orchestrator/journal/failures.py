"""SQLite's errors into `JournalError`, by its result codes: one sentence each, and the next step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import JournalError
from orchestrator.journal.folder import ADVICE

_DAMAGED = (
    "keep a copy, move it away and deploy again: what is live is read from the cloud, and what was asked for already"
    " is found by its Idempotency-Key, not repeated"
)
# Primary result codes (sqlite.org/rescode.html) → what is the matter, what to do.
_CAUSES = {
    sqlite3.SQLITE_BUSY: ("is in use by another process", "wait until that process has ended, then try again"),
    sqlite3.SQLITE_LOCKED: ("is in use by another process", "wait until that process has ended, then try again"),
    sqlite3.SQLITE_FULL: ("cannot be written: the disk is full", "make room, then run the same command again"),
    sqlite3.SQLITE_READONLY: ("cannot be written: the file or its folder is read-only", ADVICE),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened: its folder is read-only, or something else is in its place", ADVICE),
    sqlite3.SQLITE_PERM: ("cannot be opened: no permission", ADVICE),
    sqlite3.SQLITE_NOTADB: ("is not a database: it is damaged, or another file is in its place", _DAMAGED),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk reports an error", "check the disk, then try again"),
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise `JournalError` in place of SQLite's own errors."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        what, advice = _CAUSES.get(code, (f"cannot be used: {error}", ADVICE))
        raise JournalError(f"the journal {path} {what}", advice=advice) from error


def damaged(path: Path, run_id: str, seq: int, what: str) -> JournalError:
    """Make the error of a record that is not as it was written."""
    return JournalError(f"the journal {path} is damaged: record {seq} of run {run_id} {what}", advice=_DAMAGED)
