"""The settings of a Version: ONE ROW PER FIELD. Bodies, copies, comparison, adoption, read-back and the fingerprint are
loops over this table. A new field of createVersion takes a row here, a field of `Settings` and a key of the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
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
)
from orchestrator.version.codec import Codec
from orchestrator.version.codecs import Duration, Enum, Flag, Int64, Memory, Size, Text, TextList, TextMap
from orchestrator.version.mounts import MOUNTS, STORAGE_MOUNTS
from orchestrator.version.objects import Object, ObjectList, Part
from orchestrator.version.runtimes import is_older


class Shown(IntEnum):
    """How a change is shown, and the order in which changes are listed. Values of variables are never shown."""

    VALUES = 1  # both: timeout 10s → 20s
    ENTRIES = 2  # of a map, by name: environment: +A ~B -C
    ITEMS = 3  # of a list, by key, in the same way
    NAME = 4  # only the field: log changed
    NOWHERE = 5  # not compared


class FilledIn(Names):
    """What the cloud may set by itself if it was not requested."""

    NOTHING = "nothing"  # nothing: what a Version has was requested
    PARTS = "parts"  # parts of its objects
    ALL = "all"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of createVersion, which a Version returns under the same name.

    `setting`: in `model.Settings`. `key`: in deploy.toml. `api`: in the API's JSON. `label`: in messages. Defaults:
    `api` is `setting` in camel case (serviceAccountId), `key` is `setting`, `label` is `key`. `guarded`: if a new
    Version would not have it, or have less of it, the loss needs consent (`Codec.lost`), unless the field `or_in` has
    it then (a variable becomes a secret). New rows are guarded. `default`: in comparable form, the cloud's value if
    none is requested: losing that is no loss.
    """

    setting: str
    codec: Codec
    shown: Shown
    api: str = ""
    key: str = ""
    label: str = ""
    filled_in: FilledIn = FilledIn.NOTHING
    guarded: bool = True
    or_in: str = ""
    default: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "api", self.api or _camel(self.setting))
        object.__setattr__(self, "key", self.key or self.setting)
        object.__setattr__(self, "label", self.label or self.key)


_INT64, _TEXT, _REQUIRED = Int64(), Text(), Text(unset="")
_QUEUE = Object(
    AsyncTarget,
    (
        Part("queue_arn", "queueArn", _REQUIRED, "queue"),
        Part("service_account_id", "serviceAccountId", _TEXT, "service account"),
    ),
    counts_empty=True,
)


class _Runtime(Text):
    """The name of a runtime. An older one of the same language counts as less."""

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        return [f"{label} {before} → {after}"] if is_older(after, than=before) else []


class _Target(Codec):
    """A queue, or none: both are explicit."""

    known = MappingProxyType({"emptyTarget": {}, "ymqTarget": _QUEUE.known})

    def encode(self, value: AsyncTarget) -> Any:
        return {"emptyTarget": {}} if value.queue_arn is None else {"ymqTarget": _QUEUE.encode(value)}

    def decode(self, json: Any) -> AsyncTarget:
        return _QUEUE.decode((json or {}).get("ymqTarget")) or AsyncTarget()

    def readable(self, json: Any) -> bool:
        return json is None or (isinstance(json, Mapping) and _QUEUE.readable(json.get("ymqTarget")))

    def gone(self, label: str, json: Any) -> list[str]:
        return [f"{label} {(json.get('ymqTarget') or {}).get('queueArn', '')}".rstrip()]

    def less(self, label: str, before: Any, after: Any) -> list[str]:  # noqa: ARG002 - another queue is no less
        return []


class _Connectivity(Object):
    """A network and subnets. The cloud may fill in either from the other."""

    def bare(self, json: Any) -> Any:
        return {"networkId": json["networkId"]} if json.get("networkId") else json

    def filled_in_as(self, asked: Any, former: Any) -> Any:
        same = asked and former and asked.get("networkId") == former.get("networkId")
        return {"subnetId": former.get("subnetId") or [], **asked} if same else asked

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        networks = before.get("networkId"), after.get("networkId")
        if all(networks) and len({*networks}) > 1:
            return []  # another network has its own subnets
        return super().less(label, before, {**before, **after} if after else after)


class _Log(Object):
    """Where logs are written. The cloud may fill in the destination."""

    def bare(self, json: Any) -> Any:
        return {name: value for name, value in json.items() if name not in ("logGroupId", "folderId")}


