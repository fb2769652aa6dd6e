"""What a manifest names and does not make: the sandbox of `--sandbox` has it from the start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.model import Manifest

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
