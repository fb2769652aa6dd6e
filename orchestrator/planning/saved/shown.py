"""A saved plan as a plan to be shown. It has only what is shown."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from orchestrator.model import (
    Action,
    Failure,
    Function,
    FunctionSpec,
    Gate,
    HttpCheck,
    Place,
    Plan,
    Rollout,
    Settings,
    Step,
    Tree,
    Undeclared,
    Unit,
    Verify,
    VersionCopy,
    WayBack,
    WayBackKind,
)
from orchestrator.planning.saved.document import SavedPlan, SavedUnit

_HIDDEN = "…"  # in place of the command of a gate
_VERIFIED = {"call": Verify(), "http": Verify(http=HttpCheck()), "command": Verify(command=(_HIDDEN,))}


def shown_plan(saved: SavedPlan) -> Plan:
    """Return the units of a saved plan. Raises `KeyError`, `TypeError` or `ValueError` if it is invalid."""
    return Plan(tuple(_unit(unit) for unit in saved.units))


def shown_rollout(saved: SavedPlan) -> Rollout:
    """Return the rollout of a saved plan. Raises the same."""
    shown: dict[str, Any] = dict(saved.shown["rollout"])
    gate = Gate((_HIDDEN,), Path()) if shown.pop("gate") else None
    known: dict[str, Any] = {slot.name: shown[slot.name] for slot in fields(Rollout) if slot.name in shown}
    lists: dict[str, Any] = {name: tuple(known[name]) for name in ("waves", "canary")}
    return Rollout(**{**known, **lists, "gate": gate})


def shown_undeclared(saved: SavedPlan) -> tuple[Undeclared, ...]:
    """Return what was live and not in the manifest. Raises the same."""
    return tuple(
        Undeclared(
            found["folder_id"],
            tuple(Function(one["function_id"], found["folder_id"], one["name"]) for one in found["functions"]),
            found["others"],
        )
        for found in saved.shown["undeclared"]
    )


def _unit(unit: SavedUnit) -> Unit:
    shown = unit.shown
    failure, way, left_out = shown["failure"], shown["way_back"], tuple(shown["left_out"])
    spec = FunctionSpec(
        unit.key,
        unit.name,
        unit.folder_id,
        Settings("", "", 0, tags=tuple(shown["tags"])),
        VersionCopy(""),
        Place("", 0),
        labels=shown["labels"],
        verify=_VERIFIED.get(shown["verified_by"]),
        promote=tuple(shown["promote"]),
        called_by=shown["called_by"],
    )
    return Unit(
        unit.key,
        spec,
        Action(unit.action),
        shown["reason"],
        tree=Tree("", 0, (), left_out) if left_out else None,
        function_id=unit.function_id or None,
        base_version_id=unit.base_version_id or None,
        changes=unit.changes,
        failure=Failure(**failure) if failure is not None else None,
        failed_step=Step(shown["failed_step"]) if shown["failed_step"] is not None else None,
        warnings=tuple(shown["warnings"]),
        way_back=WayBack(WayBackKind(way["kind"]), way["why"]) if way is not None else None,
    )
