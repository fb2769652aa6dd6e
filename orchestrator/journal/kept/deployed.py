"""Which Functions this tool has deployed, by name. Stored beside the runs, because old runs are deleted.

A Function that was deleted and created again has its former name, and may have a copied description, but it is a
different Function. The identity is the installation, the folder and the Function's ID.
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

_AT_ONCE = 500  # IDs per query; SQLite accepts 999
_MAKES_A_VERSION = (Action.CREATE, Action.VERSION, Action.COPY)


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A Function that got a Version of ours. `at`: seconds since the epoch."""

    folder_id: str
    name: str
    function_id: str
    at: float


@dataclass(slots=True)
class DeployedByRun:
    """Call it with each event of one run, in order. Returns the Function that the event reports as deployed, else
    None.
    """

    _planned: dict[str, UnitPlanned] = field(default_factory=dict)  # by key; those that get a Version
    _made: dict[str, str] = field(default_factory=dict)  # by key: ID of the Function that the run created

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
    """Store a Function with the last run that deployed it, within the current transaction."""
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
    """Queries about deployed Functions in an open journal. Each method raises `JournalError`."""

    def replaced(self, endpoint: str, functions: Iterable[StampedFunction]) -> dict[str, Replaced]:
        """Return the Functions that someone created again, by ID.

        | deployed before under this name | the Function itself                  | created again      |
        | ---                             | ---                                  | ---                |
        | nothing                         | any                                  | not known          |
        | this Function                   | any                                  | no                 |
        | another one                     | was deployed, under any name         | no: it was renamed |
        | another one                     | this tool requested its live Version | no                 |
        | another one                     | is not known                         | yes                |
        """
        with translated(self._path):
            found = {one: former for one in functions if (former := self._under_its_name(endpoint, one)) is not None}
            ours = self._ours(endpoint, list(found))
        return {one.function_id: former for one, former in found.items() if one not in ours}

    def learn_deployed(self, endpoint: str, run_id: str, functions: Iterable[DeployedFunction]) -> None:
        """Store what another machine's run has deployed."""
        with translated(self._path):
            for one in functions:
                write_deployed(self._connection, endpoint, run_id, one)

    def _under_its_name(self, endpoint: str, one: StampedFunction) -> Replaced | None:
        """Return the Function that was last deployed under the name of a live one, None if it is the same one."""
        rows = self._connection.execute(
            "SELECT function_id, run_id FROM deployed WHERE endpoint = ? AND folder_id = ? AND name = ?"
            " ORDER BY at DESC",
            (endpoint, one.folder_id, one.name),
        ).fetchall()
        known = any(function_id == one.function_id for function_id, _ in rows)
        return Replaced(*rows[0]) if rows and not known else None

    def _ours(self, endpoint: str, doubtful: Sequence[StampedFunction]) -> set[StampedFunction]:
        """Search all runs. Only needed for Functions whose name another Function had."""
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
        """Return names of the Functions that other runs than these deployed after a time: a folder's ID, with a
        Function's ID or name.
        """
        with translated(self._path):
            statement = "SELECT folder_id, name, function_id, run_id FROM deployed WHERE endpoint = ? AND at > ?"
            rows = self._connection.execute(statement, (endpoint, at)).fetchall()
        own = set(but)
        return {(row[0], name) for row in rows if row[3] not in own for name in row[1:3]}
