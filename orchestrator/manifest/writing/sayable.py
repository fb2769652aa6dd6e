"""Which values of a live function a manifest can express: they are checked against every rule of deploy.toml, and
compared with the live ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.check import Check, check
from orchestrator.manifest.findings import dotted
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import layer
from orchestrator.manifest.setting_rules import setting_breaches
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.manifest.values import settings_from
from orchestrator.model import Json
from orchestrator.version.compare import differences
from orchestrator.version.copy import unknown_fields

_REQUIRED = ("runtime", "entrypoint", "memory")


@dataclass(frozen=True, slots=True)
class Said:
    """`values`: the keys of a function that the manifest can have. `refused`: rules that the others break. `otherwise`:
    how a Version made from `values` would differ from the live one. `unknown`: settings that this program does not
    know. A copy of the code keeps them, as long as nothing else changes.
    """

    values: Mapping[str, Any]
    refused: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    declarable: bool = True  # False: required keys are missing


def what_can_be_said(tables: Mapping[str, Mapping[str, Any]], live: Mapping[str, Json]) -> dict[str, Said]:
    """Check the keys of functions against the rules. `tables`: by the functions' keys, as `spelled` writes them, with
    IDs instead of names; `live`: the live Versions' JSON.
    """
    file = SourceFile("import")
    refused: dict[str, list[str]] = {key: [] for key in tables}

    def refuse(path: KeyPath, rule: str) -> None:
        refused[str(path[1])].append(f"{dotted(path[2:])} {rule}")

    checked = check({"functions": {key: dict(values) for key, values in tables.items()}}, [], refuse)
    return {key: _said(key, tables[key], file, checked, refused[key], live[key]) for key in tables}


def _said(
    key: str, table: Mapping[str, Any], file: SourceFile, checked: Check, refused: Iterable[str], raw: Json
) -> Said:
    function = (checked.tables.functions or {}).get(key)
    kept = {name: value for name, value in table.items() if not checked.is_broken(("functions", key, name))}
    rules = list(refused)
    values: dict[str, Any] = {}
    if function is not None:
        for breach in setting_breaches(layer(file, ("functions", key), function, checked).values):
            if not breach.warning:
                rules.append(f"{dotted(breach.path)} {breach.rule}")
                kept.pop(str(breach.path[0]), None)
        values = {
            name: value
            for name, value in layer(file, ("functions", key), function, checked).values.items()
            if name in kept
        }
    lacking = [name for name in _REQUIRED if name not in values]
    if lacking:
        rules += [] if rules else [f"{name} is not known" for name in lacking]
        return Said(kept, tuple(dict.fromkeys(rules)), declarable=False)
    otherwise = differences(settings_from(values), raw)
    return Said(kept, tuple(dict.fromkeys(rules)), tuple(otherwise.values()), unknown_fields(raw))
