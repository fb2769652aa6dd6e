"""The services that the memory cloud only looks things up in: folders, quotas, secrets, service accounts."""

from __future__ import annotations

from orchestrator.errors import Code
from orchestrator.sandbox.memory import paging
from orchestrator.sandbox.memory.core import Core
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.quotas import FUNCTIONS, PER_CLOUD, PER_FOLDER, PER_FUNCTION, TAGS
from orchestrator.sandbox.memory.state import Record, Table

SERVICE = "serverless-functions"
CLOUD = "resource-manager.cloud"


class DirectoryService:
    """Read-only services."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def folder(self, folder_id: str) -> Record:
        """resource-manager: which cloud a folder belongs to."""
        cloud_id = self._core.cloud_of(folder_id)
        return {"id": folder_id, "cloudId": cloud_id, "name": folder_id, "status": "ACTIVE"}

    def quota_limits(self, query: paging.Query) -> Record:
        """quota-manager: limits and usage of a cloud; a service that has none gives an empty list."""
        self._core.settle()
        if not self._core.settings.quota_manager:
            raise Fault(Code.PERMISSION_DENIED, "Permission denied")
        paging.check_names(query, "resource.id", "resource.type", "service")
        cloud_id, kind = paging.required(query, "resource.id"), paging.required(query, "resource.type")
        known = {*self._core.settings.clouds.values(), self._core.settings.default_cloud}
        if kind != CLOUD or cloud_id not in known:
            raise Fault(Code.NOT_FOUND, f"Resource {cloud_id} of type {kind} not found")
        resource = {"resource": {"id": cloud_id, "type": kind}}
        if paging.required(query, "service") != SERVICE:
            return resource
        quotas, active = self._core.active.quotas, self._core.active
        limits = (
            (PER_FUNCTION, quotas.operations_per_function, 0),
            (PER_FOLDER, quotas.operations_per_folder, 0),
            (PER_CLOUD, quotas.operations_per_cloud, active.usage(PER_CLOUD, cloud_id)),
            (FUNCTIONS, quotas.functions_per_cloud, self._core.count_functions(cloud_id)),
            (TAGS, quotas.tags_per_function, 0),
        )
        found = [{"quotaId": name, "limit": float(limit), "usage": float(usage)} for name, limit, usage in limits]
        return {**resource, "quotaLimits": found}

    def secrets(self, query: paging.Query) -> Record:
        """Lockbox: a page of a folder's secrets; never a payload."""
        paging.check_names(query, "folderId")
        return self._page(query, "secrets", self._core.seeds.secrets, None)

    def secret(self, secret_id: str) -> Record:
        found = self._core.seeds.secrets.get(secret_id)
        if found is None:
            raise Fault(Code.NOT_FOUND, f"Secret {secret_id} not found")
        return found

    def service_accounts(self, query: paging.Query) -> Record:
        """IAM: a page of a folder's service accounts; `filter` on `name`."""
        paging.check_names(query, "folderId")
        name = paging.terms(query, ("name",)).get("name")
        return self._page(query, "serviceAccounts", self._core.seeds.service_accounts, name)

    def _page(self, query: paging.Query, field: str, table: Table, name: str | None) -> Record:
        folder_id = paging.required(query, "folderId")

        def answer(key: str) -> Record | None:
            record = table[key]
            return record if record["folderId"] == folder_id and name in (None, record["name"]) else None

        return paging.page(query, field, table, list(table), answer)
