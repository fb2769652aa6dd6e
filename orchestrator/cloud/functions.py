"""The ports of the cloud over HTTP: Functions, Operations and Directory (cloud-api#versions, #operations)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from orchestrator.cloud.answers import decoded, operation_of, unusable
from orchestrator.cloud.endpoints import FUNCTIONS, IAM, LOCKBOX, OPERATION, QUOTA_MANAGER, RESOURCE_MANAGER
from orchestrator.cloud.http import HttpClient
from orchestrator.errors import CloudError, Code
from orchestrator.model import (
    AccessBinding,
    ApiRequest,
    Function,
    Operation,
    Quota,
    ScalingPolicy,
    SecretVersion,
    ServiceAccount,
    TagHeld,
    Version,
    decode,
)
from orchestrator.ports import Guard, unguarded

_ROOT = "/functions/v1"


class HttpFunctions:
    """`ports.Functions`. Calls have the API's names in errors."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def list_functions(self, folder_id: str) -> tuple[Function, ...]:
        return await self._list_functions({"folderId": folder_id})

    async def find_function(self, folder_id: str, name: str) -> Function | None:
        found = await self._list_functions({"folderId": folder_id, "filter": f'name="{name}"'})
        return next((function for function in found if function.name == name), None)

    async def _list_functions(self, query: Mapping[str, str]) -> tuple[Function, ...]:
        path = f"{_ROOT}/functions"
        return await self._client.list_all(
            FUNCTIONS, path, name="list functions", query=query, field="functions", decode=decode.function
        )

    async def get_function(self, function_id: str) -> Function:
        path = f"{_ROOT}/functions/{quote(function_id, safe='')}"
        answer = await self._client.call(FUNCTIONS, "GET", path, name="get function")
        return decoded("get function", answer, decode.function, answer.json)

    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        return await self._client.list_all(
            FUNCTIONS,
            f"{_ROOT}/versions",
            name="listVersions",
            query={
                **({"functionId": function_id} if function_id else {"folderId": folder_id}),
                **({"filter": filter} if filter else {}),
            },
            field="versions",
            decode=decode.version,
        )

    async def get_version(self, version_id: str) -> Version:
        path = f"{_ROOT}/versions/{quote(version_id, safe='')}"
        answer = await self._client.call(FUNCTIONS, "GET", path, name="getVersion")
        return decoded("getVersion", answer, decode.version, answer.json)

    async def version_by_tag(self, function_id: str, tag: str) -> Version:
        query = {"functionId": function_id, "tag": tag}
        answer = await self._client.call(
            FUNCTIONS, "GET", f"{_ROOT}/versions:byTag", name="getVersionByTag", query=query
        )
        return decoded("getVersionByTag", answer, decode.version, answer.json)

    async def tag_history(self, function_id: str) -> tuple[TagHeld, ...]:
        return await self._client.list_all(
            FUNCTIONS,
            f"{_ROOT}/functions/{quote(function_id, safe='')}:tagHistory",
            name="listTagHistory",
            query={},
            field="functionTagHistoryRecord",  # the API's own singular
            decode=decode.tag_held,
        )

    async def list_runtimes(self) -> tuple[str, ...]:
        answer = await self._client.call(FUNCTIONS, "GET", f"{_ROOT}/runtimes", name="listRuntimes")
        runtimes = answer.json.get("runtimes") or []
        if not isinstance(runtimes, list) or not all(isinstance(runtime, str) for runtime in runtimes):
            raise unusable("listRuntimes", answer, "runtimes is not a list of names")
        return tuple(runtimes)

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        answer = await self._client.call(
            FUNCTIONS, request.method, request.path, name=request.call, body=request.body or None,
            idempotency_key=idempotency_key, guard=guard,
        )  # fmt: skip
        return operation_of(request.call, answer)

    async def list_operations(self, function_id: str) -> tuple[Operation, ...]:
        return await self._client.list_all(
            FUNCTIONS,
            f"{_ROOT}/functions/{quote(function_id, safe='')}/operations",
            name="listOperations",
            query={},
            field="operations",
            decode=decode.operation,
        )

    async def list_scaling(self, function_id: str) -> tuple[ScalingPolicy, ...]:
        path, name = f"{_ROOT}/functions/{quote(function_id, safe='')}/scalingPolicies", "listScalingPolicies"
        return await self._client.list_all(
            FUNCTIONS, path, name=name, query={}, field="scalingPolicies", decode=decode.scaling_policy
        )

    async def list_access(self, function_id: str) -> tuple[AccessBinding, ...]:
        path, name = f"{_ROOT}/functions/{quote(function_id, safe='')}:listAccessBindings", "listAccessBindings"
        return await self._client.list_all(
            FUNCTIONS, path, name=name, query={}, field="accessBindings", decode=decode.access_binding
        )


