"""Versions of others that a new Version has replaced unseen: no check before the call can close the last gap. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Deployed, Failed, Failure, Outcome, Step, Version
from orchestrator.model.live_state import LiveState
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of
from orchestrator.version.stamp import read_stamp


def by_function(live: LiveState) -> dict[str, list[Version]]:
    """Return the Versions that were read, by the IDs of their Functions."""
    found: dict[str, list[Version]] = {}
    for version in live.versions.values():
        found.setdefault(version.function_id, []).append(version)
    return found


def replaced(
    made: Version,
    base_id: str,
    since: datetime | None,
    versions: Iterable[Version],
    fingerprint: str,
    known: Mapping[str, Version] = MappingProxyType({}),
) -> Version | None:
    """Return the newest Version that someone else made between a unit's base and its new Version.

    `since`: when its base was made, None if it had none. `versions`: of the same Function. `known`: those that the plan
    saw complete, by ID; one that was still being made is not among them. `fingerprint`: of an earlier attempt of this
    tool.
    """
    if made.created_at is None:
        return None
    between = [
        version
        for version in versions
        if version.is_active
        and version.id not in (made.id, base_id)
        and (version.id not in known or known[version.id].is_creating)
        and version.created_at is not None  # it may be later than `made` if that was ready sooner: it has lost $latest
        and (since is None or version.created_at > since)
        and str(read_stamp(version.description) or "") != fingerprint
    ]
    return max(between, key=lambda version: str(version.created_at), default=None)


def as_failure(key: str, lost: Version, made: Version, whole: Version | None) -> Failed:
    """Return the failure that says what was replaced, and how to restore it. `whole`: the lost Version with all its
    settings, if it could be read: listings are kept only in part.
    """
    problem = f"version {lost.id} was made by other means after the plan, and version {made.id} has replaced it"
    back = f'to restore its code, write `version_id = "{lost.id}"` in [functions.{key}] in place of its source'
    other = differences(settings_of(made), whole.raw) if whole is not None else {}
    if other:
        changed = f"from {lost.id} to {made.id} changed: {'; '.join(other.values())}"
        back += f"; to restore its settings, declare them there with the former values ({changed})"
    failure = Failure(problem, kind="overwritten", advice=f"{back}; then deploy")
    return Failed(Step.READ_BACK, failure, overwritten=lost.id)


def after_a_kill(done: Mapping[str, Outcome], live: LiveState, then: Mapping[str, UnitState]) -> dict[str, Outcome]:
    """Check what a run had deployed before it was killed: it did not read it back, so it did not check its last gap."""
    siblings, found = by_function(live), dict(done)
    for key, outcome in done.items():
        unit = then.get(key)
        made = live.versions.get(outcome.version_id) if isinstance(outcome, Deployed) else None
        base = live.versions.get(unit.base_version_id) if unit is not None else None
        if unit is None or made is None or base is None or made.id == base.id:
            continue
        lost = replaced(made, base.id, base.created_at, siblings[made.function_id], unit.fingerprint)
        if lost is not None:
            found[key] = as_failure(key, lost, made, None)
    return found
