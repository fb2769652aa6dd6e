"""Mounts: a bucket or a disk, and the deprecated kind, which is read as what it is: a mount of a bucket."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from orchestrator.model import Json, Mount
from orchestrator.version.codecs import Codec, Enum, Int64, Object, ObjectList, Part, Text, only_set

_MODE = Enum({"read_only": "READ_ONLY", "read_write": "READ_WRITE"}, "MODE_UNSPECIFIED")
_BUCKET = Object(
    dict, (Part("bucket", "bucketId", Text(unset="")), Part("prefix", "prefix", Text())), counts_empty=True
)
_DISK = Object(dict, (Part("disk_size_bytes", "size", Int64()), Part("block_size_bytes", "blockSize", Int64())))


class _Mount(Codec):
    """A bucket or a disk, each in an object of its own."""

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


class _Mounts(ObjectList):
    """All mounts. Of several of one name, which are two spellings of one, the first is read."""

    def decode(self, json: Any) -> tuple[Mount, ...]:
        found: dict[str, Mount] = {}
        for mount in super().decode(json):
            found.setdefault(mount.name, mount)
        return tuple(found.values())


MOUNTS = _Mounts(_Mount(), "name")


def with_mounts_alone(json: Json) -> Json:
    """Write the deprecated mounts of a Version or a body behind its mounts, as the mounts that they are."""
    older = json.get("storageMounts")
    if not older:
        return json
    mounts = [*(json.get("mounts") or ()), *map(as_mount, older)]
    return {name: value for name, value in json.items() if name != "storageMounts"} | {"mounts": mounts}


def as_mount(storage_mount: Json) -> dict[str, Any]:
    """Write the JSON of a deprecated storage mount as that of the mount that it is."""
    target = {"bucketId": storage_mount.get("bucketId"), "prefix": storage_mount.get("prefix")}
    return {
        "name": storage_mount.get("mountPointName", ""),
        "mode": _MODE.encode("read_only" if storage_mount.get("readOnly") else "read_write"),
        "objectStorage": only_set(target),
    }
