"""A unit as it was before others changed what is left as it is live: so that a plan, a run or a rollback of before that
change is known again. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.model import ChangeKind, Unit, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.verifying import on_another_base
from orchestrator.version.as_live import leaves_settings, wanted_on
from orchestrator.version.history import History, history_of
from orchestrator.version.stamp import BASE_MARK, base_mark


def on_former_bases(unit: Unit, live: LiveState) -> Iterator[Unit]:
    """Give the unit as it would have been planned on each Version that others have made the live one of, by changing
    nothing but what is left as it is live; the newest first.
    """
    latest = live.latest(unit.function_id or "")
    if latest is None or not leaves_settings(unit.spec.as_live):
        return
    history = history_of(live.of_function(latest.function_id), latest).leaving(unit.spec.as_live)
    for base, older in history.before_others(latest):
        yield _on(unit, latest, base, older)


def as_run_then(unit: Unit, live: LiveState, fingerprint: str, base_id: str) -> Unit:
    """Give the unit as a run has planned it, on that base if it may be, where others have changed what is left as it is
    live since; else as it is.
    """
    former = [one for one in on_former_bases(unit, live) if str(one.fingerprint) == fingerprint]
    return next((one for one in former if one.base_version_id == base_id), former[0] if former else unit)


def is_of_another_base(unit: Unit, live: LiveState, base_id: str) -> bool:
    """Say whether what is wanted has settings or code of another Version than `base_id`, the one it was to have them
    of, so that nobody need have changed what is declared.
    """
    if isinstance(unit.spec.code, VersionCopy):
        return True
    left = leaves_settings(unit.spec.as_live)
    return left and all(one.base_version_id != base_id for one in on_former_bases(unit, live))


def _on(unit: Unit, latest: Version, base: Version, older: History) -> Unit:
    digest = unit.fingerprint
    if digest is not None:
        digest = wanted_on(digest, unit.spec, base)
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
