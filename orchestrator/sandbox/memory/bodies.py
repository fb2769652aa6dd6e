"""The request bodies of the Functions service, field by field (cloud-api#fields, #versions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.sandbox.memory.validators import (
    Check,
    base64_bytes,
    boolean,
    duration_text,
    int64,
    invalid,
    many,
    message,
    one_of,
    string,
    string_map,
)

INLINE_MAX_BYTES = 3_670_016  # of the raw zip (cloud-api#packages)
ENVIRONMENT_MAX_BYTES = 4096  # names and values together (cloud-api#limits)
_MIB = 1 << 20
_GIB = 1 << 30
_TAG = string(r"[a-z][-_0-9a-z]*")
_BUCKET = string(r"[-.0-9a-zA-Z]*", low=3, high=63)
_MOUNT_NAME = string(r"[-_0-9a-zA-Z]*", low=1, high=100)
_LOG_DESTINATION = string(r"([a-zA-Z][-a-zA-Z0-9_.]{0,63})?")
_ENABLED = one_of("METADATA_OPTION_UNSPECIFIED", "ENABLED", "DISABLED")
_SOURCES = ("package", "content", "versionId")
_CONCURRENT = ("nodejs", "golang", "java", "bash", "kotlin")  # runtimes that accept `concurrency` (cloud-api#fields)

_TARGET = message(
    {
        "emptyTarget": message({}),
        "ymqTarget": message(
            {"queueArn": string(), "serviceAccountId": string(high=50)}, required=("queueArn", "serviceAccountId")
        ),
    },
    exactly_one=("emptyTarget", "ymqTarget"),
)
_MOUNT = message(
    {
        "name": _MOUNT_NAME,
        "mode": one_of("MODE_UNSPECIFIED", "READ_ONLY", "READ_WRITE"),
        "objectStorage": message({"bucketId": _BUCKET, "prefix": string()}, required=("bucketId",)),
        "ephemeralDiskSpec": message({"size": int64(1), "blockSize": int64(0)}, required=("size",)),
    },
    required=("name",),
    exactly_one=("objectStorage", "ephemeralDiskSpec"),
)
_STORAGE_MOUNT = message(
    {"bucketId": _BUCKET, "prefix": string(), "mountPointName": _MOUNT_NAME, "readOnly": boolean},
    required=("bucketId", "mountPointName"),
)
VERSION_FIELDS: Mapping[str, Check] = {
    "functionId": string(),
    "runtime": string(),
    "description": string(high=600),
    "entrypoint": string(),
    "resources": message({"memory": int64(128 * _MIB, 8 * _GIB)}, required=("memory",)),
    "executionTimeout": duration_text(0, 3600),
    "serviceAccountId": string(),
    "package": message(
        {"bucketName": string(), "objectName": string(), "sha256": string(r"([0-9a-fA-F]{64})?")},
        required=("bucketName", "objectName"),
    ),
    "content": base64_bytes(high=INLINE_MAX_BYTES),
    "versionId": string(),
    "environment": string_map(string(r"[a-zA-Z][a-zA-Z0-9_]*"), string(high=4096)),
    "tag": many(_TAG),
    "namedServiceAccounts": string_map(string(), string()),
    "connectivity": message({"networkId": string(), "subnetId": many(string(low=1), unique=True)}),
    "secrets": many(message({"id": string(), "versionId": string(), "key": string(), "environmentVariable": string()})),
    "logOptions": message(
        {
            "disabled": boolean,
            "logGroupId": _LOG_DESTINATION,
            "folderId": _LOG_DESTINATION,
            "minLevel": one_of("LEVEL_UNSPECIFIED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
        },
        at_most_one=("logGroupId", "folderId"),
    ),
    "storageMounts": many(_STORAGE_MOUNT),
    "asyncInvocationConfig": message(
        {
            "retriesCount": int64(0, 100),
            "successTarget": _TARGET,
            "failureTarget": _TARGET,
            "serviceAccountId": string(),
        },
        required=("successTarget", "failureTarget"),
    ),
    "tmpfsSize": int64(0),
    "concurrency": int64(0, 16),
    "mounts": many(_MOUNT),
    "metadataOptions": message({"gceHttpEndpoint": _ENABLED, "awsV1HttpEndpoint": _ENABLED}),
}
_VERSION: Check = message(
    VERSION_FIELDS,
    required=("functionId", "runtime", "entrypoint", "resources"),
    exactly_one=_SOURCES,
)
_NAME = string(r"|[a-z][-a-z0-9]{1,61}[a-z0-9]")
_FUNCTION_FIELDS: Mapping[str, Check] = {
    "name": _NAME,
    "description": string(high=600),
    "labels": string_map(
        string(r"[a-z][-_./\\@0-9a-z]*", low=1, high=63), string(r"[-_./\\@0-9a-z]*", high=63), high=64
    ),
}
_CREATE = message({"folderId": string(), **_FUNCTION_FIELDS}, required=("folderId",))
_UPDATE = message({"updateMask": string(), **_FUNCTION_FIELDS})
_TAGGING = message({"tag": _TAG}, required=("tag",))
_ANY_TAG = string(r"[a-z][-_0-9a-z]*|[$]latest")
_SCALED = message({"tag": _ANY_TAG}, required=("tag",))
_SCALING = message(
    {
        "tag": _ANY_TAG,
        "provisionedInstancesCount": int64(0),
        "zoneInstancesLimit": int64(0),
        "zoneRequestsLimit": int64(0),
    },
    required=("tag",),
)
_BINDING = message(
    {
        "roleId": string(high=64),
        "subject": message({"id": string(high=100), "type": string(high=100)}, required=("id", "type")),
    },
    required=("roleId", "subject"),
)
_DELTA = message(
    {"action": one_of("ACCESS_BINDING_ACTION_UNSPECIFIED", "ADD", "REMOVE"), "accessBinding": _BINDING},
    required=("action", "accessBinding"),
)
_DELTAS = message({"accessBindingDeltas": many(_DELTA)}, required=("accessBindingDeltas",))
_DELTAS_MAX = 1000
_SYSTEM_GROUPS = ("allUsers", "allAuthenticatedUsers")  # which have no other type


def create_version(body: object, runtimes: tuple[str, ...]) -> dict[str, Any]:
    """Check a createVersion body: the declared rules, and those that are only in the docs. `content` is returned
    raw.
    """
    found: dict[str, Any] = _VERSION("", body)
    memory = int(found["resources"]["memory"])
    if memory % (128 * _MIB):
        raise invalid("resources.memory", "must be a multiple of 128 MiB (134217728)")
    if found["runtime"] not in runtimes:
        raise invalid("runtime", f"unsupported runtime {found['runtime']!r}")
    if int(found.get("concurrency", 0)) > 1 and not found["runtime"].startswith(_CONCURRENT):
        raise invalid("concurrency", f"is not available for the runtime {found['runtime']!r}")
    _check_environment(found)
    _check_tmpfs(int(found.get("tmpfsSize", 0)), memory)
    return found


def _check_environment(found: Mapping[str, Any]) -> None:
    names = [secret.get("environmentVariable", "") for secret in found.get("secrets", ())]
    pairs = found.get("environment", {})
    size_bytes = sum(len(part.encode()) for part in (*pairs, *pairs.values(), *names))
    if size_bytes > ENVIRONMENT_MAX_BYTES:
        raise invalid("environment", f"total size is {size_bytes} bytes, the limit is {ENVIRONMENT_MAX_BYTES}")
    for name in names:
        if names.count(name) > 1 or name in pairs:
            raise invalid("secrets", f"environment variable {name!r} is set twice")


def _check_tmpfs(size: int, memory: int) -> None:
    if size and (memory < _GIB or not 512 * _MIB <= size <= memory * 3 // 4):
        raise invalid("tmpfsSize", "must be 0, or 512 MiB to 3/4 of the memory, which must be at least 1 GiB")


def create_function(body: object) -> dict[str, Any]:
    """Check the body of creating a Function."""
    found: dict[str, Any] = _CREATE("", body)
    return found


def update_function(body: object) -> dict[str, Any]:
    """Check the body of updating a Function. Returns what the mask names, None for fields that are reset.

    Without a mask every field counts: those that the body omits are reset, as in the real API.
    """
    found: dict[str, Any] = _UPDATE("", body)
    mask = found.pop("updateMask", None)
    names = [name.strip() for name in mask.split(",")] if mask else list(_FUNCTION_FIELDS)
    for name in names:
        if name not in _FUNCTION_FIELDS:
            raise invalid("updateMask", f"unknown field {name!r}")
    return {name: found.get(name) for name in names}


def tag(body: object) -> str:
    """Check the body of setTag and removeTag."""
    found: dict[str, str] = _TAGGING("", body)
    return found["tag"]


def policy_body(body: object) -> dict[str, Any]:
    """Check the body of setScalingPolicy."""
    found: dict[str, Any] = _SCALING("", body)
    return found


def scaled_tag(body: object) -> str:
    """Check the body of removeScalingPolicy."""
    found: dict[str, str] = _SCALED("", body)
    return found["tag"]


def access_deltas(body: object) -> list[dict[str, Any]]:
    """Check the body of updateAccessBindings."""
    found: list[dict[str, Any]] = _DELTAS("", body)["accessBindingDeltas"]
    if len(found) > _DELTAS_MAX:
        raise invalid("accessBindingDeltas", f"must have at most {_DELTAS_MAX} entries")
    for number, delta in enumerate(found):
        subject = delta["accessBinding"]["subject"]
        if (subject["id"] in _SYSTEM_GROUPS) != (
            subject["type"] == "system" and not subject["id"].startswith("group:")
        ):
            path = f"accessBindingDeltas[{number}].accessBinding.subject"
            raise invalid(path, f"{subject['id']!r} is not a subject of type {subject['type']!r}")
    return found
