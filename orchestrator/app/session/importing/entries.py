"""Live functions as entries of a manifest: what it declares, what it cannot express, which values are not written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from orchestrator.app.session.importing.variables import named_variables, secret_values, with_variables
from orchestrator.function.fields import FUNCTION_FIELDS
from orchestrator.job.inventory import LiveFunction
from orchestrator.manifest.writing.document import FunctionEntry
from orchestrator.manifest.writing.sayable import Said, what_can_be_said
from orchestrator.manifest.writing.spelling import keys_in_order, own_spelled, own_value, spelled
from orchestrator.model import LATEST, Function
from orchestrator.version.copy import settings_of


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names of IDs. `accounts`, `secrets`: (folder ID, ID) → name, for names that are unique in the folder.
    `current`: secret ID → the ID of its newest version.
    """

    accounts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], str] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VariableToSet:
    """A variable to set, and its uses: "environment.TOKEN of api, worker"."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What is written. `notes`: by function, what the manifest does not express. `left_out`: by function, why it is not
    written at all.
    """

    entries: tuple[FunctionEntry, ...] = ()
    variables: tuple[VariableToSet, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


_NAMED_MAX = 5


def entries_of(
    functions: Sequence[LiveFunction],
    names: KnownNames,
    looks_secret: Callable[[str], bool],
    *,
    pinned: bool = False,
    tables: Mapping[str, Mapping[str, Any]] | None = None,
    hints: Mapping[str, str] = MappingProxyType({}),
) -> Entries:
    """Return the entries of functions. `looks_secret`: whether a text must be hidden. `pinned`: include their IDs.
    `tables`: by key, what another source declares, in place of the live settings. `hints`: comments above functions.
    """
    own_tables = tables or {one.key: spelled(settings_of(one.latest)) for one in functions}
    said = what_can_be_said(
        {
            one.key: {**({} if tables else own_spelled(one.function)), **own_tables[one.key], **_identity(one)}
            for one in functions
        },
        {one.key: one.latest.raw for one in functions},
    )
    left_out = {key: "; ".join(one.refused) for key, one in said.items() if not one.declarable}
    written = [one for one in functions if one.key not in left_out]
    values = {one.key: _named(one, said[one.key].values, names, pinned=pinned) for one in written}
    found = [secret for key, table in values.items() for secret in secret_values(key, table, looks_secret)]
    variables = named_variables(found)
    by_function: dict[str, dict[tuple[str | int, ...], str]] = {}
    for secret, name in variables.items():
        by_function.setdefault(secret.function, {})[secret.path] = name
    notes = {one.key: kept for one in written if (kept := _notes(one, said[one.key], tables))}
    entries = []

    def hinted(key: str) -> tuple[str, ...]:
        return (hints[key],) if hints.get(key) else ()

    for one in written:
        table = with_variables(values[one.key], by_function.get(one.key, {}))
        if tables is None and one.key in notes and _differs(one, said[one.key]):
            table["enabled"] = False
        entries.append(
            FunctionEntry(
                one.key, one.function.folder_id, keys_in_order(table), (*hinted(one.key), *notes.get(one.key, ()))
            )
        )
    places: dict[str, list[str]] = {}
    for secret, name in variables.items():
        places.setdefault(name, []).append(f"{_place(secret.path)} of {secret.function}")
    to_set = tuple(VariableToSet(name, _listed(of)) for name, of in sorted(places.items()))
    return Entries(tuple(entries), to_set, notes, left_out)


def _identity(one: LiveFunction) -> dict[str, str]:
    """Return its name, where the key does not give it."""
    return {"name": one.function.name} if one.function.name and one.function.name != one.key else {}


def _named(one: LiveFunction, values: Mapping[str, Any], names: KnownNames, *, pinned: bool) -> dict[str, Any]:
    """Write names in place of IDs, the live code, and the ID where the function has no name."""
    folder_id, table = one.function.folder_id, {"version_id": LATEST, **values}
    if account := names.accounts.get((folder_id, str(table.get("service_account_id")))):
        del table["service_account_id"]
        table["service_account"] = account
    if "secrets" in table:
        table["secrets"] = [named_secret(folder_id, secret, names) for secret in table["secrets"]]
    if pinned or not one.function.name:
        table["id"] = one.function.id
    return table


def named_secret(folder_id: str, secret: Mapping[str, str], names: KnownNames) -> dict[str, str]:
    """Return a secret by name. The version is left out where it is the newest, which is the default of a manifest."""
    made = {key: secret[key] for key in ("environment_variable", "key")}
    name = names.secrets.get((folder_id, secret.get("id", "")))
    made |= {"name": name} if name else {"id": secret["id"]} if "id" in secret else {}
    if "version_id" in secret and names.current.get(secret.get("id", "")) != secret["version_id"]:
        made["version_id"] = secret["version_id"]
    return made


def _differs(one: LiveFunction, said: Said) -> bool:
    """Return whether a plan would change a function as it is written."""
    return bool(said.otherwise) or not one.latest.is_active


def _notes(one: LiveFunction, said: Said, tables: Mapping[str, Mapping[str, Any]] | None) -> tuple[str, ...]:
    found = [f"not declared here: {rule}" for rule in said.refused]
    found += [f"live value differs: {words}" for words in said.otherwise]
    if tables is not None:
        found += [f"live value differs: {key}" for key in _own_otherwise(one.function, tables[one.key])]
    if said.unknown:
        found.append(f"not declared here, since this program does not know it: {', '.join(said.unknown)}")
    if not one.latest.is_active:
        found.append(f"the live version is {one.latest.status}")
    if tables is None and _differs(one, said):
        found.append("so it is excluded from runs; declare what it needs, then remove `enabled`")
    return tuple(found)


def _own_otherwise(function: Function, declared: Mapping[str, Any]) -> list[str]:
    """Return which declared settings of a Function itself differ from the live ones, as far as those were read."""
    rows = [row for row in FUNCTION_FIELDS if row.setting in declared and getattr(function, row.live) is not None]
    return [
        row.setting for row in rows if not _is_so(declared[row.setting], own_value(row, getattr(function, row.live)))
    ]


def _is_so(declared: Any, live: Any) -> bool:
    """Return whether a declared value is live. Of a map only the declared entries are compared. A missing count
    is 0.
    """
    if isinstance(declared, Mapping):
        return all(_is_so(value, (live or {}).get(name)) for name, value in declared.items())
    return bool(declared == (0 if live is None and isinstance(declared, int) else live))


def _place(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _listed(places: Sequence[str]) -> str:
    """Return the functions of each key together: "environment.TOKEN of api, worker"."""
    functions: dict[str, list[str]] = {}
    for place in places:
        key, _, function = place.partition(" of ")
        functions.setdefault(key, []).append(function)
    found = []
    for key, named in functions.items():
        more = len(named) - _NAMED_MAX
        found.append(f"{key} of {', '.join(named[:_NAMED_MAX])}{f' and {more} more' if more > 0 else ''}")
    return "; ".join(found)
