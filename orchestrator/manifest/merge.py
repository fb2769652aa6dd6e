"""Merges the tables of a function: defaults, templates in the order of `use`, the function's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from orchestrator.manifest.check import Check
from orchestrator.manifest.findings import did_you_mean
from orchestrator.manifest.lists import entry_name, laid_over, rule_of
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.toml_files import SourceFile

# If the nearer table has one of these, the others are not inherited.
_ALTERNATIVES = (
    frozenset({"source", "package", "version_id"}),
    frozenset({"service_account", "service_account_id"}),
    frozenset({"group_id", "folder_id"}),  # of `log`; a function has no group_id
    frozenset({"payload", "http", "command"}),  # of `verify`
)
_OTHERS = {key: group - {key} for group in _ALTERNATIVES for key in group}


def alternatives_of(key: str) -> frozenset[str]:
    """Return the keys that a key of a nearer table drops."""
    return _OTHERS.get(key, frozenset())


@dataclass(frozen=True, slots=True)
class Layer:
    """One table with keys of a function, with absolute paths. `path`: ("defaults",), ("functions", "x") … `generated`:
    the function that an [each.NAME] generated it for, "" if it is in the file as it is.
    """

    file: SourceFile
    path: KeyPath
    values: dict[str, Any]
    check: Check
    generated: str = ""

    def has(self, path: KeyPath) -> bool:
        """Return whether the key is in this table (as far as tables merge: two keys deep)."""
        value = self.values.get(str(path[0])) if path else None
        if isinstance(value, dict) and len(path) > 1:
            return path[1] in value
        return value is not None

    def is_broken(self, path: KeyPath) -> bool:
        """Return whether the key is here but wrong, which has been reported."""
        here = ("functions", self.generated) if self.generated else self.path
        return bool(self.check.broken) and self.check.is_broken((*here, *path))


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of functions that set none. `id`: None where it is not set. `path`: where it is in `file`."""

    id: str | None
    file: SourceFile
    path: KeyPath
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A function with all tables merged. `layers`: from the farthest to the nearest; `own`: its own table. `use`: the
    templates that it names, including those that do not exist. `files`: its file, and those that include it, as they
    are shown.
    """

    key: str
    layers: tuple[Layer, ...]
    values: dict[str, Any]
    own: Layer
    folder: Folder
    use: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def concerned(self, layer: Layer) -> str | None:
        """Return the function's key if something is wrong in a shared table, None if it is in its own."""
        return None if layer is self.own and not layer.generated else self.key

    @property
    def folder_id(self) -> str | None:
        """The folder of the function, None where it is not set."""
        folder_id: str | None = self.values.get("folder_id", self.folder.id)
        return folder_id

    @property
    def shown(self) -> str:
        """Its place, for people."""
        return f"{self.own.file.shown}:{self.own.file.table_line(self.own.path)}"

    def origin(self, path: KeyPath) -> tuple[Layer, KeyPath]:
        """Return the table that a key comes from, and its path there; the function's own table if no table has it. An
        entry of a merged list is in one of the tables, at another index.
        """
        if len(path) > 1 and isinstance(path[1], int):
            return self._origin_of_entry(str(path[0]), path[1], path[2:])
        return next((layer for layer in reversed(self.layers) if layer.has(path)), self.own), path

    def _origin_of_entry(self, key: str, index: int, rest: KeyPath) -> tuple[Layer, KeyPath]:
        items = self.values[key]
        alike = sum(item == items[index] for item in items[:index])  # that come before it
        having = [layer for layer in self.layers if key in layer.values]
        for layer in having if rule_of(key).adds else reversed(having):
            for at, item in enumerate(layer.values[key]):
                if item == items[index]:
                    if not alike:
                        return layer, (key, at, *rest)
                    alike -= 1
        return self.own, (key, *rest)

    def is_broken(self, path: KeyPath) -> bool:
        """Return whether some table has the key, but with a mistake."""
        if len(path) > 1 and isinstance(path[1], int):
            layer, path = self.origin(path)
            return layer.is_broken(path)
        broken = [layer for layer in self.layers if layer.check.broken]  # nearly always empty
        return bool(broken) and any(layer.is_broken(path) for layer in broken)


