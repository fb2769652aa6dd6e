"""Versions of others that a new Version has replaced unseen: no look before it was asked for can close the last gap.
Pure.
"""

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
    """Group the Versions that were read by the ids of their Functions."""
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
    """Find the newest Version of somebody else between the one that a unit was based on and the one that it made.

    `since`: when its base was made, None where it had none. `versions`: of the same Function; `known`: those that the
    plan has seen, by id: one that was still being made then is none of them. An earlier attempt of ours has the stamp
    of `fingerprint`.
    """
    if made.created_at is None:
        return None
    between = [
        version
        for version in versions
        if version.is_active
        and version.id not in (made.id, base_id)
        and (version.id not in known or known[version.id].is_creating)
        and version.created_at is not None  # later than `made` perhaps, if it was ready sooner: it has lost $latest
        and (since is None or version.created_at > since)
        and str(read_stamp(version.description) or "") != fingerprint
    ]
    return max(between, key=lambda version: str(version.created_at), default=None)


def told(key: str, lost: Version, made: Version, whole: Version | None) -> Failed:
    """Say what was replaced, and how it comes back. `whole`: the lost Version with all its settings, where that could
    be read: of a listing only a part is kept.
    """
    problem = f"somebody made version {lost.id} after the plan, and version {made.id} has replaced it"
    back = f'to bring its code back, write `version_id = "{lost.id}"` in [functions.{key}] in place of its source'
    other = differences(settings_of(made), whole.raw) if whole is not None else {}
    if other:
        changed = f"from {lost.id} to {made.id} changed: {'; '.join(other.values())}"
        back += f"; to bring its settings back, declare them there as that version had them ({changed})"
    failure = Failure(problem, kind="overwritten", advice=f"{back}; then deploy")
    return Failed(Step.READ_BACK, failure, overwritten=lost.id)


def after_a_kill(done: Mapping[str, Outcome], live: LiveState, then: Mapping[str, UnitState]) -> dict[str, Outcome]:
    """Look at what a run had deployed that was killed before it read back: its last gap was not looked into."""
    siblings, found = by_function(live), dict(done)
    for key, outcome in done.items():
        unit = then.get(key)
        made = live.versions.get(outcome.version_id) if isinstance(outcome, Deployed) else None
        base = live.versions.get(unit.base_version_id) if unit is not None else None
        if unit is None or made is None or base is None or made.id == base.id:
            continue
        lost = replaced(made, base.id, base.created_at, siblings[made.function_id], unit.fingerprint)
        if lost is not None:
            found[key] = told(key, lost, made, None)
    return found
