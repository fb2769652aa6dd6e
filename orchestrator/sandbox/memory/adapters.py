"""The engine's ports over one memory cloud, for flow tests and simulations in virtual time.

They take time (anyio) and fail like the HTTP adapters: the same `CloudError` for the same refusal.
"""

from __future__ import annotations

import hashlib
import math
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import anyio

from orchestrator.errors import CloudError, Code
from orchestrator.model import (
    AccessBinding,
    ApiRequest,
    BucketListing,
    Function,
    ListedObject,
    Operation,
    Package,
    ScalingPolicy,
    StoredObject,
    TagHeld,
    Version,
    decode,
)
from orchestrator.ports import PUT_AGAIN_AFTER_S, Guard, Progress, unguarded
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.sandbox.memory.faults import HTTP_STATUS, Fault
from orchestrator.sandbox.memory.objects import Objects, RefusedError

Item = TypeVar("Item")

_PAGE_SIZE = 1000


class Wire:
    """Calls a memory cloud as if over a network. `calls` counts them by name. `subject`: the caller, "": the account in
    the cloud's settings.
    """

    def __init__(
        self, cloud: MemoryCloud, *, latency_s: float = 0.05, rng: random.Random | None = None, subject: str = ""
    ) -> None:
        self.cloud = cloud
        self._subject = subject or cloud.settings.subject
        self.calls: dict[str, int] = {}
        self._latency_s = latency_s
        self._rng = rng or random.Random(0)

    async def call(self, name: str, act: Callable[[], Record]) -> tuple[Record, str]:
        """Make one call; half of the latency passes before it is carried out. Returns the answer and its request ID."""
        self.calls[name] = self.calls.get(name, 0) + 1
        trouble = self.cloud.faults.trouble(name)
        request_id = self.new_id()
        await anyio.sleep(self._latency_s / 2 + trouble.delay_s)
        answer: Record = {}
        refusal = trouble.refusal
        if refusal is None:
            try:
                with self.cloud.called_by(self._subject):
                    answer = act()
            except Fault as fault:
                refusal = fault
        await anyio.sleep(self._latency_s / 2)
        if trouble.lost:
            raise CloudError(f"the connection broke before {name} was answered", call=name)
        if refusal is not None:
            raise self._error(name, refusal, request_id)
        return answer, request_id

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _error(self, name: str, fault: Fault, request_id: str) -> CloudError:
        body = decode.error_body(fault.status())
        return CloudError(
            fault.message,
            call=name,
            code=fault.code,
            http_status=HTTP_STATUS[fault.code],
            request_id=request_id,
            server_trace_id=self.new_id(),
            client_request_id=self.new_id(),
            quota=body.quota if body else "",
        )

    async def operation(self, name: str, act: Callable[[], Record]) -> Operation:
        """Make a call that answers an Operation."""
        answer, request_id = await self.call(name, act)
        return replace(
            decode.operation(answer, poll_after_s=self.cloud.settings.poll_interval_s),
            request_id=request_id,
            server_trace_id=self.new_id(),
        )

    async def pages(
        self,
        name: str,
        query: Mapping[str, Any],
        field: str,
        act: Callable[[Mapping[str, Any]], Record],
        decoder: Callable[[object], Item],
    ) -> tuple[Item, ...]:
        """Read a listing to its end."""
        items: list[Item] = []
        token = ""
        while True:
            page = {**query, "pageSize": _PAGE_SIZE, **({"pageToken": token} if token else {})}
            answer, _ = await self.call(name, lambda page=page: act(page))  # type: ignore[misc]  # mypy: no default in a lambda
            items += [decoder(item) for item in answer.get(field, ())]
            token = answer.get("nextPageToken", "")
            if not token:
                return tuple(items)