class HttpOperations:
    """`ports.Operations`, on another host than the one that started the Operation."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self, operation_id: str) -> Operation:
        path = f"/operations/{quote(operation_id, safe='')}"
        answer = await self._client.call(OPERATION, "GET", path, name="get operation")
        return operation_of("get operation", answer)


_SILENT = {Code.NOT_FOUND, Code.PERMISSION_DENIED}  # answers by which resource-manager does not name the cloud


class HttpDirectory:
    """`ports.Directory`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def cloud_of(self, folder_id: str) -> str | None:
        if not self._client.offers(RESOURCE_MANAGER):
            return None
        path = f"/resource-manager/v1/folders/{quote(folder_id, safe='')}"
        try:
            answer = await self._client.call(RESOURCE_MANAGER, "GET", path, name="get folder")
        except CloudError as error:
            if error.code in _SILENT:
                return None
            raise
        cloud_id = answer.json.get("cloudId")
        return cloud_id if isinstance(cloud_id, str) and cloud_id else None

    async def folders_of(self, cloud_id: str) -> tuple[str, ...]:
        items = await self._client.list_all(
            RESOURCE_MANAGER,
            "/resource-manager/v1/folders",
            name="list folders",
            query={"cloudId": cloud_id},
            field="folders",
            decode=_named,
        )
        return tuple(folder_id for _, folder_id in items)

    async def secrets_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        return await self._client.list_all(
            LOCKBOX,
            "/lockbox/v1/secrets",
            name="list secrets",
            query={"folderId": folder_id},
            field="secrets",
            decode=_named,
        )

    async def service_accounts_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        return await self._client.list_all(
            IAM,
            "/iam/v1/serviceAccounts",
            name="list service accounts",
            query={"folderId": folder_id},
            field="serviceAccounts",
            decode=_named,
        )

    async def quotas(self, cloud_id: str) -> tuple[Quota, ...]:
        """Empty if the installation has no quota-manager: then nothing is known."""
        if not self._client.offers(QUOTA_MANAGER):
            return ()
        items = await self._client.list_all(
            QUOTA_MANAGER,
            "/quota-manager/v1/quotaLimits",
            name="list quota limits",
            query={"resource.id": cloud_id, "resource.type": "resource-manager.cloud", "service": FUNCTIONS},
            field="quotaLimits",
            decode=_quota,
        )
        return tuple(quota for quota in items if quota is not None)

    async def secret_by_name(self, folder_id: str, name: str) -> str | None:
        return _only("secret", name, folder_id, await self.secrets_of(folder_id))

    async def latest_secret_version(self, secret_id: str) -> str:
        path = f"/lockbox/v1/secrets/{quote(secret_id, safe='')}"
        answer = await self._client.call(LOCKBOX, "GET", path, name="get secret")
        current = answer.json.get("currentVersion")
        version_id = current.get("id") if isinstance(current, dict) else None
        if not isinstance(version_id, str) or not version_id:
            raise CloudError(
                f"the secret {secret_id} has no current version",
                call="get secret",
                code=Code.FAILED_PRECONDITION,
                http_status=answer.http_status,
                request_id=answer.request_id,
                advice="add a version to the secret, or set version_id",
            )
        return version_id

    async def secret_versions(self, secret_id: str) -> tuple[SecretVersion, ...]:
        path = f"/lockbox/v1/secrets/{quote(secret_id, safe='')}/versions"
        return await self._client.list_all(
            LOCKBOX, path, name="list secret versions", query={}, field="versions", decode=decode.secret_version
        )

    async def service_account_by_name(self, folder_id: str, name: str) -> str | None:
        items = await self._client.list_all(
            IAM,
            "/iam/v1/serviceAccounts",
            name="list service accounts",
            query={"folderId": folder_id, "filter": f"name={json.dumps(name)}"},
            field="serviceAccounts",
            decode=_named,
        )
        return _only("service account", name, folder_id, items)

    async def service_account(self, account_id: str) -> ServiceAccount | None:
        path = f"/iam/v1/serviceAccounts/{quote(account_id, safe='')}"
        try:
            answer = await self._client.call(IAM, "GET", path, name="get service account")
        except CloudError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return decoded("get service account", answer, decode.service_account, answer.json)


def _quota(item: object) -> Quota | None:
    """Parse one limit; None if it has no number, which is not a limit of 0."""
    quota = decode.quota(item)
    limited = isinstance(item, Mapping) and decode.number(item.get("limit")) is not None
    return quota if quota.id and limited else None


def _named(item: object) -> tuple[str, str]:
    """Return the name and the ID of an object that has both."""
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise ValueError("an entry of the list has no id")  # noqa: TRY004 - every decoder raises this
    return str(item.get("name") or ""), item["id"]


def _only(kind: str, name: str, folder_id: str, items: tuple[tuple[str, str], ...]) -> str | None:
    ids = [item_id for item_name, item_id in items if item_name == name]
    if len(ids) > 1:
        raise CloudError(
            f"the folder {folder_id} has more than one {kind} named {name!r}",
            call=f"list {kind}s",
            code=Code.FAILED_PRECONDITION,
            advice=f"use the ID instead of the name: {', '.join(ids)}",
        )
    return ids[0] if ids else None
