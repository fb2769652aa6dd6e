"""Many functions in few lines: common values become [defaults], values that groups share become [templates].

`without` is never needed: [defaults] only have what every function has in some form, with the most frequent value.
A template only has what all its users have. So merging gives each function exactly its values. The same functions
give the same tables, in whatever order they come.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.lists import rule_of
from orchestrator.manifest.merge import alternatives_of

# A key, and the entry in a table or a list with names: what a nearer table replaces as a whole.
Slot = tuple[str, ...]
Values = Mapping[str, Any]

_SAVED_MIN = 4  # entries that a template must save
_USERS_MIN = 3
_VALUES_MIN = 3  # two are as short in place
_STARTS = 40  # values that templates are grown from, the most common first, one per set of functions
_CANDIDATES = 300  # values that are considered for templates, the most common first
_TEMPLATES_MAX = 40
# Keys that are never shared: a new function must not become public by what it inherits.
_OWN = "name", "id", "description", "enabled", "public"


@dataclass(frozen=True, slots=True)
class Compacted:
    """`own`: by function the keys that remain in its own table, including `use`."""

    defaults: dict[str, Any]
    templates: dict[str, dict[str, Any]]
    own: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Atom:
    """One key, or one entry of a table or of a list with names, with its value."""

    slot: Slot
    key: str
    name: str | None  # of an entry of a table
    value: Any
    listed: bool = False


def compacted(functions: Mapping[str, Values]) -> Compacted:
    """Distribute the keys of functions over tables. `functions`: by key, in the order in which they are written."""
    atoms = {key: _atoms(values) for key, values in functions.items()}
    defaults = _defaults(atoms.values())
    common = {slot: repr(atom.value) for slot, atom in defaults.items()}
    left = {
        key: [atom for atom in own if common.get(atom.slot) != repr(atom.value) or atom.key != defaults[atom.slot].key]
        for key, own in atoms.items()
    }
    groups = _groups(left)
    names = _names(groups, functions)
    use: dict[str, list[str]] = {key: [] for key in functions}
    for name, group in zip(names, groups, strict=True):
        covered = {(atom.slot, repr(atom.value)) for atom in group.atoms}
        for key in group.users:
            use[key].append(name)
            left[key] = [atom for atom in left[key] if (atom.slot, repr(atom.value)) not in covered]
    own = {key: {**({"use": use[key]} if use[key] else {}), **_table(left[key])} for key in functions}
    templates = {name: _table(group.atoms) for name, group in zip(names, groups, strict=True)}
    return Compacted(_table(defaults.values()), templates, own)


def _atoms(values: Values) -> list[_Atom]:
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += [_Atom(_slot(key, name), key, name, item) for name, item in value.items()]
        elif isinstance(value, list) and value and (by := rule_of(key).by):
            found += [_Atom((key, str(item[by])), key, None, item, listed=True) for item in value]
        else:
            found.append(_Atom(_slot(key), key, None, value))
    return found


def _slot(*path: str) -> Slot:
    """Return the slot. Keys that exclude each other share one: the nearer one gets it."""
    return (*path[:-1], min({path[-1], *alternatives_of(path[-1])}) if len(path) == 1 or path[0] == "log" else path[-1])


def _table(atoms: Iterable[_Atom]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for atom in atoms:
        if atom.listed:
            table.setdefault(atom.key, []).append(atom.value)
        elif atom.name is not None:
            table.setdefault(atom.key, {})[atom.name] = atom.value
        else:
            table[atom.key] = atom.value
    return table


def _defaults(functions: Iterable[Sequence[_Atom]]) -> dict[Slot, _Atom]:
    """Return the most frequent values of slots that all functions have."""
    counts: dict[Slot, Counter[tuple[str, str]]] = {}
    first: dict[tuple[Slot, str, str], _Atom] = {}
    total = 0
    for own in functions:
        total += 1
        for atom in own:
            pick = atom.key, repr(atom.value)
            counts.setdefault(atom.slot, Counter())[pick] += 1
            first.setdefault((atom.slot, *pick), atom)
    found = {}
    for slot, values in counts.items():
        pick, most = max(values.items(), key=lambda one: (one[1], one[0]))
        if values.total() == total > 1 and most * 2 > total and slot[0] not in _OWN:
            found[slot] = first[slot, *pick]
    return found


@dataclass(frozen=True, slots=True)
class _Group:
    """The content of a template: values, and the functions that have all of them."""

    atoms: tuple[_Atom, ...]
    users: tuple[str, ...]


def _groups(left: Mapping[str, Sequence[_Atom]]) -> list[_Group]:
    """Choose the template that saves most, repeatedly. Sets of functions are the bits of a number."""
    keys = list(left)
    having: dict[tuple[Slot, str], int] = {}
    first: dict[tuple[Slot, str], _Atom] = {}
    for number, key in enumerate(keys):
        for atom in left[key]:
            if atom.slot[0] not in (*_OWN, "folder_id"):  # a folder is not a kind of function
                pick = atom.slot, f"{atom.key} {atom.value!r}"
                having[pick] = having.get(pick, 0) | 1 << number
                first.setdefault(pick, atom)
    found: list[_Group] = []
    while len(found) < _TEMPLATES_MAX:
        by_count = sorted(
            ((users.bit_count(), pick, users) for pick, users in having.items()), key=lambda one: (-one[0], one[1])
        )
        candidates = [(pick, users) for count, pick, users in by_count[:_CANDIDATES] if count >= _USERS_MIN]
        starts = {users: pick for pick, users in reversed(candidates)}
        grown = [_grown(pick, users, candidates) for users, pick in [*reversed(starts.items())][:_STARTS]]
        saved, chosen, users = max(grown, default=(0, (), 0), key=lambda one: one[0])
        if saved < _SAVED_MIN:
            break
        for pick in chosen:
            having[pick] &= ~users
        members = tuple(key for number, key in enumerate(keys) if users >> number & 1)
        order = {(atom.slot, f"{atom.key} {atom.value!r}"): at for at, atom in enumerate(left[members[0]])}
        found.append(_Group(tuple(first[pick] for pick in sorted(chosen, key=order.__getitem__)), members))
    return found


_Pick = tuple[Slot, str]


def _grown(start: _Pick, users: int, candidates: Sequence[tuple[_Pick, int]]) -> tuple[int, tuple[_Pick, ...], int]:
    """Add values to a template as long as it saves more. Return the entries that it saves, its values, its users."""
    chosen = [start]
    saved = _saved(1, users.bit_count())
    others = [(pick, having) for pick, having in candidates if pick != start]
    while others:
        shared = [(having & users).bit_count() for _, having in others]
        best = max(range(len(others)), key=lambda at: (shared[at], -at))
        more = _saved(len(chosen) + 1, shared[best])
        if more < saved or shared[best] < _USERS_MIN:
            break
        pick, having = others.pop(best)
        chosen.append(pick)
        saved, users = more, users & having
    return saved if len(chosen) >= _VALUES_MIN else 0, tuple(chosen), users


def _saved(values: int, users: int) -> int:
    """Count the saved entries: those of each user, without its `use`, and without those of the template itself."""
    return values * users - users - values - 2


def _names(groups: Sequence[_Group], functions: Mapping[str, Values]) -> list[str]:
    """Return names for templates, by their content, each name once."""
    found: list[str] = []
    for group in groups:
        name = _name_of(group, functions)
        number = 2
        while (unique := name if name not in found else f"{name}-{number}") in found:
            number += 1
        found.append(unique)
    return found


_WORD = re.compile(r"[^A-Za-z0-9_-]+")


def _name_of(group: _Group, functions: Mapping[str, Values]) -> str:
    """Return what identifies the users of a template: a name prefix, a label, the runtime, an account, a setting."""
    users = set(group.users)
    prefixes = {_prefix(key) for key in users}
    if len(prefixes) == 1 and not any(_prefix(key) in prefixes for key in functions if key not in users):
        return _word(prefixes.pop())
    settings = {atom.slot: atom.value for atom in group.atoms}
    labels = [str(value) for slot, value in settings.items() if slot[0] == "labels" and value]
    for name in (*labels, settings.get(("runtime",)), settings.get(("service_account",))):
        if isinstance(name, str) and _word(name):
            return _word(name)
    slot = group.atoms[0].slot
    return _word(slot[-1].lower()) or "group"


def _prefix(key: str) -> str:
    return key.rpartition("/")[2].split("-", 1)[0]


def _word(text: str) -> str:
    return _WORD.sub("-", text).strip("-")
