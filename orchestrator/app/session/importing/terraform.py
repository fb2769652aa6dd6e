"""Functions of a Terraform state (`yandex_function`, state version 4), as settings of this program, with their scaling
policies (`yandex_function_scaling_policy`) and public access (`yandex_function_iam_binding`).

Attributes first become the API's JSON, so that they are read like everything else. The provider's documentation
describes the attributes; `tests/unit/app/test_terraform.py` has one of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import UsageError
from orchestrator.function.access import EVERYBODY, INVOKING
from orchestrator.function.fields import FUNCTION_FIELDS
from orchestrator.manifest.writing.spelling import spelled
from orchestrator.model import ChangeKind, Version
from orchestrator.model.units import GB, MB
from orchestrator.planning.own import OWN
from orchestrator.version.codec import only_set
from orchestrator.version.copy import settings_of

_TYPE = "yandex_function"
_SCALING, _BINDING = "yandex_function_scaling_policy", "yandex_function_iam_binding"
_STATE_VERSION = 4
_OPTION = {1: "ENABLED", 2: "DISABLED"}  # of metadata_options; 0 is the cloud's default
_MODE = {"ro": "READ_ONLY", "rw": "READ_WRITE"}


@dataclass(frozen=True, slots=True)
class StateFunction:
    """One function of a state. `address`: its Terraform address; `table`: its keys in a manifest; `code`: a description
    of its code in Terraform.
    """

    address: str
    id: str
    name: str
    folder_id: str
    table: Mapping[str, Any]
    code: str

    @property
    def own_kinds(self) -> tuple[ChangeKind, ...]:
        """Return the declared settings of the Function itself that no listing shows."""
        return tuple(row.kind for row in FUNCTION_FIELDS if row.kind in OWN and row.setting in self.table)


def read_state(path: Path) -> tuple[StateFunction, ...]:
    """Read the functions of a state file. Raises `UsageError` where it is not a state, or has no functions."""
    try:
        state = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--from {path}: {error.strerror}", advice="choose a Terraform state") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"--from {path}: not JSON: {error}", advice=_ADVICE) from error
    if not isinstance(state, dict) or state.get("version") != _STATE_VERSION:
        version = state.get("version") if isinstance(state, dict) else None
        raise UsageError(
            f"--from {path}: not a Terraform state of version {_STATE_VERSION}"
            f"{f' but of {version}' if version is not None else ''}",
            advice=_ADVICE,
        )
    try:
        found = tuple(_functions(state))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"--from {path}: cannot read a resource: {error!r}", advice=_ADVICE) from error
    if not found:
        raise UsageError(
            f"--from {path}: no {_TYPE} in this state", advice="check the state with `terraform state list`"
        )
    return found


_ADVICE = "write the state with `terraform state pull > terraform.tfstate`"


def _instances(state: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the resources of a type with their addresses."""
    for resource in state.get("resources") or ():
        if resource.get("type") != kind or resource.get("mode", "managed") != "managed":
            continue
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource.get("instances") or ():
            index = instance.get("index_key")
            suffix = "" if index is None else f'["{index}"]' if isinstance(index, str) else f"[{index}]"
            yield f"{module}{kind}.{resource['name']}{suffix}", instance["attributes"]


def _functions(state: Mapping[str, Any]) -> Iterator[StateFunction]:
    own: dict[str, dict[str, Any]] = {}
    for _, given in _instances(state, _SCALING):
        policies = {one["tag"]: _renamed(one, _COUNTS) for one in given.get("policy") or ()}
        own.setdefault(given["function_id"], {}).setdefault("scaling", {}).update(
            {tag: policy for tag, policy in policies.items() if policy}
        )
    for _, given in _instances(state, _BINDING):
        if given["role"] in INVOKING and f"system:{EVERYBODY}" in (given.get("members") or ()):
            own.setdefault(given["function_id"], {})["public"] = True
    for address, given in _instances(state, _TYPE):
        found = {key: value for key, value in own.get(given["id"], {}).items() if value}
        yield _function(address, given, found)


_COUNTS = {"zone_instances": "zone_instances_limit", "zone_requests": "zone_requests_limit"}


