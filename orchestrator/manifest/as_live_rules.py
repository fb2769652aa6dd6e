"""`ignore` and `settings = "live"`: settings that are left as they are live, and the rules of both keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestrator.function.fields import FUNCTION_FIELDS
from orchestrator.manifest import fields as f
from orchestrator.manifest.findings import did_you_mean
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.rollout import rollout_fields as r
from orchestrator.manifest.setting_rules import Breach
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import NONE_LEFT, AsLive, ChangeKind
from orchestrator.version.fields import FIELDS, Shown

# Key → the field of `Settings` or `FunctionSpec`, and whether it has entries that can be named one by one.
_KEYS: Mapping[str, tuple[str, bool]] = {
    **{row.key: (row.setting, row.shown in (Shown.ENTRIES, Shown.ITEMS)) for row in FIELDS},
    "service_account": ("service_account_id", False),
    "tags": ("tags", True),
    **{
        row.setting: (row.setting, row.mapped and row.kind is not ChangeKind.ACCESS)
        for row in FUNCTION_FIELDS
        if row.updated
    },
}
_OF_A_VERSION = frozenset(row.key for row in FIELDS) | {"service_account"}
# Two spellings of one setting: a variable has a value or is a secret, a mount is of either kind.
_ALSO = {"environment": "secrets", "secrets": "environment", "mounts": "storage_mounts"}
_OLDER = "storage_mounts"
# Keys of which only the declared entries are managed, and the key that makes all entries managed.
_OURS_IF_DECLARED = frozenset({"tags", *(row.setting for row in FUNCTION_FIELDS if row.updated and row.exact)})
_EXACT = {row.setting: row.exact for row in FUNCTION_FIELDS if row.exact}
_ENTRIES: Mapping[str, TypeAdapter[Any]] = {
    "environment": TypeAdapter(f.Variable),
    "secrets": TypeAdapter(f.Variable),
    "named_service_accounts": TypeAdapter(f.Word),
    "mounts": TypeAdapter(f.MountName),
    "labels": TypeAdapter(f.LabelKey),
    "tags": TypeAdapter(f.Tag),
    "scaling": TypeAdapter(r.CalledBy),
}
_CODE = ("source", "package", "version_id", "build", "include", "exclude", "files", "into")
_IDENTITY = ("name", "id", "folder_id")


def left_as_live(values: Mapping[str, Any]) -> AsLive:
    """Return the value of both keys. `values`: merged, and without mistakes."""
    names = set[str]()
    for name in values.get("ignore", ()):
        key, dot, entry = name.partition(".")
        setting = _KEYS[key][0]
        names.add(f"{setting}{dot}{entry}")
        if dot or setting == "mounts":
            names |= {f"{_ALSO[setting]}{dot}{entry}"} if setting in _ALSO else set()
    whole = is_code_only(values)
    names |= {row.setting for row in FIELDS} if whole else set()
    return AsLive(frozenset(names), whole) if names else NONE_LEFT


def is_code_only(values: Mapping[str, Any]) -> bool:
    """Return whether all settings of a Version are left as they are live."""
    return values.get("settings") == "live"


def that_count(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return merged values without those that have no effect with `settings = "live"`."""
    if not is_code_only(values):
        return dict(values)
    return {key: value for key, value in values.items() if key not in _OF_A_VERSION and key != "create"}


def is_idle(name: str, values: Mapping[str, Any]) -> bool:
    """Return whether an entry of `ignore` has no effect on the merged values of a function."""
    covered = is_code_only(values) and name.partition(".")[0] in _OF_A_VERSION
    return covered or bool(_why_idle(name, values))


def as_live_breaches(draft: Draft) -> Iterator[Breach]:
    """Yield all rules about both keys that a function breaks."""
    for index, name in enumerate(draft.values.get("ignore", ())):
        if (rule := _refused(name)) or (_is_own(draft, index) and (rule := _why_idle(name, draft.values))):
            yield Breach(("ignore", index), rule)
    if not is_code_only(draft.values):
        return
    said = draft.origin(("settings",))[0]
    nearer = draft.layers[[layer is said for layer in draft.layers].index(True) :]
    for key in draft.values:
        if any(layer.has((key,)) for layer in nearer):
            if key in _OF_A_VERSION:
                yield Breach((key,), 'is not allowed with settings = "live", which leaves every setting as it is live')
            elif key == "create" and draft.values[key]:
                yield Breach(
                    (key,), 'is not allowed with settings = "live": a new function has no live settings to keep'
                )
    for index, name in enumerate(draft.values.get("ignore", ())):
        if name.partition(".")[0] in _OF_A_VERSION and draft.origin(("ignore", index))[0] in nearer:
            yield Breach(("ignore", index), f'"{name}" is already left as it is live by settings = "live"')


def _refused(name: str) -> str:
    """Return why a key cannot be ignored, "" where it can."""
    key, dot, entry = name.partition(".")
    if key == _OLDER:
        return 'storage_mounts are read back as mounts: use "mounts"'
    if key in _KEYS:
        if dot and not _KEYS[key][1]:
            return f'{key} can only be left as it is live as a whole: use "{key}"'
        if dot and not entry:
            return f'"{name}" needs a name after the dot'
        return _no_entry(key, entry) if dot else ""
    if key in _CODE:
        return f'{key} is about the code, which must be declared; version_id = "$latest" keeps the code that is live'
    if key in _IDENTITY:
        return f"{key} identifies the function, so it cannot be ignored"
    if key in FunctionTable.model_fields:
        return f"{key} is not a setting in the cloud, so it cannot be left as it is live"
    return f'"{name}" does not begin with a key of a function{did_you_mean(key, _KEYS)}'


def _no_entry(key: str, entry: str) -> str:
    """Return why an entry of a key cannot have this name, "" where it can."""
    try:
        _ENTRIES[key].validate_python(entry)
    except ValidationError:
        return f'"{entry}" cannot be the name of an entry of {key}'
    return ""


def _is_own(draft: Draft, index: int) -> bool:
    """Return whether the function's own table has the entry: entries of shared tables may be for other functions."""
    layer, _ = draft.origin(("ignore", index))
    return layer.path[-1:] == (draft.key,) and not layer.generated


def _why_idle(name: str, values: Mapping[str, Any]) -> str:
    """Return why an entry has no effect: the setting is not declared, so it is left as it is anyway."""
    key, dot, entry = name.partition(".")
    declared = values.get(key, ())
    if not dot or key not in _OURS_IF_DECLARED or values.get(_EXACT.get(key, ""), False) or entry in declared:
        return ""
    return f'"{name}" is not declared here, so it is left as it is anyway{did_you_mean(entry, declared)}'
