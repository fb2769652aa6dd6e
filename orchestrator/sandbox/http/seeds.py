"""The initial content of a sandbox, from seed files: folders, service accounts, secrets, functions with versions.

The file for `--sandbox` is written here too: it has what a manifest names but does not create.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import StartError
from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.model import Manifest
from orchestrator.model.decode import timestamp
from orchestrator.sandbox.invocation import call_seeds
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.sandbox.memory.version_service import AGED

# For each table: the keys that every row has, and those that it may have.
_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "folders": (frozenset({"id", "cloud_id"}), frozenset()),
    "service_accounts": (frozenset({"folder_id", "name", "id"}), frozenset({"removed"})),
    "secrets": (frozenset({"folder_id", "name", "id", "version_id"}), frozenset({"keys", "status"})),
    "functions": (frozenset({"folder_id", "name"}), frozenset({"labels", "versions", "public", "scaling"})),
    "runtimes": (frozenset({"name"}), frozenset({"retired_at"})),
    "fields": (frozenset({"name"}), frozenset({"value", "sent_back"})),
    "tokens": (frozenset({"token", "subject"}), frozenset()),
    "versions": (frozenset({"id", "status"}), frozenset()),
    "cloud": (frozenset(), frozenset({"obsolete_copies"})),
    **call_seeds.TABLES,
}
_NO_TEXTS = ("keys", "labels", "versions", "public", "scaling", "removed", "retired_at", "value", "obsolete_copies")
_SINGLE = ("cloud",)  # one table, not a list
# What a row of a function's versions may have besides fields of createVersion, which are spelled as in the API.
_OF_VERSION = ("created_by", "status")
_VERSION: Mapping[str, Any] = {
    "runtime": "python312", "entrypoint": "index.handler", "resources": {"memory": "134217728"},
    "executionTimeout": "3s",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seeded:
    """The content of seed files. `clouds`: folder → cloud. `functions`: rows, each with its versions. `aged`: version
    ID → its later status. `tokens`: token → its subject.
    """

    seeds: Seeds = field(default_factory=Seeds)
    clouds: dict[str, str] = field(default_factory=dict)
    functions: list[Mapping[str, Any]] = field(default_factory=list)
    aged: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def read_seeds(paths: Iterable[Path]) -> Seeded:
    """Read seed files, TOML or (*.json) JSON, in order. If an earlier file has a name already, its row is kept.

    Raises `StartError` with the file and the place of the mistake.
    """
    found, named = Seeded(), dict[tuple[str, ...], str]()  # the ID that has a name
    for path in paths:
        try:
            text = path.read_text("utf-8-sig")
            tables = orjson.loads(text) if path.suffix == ".json" else tomllib.loads(text)
            for table, place, row in _rows(tables):
                name = (table, str(row.get("folder_id", "")), str(row.get("name", row.get("id"))))
                if named.setdefault(name, str(row.get("id"))) == str(row.get("id")):
                    _add(place, found, table, row)
        except OSError as error:
            raise StartError(f"the seeds in {path} cannot be read: {error.strerror}", advice="check --seed") from error
        except (ValueError, TypeError) as error:
            raise StartError(f"the seeds in {path} cannot be used: {error}", advice="fix that file") from error
    return found


def _rows(tables: object) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    """Yield each row with its table and its place."""
    if not isinstance(tables, Mapping):
        raise TypeError("it has no tables")
    for table, rows in tables.items():
        if table in _SINGLE and isinstance(rows, Mapping):
            yield table, table, _row(table, table, rows)
            continue
        if table not in _KEYS or table in _SINGLE or not isinstance(rows, list):
            raise ValueError(f'"{table}" is not a known list of tables: {", ".join(_KEYS)}')
        for number, row in enumerate(rows, start=1):
            yield table, f"{table}, {number}", _row(table, f"{table}, {number}", row)


def _row(table: str, place: str, row: object) -> Mapping[str, Any]:
    needed, more = _KEYS[table]
    if not isinstance(row, Mapping):
        raise TypeError(f"{place}: not a table")
    if missing := sorted(needed - row.keys()):
        raise ValueError(f"{place}: {missing[0]} is missing")
    if unknown := sorted(row.keys() - needed - more):
        raise ValueError(f'{place}: unknown key "{unknown[0]}"; known: {", ".join(sorted(needed | more))}')
    for key, value in row.items():
        if table not in call_seeds.TABLES and key not in _NO_TEXTS and not isinstance(value, str):
            raise TypeError(f"{place}: {key} must be a string")
    return row


def _add(place: str, found: Seeded, table: str, row: Mapping[str, Any]) -> None:
    try:
        _ADD[table](found, row)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}") from error


def _account(found: Seeded, row: Mapping[str, Any]) -> None:
    if _switch(row, "removed"):
        found.seeds.remove_service_account(row["id"])
    else:
        found.seeds.add_service_account(row["folder_id"], row["name"], id=row["id"])


def _runtime(found: Seeded, row: Mapping[str, Any]) -> None:
    found.seeds.retire_runtime(row["name"], _time(row["retired_at"]) if "retired_at" in row else None)


def _aged(found: Seeded, row: Mapping[str, Any]) -> None:
    if row["status"] not in AGED:
        raise ValueError(f'"{row["status"]}" is not a later status of a version: {", ".join(AGED)}')
    found.aged[row["id"]] = row["status"]


def _cloud(found: Seeded, row: Mapping[str, Any]) -> None:
    found.seeds.obsolete_copies = _switch(row, "obsolete_copies")


def _function(found: Seeded, row: Mapping[str, Any]) -> None:
    _switch(row, "public")
    if not isinstance(row.get("scaling", {}), Mapping):
        raise TypeError("scaling must be a table of policies by tag")
    found.functions.append(row)


def _calls(table: str, found: Seeded, row: Mapping[str, Any]) -> None:
    call_seeds.add_row(found.seeds.calls, table, row)


_ADD: Mapping[str, Callable[[Seeded, Mapping[str, Any]], None]] = {
    "folders": lambda found, row: found.clouds.update({row["id"]: row["cloud_id"]}),
    "service_accounts": _account,
    "secrets": lambda found, row: found.seeds.add_secret(**row),
    "functions": _function,
    "runtimes": _runtime,
    "fields": lambda found, row: found.seeds.add_field(**row),
    "tokens": lambda found, row: found.tokens.update({row["token"]: row["subject"]}),
    "versions": _aged,
    "cloud": _cloud,
    **{table: partial(_calls, table) for table in call_seeds.TABLES},
}


def _switch(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise TypeError(f"{key} must be true or false")
    return value


def _time(value: object) -> datetime:
    found = value if isinstance(value, datetime) else timestamp(value)
    if found is None or found.tzinfo is None:
        raise ValueError("retired_at must be a time with its zone, such as 2027-01-01T00:00:00Z")
    return found


def make_functions(cloud: MemoryCloud, functions: Iterable[Mapping[str, Any]]) -> None:
    """Create the missing functions as old ones. Raises `StartError` if the cloud refuses one."""
    for row in functions:
        if (row["folder_id"], row["name"]) in cloud.state.function_names:
            continue
        try:
            with cloud.past():
                _make_function(cloud, row)
        except (Fault, ValueError) as error:
            raise StartError(f"function {row['name']} of the seeds: {error}", advice="fix it there") from error


def _make_function(cloud: MemoryCloud, row: Mapping[str, Any]) -> None:
    made = {"folderId": row["folder_id"], "name": row["name"], "labels": row.get("labels", {})}
    function_id = cloud.functions.create(made)["metadata"]["functionId"]
    cloud.settle()
    aged = {}
    for version in row.get("versions", ()):
        fields = {**_VERSION, **{name: value for name, value in version.items() if name not in _OF_VERSION}}
        stem = str(fields["entrypoint"]).split(".", maxsplit=1)[0]
        with cloud.called_by(version.get("created_by", cloud.settings.subject)):
            begun = cloud.versions.create({"functionId": function_id, "content": _package(stem), **fields})
        cloud.settle()
        if "error" in (done := cloud.operations.get(begun["id"])):
            raise ValueError(done["error"]["message"])
        if "status" in version:
            aged[begun["metadata"]["functionVersionId"]] = version["status"]
    for version_id, status in aged.items():
        cloud.versions.age(version_id, status)
    for tag, policy in row.get("scaling", {}).items():
        cloud.scaling.seed(function_id, {"tag": tag, **policy})
    if row.get("public"):
        cloud.access.open(function_id)


def let_age(cloud: MemoryCloud, aged: Mapping[str, str]) -> None:
    """Make existing versions OBSOLETE, or delete them. Raises `StartError` if that is not possible."""
    for version_id, status in aged.items():
        try:
            cloud.versions.age(version_id, status)
        except ValueError as error:
            raise StartError(f"versions of the seeds: {error}", advice="fix it there") from error


def _package(stem: str) -> str:
    """Return a small package, in base64, that has this entry file in several languages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for extension in ("py", "js", "php", "go", "sh"):
            archive.writestr(zipfile.ZipInfo(f"{stem}.{extension}"), "")
    return base64.b64encode(file.getvalue()).decode()