def _function(address: str, given: Mapping[str, Any], others: Mapping[str, Any]) -> StateFunction:
    raw = _version(given)
    version = Version("", given["id"], "ACTIVE", "", None, tuple(given.get("tags") or ()), raw)
    own = {"labels": dict(given.get("labels") or {}), "function_description": given.get("description") or "", **others}
    table = {**spelled(settings_of(version)), **{key: value for key, value in own.items() if value}}
    return StateFunction(address, given["id"], given.get("name") or "", given["folder_id"], table, _code(given))


def _code(given: Mapping[str, Any]) -> str:
    content, package = _one(given, "content"), _one(given, "package")
    if content.get("zip_filename"):
        return f"code in Terraform: {content['zip_filename']}"
    if package.get("object_name"):
        return f"code in Terraform: {package.get('bucket_name')}/{package['object_name']}"
    return ""


def _version(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as the API writes them."""
    made = {name: given.get(attribute) for name, attribute in _SAME.items()}
    made |= {
        "resources": {"memory": str(int(given.get("memory") or 0) * MB)},
        "executionTimeout": f"{given['execution_timeout']}s" if given.get("execution_timeout") else None,
        "tmpfsSize": str(int(given["tmpfs_size"]) * MB) if given.get("tmpfs_size") else None,
        "concurrency": str(int(given["concurrency"])) if given.get("concurrency") else None,
        "secrets": [
            only_set({
                "id": one["id"], "versionId": one.get("version_id"), "key": one.get("key"),
                "environmentVariable": one.get("environment_variable"),
            })
            for one in given.get("secrets") or ()
        ],
        "connectivity": only_set({"networkId": _one(given, "connectivity").get("network_id")}),
        "logOptions": _renamed(_one(given, "log_options"), _LOG),
        "mounts": [_mount(one) for one in given.get("mounts") or ()],
        "storageMounts": [_renamed(one, _STORAGE_MOUNT) for one in given.get("storage_mounts") or ()],
        "asyncInvocationConfig": _async(_one(given, "async_invocation")) if given.get("async_invocation") else None,
        "metadataOptions": only_set({
            "gceHttpEndpoint": _OPTION.get(_one(given, "metadata_options").get("gce_http_endpoint") or 0),
            "awsV1HttpEndpoint": _OPTION.get(_one(given, "metadata_options").get("aws_v1_http_endpoint") or 0),
        }),
    }  # fmt: skip
    return only_set(made)


_SAME = {
    "runtime": "runtime", "entrypoint": "entrypoint", "environment": "environment",
    "serviceAccountId": "service_account_id",
}  # fmt: skip
_LOG = {"disabled": "disabled", "logGroupId": "log_group_id", "folderId": "folder_id", "minLevel": "min_level"}
_STORAGE_MOUNT = {
    "mountPointName": "mount_point_name",
    "bucketId": "bucket",
    "prefix": "prefix",
    "readOnly": "read_only",
}


def _one(given: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    """Return a block that occurs at most once: Terraform stores it as a list."""
    found = given.get(block) or [{}]
    return found[0] or {} if isinstance(found, list) else found


def _renamed(block: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, attribute in names.items() if (value := block.get(attribute))}


def _mount(one: Mapping[str, Any]) -> dict[str, Any]:
    disk, bucket = _one(one, "ephemeral_disk"), _one(one, "object_storage")
    made: dict[str, Any] = {"name": one["name"], "mode": _MODE.get(one.get("mode") or "", one.get("mode"))}
    if bucket.get("bucket"):
        made["objectStorage"] = only_set({"bucketId": bucket["bucket"], "prefix": bucket.get("prefix")})
    else:
        block = disk.get("block_size_kb")
        size = {"size": str(int(disk["size_gb"]) * GB), "blockSize": str(int(block) * 1024) if block else None}
        made["ephemeralDiskSpec"] = only_set(size)
    return only_set(made)


def _async(block: Mapping[str, Any]) -> dict[str, Any]:
    def target(name: str) -> dict[str, Any]:
        queue = _one(block, name)
        if not queue.get("arn"):
            return {"emptyTarget": {}}
        return {"ymqTarget": {"queueArn": queue["arn"], "serviceAccountId": queue.get("service_account_id") or ""}}

    retries = str(block["retries_count"]) if block.get("retries_count") else None
    return only_set({"retriesCount": retries, "serviceAccountId": block.get("service_account_id")}) | {
        "successTarget": target("ymq_success_target"),
        "failureTarget": target("ymq_failure_target"),
    }
