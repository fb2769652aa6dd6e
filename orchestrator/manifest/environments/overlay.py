"""The tables of the chosen environment, which are merged over those of the main file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from orchestrator.manifest.check import Check
from orchestrator.manifest.fields import StrictTable
from orchestrator.manifest.file_tables import CloudTable, EnvironmentTable, LimitsTable, StorageTable
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Layer, layer
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.toml_files import SourceFile

T = TypeVar("T", bound=StrictTable)


@dataclass(frozen=True, slots=True)
class Section(Generic[T]):
    """A table of the main file, such as [limits], with that of the environment merged over it, key by key. `table`:
    None where neither exists. `own`: the keys that the environment's table has; `path`: the path of that table.
    """

    table: T | None
    key: str
    check: Check
    path: KeyPath = ()
    own: frozenset[str] = frozenset()

    def at(self, *rest: str | int) -> KeyPath:
        """Return the path of a key in it: in the environment's table, where that has it."""
        return (*(self.path if rest and rest[0] in self.own else (self.key,)), *rest)

    def is_broken(self, *rest: str | int) -> bool:
        """Return whether something was wrong at a key, here or in the environment's table."""
        paths = ((self.key,), self.path) if self.path else ((self.key,),)
        return any(self.check.is_broken((*path, *rest)) for path in paths)


class Overlay:
    """The chosen environment. `name`: "" where none is; `names`: all that are declared."""

    def __init__(self, main: SourceFile, check: Check, name: str, names: tuple[str, ...]) -> None:
        self.file = main
        self.name = name
        self.names = names
        self._check = check
        self._path: KeyPath = ("environments", name)
        self._table = (check.tables.environments or {}).get(name) or EnvironmentTable()
        table = self._table
        self.protected = bool(table.protected)
        self.defaults = self._layer(table.defaults, "defaults") if table.defaults else None
        self.templates = {name: self._layer(one, "templates", name) for name, one in (table.templates or {}).items()}
        self.functions = {name: self._layer(one, "functions", name) for name, one in (table.functions or {}).items()}

    def _layer(self, table: FunctionTable, *path: str) -> Layer:
        return layer(self.file, (*self._path, *path), table, self._check)

    def section(self, kind: type[T]) -> Section[T]:
        """Merge a table of the environment over that of the main file."""
        key = _KEYS[kind]
        below: T | None = getattr(self._check.tables, key)
        above: T | None = getattr(self._table, key)
        if not self.name:
            return Section(below, key, self._check)
        own = {name: value for name, value in above.__dict__.items() if value is not None} if above is not None else {}
        table = below.model_copy(update=own) if below is not None else above
        return Section(table, key, self._check, (*self._path, key), frozenset(own))


_KEYS: Mapping[type[StrictTable], str] = {
    CloudTable: "cloud",
    StorageTable: "storage",
    LimitsTable: "limits",
    RolloutTable: "rollout",
}
