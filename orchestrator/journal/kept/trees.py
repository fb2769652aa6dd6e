"""The files of packages, by the digest of their code as in stamps, so that a plan can name the files that differ from
what is live.

A separate file beside the journal, and only a convenience: if it is missing, damaged or from a newer program, nothing
is known and nothing fails. It keeps what was used last, within bounds.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from orchestrator.journal.folder import make_private_database, refuse_links
from orchestrator.model import PackedFiles

FILE = "trees.sqlite3"
KEPT_MAX_BYTES = 64 * 1024 * 1024  # of all lists, compressed: about 30,000 packages
FILES_MAX = 20_000  # per package; longer lists are not kept
_SCHEMA = 1
_BUSY_TIMEOUT_S = 5.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS trees (
        code TEXT PRIMARY KEY,
        used_at REAL NOT NULL,   -- seconds since the epoch, the last time
        files BLOB NOT NULL      -- zlib of JSON: [paths, digests]
    ) STRICT, WITHOUT ROWID
"""


def keep_trees(state_dir: Path, trees: Mapping[str, PackedFiles], at: float) -> None:
    """Store the files of packages, by the digests of their code. `at`: epoch seconds."""
    trees = {code: files for code, files in trees.items() if files.digests and len(files.paths) <= FILES_MAX}
    path = state_dir / FILE
    with suppress(OSError, sqlite3.Error):
        if not trees:
            return
        make_private_database(path)
        try:
            _keep(path, trees, at)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                path.unlink(missing_ok=True)  # the next run creates a new file


def _keep(path: Path, trees: Mapping[str, PackedFiles], at: float) -> None:
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if schema > _SCHEMA:
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        known = {code for code in trees if connection.execute("SELECT 1 FROM trees WHERE code = ?", (code,)).fetchone()}
        connection.executemany("UPDATE trees SET used_at = ? WHERE code = ?", [(at, code) for code in known])
        rows = [(code, at, _packed(files)) for code, files in trees.items() if code not in known]
        connection.executemany("INSERT INTO trees VALUES (?, ?, ?)", rows)
        if rows:
            _let_go(connection)
        connection.execute("COMMIT")


def _let_go(connection: sqlite3.Connection) -> None:
    """Delete what was unused for the longest time, if there is too much."""
    size_bytes, gone = 0, list[tuple[str]]()
    for code, length in connection.execute("SELECT code, length(files) FROM trees ORDER BY used_at DESC, code"):
        size_bytes += length
        if size_bytes > KEPT_MAX_BYTES:
            gone.append((code,))
    connection.executemany("DELETE FROM trees WHERE code = ?", gone)


class KnownTrees:
    """Looks up files; a context manager. The file is opened on first use."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False  # or there is nothing to read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        if self._connection is not None:
            self._connection.close()

    def files(self, code: str) -> PackedFiles | None:
        """Return the files of the package whose code has this digest; None if they are not known."""
        with self._quietly():
            connection = self._open()
            if connection is not None:
                row = connection.execute("SELECT files FROM trees WHERE code = ?", (code,)).fetchone()
                return _unpacked(row[0]) if row is not None else None
        return None

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, TypeError, zlib.error, sqlite3.Error):
            self._is_closed = True

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None and not self._is_closed and self._path.exists():
            refuse_links(self._path)
            where = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(where, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            self._connection = connection
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            self._is_closed = schema != _SCHEMA
        return None if self._is_closed else self._connection


def _packed(files: PackedFiles) -> bytes:
    return zlib.compress(orjson.dumps([files.paths, files.digests]))


def _unpacked(content: bytes) -> PackedFiles:
    paths, digests = orjson.loads(zlib.decompress(content))
    return PackedFiles(tuple(paths), str(digests))
