"""Commands that have started and have no run yet: they connect and plan, or were cut off meanwhile.

A row is written before a command plans, and deleted with the first record of its run. A row that is left was cut off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from orchestrator.journal.identity import Identity, identity_from_dict, identity_to_dict
from orchestrator.journal.schema import translated


@dataclass(frozen=True, slots=True)
class Begun:
    """A command without a run. `line`: what to type to start it again. `why`: what ended it; "": it was killed, or is
    still running.
    """

    at: float  # seconds since the epoch
    verb: str
    endpoint: str
    line: str
    identity: Identity
    why: str = ""
    id: int = 0


class BegunCommands:
    """Queries about such commands in an open journal. Each method raises `JournalError`."""

    _path: Path
    _connection: sqlite3.Connection

    def begin(self, begun: Begun) -> int:
        """Write a row. Returns its ID."""
        row = begun.at, begun.verb, begun.endpoint, begun.line, orjson.dumps(identity_to_dict(begun.identity)).decode()
        with translated(self._path):
            made = self._connection.execute(
                "INSERT INTO begun (at, verb, endpoint, line, identity) VALUES (?, ?, ?, ?, ?)", row
            )
        return made.lastrowid or 0

    def begun_ended(self, number: int, why: str) -> None:
        """Record what ended a command before its run."""
        with translated(self._path):
            self._connection.execute("UPDATE begun SET why = ? WHERE id = ?", (why, number))

    def begun_is_about(self, number: int, line: str, identity: Identity) -> None:
        """Record what a command is about, if that was not known when it started."""
        row = line, orjson.dumps(identity_to_dict(identity)).decode(), number
        with translated(self._path):
            self._connection.execute("UPDATE begun SET line = ?, identity = ? WHERE id = ?", row)

    def forget_begun(self, numbers: Iterable[int]) -> None:
        """Delete rows. Missing rows are ignored."""
        with translated(self._path):
            self._connection.executemany("DELETE FROM begun WHERE id = ?", [(number,) for number in numbers])

    def begun(self) -> list[Begun]:
        """Return all rows, the newest first."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT at, verb, endpoint, line, identity, why, id FROM begun ORDER BY at DESC, id DESC"
            ).fetchall()
        return [
            Begun(at, verb, endpoint, line, identity_from_dict(orjson.loads(identity)), why, number)
            for at, verb, endpoint, line, identity, why, number in rows
        ]
