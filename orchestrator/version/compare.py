"""In what a live Version differs from the settings that are wanted, in words. Values of the environment never show."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orchestrator.model import Json, Settings
from orchestrator.version.body import settings_fields
from orchestrator.version.copy import as_mount
from orchestrator.version.stamp import without_stamp

# Shown with both values; the others, which hold structures or secrets, by their names.
_SHOWN = {
    "runtime": "runtime", "entrypoint": "entrypoint", "executionTimeout": "timeout",
    "serviceAccountId": "service account", "resources": "memory", "tmpfsSize": "tmpfs_size",
    "concurrency": "concurrency",
}  # fmt: skip
_NAMED = {
    "connectivity": "connectivity", "logOptions": "log", "asyncInvocationConfig": "async_invocation",
    "metadataOptions": "metadata",
}  # fmt: skip
# What a Version has of these, somebody asked for: the cloud adds none by itself.
_NEVER_FILLED_IN = {
    "description", "serviceAccountId", "resources", "environment", "namedServiceAccounts", "secrets", "mounts",
    "connectivity", "asyncInvocationConfig",
}  # fmt: skip
_UNSET: tuple[object, ...] = (
    None, "", "0", False, [], {}, "MODE_UNSPECIFIED", "LEVEL_UNSPECIFIED", "METADATA_OPTION_UNSPECIFIED",
)  # fmt: skip


def differences(settings: Settings, live: Json, *, filled_in: bool = False) -> dict[str, str]:
    """Compare each field with the live Version's JSON: the API's field name → what changes, in words.

    `filled_in`: the Version was made of just these settings, so what they leave open and it has (a timeout, the folder
    of the logs, the block size of a disk) was filled in by the cloud and is no difference.
    """
    want, have = _comparable(settings_fields(settings, settings.description)), _comparable(live)
    want["description"] = settings.description.rstrip()  # a stamp in it is part of the text
    if filled_in:
        have = _as_asked(want, have)
    found: dict[str, str] = {}
    for name, label in _SHOWN.items():
        if want.get(name) != have.get(name):
            found[name] = f"{label} {have.get(name, 'none')} → {want.get(name, 'none')}"
    for name, label in (("environment", "environment"), ("namedServiceAccounts", "named accounts"),
                        ("secrets", "secrets"), ("mounts", "mounts")):  # fmt: skip
        signs = _signs(want[name], have[name])
        if signs:
            found[name] = f"{label}: {signs}"
    for name, label in _NAMED.items():
        if want.get(name) != have.get(name):
            found[name] = f"{label} changed"
    if want["description"] != have["description"]:
        found["description"] = "description changed"
    return found


def _signs(want: Mapping[str, Any], have: Mapping[str, Any]) -> str:
    """Write +added ~changed -removed."""
    return " ".join(
        [
            *(f"+{name}" for name in sorted(want.keys() - have.keys())),
            *(f"~{name}" for name in sorted(want.keys() & have.keys()) if want[name] != have[name]),
            *(f"-{name}" for name in sorted(have.keys() - want.keys())),
        ]
    )


def _comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a request and a Version to one form: defaults left out, lists by name, older kinds as the newer ones."""
    plain = _without_defaults(fields) or {}
    plain["resources"] = _size((plain.get("resources") or {}).get("memory", "0"))
    if "tmpfsSize" in plain:
        plain["tmpfsSize"] = _size(plain["tmpfsSize"])
    if "executionTimeout" in plain:
        seconds = Decimal(plain["executionTimeout"].removesuffix("s"))
        plain["executionTimeout"] = f"{seconds.normalize():f}s"  # 1.500s is 1.5s
    plain["description"] = without_stamp(plain.get("description", ""))
    plain["secrets"] = {secret.get("environmentVariable", ""): secret for secret in plain.get("secrets", [])}
    older = [as_mount(mount) for mount in plain.get("storageMounts", [])]
    plain["mounts"] = {mount.get("name", ""): mount for mount in [*plain.get("mounts", []), *older]}
    if "subnetId" in plain.get("connectivity", {}):
        plain["connectivity"]["subnetId"].sort()
    if fields.get("asyncInvocationConfig") is not None:  # allows them, even with nothing in it
        plain["asyncInvocationConfig"] = {"allowed": True, **plain.get("asyncInvocationConfig", {})}
    for name in ("environment", "namedServiceAccounts"):
        plain[name] = fields.get(name) or {}  # "" and "0" are values here
    return plain


def _without_defaults(value: Any) -> Any:
    """Leave out what proto3 JSON may leave out; whole numbers are strings there."""
    if isinstance(value, Mapping):
        kept = {name: _without_defaults(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in _UNSET}
    if isinstance(value, list | tuple):
        return [_without_defaults(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _as_asked(want: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a Version what the cloud may have filled in."""
    kept = {name: value for name, value in have.items() if name in want or name in _NEVER_FILLED_IN}
    for name in kept.keys() & want.keys() & _NAMED.keys():
        kept[name] = _shaped(want[name], kept[name])
    kept["mounts"] = {name: _shaped(want["mounts"].get(name, mount), mount) for name, mount in have["mounts"].items()}
    return kept


def _shaped(want: Any, have: Any) -> Any:
    """Leave out of `have` the fields that `want` has not, at any depth."""
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return {name: _shaped(want[name], item) for name, item in have.items() if name in want}
    return have


def _size(size_bytes: str) -> str:
    megabytes, rest = divmod(int(size_bytes), 1024 * 1024)
    return f"{size_bytes} bytes" if rest else f"{megabytes}MB"
