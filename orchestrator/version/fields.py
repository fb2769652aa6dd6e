"""What a Version is made with: ONE ROW A FIELD. Bodies, copies, comparison, adoption, read-back and the fingerprint are
loops over this table, so a new field of createVersion is a row here, a field of `Settings` and a key of the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum as Names
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    LogOptions,
    MetadataOptions,
    Secret,
    StorageMount,
)
from orchestrator.version.codecs import (
    Codec,
    Duration,
    Enum,
    Int64,
    Memory,
    Object,
    ObjectList,
    Part,
    Size,
    Text,
    TextList,
    TextMap,
)
from orchestrator.version.mounts import MOUNTS


class Shown(IntEnum):
    """How a change is shown; also the order in which changes are listed. Values of variables never show."""

    VALUES = 1  # both: timeout 10s → 20s
    ENTRIES = 2  # of a map, by name: environment: +A ~B -C
    ITEMS = 3  # of a list, by key, in the same way
    NAME = 4  # that of the field: log changed
    NOWHERE = 5  # no part of the Version itself


class FilledIn(Names):
    """What the cloud may set by itself where nobody asked for it."""

    NOTHING = "nothing"  # what a Version has of it, somebody asked for
    PARTS = "parts"  # of its objects
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of createVersion, which a Version gives back under the same name.

    `setting`: in `model.Settings`; `key`: in deploy.toml; `api`: in the API's JSON. `label`: what people know it by.
    `echoed`: documented to be given back as it was sent (cloud-api §2), so what reads back otherwise is a mistake.
    `guarded`: what a live Version has of it and a new one would not, adoption does not let go in silence, unless the
    field `or_in` has it then (a variable becomes a secret).
    """

    setting: str
    key: str
    api: str
    codec: Codec
    label: str
    shown: Shown
    filled_in: FilledIn = FilledIn.NOTHING
    echoed: bool = False
    guarded: bool = False
    or_in: str = ""


_AS_IT_IS, _INT64, _TEXT, _REQUIRED = Codec(), Int64(), Text(), Text(unset="")
_QUEUE = Object(
    AsyncTarget,
    (Part("queue_arn", "queueArn", _REQUIRED), Part("service_account_id", "serviceAccountId", _TEXT)),
    counts_empty=True,
)


class _Target(Codec):
    """A queue, or nowhere: the one is as explicit as the other."""

    known = MappingProxyType({"emptyTarget": {}, "ymqTarget": _QUEUE.known})

    def encode(self, value: AsyncTarget) -> Any:
        return {"emptyTarget": {}} if value.queue_arn is None else {"ymqTarget": _QUEUE.encode(value)}

    def decode(self, json: Any) -> AsyncTarget:
        return _QUEUE.decode((json or {}).get("ymqTarget")) or AsyncTarget()


_FLAG = Enum({True: "ENABLED", False: "DISABLED"}, "METADATA_OPTION_UNSPECIFIED")
_LEVEL = Text(unspecified="LEVEL_UNSPECIFIED")
_SECRET = Object(
    Secret,
    (
        Part("id", "id", _TEXT),
        Part("version_id", "versionId", _TEXT),
        Part("key", "key", _REQUIRED),
        Part("environment_variable", "environmentVariable", _REQUIRED),
    ),
)
_STORAGE_MOUNT = Object(
    StorageMount,
    (
        Part("bucket", "bucketId", _REQUIRED),
        Part("prefix", "prefix", _TEXT),
        Part("name", "mountPointName", _REQUIRED),
        Part("read_only", "readOnly", _AS_IT_IS),
    ),
)
_CONNECTIVITY = Object(
    Connectivity,
    (
        Part("network_id", "networkId", _TEXT, "network"),
        Part("subnet_ids", "subnetId", TextList(), "subnets"),
    ),
)
_LOG = Object(
    LogOptions,
    (
        Part("disabled", "disabled", _AS_IT_IS),
        Part("group_id", "logGroupId", _TEXT),
        Part("folder_id", "folderId", _TEXT),
        Part("min_level", "minLevel", _LEVEL),
    ),
)
_ASYNC_INVOCATION = Object(
    AsyncInvocation,
    (
        Part("retries", "retriesCount", _INT64),
        Part("service_account_id", "serviceAccountId", _TEXT),
        Part("success", "successTarget", _Target()),
        Part("failure", "failureTarget", _Target()),
    ),
    counts_empty=True,  # it allows asynchronous invocations
)
_METADATA = Object(
    MetadataOptions,
    (
        Part("gce_http_endpoint", "gceHttpEndpoint", _FLAG),
        Part("aws_v1_http_endpoint", "awsV1HttpEndpoint", _FLAG),
    ),
)

