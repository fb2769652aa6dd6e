"""The tables of the journal, as numbered migrations. Rows of runs are only ever added, and completed once."""

from __future__ import annotations

import sqlite3

from orchestrator.errors import JournalError

APPLICATION_ID = 0x4F524348  # "ORCH", in the file's header: tells a journal from any other SQLite file

# Migration n leads from schema n to schema n + 1. What was released is never edited, only followed by another.
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
)


def migrate(connection: sqlite3.Connection, origin: str) -> None:
    """Bring the tables up to this program's schema, in one transaction. The connection is in autocommit mode.

    Raises `JournalError` where the file is of a newer program, or of another one; `sqlite3.Error` otherwise.
    """
    if version_of(connection, origin) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in MIGRATIONS[version_of(connection, origin) :]:  # asked again: another process may be quicker
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def version_of(connection: sqlite3.Connection, origin: str) -> int:
    """Read the schema's number, 0 in an empty file. Raises `JournalError` as `migrate` does."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise JournalError(
            f"{origin} is a database of another program", advice="move it away, or name another folder: --state DIR"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{origin} was written by a newer orchestrator (schema {version}, this program knows {len(MIGRATIONS)})",
            advice="upgrade orchestrator, or name another folder: --state DIR",
        )
    return int(version)
