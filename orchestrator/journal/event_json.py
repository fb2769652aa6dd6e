"""Events and outcomes as JSON: the rows of the journal, the lines of `--events`.

The tables here and the values of `Step`, `Action` and `ChangeKind` define the stored and published names. These names
never change, even if the program's own names do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from typing import Any, TypeVar

from orchestrator.journal.condition_events import (
    BreakerOpened,
    LeaseLost,
    LeaseTaken,
    LimitChanged,
    LongWait,
    OutageBegan,
    OutageEnded,
    SlotRefused,
)
from orchestrator.journal.events import (
    Breached,
    BytesSent,
    Event,
    OperationAccepted,
    OperationDone,
    PackageStored,
    Requested,
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.journal.identity import identity_from_dict, identity_to_dict
from orchestrator.journal.rollout_events import (
    GateBegan,
    GateEnded,
    GivenUp,
    PauseBegan,
    RollbackBegun,
    RunPaused,
    VersionVerified,
    WaveStarted,
)
from orchestrator.model import (
    Blocked,
    Cancelled,
    Change,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Inconclusive,
    Outcome,
    Pruned,
    Step,
    Unchanged,
    Unknown,
    Verdict,
)

EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        RunStarted,
        UnitPlanned,
        UnitsUnchanged,
        WaveStarted,
        BreakerOpened,
        OutageBegan,
        OutageEnded,
        LongWait,
        LeaseTaken,
        LeaseLost,
        LimitChanged,
        SlotRefused,
        StepStarted,
        StepFinished,
        StepRetried,
        BytesSent,
        PackageStored,
        Requested,
        OperationAccepted,
        OperationDone,
        UnitEnded,
        Breached,
        GivenUp,
        VersionVerified,
        PauseBegan,
        GateBegan,
        GateEnded,
        RunPaused,
        RollbackBegun,
        RunEnded,
    )
}
_SLOTS = {kind: tuple(slot.name for slot in fields(event)) for kind, event in EVENTS.items()}
CHANGE_KINDS = frozenset(str(kind) for kind in ChangeKind)  # the kinds that this program knows
_OUTCOMES: Mapping[str, type[Outcome]] = {
    "deployed": Deployed, "pruned": Pruned, "unchanged": Unchanged, "failed": Failed, "blocked": Blocked,
    "cancelled": Cancelled, "unknown": Unknown, "inconclusive": Inconclusive,
}  # fmt: skip
OUTCOMES = tuple(_OUTCOMES)
# Fields whose stored name differs from the program's own.
_STORED: Mapping[type[Outcome], Mapping[str, str]] = {
    Deployed: {"read_back": "observed"},
    Pruned: {"read_back": "observed"},
}
_LEFT_OUT = ("rolled_back_to", "overwritten")  # fields of failed units that are left out if empty
_LISTS = {"warnings", "adopt", "skips", "waves"}  # of plain values
_NAMES = {cls: name for name, cls in _OUTCOMES.items()}


class NewerRecordError(ValueError):
    """A record has a name that only a newer program knows. The message continues a sentence about the record: "has
    …".
    """

    def __init__(self, what: str, name: object) -> None:
        super().__init__(f"has the {what} {str(name)!r}, which this program does not know")


_Member = TypeVar("_Member", bound=StrEnum)


def _member(of: type[_Member], name: Any) -> _Member:
    try:
        return of(name)
    except ValueError:
        raise NewerRecordError(of.__name__.lower(), name) from None


def outcome_name(outcome: Outcome) -> str:
    """Return the name of an outcome as it is stored and shown: "deployed", "unknown" …"""
    return _NAMES[type(outcome)]


def outcome_to_dict(outcome: Outcome) -> dict[str, Any]:
    """Convert an outcome to JSON values, with its name under "outcome"."""
    stored = _STORED.get(type(outcome), {})
    values = {stored.get(name, name): value for name, value in asdict(outcome).items()}
    for name in _LEFT_OUT:
        if not values.get(name, True):
            del values[name]
    return {"outcome": outcome_name(outcome), **values}


def outcome_from_dict(data: Mapping[str, Any]) -> Outcome:
    """Undo `outcome_to_dict`. Fields that a newer program added are ignored. Raises `NewerRecordError`."""
    if data["outcome"] not in _OUTCOMES:
        raise NewerRecordError("outcome", data["outcome"])
    cls = _OUTCOMES[data["outcome"]]
    stored = _STORED.get(cls, {})
    known = {slot.name: data[name] for slot in fields(cls) if (name := stored.get(slot.name, slot.name)) in data}
    if cls is Failed:
        step, names = _member(Step, known["step"]), {slot.name for slot in fields(Failure)}
        failure = Failure(**{name: value for name, value in known["failure"].items() if name in names})
        return Failed(step, failure, known.get("rolled_back_to", ""), known.get("overwritten", ""))
    return cls(**known)


def change_to_dict(change: Change) -> dict[str, Any]:
    """Convert a change to JSON values."""
    return {"kind": str(change.kind), "before": dict(change.before), "after": dict(change.after)}


def _changes(rows: list[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Parse a unit's changes. A list that has a kind which only a newer program knows is not read in part."""
    if any(row["kind"] not in CHANGE_KINDS for row in rows):
        return ()
    return tuple(Change(ChangeKind(row["kind"]), row["before"], row["after"]) for row in rows)


def to_dict(event: Event) -> dict[str, Any]:
    """Convert an event to JSON values, with its kind under "kind"."""
    data: dict[str, Any] = {"kind": event.kind}
    for name in _SLOTS[event.kind]:
        value = getattr(event, name)
        if name == "outcome":
            value = outcome_to_dict(value)
        elif name == "changes":
            value = [change_to_dict(change) for change in value]
        elif name == "identity":
            value = identity_to_dict(value)
        data[name] = value
    return data


def from_dict(data: Mapping[str, Any]) -> Event:
    """Undo `to_dict`. Raises `KeyError` for an unknown kind of event, `NewerRecordError` for any other unknown name."""
    cls = EVENTS[data["kind"]]
    values = {name: data[name] for name in _SLOTS[data["kind"]] if name in data}
    if "step" in values:
        values["step"] = _member(Step, values["step"])
    if "outcome" in values:
        values["outcome"] = outcome_from_dict(values["outcome"])
    if "changes" in values:
        values["changes"] = _changes(values["changes"])
    if "units" in values and cls is UnitsUnchanged:
        values["units"] = tuple(tuple(row) for row in values["units"])
    for name in _LISTS & values.keys():
        if isinstance(values[name], list):
            values[name] = tuple(values[name])
    if "verdict" in values:
        values["verdict"] = _member(Verdict, values["verdict"])
    if "identity" in values:
        values["identity"] = identity_from_dict(values["identity"])
    return cls(**values)
