"""What runs have requested, found without folding them: by Version, by Function, and why they were stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from orchestrator.journal.schema import translated

_AT_ONCE = 500  # values per query; SQLite accepts 999


class AskedFor:
    """Queries about requests in an open journal. Each method raises `JournalError`."""

    _path: Path
    _connection: sqlite3.Connection

    def asked_for(self, endpoint: str, version_ids: Iterable[str], *, verb: str = "") -> dict[str, str]:
        """Return which runs requested these Versions: by Version ID, for those that any run did. All runs in the
        journal are searched, or those of a `verb` if it is given.
        """
        found: dict[str, str] = {}
        for some, places in _parts(version_ids):
            statement = (  # the oldest comes last and wins: later runs took over its Operation
                "SELECT json_extract(data, '$.version_id'), run_id FROM events JOIN runs ON runs.id = events.run_id"  # noqa: S608
                " WHERE endpoint = ? AND ? IN ('', runs.verb) AND kind = 'operation_accepted'"
                " AND json_extract(data, '$.call') = 'createVersion'"
                f" AND json_extract(data, '$.version_id') IN ({places}) ORDER BY runs.started_at DESC"
            )
            with translated(self._path):
                found.update(self._connection.execute(statement, (endpoint, verb, *some)).fetchall())
        return found

    def runs_asking(self, verb: str, function_ids: Iterable[str]) -> set[str]:
        """Return the runs of a verb that have requested something for these Functions, or may have."""
        found = set[str]()
        for some, places in _parts(function_ids):
            statement = (
                "SELECT DISTINCT run_id FROM events JOIN runs ON runs.id = events.run_id WHERE runs.verb = ?"  # noqa: S608
                " AND kind IN ('requested', 'operation_accepted')"
                f" AND json_extract(data, '$.function_id') IN ({places})"
            )
            with translated(self._path):
                found.update(run_id for (run_id,) in self._connection.execute(statement, (verb, *some)))
        return found

    def access_asked(self, endpoint: str, function_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return who last requested an access change of these Functions: the run's ID and the unit's key in it."""
        found: dict[str, tuple[str, str]] = {}
        for some, places in _parts(function_ids):
            statement = (
                "SELECT json_extract(data, '$.function_id'), run_id, key FROM events"  # noqa: S608
                " JOIN runs ON runs.id = events.run_id WHERE endpoint = ? AND kind = 'requested'"
                " AND json_extract(data, '$.call') = 'updateAccessBindings'"
                f" AND json_extract(data, '$.function_id') IN ({places}) ORDER BY events.at"
            )
            with translated(self._path):
                rows = self._connection.execute(statement, (endpoint, *some)).fetchall()
            found |= {function_id: (run_id, key) for function_id, run_id, key in rows}
        return found

    def breach_of(self, run_ids: Sequence[str]) -> str:
        """Return why the first of these runs that was stopped by a breach was stopped, "" if none was."""
        return next(self._breaches(run_ids, "reason"), "")

    def owes_perhaps(self, run_id: str) -> bool:
        """Return whether a breach of a run was to lead to its rollback."""
        return "rollback" in self._breaches([run_id], "then")

    def _breaches(self, run_ids: Sequence[str], name: str) -> Iterator[str]:
        for run_id in run_ids:
            with translated(self._path):
                rows = self._connection.execute(
                    "SELECT json_extract(data, ?) FROM events WHERE run_id = ? AND kind = 'breached' ORDER BY seq",
                    (f"$.{name}", run_id),
                ).fetchall()
            yield from (str(found or "") for (found,) in rows)


def _parts(values: Iterable[str]) -> Iterator[tuple[Sequence[str], str]]:
    """Yield values in groups that fit into one query, with their placeholders."""
    values = sorted(set(values))
    for begin in range(0, len(values), _AT_ONCE):
        some = values[begin : begin + _AT_ONCE]
        yield some, ", ".join("?" * len(some))