_ALL, _PARTS = FilledIn.ALL, FilledIn.PARTS

# fmt: off
FIELDS = (
    # setting, key of deploy.toml, API, codec, label, how a change is shown
    Field("runtime", "runtime", "runtime", _REQUIRED, "runtime", Shown.VALUES, filled_in=_ALL, echoed=True),
    Field("entrypoint", "entrypoint", "entrypoint", _REQUIRED, "entrypoint", Shown.VALUES, filled_in=_ALL, echoed=True),
    Field("execution_timeout_s", "timeout", "executionTimeout", Duration(), "timeout", Shown.VALUES,
          filled_in=_ALL, echoed=True),
    Field("environment", "environment", "environment", TextMap(), "environment", Shown.ENTRIES,
          echoed=True, guarded=True, or_in="secrets"),
    Field("secrets", "secrets", "secrets", ObjectList(_SECRET, "environmentVariable"), "secrets", Shown.ITEMS,
          guarded=True, or_in="environment"),
    Field("service_account_id", "service_account_id", "serviceAccountId", _TEXT, "service account", Shown.VALUES,
          echoed=True, guarded=True),
    Field("memory_bytes", "memory", "resources", Memory(), "memory", Shown.VALUES, echoed=True),
    Field("tmpfs_size_bytes", "tmpfs_size", "tmpfsSize", Size(), "tmpfs_size", Shown.VALUES,
          filled_in=_ALL, echoed=True),
    Field("concurrency", "concurrency", "concurrency", _INT64, "concurrency", Shown.VALUES,
          filled_in=_ALL, echoed=True),
    Field("named_service_accounts", "named_service_accounts", "namedServiceAccounts", TextMap(), "named accounts",
          Shown.ENTRIES, echoed=True, guarded=True),
    Field("mounts", "mounts", "mounts", MOUNTS, "mounts", Shown.ITEMS,
          filled_in=_PARTS, guarded=True),
    # Compared and kept as the mounts that they are: see `with_mounts_alone`.
    Field("storage_mounts", "storage_mounts", "storageMounts", ObjectList(_STORAGE_MOUNT, "mountPointName"), "mounts",
          Shown.NOWHERE),
    Field("connectivity", "connectivity", "connectivity", _CONNECTIVITY, "connectivity", Shown.NAME,
          filled_in=_PARTS, guarded=True),
    Field("log", "log", "logOptions", _LOG, "log", Shown.NAME, filled_in=_ALL),
    Field("async_invocation", "async_invocation", "asyncInvocationConfig", _ASYNC_INVOCATION, "async_invocation",
          Shown.NAME, filled_in=_PARTS),
    Field("metadata", "metadata", "metadataOptions", _METADATA, "metadata", Shown.NAME, filled_in=_ALL),
    Field("description", "description", "description", _REQUIRED, "description", Shown.NAME),
)
# They move between versions, so they are asked for, but are no part of what a Version is.
TAGS = Field("tags", "tags", "tag", TextList(), "tags", Shown.NOWHERE)
# fmt: on
SHOWN = tuple(sorted((row for row in FIELDS if row.shown is not Shown.NOWHERE), key=lambda row: row.shown))
