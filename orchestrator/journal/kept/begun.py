"""Commands that have begun and have no run yet: they connect and plan, or were cut off while they did.

A row is written before a command plans, and goes with the first record of its run. What is left was cut off.
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
    """A command without a run. `line`: what to type to begin it again. `why`: what ended it; "": it was killed, or is
    still under way.
    """

    at: float  # seconds since the epoch
    verb: str
    endpoint: str
    line: str
    identity: Identity
    why: str = ""
    id: int = 0


class BegunCommands:
    """What an open journal knows of them. Each method raises `JournalError`."""

    _path: Path
    _connection: sqlite3.Connection

    def begin(self, begun: Begun) -> int:
        """Write a row. Gives its id."""
        row = begun.at, begun.verb, begun.endpoint, begun.line, orjson.dumps(identity_to_dict(begun.identity)).decode()
        with translated(self._path):
            made = self._connection.execute(
                "INSERT INTO begun (at, verb, endpoint, line, identity) VALUES (?, ?, ?, ?, ?)", row
            )
        return made.lastrowid or 0

    def begun_ended(self, number: int, why: str) -> None:
        """Say what has ended a command before its run."""
        with translated(self._path):
            self._connection.execute("UPDATE begun SET why = ? WHERE id = ?", (why, number))

    def begun_is_about(self, number: int, line: str, identity: Identity) -> None:
        """Say what a command is about, where that was not known when it began."""
        row = line, orjson.dumps(identity_to_dict(identity)).decode(), number
        with translated(self._path):
            self._connection.execute("UPDATE begun SET line = ?, identity = ? WHERE id = ?", row)

    def forget_begun(self, numbers: Iterable[int]) -> None:
        """Take rows away; what is gone already is no mistake."""
        with translated(self._path):
            self._connection.executemany("DELETE FROM begun WHERE id = ?", [(number,) for number in numbers])

    def begun(self) -> list[Begun]:
        """Give all rows, the newest first."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT at, verb, endpoint, line, identity, why, id FROM begun ORDER BY at DESC, id DESC"
            ).fetchall()
        return [
            Begun(at, verb, endpoint, line, identity_from_dict(orjson.loads(identity)), why, number)
            for at, verb, endpoint, line, identity, why, number in rows
        ]
