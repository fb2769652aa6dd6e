"""Mounts: a bucket or a disk. The deprecated kind is read as a mount of a bucket, which it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from orchestrator.model import Json, Mount, StorageMount
from orchestrator.version.codec import Codec, only_set
from orchestrator.version.codecs import Enum, Flag, Size, Text
from orchestrator.version.objects import Object, ObjectList, Part

_MODE = Enum({"read_only": "READ_ONLY", "read_write": "READ_WRITE"}, "MODE_UNSPECIFIED")
_BUCKET = Object(
    dict,
    (Part("bucket", "bucketId", Text(unset=""), "bucket"), Part("prefix", "prefix", Text(), "prefix")),
    counts_empty=True,
)
_DISK = Object(
    dict,
    (
        Part("disk_size_bytes", "size", Size(), "size"),
        Part("block_size_bytes", "blockSize", Size(), "block size", default=("4KB",)),
    ),
)


class _Mount(Codec):
    """A bucket or a disk, each in its own object."""

    known = MappingProxyType(
        {"name": None, "mode": _MODE.known, "objectStorage": _BUCKET.known, "ephemeralDiskSpec": _DISK.known}
    )

    def encode(self, value: Mount) -> Any:
        name, codec = ("ephemeralDiskSpec", _DISK) if value.bucket is None else ("objectStorage", _BUCKET)
        return only_set({"name": value.name, "mode": _MODE.encode(value.mode), name: codec.encode(value)})

    def decode(self, json: Any) -> Mount:
        target = _BUCKET.decode(json.get("objectStorage"))
        if target is None:
            target = _DISK.decode(json.get("ephemeralDiskSpec")) or {}
        return Mount(json.get("name", ""), _MODE.decode(json.get("mode")), **target)

    def readable(self, json: Any) -> bool:
        return (
            isinstance(json, Mapping)
            and isinstance(json.get("name", ""), str)
            and _MODE.readable(json.get("mode"))
            and _BUCKET.readable(json.get("objectStorage"))
            and _DISK.readable(json.get("ephemeralDiskSpec"))
        )

    def bare(self, json: Any) -> Any:
        filled_in = {"mode"} if json.get("mode") == "READ_WRITE" else set[str]()
        kept = {name: value for name, value in json.items() if name not in filled_in}
        return kept | {name: _DISK.bare(value) for name, value in kept.items() if name == "ephemeralDiskSpec"}

    def less(self, label: str, before: Any, after: Any) -> list[str]:  # noqa: ARG002 - parts have labels of their own
        written = "READ_WRITE"  # also if it is not set
        if before.get("mode") in (None, "", _MODE.unspecified, written) and after.get("mode") == "READ_ONLY":
            found = [f"mode {written} → READ_ONLY"]
        else:
            found = _MODE.lost("mode", before.get("mode"), after.get("mode"), (written,))
        for name, codec in (("objectStorage", _BUCKET), ("ephemeralDiskSpec", _DISK)):
            if before.get(name) and after.get(name):  # a bucket in place of a disk is another value, not less
                found += codec.less("", before[name], after[name])
        return found


class _Mounts(ObjectList):
    """All mounts. If several have one name, these are two spellings of one mount, and the first is read."""

    def decode(self, json: Any) -> tuple[Mount, ...]:
        found: dict[str, Mount] = {}
        for mount in super().decode(json):
            found.setdefault(mount.name, mount)
        return tuple(found.values())


MOUNTS = _Mounts(_Mount(), "name")
STORAGE_MOUNTS = ObjectList(
    Object(
        StorageMount,
        (
            Part("bucket", "bucketId", Text(unset=""), "bucket"),
            Part("prefix", "prefix", Text(), "prefix"),
            Part("name", "mountPointName", Text(unset=""), "name"),
            Part("read_only", "readOnly", Flag(), "read only"),
        ),
    ),
    "mountPointName",
)


def with_mounts_alone(json: Json) -> Json:
    """Return a Version or a body with its deprecated mounts added to its mounts."""
    older = json.get("storageMounts")
    if not older or not (STORAGE_MOUNTS.readable(older) and MOUNTS.readable(json.get("mounts"))):
        return json
    mounts = [*(json.get("mounts") or ()), *map(as_mount, older)]
    return {name: value for name, value in json.items() if name != "storageMounts"} | {"mounts": mounts}


def as_mount(storage_mount: Json) -> dict[str, Any]:
    """Return the JSON of a deprecated storage mount in the form of a mount."""
    target = {"bucketId": storage_mount.get("bucketId"), "prefix": storage_mount.get("prefix")}
    return {
        "name": storage_mount.get("mountPointName", ""),
        "mode": _MODE.encode("read_only" if storage_mount.get("readOnly") else "read_write"),
        "objectStorage": only_set(target),
    }