FILE = "manifest-seeds.json"


def manifest_seeds(manifest: Manifest) -> Mapping[str, list[dict[str, Any]]]:
    """Return the service accounts and secrets that functions name, as seeds. A secret has every key that is used of it.
    IDs are derived from the names, so they are the same each time.
    """
    accounts, secrets = set[tuple[str, str]](), dict[tuple[str, str], dict[str, None]]()
    for spec in manifest.functions.values():
        settings = spec.settings
        if settings.service_account is not None:
            accounts.add((spec.folder_id, settings.service_account))
        for secret in settings.secrets:
            if secret.name is not None:
                secrets.setdefault((spec.folder_id, secret.name), {})[secret.key] = None
    return {
        "service_accounts": [
            {"folder_id": folder_id, "name": name, "id": _id("aje", folder_id, name)}
            for folder_id, name in sorted(accounts)
        ],
        "secrets": [
            {
                "folder_id": folder_id, "name": name, "id": _id("e6q", folder_id, name),
                "version_id": _id("e6q", folder_id, name, *sorted(keys)), "keys": sorted(keys),
            }
            for (folder_id, name), keys in sorted(secrets.items())
        ],
    }  # fmt: skip


def _id(prefix: str, *parts: str) -> str:
    return prefix + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:17]


def write_seeds(manifest: Manifest, state_dir: Path) -> Path:
    """Write the seeds beside the sandbox's own files. Returns the file. Raises `OSError`."""
    folder = state_dir / "sandbox"
    make_private_folder(folder)
    path = folder / FILE
    with open(path, "wb", opener=open_private) as file:
        file.write(orjson.dumps(manifest_seeds(manifest)))
    return path
