"""A live Version as settings: the inverse of `request.settings_fields`, for copies that keep everything.

createVersion with `versionId` copies the code alone, so every other setting is sent again (cloud-api §1.2). A Version
echoes all of them (cloud-api §2); what it echoes and we do not know must stop the copy, or it would be lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    Failure,
    Function,
    FunctionSpec,
    Json,
    LogOptions,
    MetadataOptions,
    Mount,
    Place,
    Secret,
    Settings,
    Version,
    VersionCopy,
)
from orchestrator.model.decode import integer, number
from orchestrator.version.stamp import STAMP_MAX_CHARS, without_stamp

DESCRIPTION_MAX_CHARS = 600 - STAMP_MAX_CHARS  # of the API's 600 (cloud-api §1.1)

_MODES = {"MODE_UNSPECIFIED": None, "READ_ONLY": "read_only", "READ_WRITE": "read_write"}
_FLAGS = {"METADATA_OPTION_UNSPECIFIED": None, "ENABLED": True, "DISABLED": False}

# Every field of a Version: None stands for a value that is passed on as it is (or that only the cloud sets), a Mapping
# for the fields of an object or of a list's objects, a frozenset for the only values that we can pass on.
_Known = Mapping[str, Any] | frozenset[str] | None
_TARGET = {"emptyTarget": {}, "ymqTarget": dict.fromkeys(("queueArn", "serviceAccountId"))}
_VERSION: Mapping[str, Any] = {
    **dict.fromkeys(("id", "functionId", "createdAt", "imageSize", "status", "tags")),  # the cloud's own
    **dict.fromkeys(("description", "runtime", "entrypoint", "executionTimeout", "serviceAccountId", "environment")),
    **dict.fromkeys(("namedServiceAccounts", "concurrency", "tmpfsSize")),
    "resources": {"memory": None},
    "connectivity": dict.fromkeys(("networkId", "subnetId")),
    "secrets": dict.fromkeys(("id", "versionId", "key", "environmentVariable")),
    "logOptions": dict.fromkeys(("disabled", "logGroupId", "folderId", "minLevel")),
    "storageMounts": dict.fromkeys(("bucketId", "prefix", "mountPointName", "readOnly")),
    "asyncInvocationConfig": {
        **dict.fromkeys(("retriesCount", "serviceAccountId")), "successTarget": _TARGET, "failureTarget": _TARGET,
    },
    "mounts": {
        "name": None,
        "mode": frozenset(_MODES),
        "objectStorage": dict.fromkeys(("bucketId", "prefix")),
        "ephemeralDiskSpec": dict.fromkeys(("size", "blockSize")),
    },
    "metadataOptions": dict.fromkeys(("gceHttpEndpoint", "awsV1HttpEndpoint"), frozenset(_FLAGS)),
}  # fmt: skip


def copy_spec(function: Function, version: Version, place: Place, **changes: Any) -> FunctionSpec | Failure:
    """Want a new Version of `function` with the code of `version` and all its settings but for `changes` (fields of
    `Settings`). A Failure where the version cannot be copied without a loss.
    """
    unknown = unknown_fields(version.raw)
    if unknown:
        return Failure(
            f"version {version.id} has settings that this program does not know: {', '.join(unknown)}",
            kind="unknown fields",
            advice="a copy would lose them: use a newer release of this program",
        )
    settings = replace(settings_of(version), **changes)
    if len(settings.description) > DESCRIPTION_MAX_CHARS:
        return Failure(
            f"the description of version {version.id} has {len(settings.description)} characters, and the fingerprint"
            f" behind it leaves room for {DESCRIPTION_MAX_CHARS}",
            kind="description",
            advice="declare the function in deploy.toml with a shorter description, or leave it out",
        )
    return FunctionSpec(
        key=function.name or function.id,  # the API allows functions without a name
        name=function.name,
        folder_id=function.folder_id,
        settings=settings,
        code=VersionCopy(version.id),
        place=place,
        id=function.id,
        labels=function.labels,
    )


def unknown_fields(raw: Json) -> tuple[str, ...]:
    """List by dotted name, sorted, what of a Version's JSON `settings_of` does not know, at any depth."""
    return tuple(sorted(set(_unknown(raw, _VERSION, ""))))


def _unknown(value: Any, known: _Known, path: str) -> Iterator[str]:
    if value is None or known is None:  # null is unset
        return
    if isinstance(known, frozenset):
        if not isinstance(value, str) or value not in known:
            yield path
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _unknown(item, known, path)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            dotted = f"{path}.{name}" if path else name
            if name in known:
                yield from _unknown(item, known[name], dotted)
            elif item is not None:
                yield dotted
    else:
        yield path


