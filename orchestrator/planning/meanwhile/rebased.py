"""A unit as it was before others changed what is left as it is live. With it, an earlier plan, run or rollback is
recognised. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.model import ChangeKind, Unit, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.verifying import on_another_base
from orchestrator.version.as_live import desired_on, leaves_settings
from orchestrator.version.history import History, history_of
from orchestrator.version.stamp import BASE_MARK, base_mark


def on_former_bases(unit: Unit, live: LiveState) -> Iterator[Unit]:
    """Yield the unit as it would have been planned on earlier Versions, the newest first. From each of them, others
    have made the live Version by changing only what is left as it is live.
    """
    latest = live.latest(unit.function_id or "")
    if latest is None or not leaves_settings(unit.spec.as_live):
        return
    history = history_of(live.of_function(latest.function_id), latest).leaving(unit.spec.as_live)
    for base, older in history.before_others(latest):
        yield _on(unit, latest, base, older)


def as_run_then(unit: Unit, live: LiveState, fingerprint: str, base_id: str) -> Unit:
    """Return the unit as a run has planned it, on that base if possible, if others have since changed what is left as
    it is live. Otherwise return it unchanged.
    """
    former = [one for one in on_former_bases(unit, live) if str(one.fingerprint) == fingerprint]
    return next((one for one in former if one.base_version_id == base_id), former[0] if former else unit)


def is_of_another_base(unit: Unit, live: LiveState, base_id: str) -> bool:
    """Return whether the desired settings or code come from another Version than `base_id`, the intended one. If so,
    the declaration need not have changed.
    """
    if isinstance(unit.spec.code, VersionCopy):
        return True
    left = leaves_settings(unit.spec.as_live)
    return left and all(one.base_version_id != base_id for one in on_former_bases(unit, live))


def _on(unit: Unit, latest: Version, base: Version, older: History) -> Unit:
    digest = unit.fingerprint
    if digest is not None:
        digest = desired_on(digest, unit.spec, base)
        digest = replace(digest, marks=tuple(mark for mark in digest.marks if mark[0] != BASE_MARK))
        if older.has(digest):
            digest = replace(digest, marks=(*digest.marks, base_mark(base.id)))
    changes = tuple(
        replace(change, before={tag: base.id if one == latest.id else one for tag, one in change.before.items()})
        if change.kind in (ChangeKind.VERSION, ChangeKind.TAG)
        else change
        for change in unit.changes
    )
    made = replace(unit, fingerprint=digest, changes=changes, base_version_id=base.id)
    return on_another_base(made, latest, base)
