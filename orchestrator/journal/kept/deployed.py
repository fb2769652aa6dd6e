"""Which Functions this tool has deployed, by what they are called: kept beside the runs, which are let go of in time.

A Function that was deleted and made again has its name, and its description may be a copy, but it is another Function:
identity is the installation, the folder and the Function's id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.journal.events import Event, OperationAccepted, UnitEnded, UnitPlanned
from orchestrator.journal.kept.asked import AskedFor
from orchestrator.journal.schema import translated
from orchestrator.model import Action, Deployed
from orchestrator.model.live_state import Replaced

_AT_ONCE = 500  # ids in one question; SQLite takes 999
_MAKES_A_VERSION = (Action.CREATE, Action.VERSION, Action.COPY)


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A Function that has got a Version of ours. `at`: seconds since the epoch."""

    folder_id: str
    name: str
    function_id: str
    at: float


@dataclass(slots=True)
class DeployedByRun:
    """Call it with each event of one run, in their order: it gives the Function of which that says it is deployed."""

    _planned: dict[str, UnitPlanned] = field(default_factory=dict)  # by key; those that get a Version
    _made: dict[str, str] = field(default_factory=dict)  # key → id of the Function that the run has made

    def __call__(self, event: Event) -> DeployedFunction | None:
        match event:
            case UnitPlanned() if event.action in _MAKES_A_VERSION:
                self._planned[event.key] = event
            case OperationAccepted():
                self._made[event.key] = event.function_id
            case UnitEnded(outcome=Deployed()) if event.key in self._planned:
                planned = self._planned[event.key]
                function_id = planned.function_id or self._made.get(event.key, "")
                if function_id:
                    return DeployedFunction(planned.folder_id, planned.name, function_id, event.at)
        return None


def write_deployed(connection: sqlite3.Connection, endpoint: str, run_id: str, one: DeployedFunction) -> None:
    """Keep a Function with the last run that deployed it, inside whatever transaction there is."""
    connection.execute(
        "INSERT INTO deployed VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, folder_id, name, function_id)"
        " DO UPDATE SET at = excluded.at, run_id = excluded.run_id WHERE excluded.at >= at",
        (endpoint, one.folder_id, one.name, one.function_id, one.at, run_id),
    )


@dataclass(frozen=True, slots=True)
class StampedFunction:
    """A live Function whose Version has our stamp. `version_id`: of that Version."""

    folder_id: str
    name: str
    function_id: str
    version_id: str


class DeployedFunctions(AskedFor):
    """What an open journal knows of them. Each method raises `JournalError`."""

    def replaced(self, endpoint: str, functions: Iterable[StampedFunction]) -> dict[str, Replaced]:
        """Find those that somebody has made again, by their ids.

        | under this name there was deployed | the Function itself                  | somebody made it again |
        | ---                                | ---                                  | ---                    |
        | nothing                            | any                                  | nobody can tell        |
        | this Function                      | any                                  | no                     |
        | another one                        | was deployed, under whatever name    | no: it was renamed     |
        | another one                        | its live Version was asked for by us | no                     |
        | another one                        | is not known                         | yes                    |
        """
        with translated(self._path):
            found = {one: former for one in functions if (former := self._under_its_name(endpoint, one)) is not None}
            ours = self._ours(endpoint, list(found))
        return {one.function_id: former for one, former in found.items() if one not in ours}

    def learn_deployed(self, endpoint: str, run_id: str, functions: Iterable[DeployedFunction]) -> None:
        """Keep what another machine's run has deployed."""
        with translated(self._path):
            for one in functions:
                write_deployed(self._connection, endpoint, run_id, one)

    def _under_its_name(self, endpoint: str, one: StampedFunction) -> Replaced | None:
        """Give the Function that was deployed last under the name of a live one, None where that is this one."""
        rows = self._connection.execute(
            "SELECT function_id, run_id FROM deployed WHERE endpoint = ? AND folder_id = ? AND name = ?"
            " ORDER BY at DESC",
            (endpoint, one.folder_id, one.name),
        ).fetchall()
        known = any(function_id == one.function_id for function_id, _ in rows)
        return Replaced(*rows[0]) if rows and not known else None

    def _ours(self, endpoint: str, doubtful: Sequence[StampedFunction]) -> set[StampedFunction]:
        """Look through all there is: that is asked of Functions whose names others had, and of no others."""
        known = set[str]()
        for begin in range(0, len(doubtful), _AT_ONCE):
            some = doubtful[begin : begin + _AT_ONCE]
            places = ", ".join("?" * len(some))
            renamed = f"SELECT function_id FROM deployed WHERE endpoint = ? AND function_id IN ({places})"  # noqa: S608
            rows = self._connection.execute(renamed, (endpoint, *(one.function_id for one in some)))
            known.update(found for (found,) in rows)
        known.update(self.asked_for(endpoint, [one.version_id for one in doubtful]))
        return {one for one in doubtful if one.function_id in known or one.version_id in known}

    def deployed_since(self, endpoint: str, at: float, but: Iterable[str]) -> set[tuple[str, str]]:
        """Give what names the Functions that were deployed after a time, by other runs than these: a folder's id, and a
        Function's id or name.
        """
        with translated(self._path):
            statement = "SELECT folder_id, name, function_id, run_id FROM deployed WHERE endpoint = ? AND at > ?"
            rows = self._connection.execute(statement, (endpoint, at)).fetchall()
        own = set(but)
        return {(row[0], name) for row in rows if row[3] not in own for name in row[1:3]}
