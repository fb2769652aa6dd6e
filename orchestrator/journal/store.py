"""The journal: one SQLite file, append-only. `append` commits before it returns, so a killed run loses no request.

WAL with synchronous=NORMAL: committed data survives a crash of the process. A power failure may lose the last few
records, never the file. There is one writer (the holder of the lock) and any number of readers at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zlib import crc32

import orjson

from orchestrator.errors import JournalError, UsageError
from orchestrator.journal.event_json import EVENTS
from orchestrator.journal.events import Event, RunEnded, RunStarted
from orchestrator.journal.folder import ADVICE, FILE, make_private_database, make_state_dir, refuse_links
from orchestrator.journal.functions.function_runs import FunctionRuns
from orchestrator.journal.identity import NONE
from orchestrator.journal.kept.begun import BegunCommands
from orchestrator.journal.kept.deployed import DeployedFunctions
from orchestrator.journal.kept.verdicts import KnownVerdict, read_verdicts, write_verdicts
from orchestrator.journal.retention import outdated
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.run_journal import RunJournal, transaction
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.schema import MIGRATIONS, damaged, migrate, translated, version_of
from orchestrator.journal.state import RunState, ids_of_chain, read_chain
from orchestrator.journal.summaries import read_summaries
from orchestrator.model.command_line import command_line

_BUSY_TIMEOUT_S = 5.0  # for moments when another process opens, closes or migrates the file
_KNOWN_SHOWN = 10
_IMMUTABLE = "mode=ro&immutable=1"


def open_store(state_dir: Path, *, read_only: bool = False) -> Store:
    """Open the journal of a state folder. It is created if missing.

    With `read_only`, nothing is created or changed: a folder without a journal has no runs. Raises `JournalError`.
    """
    path = state_dir / FILE
    if not read_only:
        make_state_dir(state_dir)
    try:
        refuse_links(path) if read_only else make_private_database(path)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {error.strerror}", advice=ADVICE) from error
    if read_only and not _exists(path):
        empty = sqlite3.connect(":memory:", isolation_level=None)
        migrate(empty, str(path))
        return Store(path, empty)
    with translated(path):
        return Store(path, _open(path, read_only=read_only))


def has_journal(state_dir: Path) -> bool:
    """Return whether the folder has a journal that can be read."""
    return _exists(state_dir / FILE)


class Store(BegunCommands, DeployedFunctions, FunctionRuns):
    """An open journal. A context manager: closing merges the WAL into the file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._runs: tuple[tuple[int, int], list[RunSummary]] | None = None  # with the state of the file at that time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close. The last connection to the file checkpoints it. Closing twice is harmless."""
        with translated(self._path):
            self._connection.close()

    def start_run(self, started: RunStarted, *, begun: Sequence[int] = ()) -> RunJournal:
        """Write a run's first record, and delete the rows of `begun` commands (by ID) that led to it. Returns the
        journal for the other records. Raises `JournalError`.
        """
        row = (
            started.run_id, started.at, started.verb, started.endpoint, started.units, started.program, started.schema,
        )  # fmt: skip
        journal = RunJournal(self._path, self._connection, started)
        with translated(self._path), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO runs (id, started_at, verb, endpoint, units, program, schema)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            journal.insert(started)
            self.forget_begun(begun)
        return journal

    def prune(self, now: float) -> tuple[str, ...]:
        """Delete the runs that are not needed any more. Returns their IDs. Raises `JournalError`."""
        gone = outdated(self.runs(), now)
        if gone:
            rows = [(run_id,) for run_id in gone]
            with translated(self._path), transaction(self._connection):
                self._connection.executemany("DELETE FROM events WHERE run_id = ?", rows)
                self._connection.executemany("DELETE FROM runs WHERE id = ?", rows)
        return gone

    def keep(self, events: Sequence[Event]) -> None:
        """Store a whole run that another machine recorded. A run that exists here already is not changed."""
        started, *others = events
        if not isinstance(started, RunStarted) or any(run.id == started.run_id for run in self.runs()):
            return
        journal = self.start_run(started)
        for event in others:
            journal.append(event)
        journal.flush()

    def knowledge(self, endpoint: str) -> dict[str, Any]:
        """Return what was learned about an installation; empty if nothing was. Raises `JournalError`."""
        with translated(self._path):
            found = self._connection.execute("SELECT data FROM knowledge WHERE endpoint = ?", (endpoint,)).fetchone()
        return dict(orjson.loads(found[0])) if found is not None else {}

    def learn(self, endpoint: str, values: Mapping[str, Any], at: float) -> None:
        """Store what was learned about an installation, replacing what was known. Raises `JournalError`."""
        with translated(self._path):
            self._connection.execute(
                "INSERT INTO knowledge VALUES (?, ?, ?)"
                " ON CONFLICT (endpoint) DO UPDATE SET at = excluded.at, data = excluded.data",
                (endpoint, at, orjson.dumps(values).decode()),
            )

    def verdicts(self, endpoint: str, version_ids: Sequence[str]) -> dict[str, KnownVerdict]:
        """Return the verification verdicts of some Versions, by ID. Raises `JournalError`."""
        with translated(self._path):
            return read_verdicts(self._connection, endpoint, version_ids)

    def learn_verdicts(self, endpoint: str, run_id: str, verified: Iterable[VersionVerified]) -> None:
        """Store what another machine's run found out about Versions. Raises `JournalError`."""
        with translated(self._path), transaction(self._connection):
            write_verdicts(self._connection, endpoint, run_id, verified)

    def runs(self) -> list[RunSummary]:
        """All runs, the newest first. Cached until the file is written. Raises `JournalError`."""
        with translated(self._path):
            (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            seen = others, self._connection.total_changes
            if self._runs is None or self._runs[0] != seen:
                self._runs = seen, read_summaries(self._connection)
            return list(self._runs[1])

    def chain(self, run_id: str) -> tuple[str, ...]:
        """Return the IDs of the runs in a run's chain: it, all that it resumed, and all that resumed it."""
        return ids_of_chain(self.runs(), run_id)

    def chain_state(self, run_id: str) -> RunState:
        """Fold the chain that a run belongs to, see `read_chain`. Raises `JournalError` like `events`."""
        return read_chain(self.runs(), run_id, self.events)

    def rollback_of(self, chain: RunState) -> RunState | None:
        """Fold the rollback that a breach of a chain started, None if it is not in this journal. Raises like
        `events`.
        """
        found = {run.id for run in self.runs()} if chain.rollout.rollback else set[str]()
        return self.chain_state(chain.rollout.rollback) if chain.rollout.rollback in found else None

    def taken_back_by(self, chain: RunState) -> RunState | None:
        """Fold the rollback of a chain, no matter who started it: one of the whole chain, else the newest. None if
        there is none, or if that was rolled back itself. Raises like `events`.
        """
        by = next((run.rolled_back_by for run in self.runs() if run.id == chain.run_id), "")
        return self.chain_state(by) if by else None

    def events(self, run_id: str) -> Iterator[Event]:
        """Yield a run's events in order. Kinds that only a newer program knows are skipped.

        Raises `JournalError` if a record is missing or damaged, or if only a newer program can read it.
        """
        return (event for _, event in self.events_after(run_id, 0))

    def events_after(self, run_id: str, after: int) -> Iterator[tuple[int, Event]]:
        """Yield the events of a run after its record number `after`, each with its own number, for readers that have
        the others. Raises like `events`.
        """
        with translated(self._path):
            self._check_schema(run_id)
            found = self._connection.execute("SELECT ended_at FROM runs WHERE id = ?", (run_id,)).fetchone()
            ended_at = found[0] if found is not None else None
            rows = self._connection.execute(
                "SELECT seq, kind, data, crc FROM events WHERE run_id = ? AND seq > ? ORDER BY seq", (run_id, after)
            )
            count, ended = after, after > 0  # if some are known already, its end may be among them
            for count, (seq, kind, data, crc) in enumerate(rows, start=after + 1):
                if seq != count:
                    raise damaged(self._path, run_id, count, "is missing")
                if crc32(data.encode()) != crc:
                    raise damaged(self._path, run_id, seq, "does not match its checksum")
                ended = ended or kind == RunEnded.kind  # earlier programs wrote some events after it
                if kind in EVENTS:
                    yield seq, self._event_of(run_id, seq, data, crc)
            if ended_at is not None and not ended:
                raise damaged(self._path, run_id, count + 1, "is missing")

    def find(self, text: str, environment: str = "") -> str:
        """Return the ID of a run by its ID, a unique prefix, or "last": in an environment, if given.

        Raises `UsageError` that lists the existing runs, `JournalError` like `runs`.
        """
        with translated(self._path):
            rows = self._connection.execute("SELECT id FROM runs ORDER BY started_at DESC, id DESC").fetchall()
        ids: list[str] = [run_id for (run_id,) in rows]
        if not ids:
            raise UsageError(f"no runs yet: {self._path.parent} has no journal with a run", advice="deploy first")
        if text == "last":
            return self._last_in(environment) if environment else ids[0]
        if text in ids:
            return text
        fitting = [run_id for run_id in ids if run_id.startswith(text)] if text else []
        if len(fitting) == 1:
            return fitting[0]
        what = f'{len(fitting)} runs begin with "{text}"' if fitting else f'there is no run "{text}"'
        shown = fitting or ids
        more = f" and {len(shown) - _KNOWN_SHOWN} more" if len(shown) > _KNOWN_SHOWN else ""
        why = f"; for a function, use `{command_line('why', text)}`" if not text[:1].isdigit() else ""
        raise UsageError(what, advice=f"known runs, newest first: {', '.join(shown[:_KNOWN_SHOWN])}{more}{why}")

    def _last_in(self, environment: str) -> str:
        found = next((run.id for run in self.runs() if run.identity.is_in(environment)), None)
        if found is None:
            where = "without an environment" if environment == NONE else f"in the environment {environment}"
            raise UsageError(f"no run yet {where}", advice=f"`{command_line('runs')}` lists all runs")
        return found


def _exists(path: Path) -> bool:
    """Return whether there is a journal. Raises `JournalError` if that cannot be determined."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        raise JournalError(f"the state folder {path.parent} is a file, not a folder", advice=ADVICE) from error
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}", advice=ADVICE) from error
    return True


def _open(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Connect, with the current schema. A reader of an older file migrates it first, as a writer would."""
    if read_only:
        connection, version = _open_reader(path)
        if version == len(MIGRATIONS):
            return connection
        connection.close()
    connection = _connect(path, "mode=rwc")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        migrate(connection, f"the journal {path}")
    except BaseException:
        connection.close()
        raise
    return connection


def _open_reader(path: Path, parameters: str = "mode=ro") -> tuple[sqlite3.Connection, int]:
    connection = _connect(path, parameters)
    try:
        return connection, version_of(connection, f"the journal {path}")
    except sqlite3.OperationalError as error:
        connection.close()
        # In a read-only folder, SQLite cannot create the -shm file that it needs to read a WAL. But a closed journal
        # has no WAL: the file is complete, and nothing can be writing to it.
        closed = not Path(f"{path}-wal").exists()
        if closed and error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN and parameters != _IMMUTABLE:
            return _open_reader(path, _IMMUTABLE)
        raise
    except BaseException:
        connection.close()
        raise


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    # A path as a URI is the only way to say "do not create" and "read only".
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{parameters}", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None
    )
