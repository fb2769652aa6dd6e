"""A run as one document for the bucket: what is needed to resume it on a machine that has lost its journal.

It consists of the run's own events: what was planned, which Operations were accepted and how they ended, requests
without a known Operation, and outcomes. Intermediate steps are left out. It has no value of a variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from orchestrator.journal.event_json import EVENTS, NewerRecordError, from_dict, to_dict
from orchestrator.journal.events import (
    Breached,
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    RunEnded,
    RunStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.rollout_events import GateEnded, GivenUp, RollbackBegun, RunPaused, VersionVerified

RECORD_SCHEMA = 1  # raised when a stored document changes its meaning
_OF_THE_RUN = (RunStarted, Breached, GivenUp, GateEnded, RunPaused, RollbackBegun, RunEnded)


@dataclass(slots=True)
class RunRecord:
    """One run. Call it with each of its events, in order."""

    run: list[Event] = field(default_factory=list)
    planned: dict[str, UnitPlanned] = field(default_factory=dict)
    operations: dict[str, list[Event]] = field(default_factory=dict)  # by ID: accepted, and done if that was seen
    # By unit and change: requests without a known Operation.
    asked: dict[tuple[str, int], Event] = field(default_factory=dict)
    verdicts: dict[str, VersionVerified] = field(default_factory=dict)  # the last one of each Version, by its ID
    ended: dict[str, UnitEnded] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        match event:
            case UnitPlanned():
                self.planned[event.key] = event
            case Requested():
                self.asked[event.key, event.change] = event
            case OperationAccepted():
                self.operations[event.operation_id] = [event]
                self.asked.pop((event.key, event.change), None)
            case OperationDone() if event.operation_id in self.operations:
                self.operations[event.operation_id].append(event)
            case VersionVerified():
                self.verdicts[event.version_id] = event
            case UnitEnded():
                self.ended[event.key] = event
            case _ if isinstance(event, _OF_THE_RUN):
                self.run.append(event)

    def events(self) -> Iterator[Event]:
        """Yield the events that lead to the same state, RunEnded last."""
        last = [event for event in self.run if isinstance(event, RunEnded)]
        yield from (event for event in self.run if not isinstance(event, RunEnded))
        yield from self.planned.values()
        yield from self.asked.values()
        yield from (event for events in self.operations.values() for event in events)
        yield from self.verdicts.values()
        yield from self.ended.values()
        yield from last

    def encode(self) -> bytes:
        """Encode it as JSON."""
        return orjson.dumps({"schema": RECORD_SCHEMA, "events": [to_dict(event) for event in self.events()]})


def read_record(body: bytes) -> list[Event]:
    """Undo `RunRecord.encode`. Kinds that only a newer program knows are skipped.

    Raises `ValueError` if it is not such a document, or if it is from a newer program.
    """
    try:
        document: Mapping[str, Any] = orjson.loads(body)
        if document["schema"] > RECORD_SCHEMA:
            raise ValueError("it was written by a newer orchestrator")
        events = [from_dict(one) for one in document["events"] if one["kind"] in EVENTS]
    except NewerRecordError as error:
        raise ValueError(f"it was written by a newer orchestrator: it {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it cannot be parsed ({error!r})") from error
    if not events or not isinstance(events[0], RunStarted):
        raise ValueError("it does not start with the run's first event")
    return [replace(events[0], recorded=True), *events[1:]]


def encode_index(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Encode the index: `run_id` and `endpoint` of each run, the newest first."""
    return orjson.dumps({"schema": RECORD_SCHEMA, "runs": rows})


def read_index(body: bytes) -> list[Mapping[str, Any]]:
    """Undo `encode_index`. An index that cannot be parsed counts as empty: it only says where to look."""
    try:
        rows = orjson.loads(body)["runs"]
        return [row for row in rows if isinstance(row["run_id"], str) and isinstance(row["endpoint"], str)]
    except (ValueError, KeyError, TypeError):
        return []
