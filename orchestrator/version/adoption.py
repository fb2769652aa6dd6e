"""What a new Version would take away from one that was not made by this tool: nothing goes in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.model import Failure, Settings, Version
from orchestrator.version.body import settings_fields
from orchestrator.version.copy import unknown_fields


def taken_away(settings: Settings, latest: Version) -> tuple[str, ...]:
    """List what the live Version has and one with these settings would not: environment variables, secrets, accounts,
    mounts, a network, and fields that this program does not know. Names only, no values.
    """
    want, live = settings_fields(settings, ""), latest.raw
    found = []
    kept = want.get("environment", {}).keys() | _names(want, "secrets", "environmentVariable")
    found += _listed("environment", (live.get("environment") or {}).keys() - kept)
    found += _listed("secrets", _names(live, "secrets", "environmentVariable") - kept)
    if live.get("serviceAccountId") and not want.get("serviceAccountId"):
        found.append(f"service account {live['serviceAccountId']}")
    accounts = (live.get("namedServiceAccounts") or {}).keys() - want.get("namedServiceAccounts", {}).keys()
    found += _listed("named accounts", accounts)
    found += _listed("mounts", _mounts(live) - _mounts(want))
    if not want.get("connectivity"):
        network = live.get("connectivity") or {}
        if network.get("networkId"):
            found.append(f"network {network['networkId']}")
        else:
            found += _listed("subnets", network.get("subnetId") or ())
    found += _listed("settings that this program does not know:", unknown_fields(live))
    return tuple(found)


def refused(taken: Iterable[str], label: str) -> Failure:
    """Say why a function is left alone. `label`: what its live Version is."""
    return Failure(
        f"{label}, and the new version would take away {'; '.join(taken)}",
        kind="adoption",
        advice="declare it in deploy.toml, or let it go with --adopt",
    )


def _mounts(fields: Mapping[str, Any]) -> set[str]:
    return _names(fields, "mounts", "name") | _names(fields, "storageMounts", "mountPointName")


def _names(fields: Mapping[str, Any], field: str, name: str) -> set[str]:
    return {str(item.get(name, "")) for item in fields.get(field) or ()}


def _listed(what: str, names: Iterable[str]) -> list[str]:
    names = sorted(names)
    return [f"{what} {', '.join(names)}"] if names else []