_FLAG = Enum({True: "ENABLED", False: "DISABLED"}, "METADATA_OPTION_UNSPECIFIED")
_LEVEL = Text(unspecified="LEVEL_UNSPECIFIED")
_SECRET = Object(
    Secret,
    (
        Part("id", "id", _TEXT, "id"),
        Part("version_id", "versionId", _TEXT, "version"),
        Part("key", "key", _REQUIRED, "key"),
        Part("environment_variable", "environmentVariable", _REQUIRED, "variable"),
    ),
)
_CONNECTIVITY = _Connectivity(
    Connectivity,
    (
        Part("network_id", "networkId", _TEXT, "network"),
        Part("subnet_ids", "subnetId", TextList(), "subnets"),
    ),
)
_LOG = _Log(
    LogOptions,
    (
        Part("disabled", "disabled", Flag(), "log disabled"),
        Part("group_id", "logGroupId", _TEXT, "log group"),
        Part("folder_id", "folderId", _TEXT, "log folder"),
        Part("min_level", "minLevel", _LEVEL, "log level", default=("INFO",)),
    ),
)
_ASYNC_INVOCATION = Object(
    AsyncInvocation,
    (
        Part("retries", "retriesCount", _INT64, "async retries", default=("2", "3")),
        Part("service_account_id", "serviceAccountId", _TEXT, "async service account"),
        Part("success", "successTarget", _Target(), "async success queue"),
        Part("failure", "failureTarget", _Target(), "async failure queue"),
    ),
    counts_empty=True,  # it allows asynchronous invocations
)
_METADATA = Object(
    MetadataOptions,
    (
        Part("gce_http_endpoint", "gceHttpEndpoint", _FLAG, "metadata gce_http_endpoint", default=("ENABLED",)),
        Part(
            "aws_v1_http_endpoint", "awsV1HttpEndpoint", _FLAG, "metadata aws_v1_http_endpoint", default=("DISABLED",)
        ),
    ),
)

_ALL, _PARTS = FilledIn.ALL, FilledIn.PARTS

# fmt: off
FIELDS = (
    Field("runtime", _Runtime(unset=""), Shown.VALUES, filled_in=_ALL),
    Field("entrypoint", _REQUIRED, Shown.VALUES, filled_in=_ALL),
    Field("execution_timeout_s", Duration(), Shown.VALUES, "executionTimeout", "timeout", filled_in=_ALL,
          default=("3s",)),
    Field("environment", TextMap(), Shown.ENTRIES, or_in="secrets"),
    Field("secrets", ObjectList(_SECRET, "environmentVariable"), Shown.ITEMS, or_in="environment"),
    Field("service_account_id", _TEXT, Shown.VALUES, label="service account"),
    Field("memory_bytes", Memory(), Shown.VALUES, "resources", "memory"),
    Field("tmpfs_size_bytes", Size(), Shown.VALUES, "tmpfsSize", "tmpfs_size", filled_in=_ALL,
          default=("512MB",)),
    Field("concurrency", _INT64, Shown.VALUES, filled_in=_ALL, default=("1",)),
    Field("named_service_accounts", TextMap(), Shown.ENTRIES, label="named accounts"),
    Field("mounts", MOUNTS, Shown.ITEMS, filled_in=_PARTS),
    # Compared, guarded and kept as mounts: see `with_mounts_alone`.
    Field("storage_mounts", STORAGE_MOUNTS, Shown.NOWHERE),
    Field("connectivity", _CONNECTIVITY, Shown.NAME, filled_in=_PARTS),
    Field("log", _LOG, Shown.NAME, "logOptions", filled_in=_ALL),
    Field("async_invocation", _ASYNC_INVOCATION, Shown.NAME, "asyncInvocationConfig", filled_in=_PARTS),
    Field("metadata", _METADATA, Shown.NAME, "metadataOptions", filled_in=_ALL),
    # A description belongs to its Version: the next one has its own.
    Field("description", _REQUIRED, Shown.NAME, guarded=False),
)
# Tags move between Versions, so they are requested, but they do not belong to a Version.
TAGS = Field("tags", TextList(), Shown.NOWHERE, "tag")
# fmt: on
BY_API = {row.api: row for row in FIELDS}
BY_SETTING = {row.setting: row for row in FIELDS}
SHOWN = tuple(sorted((row for row in FIELDS if row.shown is not Shown.NOWHERE), key=lambda row: row.shown))
