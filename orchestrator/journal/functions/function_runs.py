"""What a journal has about one function: the runs it was in, and what happened to it there. Records of other functions
are skipped without parsing if their text shows that they concern others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from orchestrator.journal.event_json import EVENTS, NewerRecordError, from_dict
from orchestrator.journal.events import SCHEMA, Event, OperationAccepted, Requested, UnitPlanned, UnitsUnchanged
from orchestrator.journal.functions.unit_marks import MARKED, TELLING, UnitMark, marks_in
from orchestrator.journal.schema import damaged, newer, translated

_AT_ONCE = 1000
_PLANNED = (UnitPlanned.kind, UnitsUnchanged.kind)


@dataclass(frozen=True, slots=True)
class FunctionNames:
    """The names that a function is known by. "" if not known."""

    key: str = ""
    name: str = ""
    folder_id: str = ""
    function_id: str = ""

    def is_of(self, other: FunctionNames) -> bool:
        """Return whether both are the same function.

        | both have an id | both have a folder and a name | is the same      |
        | ---             | ---                           | ---              |
        | yes             |                               | the ids are      |
        | no              | yes                           | the others are   |
        | no              | no                            | the keys are     |
        """
        if self.function_id and other.function_id:
            return self.function_id == other.function_id
        if self.name and other.name and self.folder_id and other.folder_id:
            return (self.folder_id, self.name) == (other.folder_id, other.name)
        return bool(self.key) and self.key == other.key


class FunctionRuns:
    """Queries about functions in an open journal. Each method raises `JournalError`."""

    _path: Path
    _connection: sqlite3.Connection

    def function_in(self, run_id: str, names: FunctionNames) -> FunctionNames | None:
        """Return a function in the plan of a run, with its names at that time; None if the run did not have it."""
        by_key = (one for one in self._planned_as(run_id, names.key) if one.is_of(names))
        if (found := next(by_key, None)) is not None:
            return found
        needles = [one for one in (names.function_id, names.name, names.key) if one]
        return next((one for one in self._planned(run_id, needles) if one.is_of(names)), None)

    def functions_like(self, run_id: str, needle: str) -> Iterator[FunctionNames]:
        """Yield the functions in the plan of a run whose record has this text as a value; "": all of them."""
        yield from self._planned(run_id, [needle], at_once=1 if needle else _AT_ONCE)

    def events_about(self, run_id: str, key: str) -> Iterator[Event]:
        """Yield a run's events about itself and one unit, in order."""
        with translated(self._path):
            self._check_schema(run_id)
            rows = self._connection.execute(
                "SELECT seq, kind, data, crc FROM events INDEXED BY events_of_unit"
                " WHERE run_id = ? AND key IN ('', ?) ORDER BY seq",
                (run_id, key),
            )
            for seq, kind, data, crc in rows:
                if kind in EVENTS:
                    yield from _about(self._event_of(run_id, seq, data, crc), key)

    def unit_marks(self, run_id: str) -> Iterator[UnitMark]:
        """Yield how far a run's units have come, in the order of its events."""
        marked, with_data = (", ".join(f"'{kind}'" for kind in kinds) for kinds in (MARKED, TELLING))
        with translated(self._path):
            self._check_schema(run_id)
            rows = self._connection.execute(
                f"SELECT seq, kind, key, CASE WHEN kind IN ({with_data}) THEN data END, crc FROM events"  # noqa: S608 - ours
                f" WHERE run_id = ? AND kind IN ({marked}) ORDER BY seq",
                (run_id,),
            )
            for seq, kind, key, data, crc in rows:
                yield from marks_in(kind, key, self._values_of(run_id, seq, data, crc) if data else {})

    def runs_that_made(self, endpoint: str, version_id: str) -> list[tuple[str, str]]:
        """Return the runs that have the Operation which made a Version, with the unit's key in each."""
        found = self._events_with(endpoint, OperationAccepted.kind, version_id)
        return [
            (run_id, event.key)
            for run_id, event in found
            if isinstance(event, OperationAccepted) and event.version_id == version_id
        ]

    def runs_that_sent(self, endpoint: str, idempotency_key: str) -> list[tuple[str, str]]:
        """Return the runs that sent a call with this Idempotency-Key, with the unit's key in each."""
        found = self._events_with(endpoint, Requested.kind, idempotency_key)
        return [(run_id, event.key) for run_id, event in found if isinstance(event, Requested)]

    def _events_with(self, endpoint: str, kind: str, needle: str) -> Iterator[tuple[str, Event]]:
        """Yield the events of a kind whose record has this text as a value, with the IDs of their runs."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT run_id, seq, data, crc FROM events JOIN runs ON runs.id = run_id"
                " WHERE endpoint = ? AND kind = ? AND instr(data, ?) ORDER BY at",
                (endpoint, kind, _text(needle)),
            )
            for run_id, seq, data, crc in rows:
                yield run_id, self._event_of(run_id, seq, data, crc)

    def _planned_as(self, run_id: str, key: str) -> Iterator[FunctionNames]:
        """Yield the functions that a plan has under a key. In another run, another Function may have had that key."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT seq, data, crc FROM events INDEXED BY events_of_unit"
                " WHERE run_id = ? AND key IN ('', ?) AND kind IN (?, ?) ORDER BY seq",
                (run_id, key, *_PLANNED),
            ).fetchall()
        for seq, data, crc in rows:
            for one in names_in(self._event_of(run_id, seq, data, crc)):
                if one.key == key:
                    yield one

    def _planned(self, run_id: str, needles: Sequence[str], *, at_once: int = 1) -> Iterator[FunctionNames]:
        """Yield the functions of a plan whose record has one of these texts ("": any). `at_once`: how many records are
        read before the first is yielded: a cursor would search on for the next one, however far it is.
        """
        texts = [_text(needle) if needle else "" for needle in needles]
        having = " OR ".join(["instr(data, ?)"] * len(texts)) or "0"
        last, full = 0, True
        while full:
            with translated(self._path):
                rows = self._connection.execute(
                    "SELECT seq, data, crc FROM events WHERE run_id = ? AND seq > ? AND kind IN (?, ?)"  # noqa: S608
                    f" AND ({having}) ORDER BY seq LIMIT ?",
                    (run_id, last, *_PLANNED, *texts, at_once),
                ).fetchall()
            for last, data, crc in rows:
                yield from names_in(self._event_of(run_id, last, data, crc))
            full = len(rows) == at_once

    def _check_schema(self, run_id: str) -> None:
        """Check that this program understands the run's events. Raises `JournalError`."""
        found = self._connection.execute("SELECT schema FROM runs WHERE id = ?", (run_id,)).fetchone()
        if found is not None and found[0] > SCHEMA:
            raise newer(self._path, run_id)

    def _values_of(self, run_id: str, seq: int, data: str, crc: int) -> dict[str, Any]:
        if crc32(data.encode()) != crc:
            raise damaged(self._path, run_id, seq, "does not match its checksum")
        return dict(orjson.loads(data))

    def _event_of(self, run_id: str, seq: int, data: str, crc: int) -> Event:
        """Parse a record. Raises `JournalError` if it is damaged, or from a newer program."""
        try:
            return from_dict(self._values_of(run_id, seq, data, crc))
        except NewerRecordError as error:
            raise newer(self._path, run_id, f"record {seq} {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self._path, run_id, seq, f"cannot be parsed ({error!r})") from error


def names_in(event: Event) -> Iterator[FunctionNames]:
    """Yield the functions that an event of a plan is about."""
    match event:
        case UnitPlanned():
            yield FunctionNames(event.key, event.name, event.folder_id, event.function_id)
        case UnitsUnchanged():
            yield from (FunctionNames(*row[:4]) for row in event.units)


def of_unit(events: Iterable[Event], key: str) -> Iterator[Event]:
    """Yield a run's events about itself and one unit."""
    for event in events:
        if getattr(event, "key", "") in ("", key):
            yield from _about(event, key)


def _about(event: Event, key: str) -> Iterator[Event]:
    if not isinstance(event, UnitsUnchanged):
        yield event
    elif own := tuple(row for row in event.units if row[0] == key):
        yield replace(event, units=own)


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
