"""Computes the changes of a manifest from the desired keys of a function. They are made in the function's own table,
so that no other function is affected. A shared value that all users change in the same way is changed in its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.manifest.lists import entry_name, rule_of
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Layer, alternatives_of, merge
from orchestrator.manifest.writing.compact import Slot
from orchestrator.manifest.writing.editing import REMOVED, Edit

Tables = Mapping[str, Mapping[str, Any]]  # file → its TOML as written, variables not replaced


@dataclass(frozen=True, slots=True)
class Environment:
    """The chosen environment, and the file that declares it."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key or entry of a function that changes. `origin`: the table that has it now, None for none; `edits`: in the
    function's own table.
    """

    function: str
    slot: Slot
    value: Any
    file: str
    edits: tuple[Edit, ...]
    origin: Layer | None = None
    own: bool = True  # the table that has it is the function's own


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """One key that is not changed, for example because it is written as `${NAME}`."""

    function: str
    slot: Slot
    why: str
    place: str = ""


@dataclass(slots=True)
class ManifestChanges:
    """What changes, and what is left alone."""

    changes: list[KeyChange] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)


def slots_of(values: Mapping[str, Any]) -> dict[Slot, Any]:
    """Split the keys of a function: entries of tables, and items of lists with names, are separate."""
    found: dict[Slot, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= {(key, name): item for name, item in value.items()}
        elif isinstance(value, list) and value and (by := rule_of(key).by):
            found |= {(key, str(item[by])): item for item in value}
        else:
            found[key,] = value
    return found


def slot_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[Slot, Any]:
    """Return the differences between two sets of keys. `REMOVED`: the key is removed."""
    former, desired = slots_of(before), slots_of(after)
    gone = {slot: REMOVED for slot in former if slot not in desired}
    return {slot: value for slot, value in desired.items() if former.get(slot, REMOVED) != value} | gone


def changes_of(
    draft: Draft, desired: Mapping[Slot, Any], tables: Tables, environment: Environment | None = None
) -> ManifestChanges:
    """Return the changes of a function's own table. If an environment is chosen, they are made in its table of the
    function, so that other environments are not affected. `desired`: by slot, with texts escaped as `literal` does.
    """
    writer, made = _OwnTable(draft, tables, environment), ManifestChanges()
    set_slots = [slot for slot, value in desired.items() if value is not REMOVED]
    replaced = {other for slot in set_slots for other in _others(slot)}
    set_keys = {slot[0] for slot in set_slots}
    emptied = {
        key for key in {slot[0] for slot in desired} - set_keys
        if writer.entries(key) and writer.entries(key) <= {slot for slot in desired if desired[slot] is REMOVED}
    }  # fmt: skip
    for slot, value in desired.items():
        gone = value is REMOVED
        if gone and (slot in replaced or (len(slot) == 1 and slot[0] in set_keys)):
            continue  # dropped by what replaces it
        origin = writer.origin(slot)
        if origin is not None and has_variable(writer.raw(origin, slot)):
            place = f"{origin.file.shown}:{origin.file.line((*origin.path, *slot))}"
            made.left.append(LeftAlone(draft.key, slot, "it is written as a variable", place))
            continue
        if not gone:
            edits = writer.given(slot, value)
        else:
            edits = writer.removed(slot, whole=slot[0] in emptied, replaced=(slot[0],) in set_slots)
        own = origin is not None and writer.is_own(origin)
        made.changes.append(KeyChange(draft.key, slot, value, writer.file, tuple(edits), origin, own))
    return made


def _others(slot: Slot) -> Iterable[Slot]:
    """Yield the slots that a nearer one drops."""
    if len(slot) == 1 or slot[0] == "log":
        return [(*slot[:-1], other) for other in alternatives_of(slot[-1])]
    return ()


def has_variable(value: Any) -> bool:
    """Return whether a value, as it is written, contains a variable, at any depth."""
    if isinstance(value, str):
        return "${" in value.replace("$${", "")
    if isinstance(value, Mapping):
        return any(map(has_variable, value.values()))
    return isinstance(value, list) and any(map(has_variable, value))


class _OwnTable:
    """[functions.NAME] of one function, in the file that has it, or that of the environment."""

    def __init__(self, draft: Draft, tables: Tables, environment: Environment | None) -> None:
        self._draft = draft
        self._tables = tables
        self.path: KeyPath = ("functions", draft.key)
        self.file = draft.own.file.path
        if environment is not None:
            self.path = ("environments", environment.name, *self.path)
            self.file = environment.file
        self._inherited = merge(layer.values for layer in draft.layers if not self.is_own(layer))
        self._own: Mapping[str, Any] = self._at(self.file, self.path) or {}
        self._gone: set[str] = set()  # keys that are removed as a whole
        self._withheld: set[Slot] = set()  # slots that `without` removes from now on

    def is_own(self, layer: Layer) -> bool:
        """Return whether a layer is this table."""
        return layer.path == self.path and layer.file.path == self.file

    def _at(self, file: str, path: KeyPath) -> Any:
        value: Any = self._tables[file]
        for part in path:
            if isinstance(value, Mapping):
                value = value.get(str(part))
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def raw(self, layer: Layer, slot: Slot) -> Any:
        """Return what is written in a table."""
        value = self._at(layer.file.path, (*layer.path, slot[0]))
        return _entry(slot, value)

    def origin(self, slot: Slot) -> Layer | None:
        """Return the nearest table that has a key, or an entry of it."""
        names = {slot[0], *(alternatives_of(slot[0]) if len(slot) == 1 else ())}
        for layer in reversed(self._draft.layers):
            for name in names:
                if name in layer.values and (len(slot) == 1 or _has_entry(layer.values[name], slot)):
                    return layer
        return None

    def given(self, slot: Slot, value: Any) -> list[Edit]:
        """Return the edits that set a key or an entry."""
        edits = self._not_taken_away(slot)
        if len(slot) == 1:
            gone = [Edit((*self.path, other), REMOVED) for other in alternatives_of(slot[0]) if other in self._own]
            return [*edits, *gone, Edit((*self.path, *slot), value)]
        key = slot[0]
        if not isinstance(value, Mapping) or not named_list(key):
            if key == "log":
                others = [other for other in alternatives_of(slot[1]) if other in (self._own.get(key) or {})]
                edits += [Edit((*self.path, key, other), REMOVED) for other in others]
            return [*edits, Edit((*self.path, *slot), value)]
        index = _index(key, self._own.get(key), slot[1])
        if index is not None:
            return [*edits, Edit((*self.path, key, index), value)]
        return [*edits, Edit((*self.path, key), value, adds=True)]

    def entries(self, key: str) -> set[Slot]:
        """Return which slots of a key the table itself has."""
        own = self._own.get(key)
        return set(slots_of({key: own})) if own is not None else set()

    def removed(self, slot: Slot, *, whole: bool, replaced: bool) -> list[Edit]:
        """Return the edits that remove a key or an entry. `whole`: everything that the table has of the key is removed;
        `replaced`: the table sets the key again.
        """
        key, own, edits = slot[0], self._own.get(slot[0]), list[Edit]()
        if whole or (len(slot) == 1 and own is not None):
            if key not in self._gone:
                self._gone.add(key)
                edits.append(Edit((*self.path, key), REMOVED))
        elif not replaced and len(slot) > 1 and _entry(slot, own) is not None:
            index = _index(key, own, slot[1]) if named_list(key) else None
            edits.append(Edit((*self.path, key, slot[1] if index is None else index), REMOVED))
        inherited = slots_of_merged(self._inherited)
        for one in (slot, *_others(slot)):  # without a replacement, what it had dropped would come back
            if one in inherited and one not in self._withheld:
                self._withheld.add(one)
                edits.append(Edit((*self.path, "without"), ".".join(one), adds=True))
        return edits

    def _not_taken_away(self, slot: Slot) -> list[Edit]:
        """Return the edits that remove from `without` what the table sets again."""
        taken = self._own.get("without") or []
        found = [
            number for number, one in enumerate(taken) if one in (".".join(slot), slot[0] if len(slot) == 1 else "")
        ]
        if found and len(found) == len(taken):
            return [Edit((*self.path, "without"), REMOVED)]
        return [Edit((*self.path, "without", number), REMOVED) for number in found]


def named_list(key: str) -> str:
    """Return the key that identifies the items of a list, "" for other lists."""
    return rule_of(key).by if key in ("secrets", "mounts", "storage_mounts") else ""


def _index(key: str, items: Any, name: str) -> int | None:
    by = named_list(key)
    found = (number for number, item in enumerate(items or ()) if isinstance(item, Mapping) and item.get(by) == name)
    return next(found, None)


def _entry(slot: Slot, value: Any) -> Any:
    if len(slot) == 1:
        return value
    if isinstance(value, list):
        index = _index(slot[0], value, slot[1])
        return None if index is None else value[index]
    return value.get(slot[1]) if isinstance(value, Mapping) else None


def _has_entry(value: Any, slot: Slot) -> bool:
    if isinstance(value, dict):
        return slot[1] in value
    return isinstance(value, list) and any(entry_name(slot[0], item) == slot[1] for item in value)


def slots_of_merged(values: Mapping[str, Any]) -> set[Slot]:
    """Return the keys and entries of merged tables."""
    found: set[Slot] = set()
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= {(key, name) for name in value}
        elif isinstance(value, list) and named_list(key):
            found |= {(key, entry_name(key, item)) for item in value}
        else:
            found.add((key,))
    return found
