"""Which path of the REST API leads to which method of the memory cloud (cloud-api#versions, #functions,
#operations, #endpoints).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from anyio import CapacityLimiter

from orchestrator.errors import Code
from orchestrator.sandbox.http.api import Ask, Route
from orchestrator.sandbox.http.iam import Tokens
from orchestrator.sandbox.memory import builder
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.objects import Objects, RefusedError

_FUNCTIONS = "/functions/v1/functions"
_VERSIONS = "/functions/v1/versions"
_SERVICES = (
    "serverless-functions", "serverless-triggers", "operation", "iam", "resource-manager", "storage", "storage-api",
    "lockbox", "lockbox-payload", "vpc", "logging", "log-reading", "quota-manager",
)  # fmt: skip
_API_PREFIXES = ("functions/v1", "operations", "iam/v1", "lockbox/v1", "resource-manager/v1", "quota-manager/v1")


def functions(cloud: MemoryCloud) -> tuple[Route, ...]:
    """FunctionService, except Versions."""
    service, operations = cloud.functions, cloud.operations
    one = _FUNCTIONS + "/{id}"
    return (
        Route("GET", _FUNCTIONS, "list functions", lambda ask: service.list(ask.query)),
        Route("POST", _FUNCTIONS, "create function", lambda ask: service.create(ask.body, ask.key)),
        Route("GET", f"{one}/operations", "listOperations", lambda ask: operations.list(ask.ids["id"], ask.query)),
        Route("GET", f"{one}:tagHistory", "listTagHistory", lambda ask: service.tag_history(ask.ids["id"], ask.query)),
        *_scaling_and_access(cloud, one),
        Route("GET", one, "get function", lambda ask: service.get(ask.ids["id"])),
        Route("PATCH", one, "update function", lambda ask: service.update(ask.ids["id"], ask.body, ask.key)),
        Route("DELETE", one, "delete function", lambda ask: service.delete(ask.ids["id"], ask.key)),
        Route("GET", "/functions/v1/runtimes", "listRuntimes", lambda _ask: service.runtimes()),
    )


def _scaling_and_access(cloud: MemoryCloud, one: str) -> tuple[Route, ...]:
    scaling, access = cloud.scaling, cloud.access
    return (
        Route(
            "GET", f"{one}/scalingPolicies", "listScalingPolicies", lambda ask: scaling.list(ask.ids["id"], ask.query)
        ),
        Route(
            "POST", f"{one}:setScalingPolicy", "setScalingPolicy",
            lambda ask: scaling.set(ask.ids["id"], ask.body, ask.key),
        ),
        Route(
            "POST", f"{one}:removeScalingPolicy", "removeScalingPolicy",
            lambda ask: scaling.remove(ask.ids["id"], ask.body, ask.key),
        ),
        Route(
            "GET", f"{one}:listAccessBindings", "listAccessBindings",
            lambda ask: access.list(ask.ids["id"], ask.query),
        ),
        Route(
            "POST", f"{one}:updateAccessBindings", "updateAccessBindings",
            lambda ask: access.update(ask.ids["id"], ask.body, ask.key),
        ),
    )  # fmt: skip


def versions(cloud: MemoryCloud, objects: Objects, limiter: CapacityLimiter) -> tuple[Route, ...]:
    """FunctionService's Versions. Large packages are read in a thread of `limiter`."""
    service = cloud.versions
    one = _VERSIONS + "/{id}"

    async def look_into_package(ask: Ask) -> None:
        path = _package_file(ask.body, objects)
        if path is not None:
            await anyio.to_thread.run_sync(builder.read_file, path, limiter=limiter)

    return (
        Route("GET", f"{_VERSIONS}:byTag", "getVersionByTag", lambda ask: service.by_tag(ask.query)),
        Route("GET", _VERSIONS, "listVersions", lambda ask: service.list(ask.query)),
        Route(
            "POST", _VERSIONS, "createVersion", lambda ask: service.create(ask.body, ask.key), prepare=look_into_package
        ),
        Route("POST", f"{one}:setTag", "setTag", lambda ask: service.set_tag(ask.ids["id"], ask.body, ask.key)),
        Route(
            "POST", f"{one}:removeTag", "removeTag", lambda ask: service.remove_tag(ask.ids["id"], ask.body, ask.key)
        ),
        Route("GET", one, "getVersion", lambda ask: service.get(ask.ids["id"])),
        Route(
            "DELETE", one, "deleteVersion",
            lambda ask: service.delete(ask.ids["id"], force=ask.query.get("force") == "true", key=ask.key),
        ),
    )  # fmt: skip


