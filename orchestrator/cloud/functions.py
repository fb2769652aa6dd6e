"""The Functions and Operations ports over HTTP (cloud-api §2, §3)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from orchestrator.cloud.answers import decoded, operation_of, unusable
from orchestrator.cloud.endpoints import FUNCTIONS, OPERATION
from orchestrator.cloud.http import HttpClient
from orchestrator.function.fields import create_body
from orchestrator.model import Function, Operation, Version, decode

_ROOT = "/functions/v1"


class HttpFunctions:
    """`ports.Functions`. Call names in errors are those of the API."""

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

    async def list_versions(self, folder_id: str, *, filter: str = "") -> tuple[Version, ...]:
        return await self._client.list_all(
            FUNCTIONS,
            f"{_ROOT}/versions",
            name="listVersions",
            query={"folderId": folder_id, **({"filter": filter} if filter else {})},
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

    async def list_runtimes(self) -> tuple[str, ...]:
        answer = await self._client.call(FUNCTIONS, "GET", f"{_ROOT}/runtimes", name="listRuntimes")
        runtimes = answer.json.get("runtimes") or []
        if not isinstance(runtimes, list) or not all(isinstance(runtime, str) for runtime in runtimes):
            raise unusable("listRuntimes", answer, "runtimes is not a list of names")
        return tuple(runtimes)

    async def create_function(
        self, folder_id: str, name: str, labels: Mapping[str, str], *, idempotency_key: str
    ) -> Operation:
        body = create_body(folder_id, name, labels)
        answer = await self._client.call(
            FUNCTIONS, "POST", f"{_ROOT}/functions", name="create function", body=body, idempotency_key=idempotency_key
        )
        return operation_of("create function", answer)

    async def create_version(self, body: Mapping[str, object], *, idempotency_key: str) -> Operation:
        answer = await self._client.call(
            FUNCTIONS, "POST", f"{_ROOT}/versions", name="createVersion", body=body, idempotency_key=idempotency_key
        )
        return operation_of("createVersion", answer)

    async def set_tag(self, version_id: str, tag: str, *, idempotency_key: str) -> Operation:
        return await self._tag("setTag", version_id, tag, idempotency_key)

    async def remove_tag(self, version_id: str, tag: str, *, idempotency_key: str) -> Operation:
        return await self._tag("removeTag", version_id, tag, idempotency_key)

    async def _tag(self, call: str, version_id: str, tag: str, idempotency_key: str) -> Operation:
        path = f"{_ROOT}/versions/{quote(version_id, safe='')}:{call}"
        answer = await self._client.call(
            FUNCTIONS, "POST", path, name=call, body={"tag": tag}, idempotency_key=idempotency_key
        )
        return operation_of(call, answer)

    async def list_operations(self, function_id: str) -> tuple[Operation, ...]:
        return await self._client.list_all(
            FUNCTIONS,
            f"{_ROOT}/functions/{quote(function_id, safe='')}/operations",
            name="listOperations",
            query={},
            field="operations",
            decode=decode.operation,
        )


class HttpOperations:
    """`ports.Operations`, at another host than the one that began the Operation."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self, operation_id: str) -> Operation:
        path = f"/operations/{quote(operation_id, safe='')}"
        answer = await self._client.call(OPERATION, "GET", path, name="get operation")
        return operation_of("get operation", answer)