def settings_of(version: Version) -> Settings:
    """Read a Version's settings: what `settings_fields` would have sent to make it. The stamp is no part of the
    description. The tags are those that the version itself holds: on a copy they go with it.
    """
    raw = version.raw
    timeout_s = number(str(raw.get("executionTimeout") or "").removesuffix("s"))
    return Settings(
        runtime=raw.get("runtime", ""),
        entrypoint=raw.get("entrypoint", ""),
        memory_bytes=_int64((raw.get("resources") or {}).get("memory")) or 0,
        execution_timeout_s=None if timeout_s is None else float(timeout_s),
        description=without_stamp(version.description),
        service_account_id=raw.get("serviceAccountId") or None,
        environment=dict(raw.get("environment") or {}),
        named_service_accounts=dict(raw.get("namedServiceAccounts") or {}),
        secrets=tuple(map(_secret, raw.get("secrets") or ())),
        tags=tuple(sorted(tag for tag in version.tags if not tag.startswith("$"))),
        connectivity=_connectivity(raw.get("connectivity")),
        log=_log(raw.get("logOptions")),
        mounts=_mounts(raw),
        async_invocation=_async_invocation(raw.get("asyncInvocationConfig")),
        tmpfs_size_bytes=_int64(raw.get("tmpfsSize")),
        concurrency=_int64(raw.get("concurrency")),
        metadata=_metadata(raw.get("metadataOptions")),
    )


def _int64(value: object) -> int | None:
    return integer(value) or None  # 0 is proto3's way to say unset


def _secret(secret: Json) -> Secret:
    return Secret(
        environment_variable=secret.get("environmentVariable", ""),
        key=secret.get("key", ""),
        id=secret.get("id") or None,
        version_id=secret.get("versionId") or None,
    )


def _connectivity(connectivity: Json | None) -> Connectivity | None:
    if not connectivity:
        return None
    return Connectivity(connectivity.get("networkId") or None, tuple(connectivity.get("subnetId") or ()))


def _log(log: Json | None) -> LogOptions | None:
    if not log:
        return None
    level = log.get("minLevel")
    return LogOptions(
        disabled=log.get("disabled") or None,
        group_id=log.get("logGroupId") or None,
        folder_id=log.get("folderId") or None,
        min_level=None if level == "LEVEL_UNSPECIFIED" else level,
    )


def _mounts(raw: Json) -> tuple[Mount, ...]:
    """Read the mounts; a deprecated storage mount only where none of the newer kind has its name."""
    mounts = tuple(map(_mount, raw.get("mounts") or ()))
    names = {mount.name for mount in mounts}
    older = [as_mount(mount) for mount in raw.get("storageMounts") or ()]
    return mounts + tuple(_mount(mount) for mount in older if mount["name"] not in names)


def as_mount(storage_mount: Json) -> dict[str, Any]:
    """Write the JSON of a deprecated storage mount as that of the mount that it is."""
    target = {"bucketId": storage_mount.get("bucketId"), "prefix": storage_mount.get("prefix")}
    return {
        "name": storage_mount.get("mountPointName", ""),
        "mode": "READ_ONLY" if storage_mount.get("readOnly") else "READ_WRITE",
        "objectStorage": {name: value for name, value in target.items() if value},
    }


def _mount(mount: Json) -> Mount:
    name, mode = mount.get("name", ""), _MODES.get(mount.get("mode", ""))
    bucket, disk = mount.get("objectStorage"), mount.get("ephemeralDiskSpec") or {}
    if bucket is not None:
        return Mount(name, mode, bucket=bucket.get("bucketId", ""), prefix=bucket.get("prefix") or None)
    return Mount(
        name, mode, disk_size_bytes=_int64(disk.get("size")), block_size_bytes=_int64(disk.get("blockSize"))
    )  # fmt: skip


def _async_invocation(config: Json | None) -> AsyncInvocation | None:
    if config is None:  # {} is there: it allows asynchronous invocations
        return None
    return AsyncInvocation(
        retries=_int64(config.get("retriesCount")),
        service_account_id=config.get("serviceAccountId") or None,
        success=_target(config.get("successTarget")),
        failure=_target(config.get("failureTarget")),
    )


def _target(target: Json | None) -> AsyncTarget:
    queue = (target or {}).get("ymqTarget")
    if queue is None:
        return AsyncTarget()
    return AsyncTarget(queue.get("queueArn", ""), queue.get("serviceAccountId") or None)


def _metadata(options: Json | None) -> MetadataOptions | None:
    if not options:
        return None
    return MetadataOptions(
        gce_http_endpoint=_FLAGS.get(options.get("gceHttpEndpoint", "")),
        aws_v1_http_endpoint=_FLAGS.get(options.get("awsV1HttpEndpoint", "")),
    )