def layer(file: SourceFile, path: KeyPath, table: FunctionTable, check: Check, generated: str = "") -> Layer:
    """Return a layer with the keys that are set, and absolute paths."""
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
    return Layer(file, path, values, check, generated)


def absolute(file: SourceFile, path: str) -> str:
    """Return a path in a file as an absolute path."""
    return os.path.normpath(os.path.join(file.folder, path))  # noqa: PTH118 - there are thousands; strings are cheaper


def merge(layers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Merge tables, the nearest last: tables merge key by key, lists by their rule (`lists.LISTS`), anything else is
    replaced. What a table removes (`without`) is removed before its own keys are added.
    """
    merged: dict[str, Any] = {}
    for values in layers:
        for taken in values.get("without", ()):
            take(merged, taken)
        for key in values:
            for other in _OTHERS.get(key, ()):
                if other not in values:
                    merged.pop(other, None)
        for key, value in values.items():
            below = merged.get(key)
            if not below or key == "without":
                merged[key] = value
            elif isinstance(value, dict):
                merged[key] = _laid_over(below, value, key)
            else:
                merged[key] = laid_over(below, value, key) if isinstance(value, list) else value
    return merged


def take(values: dict[str, Any], path: str) -> bool:
    """Remove KEY or KEY.NAME: a key of a table, an entry of a list. Return whether it existed."""
    key, dot, name = path.partition(".")
    whole = values.get(key)
    if whole is None:
        return False
    kept: Any = None
    if isinstance(whole, dict) and dot:
        kept = {other: value for other, value in whole.items() if other != name}
    elif isinstance(whole, list) and dot:
        kept = [item for item in whole if entry_name(key, item) != name]
    elif dot:
        return False
    if kept:
        values[key] = kept
    else:
        del values[key]
    return not kept or len(kept) != len(whole)


def _names_in(values: Mapping[str, Any], key: str) -> list[str]:
    """Return the names by which `take` identifies the parts of a key; empty if it has no parts."""
    whole = values.get(key)
    if isinstance(whole, dict):
        return list(whole)
    return [entry_name(key, item) for item in whole] if isinstance(whole, list) else []


def idle_removals(draft: Draft) -> Iterator[tuple[Layer, int, str]]:
    """Yield entries of `without` that remove nothing: the table, the entry's index, what is wrong with it."""
    for number, table in enumerate(draft.layers):
        if "without" in table.values:
            below = draft.layers[:number]
            inherited = merge(layer.values for layer in below)
            for index, path in enumerate(table.values["without"]):
                key = path.partition(".")[0]
                if not any(layer.is_broken((key,)) for layer in below) and (rule := _why_idle(path, inherited, table)):
                    yield table, index, rule


def _why_idle(path: str, inherited: Mapping[str, Any], table: Layer) -> str:
    key, dot, name = path.partition(".")
    known = [name for name in FunctionTable.model_fields if name not in ("use", "without")]
    if key not in known:
        return f'"{path}" does not begin with a key that can be inherited{did_you_mean(key, known)}'
    own = table.values.get(key)
    grows = isinstance(own, dict) or (isinstance(own, list) and bool(rule_of(key).by or rule_of(key).adds))
    if name in _names_in(table.values, key) if dot else own is not None and not grows:
        return f'"{path}" is set in this table too, which replaces the inherited value; remove one of the two'
    if name in _names_in(inherited, key) if dot else key in inherited:
        return ""
    found = [*inherited, *(f"{key}.{name}" for key in inherited for name in _names_in(inherited, key))]
    return f'"{path}" is not inherited here, so it cannot be removed{did_you_mean(path, found)}'


def _laid_over(below: dict[str, Any], above: dict[str, Any], key: str) -> dict[str, Any]:
    dropped: set[str] = set()
    if key in ("log", "verify"):
        dropped = {other for name in above for other in _OTHERS.get(name, ()) if other not in above}
    if "payload" in dropped or (key == "verify" and "payload" in above):
        dropped.add("expect")  # it belongs to the response to that payload
    return {name: value for name, value in below.items() if name not in dropped} | above


def _given(table: BaseModel) -> dict[str, Any]:
    return {key: value for key, value in table.__dict__.items() if value is not None}
