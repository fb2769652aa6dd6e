"""How the keys of deploy.toml are merged, for docs/manifest-keys.md. `tests/unit/manifest/test_reference.py` holds the
rules of functions against the code that merges.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from orchestrator.manifest.file_tables import EachTable
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.merge import alternatives_of
from orchestrator.manifest.tables import FunctionTable

NEAREST = "The nearest value replaces the others."
BY_KEY = "Key by key."
NO = "Not merged."
WHOLE = "Replaced together with the table that it is in."
_MAIN = "Main file only."
_SECTION = "Main file only; an environment's keys are merged over it, key by key."
_UNIQUE = "Names are unique in all files."
# Rules of single keys, by table.
_KEYS: Mapping[str, Mapping[str, str]] = {
    "ManifestFile": {
        "include": "Each file includes its own.",
        "folder_id": "An included file's value replaces it for the functions of that file.",
        "variables": "By name; the nearest file's value replaces the others.",
        "environments": _MAIN,
        "cloud": _SECTION,
        "storage": _SECTION,
        "limits": _SECTION,
        "rollout": "Main file only; those of an environment and of a job are merged over it, key by key.",
        "defaults": "Key by key; those of an included file are nearer.",
        "templates": "By name; the nearest file's template replaces the others.",
        "each": _UNIQUE,
        "functions": _UNIQUE,
        "jobs": _UNIQUE,
        "notify": _MAIN,
    },
    "EnvironmentTable": {"variables": "By name; these are nearer.", "protected": NO, "default": NO},
    "JobTable": {"rollout": BY_KEY},
    "RolloutTable": {"gate": "An environment's table replaces it as a whole, and a job's table replaces both."},
    "FunctionTable": {"settings": NEAREST},
}
# Rules of all other keys of a table.
_TABLES = {
    "EnvironmentTable": BY_KEY,
    "CloudTable": "An environment's value replaces it.",
    "StorageTable": "An environment's value replaces it.",
    "LimitsTable": "An environment's value replaces it.",
    "RolloutTable": "An environment's value replaces it, and a job's value replaces both.",
    "GateTable": WHOLE,
    "JobTable": NO,
    "SkipTable": NO,
    "NotifyTable": NO,
    "EachTable": NO,
    "HttpTable": WHOLE,
    "AsyncTargetTable": WHOLE,
    "ScalingTable": "Replaced together with the policy of its tag.",
    "SecretTable": "Replaced together with its entry.",
    "MountTable": "Replaced together with its entry.",
    "StorageMountTable": "Replaced together with its entry.",
}


def merge_rule(model: type[BaseModel], key: str) -> str:
    """Return the rule of a key, as a sentence."""
    name = model.__name__
    if key in _KEYS.get(name, {}):
        return _KEYS[name][key]
    if name in _TABLES:
        return _TABLES[name]
    place = "functions" if model in (FunctionTable, EachTable) else f"functions.{_PLACES[name]}"
    *more, last = [f"`{other}`" for other in sorted(_dropped_by(model, key))] or [""]
    dropped = f"{', '.join(more)} or {last}" if more else last
    without = f" An inherited {dropped} does not apply." if dropped else ""
    return f"{_own_rule(model, key, f'{place}.{key}')}{without}"


def _own_rule(model: type[BaseModel], key: str, path: str) -> str:
    if path in LISTS:
        return LISTS[path].said
    annotation = str(model.model_fields[key].annotation)
    if model is FunctionTable and ("Table" in annotation or "dict" in annotation):
        return "By tag." if key == "scaling" else BY_KEY
    return NEAREST


def _dropped_by(model: type[BaseModel], key: str) -> frozenset[str]:
    """Return the keys of farther tables that a key of a nearer table drops, as `manifest.merge` does."""
    if model.__name__ not in {"FunctionTable", "LogTable", "VerifyTable"}:
        return frozenset()
    dropped = alternatives_of(key) & {*model.model_fields}
    return dropped | {"expect"} if model.__name__ == "VerifyTable" and dropped else dropped


_PLACES = {
    "PackageTable": "package",
    "BuildTable": "build",
    "VerifyTable": "verify",
    "ConnectivityTable": "connectivity",
    "LogTable": "log",
    "AsyncInvocationTable": "async_invocation",
    "MetadataTable": "metadata",
}
