"""The body of createVersion, field by field as the API spells it (proto3 JSON; cloud-api §1.1)."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    LogOptions,
    MetadataOptions,
    Mount,
    Secret,
    Settings,
    StorageMount,
    StoredObject,
    VersionCopy,
)

INLINE_MAX_BYTES = 3_670_016  # of the raw zip; the API's own 52,428,800 never worked (cloud-api §1.2)

_MODES = {"read_only": "READ_ONLY", "read_write": "READ_WRITE"}


def body(function_id: str, settings: Settings, package: dict[str, Any], description: str) -> dict[str, Any]:
    """Make the whole body. `package` is one of the three sources below; unset fields are left out."""
    return {"functionId": function_id, **settings_fields(settings, description), **package}


def from_bucket(stored: StoredObject) -> dict[str, Any]:
    """Take the code from Object Storage."""
    return {"package": {"bucketName": stored.bucket, "objectName": stored.key, "sha256": stored.sha256}}


def from_object(bucket: str, object: str, sha256: str | None) -> dict[str, Any]:
    """Take the code from an object that somebody else put there."""
    package = {"bucketName": bucket, "objectName": object}
    return {"package": package | ({"sha256": sha256} if sha256 else {})}


def inline(archive: bytes) -> dict[str, Any]:
    """Send the zip in the body; the caller keeps to `INLINE_MAX_BYTES`."""
    return {"content": base64.b64encode(archive).decode("ascii")}


def copy_of(version: VersionCopy) -> dict[str, Any]:
    """Copy the code of another version; `version_id` is a real id by now."""
    return {"versionId": version.version_id}


def settings_fields(settings: Settings, description: str) -> dict[str, Any]:
    """Make every field but the function and the code: also the canonical form that the fingerprint is taken of."""
    fields: dict[str, Any] = {
        "runtime": settings.runtime,
        "description": description,
        "entrypoint": settings.entrypoint,
        "resources": {"memory": str(settings.memory_bytes)},
        "executionTimeout": _duration(settings.execution_timeout_s),
        "serviceAccountId": settings.service_account_id,
        "environment": dict(sorted(settings.environment.items())),
        "tag": list(settings.tags),
        "namedServiceAccounts": dict(sorted(settings.named_service_accounts.items())),
        "secrets": [_secret(secret) for secret in settings.secrets],
        "logOptions": _log(settings.log),
        "storageMounts": [_storage_mount(mount) for mount in settings.storage_mounts],
        "asyncInvocationConfig": _async_invocation(settings.async_invocation),
        "tmpfsSize": _int64(settings.tmpfs_size_bytes),
        "concurrency": _int64(settings.concurrency),
        "mounts": [_mount(mount) for mount in settings.mounts],
        "metadataOptions": _metadata(settings.metadata),
    }
    if settings.connectivity is not None:
        fields["connectivity"] = _set(
            {"networkId": settings.connectivity.network_id, "subnetId": list(settings.connectivity.subnet_ids)}
        )
    return _set(fields)


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unset: proto3 JSON has no other way to say so."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _int64(value: int | None) -> str | None:
    return None if value is None else str(value)


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else f"{Decimal(str(seconds)).normalize():f}s"


def _flag(value: bool | None) -> str | None:
    return None if value is None else ("ENABLED" if value else "DISABLED")


def _secret(secret: Secret) -> dict[str, Any]:
    return _set(
        {
            "id": secret.id,
            "versionId": secret.version_id,
            "key": secret.key,
            "environmentVariable": secret.environment_variable,
        }
    )


def _log(log: LogOptions | None) -> dict[str, Any] | None:
    if log is None:
        return None
    return _set(
        {"disabled": log.disabled, "logGroupId": log.group_id, "folderId": log.folder_id, "minLevel": log.min_level}
    )


def _storage_mount(mount: StorageMount) -> dict[str, Any]:
    return _set(
        {
            "bucketId": mount.bucket,
            "prefix": mount.prefix,
            "mountPointName": mount.name,
            "readOnly": mount.read_only,
        }
    )


def _mount(mount: Mount) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": mount.name, "mode": _MODES.get(mount.mode or "")}
    if mount.bucket is not None:
        fields["objectStorage"] = _set({"bucketId": mount.bucket, "prefix": mount.prefix})
    else:
        fields["ephemeralDiskSpec"] = _set(
            {"size": _int64(mount.disk_size_bytes), "blockSize": _int64(mount.block_size_bytes)}
        )
    return _set(fields)


def _target(target: AsyncTarget) -> dict[str, Any]:
    if target.queue_arn is None:
        return {"emptyTarget": {}}
    return {"ymqTarget": _set({"queueArn": target.queue_arn, "serviceAccountId": target.service_account_id})}


def _async_invocation(config: AsyncInvocation | None) -> dict[str, Any] | None:
    if config is None:
        return None
    return _set(
        {
            "retriesCount": _int64(config.retries),
            "successTarget": _target(config.success),
            "failureTarget": _target(config.failure),
            "serviceAccountId": config.service_account_id,
        }
    )


def _metadata(options: MetadataOptions | None) -> dict[str, Any] | None:
    if options is None:
        return None
    return _set(
        {"gceHttpEndpoint": _flag(options.gce_http_endpoint), "awsV1HttpEndpoint": _flag(options.aws_v1_http_endpoint)}
    )
