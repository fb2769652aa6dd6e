"""What a plan was made from, as flat facts: name → JSON. A saved plan holds only a mark of each value. When it is
applied, the facts that differ can be named. Paths are relative to the manifest's folder, since each clone has its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.model import FunctionSpec, Rollout, Settings, SourceCode, Storage, Tree
from orchestrator.planning.planner import Prepared
from orchestrator.version.fields import FIELDS

SOURCE_FILES = "source files"  # the fact about the content of a source
_KEYS = {row.setting: row.key for row in FIELDS}
_BY_ENTRY = {"secrets": "environment_variable", "mounts": "name", "storage_mounts": "name"}
_OF_SPEC = (
    "name", "folder_id", "id", "create", "labels_exact", "function_description", "scaling_exact", "public", "let_go",
    "verify", "promote", "called_by", "as_live",
)  # fmt: skip


def facts_of_function(spec: FunctionSpec, prepared: Prepared, root: Path, *, uploaded: bool) -> dict[str, Any]:
    """Return the desired state of a function as the manifest declares it, and the content of its source. `root`: the
    manifest's folder. `uploaded`: its package is stored with the plan, so the source may be missing here. Then it is
    not known in which folder a build runs that names none.
    """
    found = facts_of_settings(spec.settings)
    found |= {f"labels.{name}": value for name, value in spec.labels.items()}
    found |= {f"scaling.{tag}": _plain(policy, root) for tag, policy in spec.scaling.items()}
    found |= {name: _plain(value, root) for name, value in _given(spec).items() if name in _OF_SPEC}
    kind = "source" if isinstance(spec.code, SourceCode) else type(spec.code).__name__
    code = spec.code
    if uploaded and isinstance(code, SourceCode) and code.build is not None:
        code = replace(code, build=replace(code.build, folder=Path()))
    found["code"] = [kind, _plain(code, root)]
    if isinstance(prepared, Tree):
        found[SOURCE_FILES] = prepared.hash
    elif isinstance(prepared, str):
        found[SOURCE_FILES] = prepared  # the ETag of a zip in a bucket
    return found


def facts_of_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings of a Version: maps by entry, lists with names by name."""
    found: dict[str, Any] = {}
    for setting, value in _given(settings).items():
        name = _KEYS.get(setting, setting)
        if isinstance(value, Mapping):
            found |= {f"{name}.{entry}": one for entry, one in value.items()}
        elif setting in _BY_ENTRY:
            found |= {f"{name}.{getattr(one, _BY_ENTRY[setting])}": _plain(one, Path()) for one in value}
        else:
            found[name] = _plain(value, Path())
    return found


def facts_of_run(rollout: Rollout, storage: Storage, root: Path) -> dict[str, Any]:
    """Return what applies to the run as a whole: its rollout, and where its packages are stored."""
    found = {f"rollout.{name}": _plain(value, root) for name, value in _given(rollout).items()}
    return found | {"storage.bucket": storage.bucket or "", "storage.prefix": storage.prefix}


def stands_for(declared: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what names in the manifest stand for: the facts that resolving has changed."""
    names = sorted(declared.keys() | resolved.keys())
    return {name: resolved.get(name) for name in names if declared.get(name) != resolved.get(name)}


def _plain(value: Any, root: Path) -> Any:
    """Convert a value to JSON types."""
    if isinstance(value, Path):
        return os.path.relpath(value, root).replace(os.sep, "/") if value.is_absolute() else value.as_posix()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(one, root) for name, one in _given(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(one, root) for name, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(one, root) for one in value]
    return value


def _given(value: Any) -> dict[str, Any]:
    """Return the fields of a value that differ from their defaults, so that a new field of a newer program changes no
    fact of an old plan.
    """
    found = {}
    for slot in fields(value):
        one = getattr(value, slot.name)
        default = slot.default if slot.default_factory is MISSING else slot.default_factory()
        if default is MISSING or one != default:
            found[slot.name] = one
    return found
