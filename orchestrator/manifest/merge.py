"""Lays the tables of a function over each other: defaults, templates in the order of `use`, the function's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from orchestrator.manifest.check import Check
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.toml_files import SourceFile

# Where the nearer table names one of these, the others are not inherited.
_ALTERNATIVES = (
    frozenset({"source", "package", "version_id"}),
    frozenset({"service_account", "service_account_id"}),
    frozenset({"group_id", "folder_id"}),  # of `log`; a function has no group_id
)
_OTHERS = {key: group - {key} for group in _ALTERNATIVES for key in group}


@dataclass(frozen=True, slots=True)
class Layer:
    """One table with keys of a function, paths in it made absolute. `path`: ("defaults",), ("functions", "x") …"""

    file: SourceFile
    path: KeyPath
    values: dict[str, Any]
    check: Check

    def has(self, path: KeyPath) -> bool:
        """Whether the key stands in this table (as far as tables merge: two keys deep)."""
        value = self.values.get(str(path[0])) if path else None
        if isinstance(value, dict) and len(path) > 1:
            return path[1] in value
        return value is not None

    def is_broken(self, path: KeyPath) -> bool:
        """Whether the key stands here but is wrong, which has been said already."""
        return bool(self.check.broken) and self.check.is_broken((*self.path, *path))


@dataclass(frozen=True, slots=True)
class Draft:
    """A function with all tables merged. `layers`: from the farthest to its own. `use`: the templates that it names,
    those included that are none.
    """

    key: str
    layers: tuple[Layer, ...]
    values: dict[str, Any]
    use: tuple[str, ...] = ()

    @property
    def own(self) -> Layer:
        return self.layers[-1]

    def origin(self, path: KeyPath) -> Layer:
        """The table that a key comes from; the function's own where none has it."""
        return next((layer for layer in reversed(self.layers) if layer.has(path)), self.own)

    def is_broken(self, path: KeyPath) -> bool:
        """Whether some table has the key, but wrong."""
        return any(layer.is_broken(path) for layer in self.layers)


def layer(file: SourceFile, path: KeyPath, table: FunctionTable, check: Check) -> Layer:
    """Take the keys that are given, with absolute paths."""
    values: dict[str, Any] = {
        key: _given(value) if isinstance(value, BaseModel) else value
        for key, value in table.__dict__.items()
        if value is not None
    }
    if "source" in values:
        values["source"] = absolute(file, values["source"])
    build = values.get("build", {})
    if "folder" in build:
        build["folder"] = absolute(file, build["folder"])
    if "files" in values:
        values["files"] = {inside: absolute(file, local) for inside, local in values["files"].items()}
    return Layer(file, path, values, check)


def absolute(file: SourceFile, path: str) -> str:
    """A path that a file names, made absolute."""
    return os.path.normpath(os.path.join(file.folder, path))  # noqa: PTH118 - thousands of them; strings are cheaper


def merge(layers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Lay tables over each other, the nearest last: tables merge key by key, anything else is replaced."""
    merged: dict[str, Any] = {}
    for values in layers:
        for key in values:
            for other in _OTHERS.get(key, ()):
                if other not in values:
                    merged.pop(other, None)
        for key, value in values.items():
            below = merged.get(key)
            merged[key] = _laid_over(below, value, key) if isinstance(value, dict) and below else value
    return merged


def _laid_over(below: dict[str, Any], above: dict[str, Any], key: str) -> dict[str, Any]:
    dropped: set[str] = set()
    if key == "log":
        dropped = {other for name in above for other in _OTHERS.get(name, ()) if other not in above}
    return {name: value for name, value in below.items() if name not in dropped} | above


def _given(table: BaseModel) -> dict[str, Any]:
    return {key: value for key, value in table.__dict__.items() if value is not None}
