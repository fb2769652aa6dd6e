"""Converts checked tables to the values of rollouts and verifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.manifest.rollout.rollout_fields import APPROVAL
from orchestrator.manifest.rollout.rollout_tables import GateTable, HttpTable, RolloutTable
from orchestrator.model import Gate, HttpCheck, Rollout, Verify


def verified_by(values: Mapping[str, Any], folder: Path) -> Verify:
    """Return the value of a function's merged `verify`. `folder`: of the file that names its command."""
    given = {_NAMES.get(key, key): value for key, value in values.items()}
    if "http" in given:
        given["http"] = _http(given["http"])
    if "command" in given:
        given |= {"command": tuple(given["command"]), "folder": folder}
    return Verify(**given)


def rollout(table: RolloutTable | None, folder: Path, below: Rollout | None = None) -> Rollout:
    """Merge a table, key by key, over another rollout, or over the defaults. `folder`: of its file."""
    below = below or Rollout()
    given: dict[str, Any] = {}
    for key, value in _given(table).items() if table is not None else ():
        if key == "pause":
            approval = value == APPROVAL
            given |= {"approval": approval, "pause_s": 0.0 if approval else value}
        else:
            given[key] = _MADE[key](value, folder) if key in _MADE else value
    return replace(below, **given)


def _http(table: HttpTable) -> HttpCheck:
    return HttpCheck(**_given(table))


def _gate(table: GateTable, folder: Path) -> Gate:
    given = {_NAMES.get(key, key): value for key, value in _given(table).items()}
    return Gate(**{**given, "command": tuple(table.command), "folder": folder})


_NAMES = {"timeout": "timeout_s"}
# Keys of [rollout] that are converted.
_MADE: Mapping[str, Callable[[Any, Path], Any]] = {
    "canary": lambda patterns, _: tuple(patterns),
    "waves": lambda waves, _: tuple(waves),
    "gate": _gate,
}


def _given(table: HttpTable | GateTable | RolloutTable) -> dict[str, Any]:
    return {key: value for key, value in table.__dict__.items() if value is not None}