def _package_file(body: object, objects: Objects) -> Path | None:
    package = body.get("package") if isinstance(body, dict) else None
    if not isinstance(package, dict):
        return None
    try:
        found = objects.get(str(package.get("bucketName")), str(package.get("objectName")))
    except RefusedError:
        return None
    return found if isinstance(found, Path) else None


def operations(cloud: MemoryCloud) -> tuple[Route, ...]:
    """OperationService. Cancelling is GET in the API reference and POST in the guide (cloud-api#operations)."""
    service = cloud.operations
    cancel = partial(
        Route, path="/operations/{id}:cancel", name="cancel operation", act=lambda ask: service.cancel(ask.ids["id"])
    )
    return (
        cancel("GET"),
        cancel("POST"),
        Route("GET", "/operations/{id}", "get operation", lambda ask: service.get(ask.ids["id"])),
    )


def directory(cloud: MemoryCloud) -> tuple[Route, ...]:
    """Look-ups in other services."""
    service = cloud.directory
    return (
        Route("GET", "/resource-manager/v1/folders", "list folders", lambda ask: service.folders(ask.query)),
        Route("GET", "/resource-manager/v1/folders/{id}", "get folder", lambda ask: service.folder(ask.ids["id"])),
        Route("GET", "/quota-manager/v1/quotaLimits", "list quota limits", lambda ask: service.quota_limits(ask.query)),
        Route("GET", "/lockbox/v1/secrets", "list secrets", lambda ask: service.secrets(ask.query)),
        Route("GET", "/lockbox/v1/secrets/{id}", "get secret", lambda ask: service.secret(ask.ids["id"])),
        Route(
            "GET",
            "/lockbox/v1/secrets/{id}/versions",
            "list secret versions",
            lambda ask: service.secret_versions(ask.ids["id"], ask.query),
        ),
        Route(
            "GET", "/iam/v1/serviceAccounts", "list service accounts", lambda ask: service.service_accounts(ask.query)
        ),
        Route(
            "GET",
            "/iam/v1/serviceAccounts/{id}",
            "get service account",
            lambda ask: service.service_account(ask.ids["id"]),
        ),
    )


def open_routes(tokens: Tokens) -> tuple[Route, ...]:
    """Routes that need no token: discovery, and getting a token."""
    return (
        Route("GET", "/endpoints", "list endpoints", _endpoints, open=True),
        Route("GET", "/endpoints/{id}", "get endpoint", _endpoint, open=True),
        Route(
            "POST",
            "/iam/v1/tokens",
            "create IAM token",
            lambda ask: dict(tokens.exchange(ask.body, ask.url)),
            open=True,
        ),
    )


def _endpoints(ask: Ask) -> Record:
    address = urlsplit(ask.url).netloc
    return {"endpoints": [{"id": service, "address": address} for service in _SERVICES]}


def _endpoint(ask: Ask) -> Record:
    if ask.ids["id"] not in _SERVICES:
        raise Fault(Code.NOT_FOUND, f"Endpoint {ask.ids['id']} not found")
    return {"id": ask.ids["id"], "address": urlsplit(ask.url).netloc}


def unknown() -> tuple[Route, ...]:
    """Paths of the API without a method; otherwise they would be taken for buckets."""

    def refuse(ask: Ask) -> Record:
        raise Fault(Code.UNIMPLEMENTED, f"The sandbox has no method at {urlsplit(ask.url).path}")

    return tuple(Route("*", f"/{prefix}/{{tail:.*}}", "unknown", refuse) for prefix in _API_PREFIXES)
