"""Settings as deploy.toml spells them: the inverse of `manifest.values`, by the table of fields. A new field of
createVersion needs no code here: sizes and durations are recognised by the names of the settings (`_bytes`, `_s`),
tables and lists by their types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from orchestrator.function.fields import FUNCTION_FIELDS, FunctionField
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import ChangeKind, Function, Settings
from orchestrator.model.units import as_duration, as_size
from orchestrator.version.fields import FIELDS, TAGS

_SIZE, _SECONDS = "_bytes", "_s"


def spelled(settings: Settings) -> dict[str, Any]:
    """Return settings as the keys of a function: texts, numbers, lists, tables. Unset ones are left out."""
    found = {row.key: _value(row.setting, getattr(settings, row.setting)) for row in (*FIELDS, TAGS)}
    found["service_account"] = settings.service_account
    return {key: value for key, value in found.items() if value is not None}


def own_spelled(function: Function) -> dict[str, Any]:
    """Return the settings of a live Function itself, independent of versions, as keys of a function. What was not read,
    and what it does not have, is left out.
    """
    found = {row.setting: own_value(row, getattr(function, row.live)) for row in FUNCTION_FIELDS if row.updated}
    return {key: value for key, value in found.items() if value}


def own_value(row: FunctionField, live: Any) -> Any:
    """Return the live value of one field; None: it was not read."""
    if live is None or not row.mapped:
        return live
    if row.kind is ChangeKind.ACCESS:
        return bool(live)
    if row.kind is ChangeKind.SCALING:
        return {tag: {name: count for name, count in policy.items() if count} for tag, policy in live.items()}
    return dict(live)


_ORDER = {key: number for number, key in enumerate(FunctionTable.model_fields)}


def keys_in_order(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's keys in the order of the reference."""
    return dict(sorted(values.items(), key=lambda pair: rank_of_key(pair[0])))


def rank_of_key(key: str) -> int:
    """Return the place of a key in that order."""
    return _ORDER[key]


def _value(name: str, value: Any) -> Any:
    """Return one setting; None where it is unset. An empty table of its own (`async_invocation = {}`) is a value."""
    if is_dataclass(value) and not isinstance(value, type):
        return _table(value)
    if value is None or value in ("", (), {}):
        return None
    if name.endswith(_SIZE):
        return as_size(value)
    if name.endswith(_SECONDS):
        return as_duration(value)
    if isinstance(value, Mapping):
        return dict(value)
    return [_value("", item) for item in value] if isinstance(value, tuple | list) else value


def _table(record: Any) -> dict[str, Any]:
    found = {}
    for one in fields(record):
        value = getattr(record, one.name)
        if one.default is not MISSING and value == one.default:
            continue
        spelled_as = _value(one.name, value)
        if spelled_as is not None:
            found[one.name.removesuffix(_SIZE)] = spelled_as
    return found
