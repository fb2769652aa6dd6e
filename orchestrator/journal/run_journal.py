"""The record of one run, as it is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard
from zlib import crc32

import orjson

from orchestrator.errors import JournalError
from orchestrator.journal.condition_events import LeaseTaken, LimitChanged, SlotRefused
from orchestrator.journal.event_json import to_dict
from orchestrator.journal.events import (
    BytesSent,
    Event,
    OperationDone,
    PackageStored,
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.journal.kept.deployed import DeployedByRun, write_deployed
from orchestrator.journal.kept.verdicts import write_verdicts
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.schema import translated
from orchestrator.model import Action, Unchanged

# For displays only. The step of a unit also follows from its requests and Operations.
_NOT_STORED = (BytesSent, StepStarted)
# A resumed run that misses these finds them out again: that an Operation is done, that a package exists.
_WITH_THE_NEXT = (StepFinished, StepRetried, LimitChanged, SlotRefused, LeaseTaken, PackageStored, OperationDone)

OUTCOMES = """
    SELECT outcome, count(*) FROM (
        SELECT outcome, max(seq) FROM (  -- of each unit's last such event
            SELECT key, json_extract(data, '$.outcome.outcome') AS outcome, seq
            FROM events WHERE run_id = :run AND kind = 'unit_ended'
            UNION ALL
            SELECT json_extract(unit.value, '$[0]'), 'unchanged', seq
            FROM events, json_each(data, '$.units') AS unit WHERE run_id = :run AND kind = 'units_unchanged'
        ) GROUP BY key
    ) GROUP BY outcome
"""


class RunJournal:
    """The record of one run: the `Journal` port."""

    def __init__(self, path: Path, connection: sqlite3.Connection, started: RunStarted) -> None:
        self._path = path
        self._connection = connection
        self._run_id = started.run_id
        self._endpoint = started.endpoint
        self._unplanned = started.units  # units whose plan has not been reported yet
        self._seq = 0
        self._waiting: list[Event] = []
        self._unchanged: dict[str, UnitPlanned] = {}  # units that share one record, written with the plan
        self._is_written = self._has_ended = False
        self._deployed = DeployedByRun()

    def append(self, event: Event) -> None:
        """Write an event and commit it. Raises `JournalError`; then the event is not in the journal.

        `start_run` has written `RunStarted` already, and events for displays only are never written. Events that a run
        can do without are written with the next event: a commit costs as much as ten inserts. So is a plan, which is
        written as a whole: after a kill, the journal has all of it, or nothing was requested. Unchanged functions
        without warnings share one record.

        After `RunEnded` nothing is written. What happens while a run closes its connections, such as an outage, is not
        part of it.
        """
        if (
            self._has_ended
            or isinstance(event, _NOT_STORED)
            or (isinstance(event, RunStarted) and self._seq)
            or self._is_reported(event)
        ):
            return
        if isinstance(event, UnitPlanned):
            self._unplanned -= 1
        if unchanged := not self._is_written and _is_unchanged(event):
            self._unchanged[event.key] = event
        if isinstance(event, _WITH_THE_NEXT) or (isinstance(event, UnitPlanned) and self._unplanned > 0):
            self._waiting += [] if unchanged else [event]
            return
        before, events = self._seq, list(self._waiting)
        if self._unchanged and not self._is_written:
            events.append(_units_unchanged(self._unchanged.values()))
        try:
            with translated(self._path), transaction(self._connection):
                for one in events if unchanged else [*events, event]:
                    self.insert(one)
                if isinstance(event, RunEnded):
                    self._sum_up(event)
        except JournalError:
            self._seq = before
            raise
        self._waiting.clear()
        self._is_written, self._has_ended = bool(self._unchanged), isinstance(event, RunEnded)

    def _is_reported(self, event: Event) -> bool:
        """Return whether the record of unchanged units already contains this."""
        if isinstance(event, StepFinished):  # packages that were built to see that nothing has changed
            return event.key in self._unchanged
        if not isinstance(event, UnitEnded) or event.key not in self._unchanged:
            return False
        return event.outcome == Unchanged(self._unchanged[event.key].base_version_id)

    def flush(self) -> None:
        """Write the events that wait for the next one. Raises `JournalError`."""
        with translated(self._path), transaction(self._connection):
            for one in self._waiting:
                self.insert(one)
        self._waiting.clear()

    def _sum_up(self, event: RunEnded) -> None:
        counts = dict(self._connection.execute(OUTCOMES, {"run": self._run_id}).fetchall())
        self._connection.execute(
            "UPDATE runs SET ended_at = ?, exit_code = ?, outcomes = ? WHERE id = ?",
            (event.at, event.exit_code, orjson.dumps(counts).decode(), self._run_id),
        )

    def insert(self, event: Event) -> None:
        """Write the next record, within the current transaction."""
        values = to_dict(event)
        data = orjson.dumps(values)
        self._connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._run_id, self._seq + 1, event.at, event.kind, values.get("key", ""), data.decode(), crc32(data)),
        )
        if isinstance(event, VersionVerified):
            write_verdicts(self._connection, self._endpoint, self._run_id, (event,))
        if (deployed := self._deployed(event)) is not None:
            write_deployed(self._connection, self._endpoint, self._run_id, deployed)
        self._seq += 1


def _is_unchanged(event: Event) -> TypeGuard[UnitPlanned]:
    return isinstance(event, UnitPlanned) and event.action == Action.UNCHANGED and not event.warnings


def _units_unchanged(units: Collection[UnitPlanned]) -> UnitsUnchanged:
    """Return one event with the plan of unchanged functions, at least one."""
    rows = [
        (one.key, one.name, one.folder_id, one.function_id, one.base_version_id, one.fingerprint, one.reason)
        for one in units
    ]
    return UnitsUnchanged(max(one.at for one in units), tuple(rows))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the statements of the block together, or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has already rolled back
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
