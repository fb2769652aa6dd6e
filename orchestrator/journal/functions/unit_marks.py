"""How far each unit of a run has come, read from as few of its events as possible, without folding the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.journal.event_json import to_dict
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    StepRetried,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.model import Action

# Kinds of which more than the key is read.
TELLING = (UnitPlanned.kind, UnitsUnchanged.kind, OperationAccepted.kind, OperationDone.kind)
MARKED = (*TELLING, Requested.kind, StepRetried.kind, UnitEnded.kind)


@dataclass(frozen=True, slots=True)
class UnitMark:
    """One step of a unit's progress. `kind`: of the event. `name`, `folder_id`, `action`: if it is planned.
    `operation_id`: if an Operation was accepted, or is done.
    """

    kind: str
    key: str
    name: str = ""
    folder_id: str = ""
    action: str = ""
    operation_id: str = ""


def marks_of(event: Event) -> Iterator[UnitMark]:
    """Yield what an event shows about the progress of units; nothing for most kinds."""
    if event.kind in MARKED:
        values = to_dict(event)
        yield from marks_in(event.kind, values.get("key", ""), values)


def marks_in(kind: str, key: str, values: Mapping[str, Any]) -> Iterator[UnitMark]:
    """Yield the same for a stored event. `values`: the event's, {} for kinds that are not `TELLING`."""
    if kind == UnitsUnchanged.kind:
        for unit, name, folder_id, *_ in values["units"]:
            yield UnitMark(UnitPlanned.kind, unit, name, folder_id, Action.UNCHANGED)
            yield UnitMark(UnitEnded.kind, unit)
    elif kind == UnitPlanned.kind:
        yield UnitMark(kind, key, values.get("name", ""), values.get("folder_id", ""), values.get("action", ""))
    else:
        yield UnitMark(kind, key, operation_id=values.get("operation_id", ""))
