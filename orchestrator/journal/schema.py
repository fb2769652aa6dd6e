"""The journal's tables, as numbered migrations, and SQLite's errors as `JournalError`, by result code.

Rows of runs are only added, and completed once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import JournalError
from orchestrator.journal.folder import ADVICE

APPLICATION_ID = 0x4F524348  # "ORCH" in the file's header: identifies a journal among SQLite files

# Migration n leads from schema n to schema n + 1. A released migration is never edited, only followed by another.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            started_at REAL NOT NULL,      -- seconds since the epoch
            verb TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            units INTEGER NOT NULL,
            program TEXT NOT NULL,         -- the version that wrote it
            schema INTEGER NOT NULL,       -- of the events
            ended_at REAL,
            exit_code INTEGER,
            outcomes TEXT                  -- JSON: units by outcome, once it has ended
        ) STRICT
        """,
        """
        CREATE TABLE events (
            run_id TEXT NOT NULL REFERENCES runs (id),
            seq INTEGER NOT NULL,          -- 1, 2, 3 … without a gap
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,             -- the unit, "" for the run
            data TEXT NOT NULL,            -- the event, JSON
            crc INTEGER NOT NULL,          -- CRC-32 of data: SQLite itself does not notice a flipped bit in a value
            PRIMARY KEY (run_id, seq)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE TABLE knowledge (
            endpoint TEXT PRIMARY KEY,     -- what was learned of one installation is never used for another
            at REAL NOT NULL,              -- seconds since the epoch
            data TEXT NOT NULL             -- JSON
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE verdicts (            -- outlives the runs: a Version serves for years
            endpoint TEXT NOT NULL,
            version_id TEXT NOT NULL,
            at REAL NOT NULL,              -- seconds since the epoch
            verdict TEXT NOT NULL,         -- the last one
            reason TEXT NOT NULL,
            run_id TEXT NOT NULL,
            PRIMARY KEY (endpoint, version_id)
        ) STRICT, WITHOUT ROWID
        """,
        """
        INSERT OR REPLACE INTO verdicts
            SELECT runs.endpoint, json_extract(data, '$.version_id'), at, json_extract(data, '$.verdict'),
                json_extract(data, '$.reason'), run_id
            FROM events JOIN runs ON runs.id = run_id WHERE kind = 'version_verified' ORDER BY at
        """,
    ),
    (
        """
        CREATE TABLE begun (               -- commands that have no run yet, see `begun`
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,              -- seconds since the epoch
            verb TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            line TEXT NOT NULL,            -- what to type to begin it again
            identity TEXT NOT NULL,        -- JSON
            why TEXT NOT NULL DEFAULT ''   -- what ended it
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE deployed (            -- outlives the runs: a Function serves for years
            endpoint TEXT NOT NULL,
            folder_id TEXT NOT NULL,
            name TEXT NOT NULL,
            function_id TEXT NOT NULL,
            at REAL NOT NULL,              -- seconds since the epoch, the last time
            run_id TEXT NOT NULL,
            PRIMARY KEY (endpoint, folder_id, name, function_id)
        ) STRICT, WITHOUT ROWID
        """,
        """
        INSERT OR REPLACE INTO deployed
            SELECT endpoint, folder_id, name, function_id, at, run_id FROM (
                SELECT run_id,
                    max(CASE WHEN planned THEN json_extract(data, '$.folder_id') END) AS folder_id,
                    max(CASE WHEN planned THEN json_extract(data, '$.name') END) AS name,
                    coalesce(
                        max(CASE WHEN planned THEN nullif(json_extract(data, '$.function_id'), '') END),
                        max(CASE WHEN kind = 'operation_accepted' THEN json_extract(data, '$.function_id') END), ''
                    ) AS function_id,
                    max(CASE WHEN kind = 'unit_ended' THEN at END) AS at,
                    max(kind = 'unit_ended' AND json_extract(data, '$.outcome.outcome') = 'deployed') AS deployed
                FROM (
                    SELECT *, kind = 'unit_planned'
                        AND json_extract(data, '$.action') IN ('create', 'new version', 'copy') AS planned
                    FROM events WHERE kind IN ('unit_planned', 'operation_accepted', 'unit_ended')
                ) GROUP BY run_id, key
            ) AS unit JOIN runs ON runs.id = unit.run_id
            WHERE deployed AND name IS NOT NULL AND function_id <> ''
            ORDER BY at
        """,
    ),
    # For queries about one function, or about the run itself (key ""), among the records of 30,000 functions.
    ("CREATE INDEX events_of_unit ON events (run_id, key)",),
)


def migrate(connection: sqlite3.Connection, origin: str) -> None:
    """Bring the tables up to this program's schema, in one transaction. The connection is in autocommit mode.

    Raises `JournalError` if the file is from a newer program or from another one, else `sqlite3.Error`.
    """
    if version_of(connection, origin) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have been faster.
        for statements in MIGRATIONS[version_of(connection, origin) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def version_of(connection: sqlite3.Connection, origin: str) -> int:
    """Return the schema's number, 0 for an empty file. Raises `JournalError` like `migrate`."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise JournalError(
            f"{origin} is a database of another program",
            advice="move the file away, or use another folder: --state DIR",
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{origin} was written by a newer orchestrator (schema {version}, this program supports {len(MIGRATIONS)})",
            advice="upgrade orchestrator, or use another folder: --state DIR",
        )
    return int(version)


_DAMAGED = (
    "keep a copy, move it away and deploy again: the live state is read from the cloud, and earlier requests are found"
    " by their Idempotency-Keys, not repeated"
)
# Primary result codes (sqlite.org/rescode.html) → what is wrong, what to do.
_CAUSES = {
    sqlite3.SQLITE_BUSY: ("is in use by another process", "wait until that process ends, then try again"),
    sqlite3.SQLITE_LOCKED: ("is in use by another process", "wait until that process ends, then try again"),
    sqlite3.SQLITE_FULL: ("cannot be written: the disk is full", "free some space, then run the same command again"),
    sqlite3.SQLITE_READONLY: ("cannot be written: the file or its folder is read-only", ADVICE),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened: its folder is read-only, or something else is in its place", ADVICE),
    sqlite3.SQLITE_PERM: ("cannot be opened: no permission", ADVICE),
    sqlite3.SQLITE_NOTADB: ("is not a database: it is damaged, or another file is in its place", _DAMAGED),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk reports an error", "check the disk, then try again"),
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise `JournalError` instead of SQLite's own errors."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        what, advice = _CAUSES.get(code, (f"cannot be used: {error}", ADVICE))
        raise JournalError(f"the journal {path} {what}", advice=advice) from error


def damaged(path: Path, run_id: str, seq: int, what: str) -> JournalError:
    """Return the error for a damaged record."""
    return JournalError(f"the journal {path} is damaged: record {seq} of run {run_id} {what}", advice=_DAMAGED)


def newer(path: Path, run_id: str, why: str = "") -> JournalError:
    """Return the error for a run that only a newer program can read. `why`: which part of it, "" for all of it."""
    return JournalError(
        f"run {run_id} in the journal {path} was written by a newer orchestrator{f': {why}' if why else ''}",
        advice="upgrade orchestrator to read it, or use another folder: --state DIR; no data is lost",
    )
