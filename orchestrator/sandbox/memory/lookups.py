"""The services of the memory cloud that change nothing: Operations, folders, quotas, secrets, service accounts."""

from __future__ import annotations

from orchestrator.errors import Code
from orchestrator.sandbox.memory import paging
from orchestrator.sandbox.memory.cloud_state import Record, Table
from orchestrator.sandbox.memory.core import Core
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.own_services import provisioned
from orchestrator.sandbox.memory.quotas import FUNCTIONS, PER_CLOUD, PER_FOLDER, PER_FUNCTION, PROVISIONED, TAGS

SERVICE = "serverless-functions"
CLOUD = "resource-manager.cloud"


class OperationService:
    """Operations in their current state."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, operation_id: str) -> Record:
        """Return an Operation. A new one may not be found yet."""
        self._core.settle()
        row = self._core.state.operations.get(operation_id)
        pending = self._core.state.pending.get(operation_id)
        hidden = pending is not None and self._core.clock() < pending["knownAt"]
        if row is None or hidden:
            raise Fault(Code.NOT_FOUND, f"Operation {operation_id} not found")
        operation: Record = row["json"]
        return operation

    def cancel(self, operation_id: str) -> Record:
        """Refuse: nothing marks an Operation of Functions as cancellable (cloud-api#operations)."""
        self.get(operation_id)
        raise Fault(Code.FAILED_PRECONDITION, f"Operation {operation_id} can not be cancelled")

    def list(self, function_id: str, query: paging.Query) -> Record:
        """Return a page of the Operations of a Function and its Versions; `filter` on `done`, `created_by`."""
        self._core.settle()
        paging.check_names(query)
        filters = paging.terms(query, ("done", "created_by", "createdBy"))
        self._core.function(function_id)
        author = filters.get("created_by", filters.get("createdBy"))

        def answer(operation_id: str) -> Record | None:
            operation: Record = self._core.state.operations[operation_id]["json"]
            done = "true" if operation.get("done") else "false"
            fits = filters.get("done", done) == done and author in (None, operation["createdBy"])
            return operation if fits else None

        keys = self._core.state.operations_of_function.of(function_id)
        return paging.page(query, "operations", self._core.state.operations, keys, answer)


class DirectoryService:
    """Folders, quotas, secrets, service accounts."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def folder(self, folder_id: str) -> Record:
        """resource-manager: which cloud a folder belongs to."""
        cloud_id = self._core.cloud_of(folder_id)
        return {"id": folder_id, "cloudId": cloud_id, "name": folder_id, "status": "ACTIVE"}

    def folders(self, query: paging.Query) -> Record:
        """resource-manager: a page of a cloud's folders: the configured ones and those that have functions."""
        self._core.settle()
        paging.check_names(query, "cloudId")
        cloud_id = paging.required(query, "cloudId")
        seen = {*self._core.settings.clouds, *(folder_id for folder_id, _ in self._core.state.function_names)}
        folders = Table("folders")
        for folder_id in sorted(seen):
            if self._core.cloud_of(folder_id) == cloud_id:
                folders.put(folder_id, self.folder(folder_id))
        return paging.page(query, "folders", folders, list(folders), folders.get)

    def quota_limits(self, query: paging.Query) -> Record:
        """quota-manager: limits and usage of a cloud. A service without any returns an empty list."""
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
            (PROVISIONED, quotas.provisioned_per_cloud, provisioned(self._core, cloud_id)),
        )
        found = [{"quotaId": name, "limit": float(limit), "usage": float(usage)} for name, limit, usage in limits]
        return {**resource, "quotaLimits": found}

    def secrets(self, query: paging.Query) -> Record:
        """Lockbox: a page of a folder's secrets, never a payload."""
        paging.check_names(query, "folderId")
        return self._page(query, "secrets", self._core.seeds.secrets, None)

    def secret(self, secret_id: str) -> Record:
        found = self._core.seeds.secrets.get(secret_id)
        if found is None:
            raise Fault(Code.NOT_FOUND, f"Secret {secret_id} not found")
        return found

    def secret_versions(self, secret_id: str, query: paging.Query) -> Record:
        """Lockbox: a page of a secret's versions, each with the names in its payload, never a payload."""
        self.secret(secret_id)
        versions = Table("secretVersions")
        for version_id, version in (self._core.seeds.secret_versions(secret_id) or {}).items():
            versions.put(version_id, version)
        return paging.page(query, "versions", versions, list(versions), versions.get)

    def service_accounts(self, query: paging.Query) -> Record:
        """IAM: a page of a folder's service accounts; `filter` on `name`."""
        paging.check_names(query, "folderId")
        name = paging.terms(query, ("name",)).get("name")
        return self._page(query, "serviceAccounts", self._core.seeds.service_accounts, name)

    def service_account(self, account_id: str) -> Record:
        """IAM: one service account. One that was never seeded is not known to be missing: access is denied."""
        found = self._core.seeds.service_accounts.get(account_id)
        if found is not None:
            return found
        if account_id in self._core.seeds.removed_accounts:
            raise Fault(Code.NOT_FOUND, f"Service account {account_id} not found")
        raise Fault(Code.PERMISSION_DENIED, "Permission denied")

    def _page(self, query: paging.Query, field: str, table: Table, name: str | None) -> Record:
        folder_id = paging.required(query, "folderId")

        def answer(key: str) -> Record | None:
            record = table[key]
            return record if record["folderId"] == folder_id and name in (None, record["name"]) else None

        return paging.page(query, field, table, list(table), answer)
