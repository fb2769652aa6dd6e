"""A sandbox's state in SQLite, so that it continues where it was stopped or killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import orjson

from orchestrator.errors import StartError
from orchestrator.journal.folder import make_private_database
from orchestrator.sandbox.memory.cloud_state import Change

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    name TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (name, key)
) WITHOUT ROWID
"""
_WAIT_S = 5.0  # for a sandbox that is just ending


class StateFile:
    """One file. Saved state survives any kill of the process; a power failure may lose the last part."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises `StartError` if another process has it, or if it cannot be used."""
        advice = "stop the other sandbox, or use another state folder for this one"
        try:
            make_private_database(path)
            self._file = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
        except (OSError, sqlite3.Error) as error:
            raise StartError(f"the sandbox's state {path} cannot be used: {error}", advice=advice) from error
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute(_SCHEMA)
        except sqlite3.Error as error:
            self._file.close()
            raise StartError(f"the sandbox's state {path} cannot be used: {error}", advice=advice) from error

    def load(self) -> list[Change]:
        """Read everything, in order of creation."""
        rows = self._file.execute("SELECT name, key, number, record FROM records ORDER BY number")
        return [(name, key, number, orjson.loads(record)) for name, key, number, record in rows]

    def save(self, changes: Iterable[Change]) -> None:
        """Write all changes, or none of them."""
        put = [(name, key, number, orjson.dumps(record)) for name, key, number, record in changes if record is not None]
        gone = [(name, key) for name, key, _, record in changes if record is None]
        if not put and not gone:
            return
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", put)
        self._file.executemany("DELETE FROM records WHERE name = ? AND key = ?", gone)
        self._file.execute("COMMIT")

    def close(self) -> None:
        self._file.close()
