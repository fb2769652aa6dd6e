"""What a sandbox has from the start, as files say it: folders, service accounts, secrets, functions with versions.

The file for `--sandbox` is written here too: it has what a manifest names and does not make.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import StartError
from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.model import Manifest
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.cloud_state import Seeds
from orchestrator.sandbox.memory.faults import Distribution, Fault

# Of each table: the keys that every row has, and those that it may have.
_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "folders": (frozenset({"id", "cloud_id"}), frozenset()),
    "service_accounts": (frozenset({"folder_id", "name", "id"}), frozenset()),
    "secrets": (frozenset({"folder_id", "name", "id", "version_id"}), frozenset({"keys"})),
    "functions": (frozenset({"folder_id", "name"}), frozenset({"labels", "versions"})),
}
_VERSION: Mapping[str, Any] = {
    "runtime": "python312", "entrypoint": "index.handler", "resources": {"memory": "134217728"},
    "executionTimeout": "3s",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seeded:
    """What seed files say. `clouds`: folder → cloud; `functions`: rows, each with its versions."""

    seeds: Seeds = field(default_factory=Seeds)
    clouds: dict[str, str] = field(default_factory=dict)
    functions: list[Mapping[str, Any]] = field(default_factory=list)


def read_seeds(paths: Iterable[Path]) -> Seeded:
    """Read seed files, TOML or (*.json) JSON, in their order; a name that an earlier one has stays as it is there.

    Raises `StartError` with the file, and where in it the mistake is.
    """
    found, named = Seeded(), dict[tuple[str, ...], str]()  # the id that has a name
    for path in paths:
        try:
            text = path.read_text("utf-8")
            tables = orjson.loads(text) if path.suffix == ".json" else tomllib.loads(text)
            for table, row in _rows(tables):
                name = (table, str(row.get("folder_id", "")), str(row.get("name", row.get("id"))))
                if named.setdefault(name, str(row.get("id"))) == str(row.get("id")):
                    _add(found, table, row)
        except (OSError, ValueError, TypeError) as error:
            raise StartError(f"the seeds in {path} cannot be used: {error}", advice="mend that file") from error
    return found


def _rows(tables: object) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if not isinstance(tables, Mapping):
        raise TypeError("it holds no tables")
    for table, rows in tables.items():
        if table not in _KEYS or not isinstance(rows, list):
            raise ValueError(f'"{table}" is no list of tables that is known: {", ".join(_KEYS)}')
        needed, more = _KEYS[table]
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, Mapping):
                raise TypeError(f"{table}, {number}: no table")
            if missing := sorted(needed - row.keys()):
                raise ValueError(f"{table}, {number}: {missing[0]} is missing")
            if unknown := sorted(row.keys() - needed - more):
                known = ", ".join(sorted(needed | more))
                raise ValueError(f'{table}, {number}: unknown key "{unknown[0]}"; known: {known}')
            yield table, row


def _add(found: Seeded, table: str, row: Mapping[str, Any]) -> None:
    match table:
        case "folders":
            found.clouds[row["id"]] = row["cloud_id"]
        case "service_accounts":
            found.seeds.add_service_account(**row)
        case "secrets":
            found.seeds.add_secret(**row)
        case _:
            found.functions.append(row)


def make_functions(cloud: MemoryCloud, functions: Iterable[Mapping[str, Any]], durations: Distribution) -> None:
    """Let the functions be there that are not yet. Raises `StartError` where the cloud refuses one."""
    cloud.last(Distribution.parse("fixed:0"))
    for row in functions:
        if (row["folder_id"], row["name"]) in cloud.state.function_names:
            continue
        try:
            made = {"folderId": row["folder_id"], "name": row["name"], "labels": row.get("labels", {})}
            function_id = cloud.functions.create(made)["metadata"]["functionId"]
            cloud.settle()
            for version in row.get("versions", ()):
                fields = {**_VERSION, **version}
                stem = str(fields["entrypoint"]).split(".", maxsplit=1)[0]
                cloud.versions.create({"functionId": function_id, "content": _package(stem), **fields})
                cloud.settle()
        except Fault as fault:
            raise StartError(f"function {row['name']} of the seeds: {fault.message}", advice="mend it there") from fault
    cloud.last(durations)


def _package(stem: str) -> str:
    """Make a small package, in base64, which has that entry file in some languages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for extension in ("py", "js", "php", "go", "sh"):
            archive.writestr(zipfile.ZipInfo(f"{stem}.{extension}"), "")
    return base64.b64encode(file.getvalue()).decode()


FILE = "manifest-seeds.json"


def manifest_seeds(manifest: Manifest) -> Mapping[str, list[dict[str, Any]]]:
    """Give the service accounts and secrets that functions name, as seeds; a secret has every key that is asked of it.
    Ids are made of the names, so they are the same each time.
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
    """Write the seeds beside the sandbox's own files. Gives the file. Raises `OSError`."""
    folder = state_dir / "sandbox"
    make_private_folder(folder)
    path = folder / FILE
    with open(path, "wb", opener=open_private) as file:
        file.write(orjson.dumps(manifest_seeds(manifest)))
    return path
