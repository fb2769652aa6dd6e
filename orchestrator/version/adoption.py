"""What a new Version would take away from one that was not made by this tool: nothing goes in silence."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model import Failure, Settings, Version
from orchestrator.version.body import settings_fields
from orchestrator.version.copy import unknown_fields
from orchestrator.version.fields import BY_API, FIELDS, Shown
from orchestrator.version.mounts import with_mounts_alone


def taken_away(settings: Settings, latest: Version) -> tuple[str, ...]:
    """List what the live Version has and one with these settings would not: environment variables, secrets, accounts,
    mounts, a network, and fields that this program does not know. Names only, no values.
    """
    desired, live = with_mounts_alone(settings_fields(settings, "")), with_mounts_alone(latest.raw)
    found = []
    for row in FIELDS:
        before, after = live.get(row.api), desired.get(row.api)
        if not row.guarded or not before:
            continue
        if row.shown in (Shown.ENTRIES, Shown.ITEMS):
            kept = row.codec.names(after)
            if row.or_in:
                kept |= BY_API[row.or_in].codec.names(desired.get(row.or_in))
            found += _listed(row.label, row.codec.names(before) - kept)
        elif not after:
            found.append(row.codec.told(row.label, before))
    found += _listed("settings that this program does not know:", unknown_fields(latest.raw))
    return tuple(found)


def refused(taken: Iterable[str], label: str) -> Failure:
    """Say why a function is left alone. `label`: what its live Version is."""
    return Failure(
        f"{label}, and the new version would take away {'; '.join(taken)}",
        kind="adoption",
        advice="declare it in deploy.toml, or let it go with --adopt",
    )


def _listed(what: str, names: Iterable[str]) -> list[str]:
    names = sorted(names)
    return [f"{what} {', '.join(names)}"] if names else []
