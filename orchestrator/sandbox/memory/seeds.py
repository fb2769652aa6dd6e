"""Secrets and service accounts that exist from the start: nothing in the sandbox makes them."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.sandbox.memory.state import Table, rfc3339


class Seeds:
    """What a sandbox is told about other services. An object that was never named is not known not to exist."""

    def __init__(self) -> None:
        self.secrets = Table("secrets")
        self.service_accounts = Table("serviceAccounts")
        self._secret_versions: dict[str, set[str]] = {}

    def add_secret(
        self, folder_id: str, name: str, *, id: str, version_id: str, keys: Iterable[str] = ("value",)
    ) -> None:
        """Add a Lockbox secret, or a newer version of it. No payload exists, only the names in it."""
        version = {
            "id": version_id,
            "secretId": id,
            "createdAt": rfc3339(0.0),
            "status": "ACTIVE",
            "payloadEntryKeys": list(keys),
        }
        secret = {"id": id, "folderId": folder_id, "createdAt": rfc3339(0.0), "name": name, "status": "ACTIVE"}
        self.secrets.put(id, {**secret, "currentVersion": version})
        self._secret_versions.setdefault(id, set()).add(version_id)

    def add_service_account(self, folder_id: str, name: str, *, id: str) -> None:
        """Add a service account."""
        self.service_accounts.put(id, {"id": id, "folderId": folder_id, "createdAt": rfc3339(0.0), "name": name})

    def secret_versions(self, secret_id: str) -> set[str] | None:
        """The ids of a secret's versions, None for a secret that was never named."""
        return self._secret_versions.get(secret_id)
