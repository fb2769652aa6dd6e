"""The Directory port over one memory cloud: look-ups in other services."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from orchestrator.errors import CloudError, Code
from orchestrator.model import Quota, SecretVersion, ServiceAccount, decode
from orchestrator.sandbox.memory.adapters import Wire
from orchestrator.sandbox.memory.lookups import CLOUD, SERVICE


class MemoryDirectory:
    """`ports.Directory`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._directory = wire.cloud.directory

    async def cloud_of(self, folder_id: str) -> str | None:
        try:
            answer, _ = await self._wire.call("get folder", lambda: self._directory.folder(folder_id))
        except CloudError as error:
            if error.code in (Code.NOT_FOUND, Code.PERMISSION_DENIED):
                return None
            raise
        return str(answer["cloudId"])

    async def folders_of(self, cloud_id: str) -> tuple[str, ...]:
        query = {"cloudId": cloud_id}
        items = await self._wire.pages("list folders", query, "folders", self._directory.folders, _named)
        return tuple(folder_id for _, folder_id in items)

    async def secrets_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        query = {"folderId": folder_id}
        return await self._wire.pages("list secrets", query, "secrets", self._directory.secrets, _named)

    async def service_accounts_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        query, listed = {"folderId": folder_id}, self._directory.service_accounts
        return await self._wire.pages("list service accounts", query, "serviceAccounts", listed, _named)

    async def quotas(self, cloud_id: str) -> tuple[Quota, ...]:
        query = {"resource.id": cloud_id, "resource.type": CLOUD, "service": SERVICE}
        return await self._wire.pages(
            "list quota limits", query, "quotaLimits", self._directory.quota_limits, decode.quota
        )

    async def secret_by_name(self, folder_id: str, name: str) -> str | None:
        return dict(await self.secrets_of(folder_id)).get(name)

    async def latest_secret_version(self, secret_id: str) -> str:
        answer, _ = await self._wire.call("get secret", lambda: self._directory.secret(secret_id))
        if "currentVersion" not in answer:
            message = f"the secret {secret_id} has no current version"
            raise CloudError(message, call="get secret", code=Code.FAILED_PRECONDITION)
        return str(answer["currentVersion"]["id"])

    async def secret_versions(self, secret_id: str) -> tuple[SecretVersion, ...]:
        act = partial(self._directory.secret_versions, secret_id)
        return await self._wire.pages("list secret versions", {}, "versions", act, decode.secret_version)

    async def service_account_by_name(self, folder_id: str, name: str) -> str | None:
        query = {"folderId": folder_id, "filter": f'name="{name}"'}
        items = await self._wire.pages(
            "list service accounts", query, "serviceAccounts", self._directory.service_accounts, _named
        )
        return dict(items).get(name)

    async def service_account(self, account_id: str) -> ServiceAccount | None:
        try:
            answer, _ = await self._wire.call(
                "get service account", lambda: self._directory.service_account(account_id)
            )
        except CloudError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return decode.service_account(answer)


def _named(item: object) -> tuple[str, str]:
    record = item if isinstance(item, Mapping) else {}
    return str(record["name"]), str(record["id"])
