"""The initial content and its later state: nothing in the sandbox creates or deletes these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.sandbox.invocation.calls import CallSeeds
from orchestrator.sandbox.memory.bodies import VERSION_FIELDS
from orchestrator.sandbox.memory.cloud_state import Record, Table, rfc3339

SECRET_STATUSES = ("ACTIVE", "SCHEDULED_FOR_DESTRUCTION", "DESTROYED")
SENT_BACK = ("accepted", "ignored", "refused")
_CLOUDS_OWN = ("id", "createdAt", "imageSize", "status", "tags")


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field of Versions that is newer than the API's page.

    | value | owner         | which Versions have it                     |
    | ---   | ---           | ---                                        |
    | given | the cloud's   | all; another value if that was accepted    |
    | None  | users'        | those that were created with it            |

    `sent_back`: whether createVersion accepts it ("accepted"), drops it ("ignored") or rejects it as unknown
    ("refused").
    """

    value: Any = None
    sent_back: str = "accepted"


class Seeds:
    """Secrets, service accounts, retired runtimes, unknown fields. A secret or an account that was never seeded is not
    known to be missing. `obsolete_copies`: whether an OBSOLETE Version may be copied (what the cloud does: unverified).
    `calls`: what is seeded about calls of Functions.
    """

    def __init__(self) -> None:
        self.calls = CallSeeds()
        self.secrets = Table("secrets")
        self.service_accounts = Table("serviceAccounts")
        self.removed_accounts: set[str] = set()
        self.fields: dict[str, UnknownField] = {}
        self.obsolete_copies = False
        self._secret_versions: dict[str, dict[str, Record]] = {}
        self._retired_at: dict[str, float] = {}

    def add_secret(
        self,
        folder_id: str,
        name: str,
        *,
        id: str,
        version_id: str,
        keys: Iterable[str] = ("value",),
        status: str | None = None,
    ) -> None:
        """Add a Lockbox secret, or a newer version of it. No payload exists, only the names in it. `status` None: as
        before, else ACTIVE. The current version is the newest that is ACTIVE. Raises `ValueError`.
        """
        known = self._secret_versions.setdefault(id, {})
        status = status or (known[version_id]["status"] if version_id in known else "ACTIVE")
        if status not in SECRET_STATUSES:
            raise ValueError(f'"{status}" is not a status of a secret\'s version: {", ".join(SECRET_STATUSES)}')
        known[version_id] = {
            "id": version_id,
            "secretId": id,
            "createdAt": rfc3339(0.0),
            "status": status,
            "payloadEntryKeys": list(keys),
        }
        secret = {"id": id, "folderId": folder_id, "createdAt": rfc3339(0.0), "name": name, "status": "ACTIVE"}
        current = [version for version in known.values() if version["status"] == "ACTIVE"][-1:]
        self.secrets.put(id, {**secret, **({"currentVersion": current[0]} if current else {})})

    def destroy_secret_version(self, id: str, version_id: str, status: str = "DESTROYED") -> None:
        """Mark a version of a secret as destroyed, or as about to be ("SCHEDULED_FOR_DESTRUCTION")."""
        secret, keys = self.secrets[id], self._secret_versions[id][version_id]["payloadEntryKeys"]
        self.add_secret(secret["folderId"], secret["name"], id=id, version_id=version_id, keys=keys, status=status)

    def secret_versions(self, secret_id: str) -> Mapping[str, Record] | None:
        """Return a secret's versions by ID, None for a secret that was never seeded."""
        return self._secret_versions.get(secret_id)

    def add_service_account(self, folder_id: str, name: str, *, id: str) -> None:
        """Add a service account. One that was deleted stays deleted."""
        if id not in self.removed_accounts:
            account = {"id": id, "folderId": folder_id, "createdAt": rfc3339(0.0), "name": name, "status": "ACTIVE"}
            self.service_accounts.put(id, account)

    def remove_service_account(self, id: str) -> None:
        """Delete a service account, whether it was added or not: nothing new can be made with it."""
        self.service_accounts.drop(id)
        self.removed_accounts.add(id)

    def retire_runtime(self, name: str, at: datetime | None = None) -> None:
        """Remove a runtime from the list at a time, or at once. Existing Versions keep working."""
        self._retired_at[name] = at.timestamp() if at is not None else 0.0

    def offered(self, runtimes: Iterable[str], now: float) -> tuple[str, ...]:
        """Return the runtimes that are not retired by `now` (epoch seconds)."""
        return tuple(name for name in runtimes if now < self._retired_at.get(name, float("inf")))

    def add_field(self, name: str, value: Any = None, sent_back: str | None = None) -> None:
        """Add a field to Versions, see `UnknownField`. The cloud's own are ignored by default. Raises `ValueError`."""
        if name in VERSION_FIELDS or name in _CLOUDS_OWN:
            raise ValueError(f'"{name}" is a field of Versions already')
        sent_back = sent_back or ("accepted" if value is None else "ignored")
        if sent_back not in SENT_BACK:
            raise ValueError(f'"{sent_back}" is not a treatment of a field: {", ".join(SENT_BACK)}')
        self.fields[name] = UnknownField(value, sent_back)

    def taken(self, body: Any, *, all_of_them: bool) -> tuple[Any, Record]:
        """Split unknown fields from a createVersion body. Returns the rest of the body, and what the Version gets of
        them.
        """
        if not isinstance(body, Mapping):
            return body, {}
        known = {name: field for name, field in self.fields.items() if all_of_them or field.sent_back != "refused"}
        left = {name: value for name, value in body.items() if name not in known}
        kept = {
            name: body[name]
            for name, field in known.items()
            if body.get(name) is not None and (all_of_them or field.sent_back == "accepted")
        }
        return left, kept

    def own_fields(self) -> Record:
        """Return what the cloud itself adds to every Version."""
        return {name: field.value for name, field in self.fields.items() if field.value is not None}