class MemoryFunctions:
    """`ports.Functions`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._cloud = cloud = wire.cloud
        # Takes the ID at the end of the path, the body and the key.
        self._sent: Mapping[str, Callable[[str, Any, str], Record]] = {
            "create function": lambda _target, body, key: cloud.functions.create(body, key),
            "update function": cloud.functions.update,
            "createVersion": lambda _target, body, key: cloud.versions.create(body, key),
            "setTag": cloud.versions.set_tag,
            "removeTag": cloud.versions.remove_tag,
            "deleteVersion": lambda target, body, key: cloud.versions.delete(
                target, force=bool(body.get("force")), key=key
            ),
            "setScalingPolicy": cloud.scaling.set,
            "removeScalingPolicy": cloud.scaling.remove,
            "updateAccessBindings": cloud.access.update,
        }

    async def list_functions(self, folder_id: str) -> tuple[Function, ...]:
        query, act = {"folderId": folder_id}, self._cloud.functions.list
        return await self._wire.pages("list functions", query, "functions", act, decode.function)

    async def find_function(self, folder_id: str, name: str) -> Function | None:
        query, act = {"folderId": folder_id, "filter": f'name="{name}"'}, self._cloud.functions.list
        found = await self._wire.pages("list functions", query, "functions", act, decode.function)
        return found[0] if found else None

    async def get_function(self, function_id: str) -> Function:
        answer, _ = await self._wire.call("get function", lambda: self._cloud.functions.get(function_id))
        return decode.function(answer)

    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        where = {"functionId": function_id} if function_id else {"folderId": folder_id}
        query = {**where, **({"filter": filter} if filter else {})}
        return await self._wire.pages("listVersions", query, "versions", self._cloud.versions.list, decode.version)

    async def get_version(self, version_id: str) -> Version:
        answer, _ = await self._wire.call("getVersion", lambda: self._cloud.versions.get(version_id))
        return decode.version(answer)

    async def version_by_tag(self, function_id: str, tag: str) -> Version:
        query = {"functionId": function_id, "tag": tag}
        answer, _ = await self._wire.call("getVersionByTag", lambda: self._cloud.versions.by_tag(query))
        return decode.version(answer)

    async def tag_history(self, function_id: str) -> tuple[TagHeld, ...]:
        act = partial(self._cloud.functions.tag_history, function_id)
        return await self._wire.pages("listTagHistory", {}, "functionTagHistoryRecord", act, decode.tag_held)

    async def list_runtimes(self) -> tuple[str, ...]:
        answer, _ = await self._wire.call("listRuntimes", self._cloud.functions.runtimes)
        return tuple(answer["runtimes"])

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        await guard()
        act, target = self._sent[request.call], request.path.rpartition("/")[2].partition(":")[0]
        return await self._wire.operation(request.call, lambda: act(target, request.body, idempotency_key))

    async def list_operations(self, function_id: str) -> tuple[Operation, ...]:
        return await self._wire.pages(
            "listOperations",
            {},
            "operations",
            lambda query: self._cloud.operations.list(function_id, query),
            decode.operation,
        )

    async def list_scaling(self, function_id: str) -> tuple[ScalingPolicy, ...]:
        act = partial(self._cloud.scaling.list, function_id)
        return await self._wire.pages("listScalingPolicies", {}, "scalingPolicies", act, decode.scaling_policy)

    async def list_access(self, function_id: str) -> tuple[AccessBinding, ...]:
        act = partial(self._cloud.access.list, function_id)
        return await self._wire.pages("listAccessBindings", {}, "accessBindings", act, decode.access_binding)


class MemoryOperations:
    """`ports.Operations`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, operation_id: str) -> Operation:
        return await self._wire.operation("get operation", lambda: self._wire.cloud.operations.get(operation_id))


class MemoryObjectStore:
    """`ports.ObjectStore` over `Objects` in memory. `bytes_per_s`: upload speed. `read`: returns a package's bytes."""

    def __init__(
        self,
        wire: Wire,
        objects: Objects,
        *,
        bytes_per_s: float = 100e6,
        read: Callable[[Package], bytes] = lambda package: package.path.read_bytes(),
    ) -> None:
        self._wire = wire
        self._objects = objects
        self._bytes_per_s = bytes_per_s
        self._read = read

    async def check(self, bucket: str) -> None:
        await self._call("head bucket", lambda: self._objects.list(bucket, limit=1))

    async def etag(self, bucket: str, key: str) -> str | None:
        try:
            stored = await self._call("head object", lambda: self._objects.head(bucket, key))
        except CloudError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return stored.etag if stored is not None else None

    async def put_once(self, bucket: str, key: str, package: Package, progress: Progress | None = None) -> StoredObject:
        found = await self._call("head object", lambda: self._objects.head(bucket, key))
        # If its key has different content, or it was put long ago, it is replaced.
        existed = (
            found is not None
            and found.etag == hashlib.md5(self._read(package), usedforsecurity=False).hexdigest()
            and self._wire.cloud.clock() - found.modified_at <= PUT_AGAIN_AFTER_S
        )
        if not existed:
            await anyio.sleep(package.size_bytes / self._bytes_per_s)
            existed = not await self._call("put object", lambda: self._put(bucket, key, package, new=found is None))
        if progress is not None:
            progress(package.size_bytes)
        return StoredObject(bucket, key, package.sha256, package.size_bytes, existed)

    async def contents(self, bucket: str, prefix: str) -> BucketListing:
        found, token, at = list[ListedObject](), "", math.inf
        while True:
            listing = partial(self._objects.list, bucket, prefix, token, _PAGE_SIZE)
            at = min(at, self._wire.cloud.clock())
            page = await self._call("list objects", listing)
            found += (ListedObject(one.key, one.size_bytes, one.modified_at) for one in page.objects)
            token = page.token
            if not token:
                return BucketListing(tuple(found), at)

    async def delete(self, bucket: str, listed: ListedObject) -> bool:
        found = await self._call("head object", lambda: self._objects.head(bucket, listed.key))
        if found is not None and found.modified_at != listed.modified_at:
            return False
        await self._call("delete object", lambda: self._objects.delete(bucket, listed.key))
        return True

    def _put(self, bucket: str, key: str, package: Package, *, new: bool) -> bool:
        try:
            now = self._wire.cloud.clock()
            self._objects.put(bucket, key, self._read(package), modified_at=now, if_none_match=new)
        except RefusedError as error:
            if error.code == "PreconditionFailed":
                return False
            raise
        return True

    async def _call(self, name: str, act: Callable[[], Item]) -> Item:
        found: list[Item] = []

        def acting() -> Record:
            try:
                found.append(act())
            except RefusedError as error:
                code = Code.NOT_FOUND if error.code.startswith("NoSuch") else Code.INVALID_ARGUMENT
                raise Fault(code, f"{error.code}: {error}") from None
            return {}

        await self._wire.call(name, acting)
        return found[0]
