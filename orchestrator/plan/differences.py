"""In what a live Version differs from the settings that are wanted, in words. Values of the environment never show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.copying import as_mount
from orchestrator.model import Json, Settings
from orchestrator.request import settings_fields
from orchestrator.stamp import without_stamp

# Shown with both values; the others, which hold structures or secrets, by their names.
_SHOWN = {
    "runtime": "runtime", "entrypoint": "entrypoint", "executionTimeout": "timeout",
    "serviceAccountId": "service account", "tmpfsSize": "tmpfs_size", "concurrency": "concurrency",
}  # fmt: skip
_NAMED = {
    "connectivity": "connectivity", "logOptions": "log", "asyncInvocationConfig": "async_invocation",
    "metadataOptions": "metadata",
}  # fmt: skip


def differences(settings: Settings, live: Json) -> dict[str, str]:
    """Compare each field with the live Version's JSON: the API's field name → what changes, in words."""
    want, have = _comparable(settings_fields(settings, settings.description)), _comparable(live)
    found: dict[str, str] = {}
    for name, label in _SHOWN.items():
        if want.get(name) != have.get(name):
            found[name] = f"{label} {have.get(name, 'none')} → {want.get(name, 'none')}"
    if want["memory"] != have["memory"]:
        found["resources"] = f"memory {_size(have['memory'])} → {_size(want['memory'])}"
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
    plain["memory"] = int((plain.get("resources") or {}).get("memory", 0))
    if "executionTimeout" in plain:
        plain["executionTimeout"] = f"{float(str(plain['executionTimeout']).removesuffix('s')):g}s"  # 1.500s is 1.5s
    plain["description"] = without_stamp(plain.get("description", ""))
    plain["secrets"] = {secret.get("environmentVariable", ""): secret for secret in plain.get("secrets", [])}
    older = [as_mount(mount) for mount in plain.get("storageMounts", [])]
    plain["mounts"] = {mount.get("name", ""): _with_mode(mount) for mount in [*plain.get("mounts", []), *older]}
    if fields.get("asyncInvocationConfig") is not None:  # allows them, even with nothing in it
        plain["asyncInvocationConfig"] = {"allowed": True, **plain.get("asyncInvocationConfig", {})}
    for name in ("environment", "namedServiceAccounts"):
        plain.setdefault(name, {})
    return plain


def _without_defaults(value: Any) -> Any:
    """Leave out what proto3 JSON may leave out; whole numbers are strings there."""
    if isinstance(value, Mapping):
        kept = {name: _without_defaults(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, "", "0", False, [], {})}
    if isinstance(value, list | tuple):
        return [_without_defaults(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _with_mode(mount: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode": "MODE_UNSPECIFIED", **mount}


def _size(size_bytes: int) -> str:
    megabytes, rest = divmod(size_bytes, 1024 * 1024)
    return f"{size_bytes} bytes" if rest else f"{megabytes}MB"
