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
    NOWHERE = 5  # not compared


class FilledIn(Names):
    """What the cloud may set by itself where nobody asked for it."""

    NOTHING = "nothing"  # what a Version has of it, somebody asked for
    PARTS = "parts"  # of its objects
    ALL = "all"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of createVersion, which a Version gives back under the same name.

    `setting`: in `model.Settings`; `key`: in deploy.toml; `api`: in the API's JSON. `label`: what people know it by.
    What is not given: `api` is `setting` as JSON spells it (serviceAccountId), `key` is `setting`, `label` is `key`.
    `echoed`: documented to be given back as it was sent (cloud-api §2), so what reads back otherwise is a mistake.
    `guarded`: what a live Version has of it and a new one would not, adoption does not let go in silence, unless the
    field `or_in` has it then (a variable becomes a secret).
    """

    setting: str
    codec: Codec
    shown: Shown
    api: str = ""
    key: str = ""
    label: str = ""
    filled_in: FilledIn = FilledIn.NOTHING
    echoed: bool = False
    guarded: bool = False
    or_in: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "api", self.api or _camel(self.setting))
        object.__setattr__(self, "key", self.key or self.setting)
        object.__setattr__(self, "label", self.label or self.key)


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
    Field("runtime", _REQUIRED, Shown.VALUES, filled_in=_ALL, echoed=True),
    Field("entrypoint", _REQUIRED, Shown.VALUES, filled_in=_ALL, echoed=True),
    Field("execution_timeout_s", Duration(), Shown.VALUES, "executionTimeout", "timeout", filled_in=_ALL, echoed=True),
    Field("environment", TextMap(), Shown.ENTRIES, echoed=True, guarded=True, or_in="secrets"),
    Field("secrets", ObjectList(_SECRET, "environmentVariable"), Shown.ITEMS, guarded=True, or_in="environment"),
    Field("service_account_id", _TEXT, Shown.VALUES, label="service account",
          echoed=True, guarded=True),
    Field("memory_bytes", Memory(), Shown.VALUES, "resources", "memory", echoed=True),
    Field("tmpfs_size_bytes", Size(), Shown.VALUES, "tmpfsSize", "tmpfs_size", filled_in=_ALL, echoed=True),
    Field("concurrency", _INT64, Shown.VALUES, filled_in=_ALL, echoed=True),
    Field("named_service_accounts", TextMap(), Shown.ENTRIES, label="named accounts",
          echoed=True, guarded=True),
    Field("mounts", MOUNTS, Shown.ITEMS, filled_in=_PARTS, guarded=True),
    # Compared and kept as the mounts that they are: see `with_mounts_alone`.
    Field("storage_mounts", ObjectList(_STORAGE_MOUNT, "mountPointName"), Shown.NOWHERE),
    Field("connectivity", _CONNECTIVITY, Shown.NAME, filled_in=_PARTS, guarded=True),
    Field("log", _LOG, Shown.NAME, "logOptions", filled_in=_ALL),
    Field("async_invocation", _ASYNC_INVOCATION, Shown.NAME, "asyncInvocationConfig", filled_in=_PARTS),
    Field("metadata", _METADATA, Shown.NAME, "metadataOptions", filled_in=_ALL),
    Field("description", _REQUIRED, Shown.NAME),
)
# They move between versions, so they are asked for, but are no part of what a Version is.
TAGS = Field("tags", TextList(), Shown.NOWHERE, "tag")
# fmt: on
BY_API = {row.api: row for row in FIELDS}
SHOWN = tuple(sorted((row for row in FIELDS if row.shown is not Shown.NOWHERE), key=lambda row: row.shown))
