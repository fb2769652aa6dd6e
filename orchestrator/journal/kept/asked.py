"""What runs have asked for, found without folding them: by Versions, by Functions, and why they were stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from orchestrator.journal.schema import translated

_AT_ONCE = 500  # values in one question; SQLite takes 999


class AskedFor:
    """What an open journal knows of it. Each method raises `JournalError`."""

    _path: Path
    _connection: sqlite3.Connection

    def asked_for(self, endpoint: str, version_ids: Iterable[str], *, verb: str = "") -> dict[str, str]:
        """Find which runs have asked for Versions: their ids by those of the Versions, of those that any has. All that
        the journal holds is looked through, of runs of a `verb` where it is given.
        """
        found: dict[str, str] = {}
        for some, places in _parts(version_ids):
            statement = (  # the oldest comes last, and counts: later ones have taken its Operation over
                "SELECT json_extract(data, '$.version_id'), run_id FROM events JOIN runs ON runs.id = events.run_id"  # noqa: S608
                " WHERE endpoint = ? AND ? IN ('', runs.verb) AND kind = 'operation_accepted'"
                " AND json_extract(data, '$.call') = 'createVersion'"
                f" AND json_extract(data, '$.version_id') IN ({places}) ORDER BY runs.started_at DESC"
            )
            with translated(self._path):
                found.update(self._connection.execute(statement, (endpoint, verb, *some)).fetchall())
        return found

    def runs_asking(self, verb: str, function_ids: Iterable[str]) -> set[str]:
        """Find the runs of a verb that have asked for something of these Functions, or may have."""
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
        """Find who was the last to ask for another access to these Functions: the run's id and the unit's key there."""
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
        """Say why the first of these runs that was stopped by a breach was so, "" where none was."""
        return next(self._breaches(run_ids, "reason"), "")

    def owes_perhaps(self, run_id: str) -> bool:
        """Say whether a breach of a run was to lead to its rollback."""
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
    """Give values as many as go into one question, with the places that they take in it."""
    values = sorted(set(values))
    for begin in range(0, len(values), _AT_ONCE):
        some = values[begin : begin + _AT_ONCE]
        yield some, ", ".join("?" * len(some))
