"""What happens to a unit whose Function got another `$latest` after the plan: nothing of that is overwritten. Pure."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import (
    LATEST,
    AsLive,
    Blocked,
    Change,
    ChangeKind,
    Fingerprint,
    FunctionSpec,
    Settings,
    Unchanged,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.planning.verifying import on_another_base
from orchestrator.version.as_live import LIVE_MARK, changed_alone, live_mark, not_carried, with_parts
from orchestrator.version.compare import differences
from orchestrator.version.copy import carried_over, settings_of, unknown_fields, unreadable_fields
from orchestrator.version.history import EMPTY, History
from orchestrator.version.rings import ring_of, without_rings
from orchestrator.version.stamp import (
    BASE_MARK,
    base_mark,
    code_digest,
    code_marks,
    fingerprint,
    is_same,
    read_stamp,
    remarked,
)


def decided_again(
    unit: Unit, base: Version | None, latest: Version | None, by: str = "", history: History = EMPTY
) -> Unit | Unchanged | Blocked:
    """Decide about a unit that makes a Version. `base`: `$latest` when the plan was made. `latest`: `$latest` now.
    `by`: who made it, if known. `history`: of the Function, when the plan was made.

    | $latest is now                                  | the unit              | becomes                               |
    | ---                                             | ---                   | ---                                   |
    | what is desired, with its tags, made by us      | any                   | Unchanged                             |
    | another, which has all changes of this unit     | a copy of the base    | Unchanged                             |
    | another                                         | a copy of the base    | the same change, based on the new one |
    | another, with other values of the same settings | a copy of the base    | Blocked                               |
    | another, changed only in what is left as it is live | any               | the same change, with the live values |
    | another, or deleted                             | anything else         | Blocked                               |
    | another, or deleted                             | any, which is `exact` | Blocked                               |
    """
    if latest is None:
        return Blocked("the function has lost its version since the plan; plan again")
    left = unit.spec.as_live
    history = history.with_also(latest).leaving(left)
    doubt = history.doubt(latest)
    if _is_desired(unit, latest) and doubt is None:
        return Unchanged(latest.id)
    when = f" at {latest.created_at:%Y-%m-%d %H:%M:%S} UTC" if latest.created_at is not None else ""
    who = f" by {by}" if by else ""
    changed = f"changed since the plan: version {latest.id} was made{when}{who}"
    is_copy = isinstance(unit.spec.code, VersionCopy) and base is not None and unit.spec.code.version_id == base.id
    known = base is not None and any(one.id == base.id for one, _ in history.before_others(latest))
    theirs_alone = known and base is not None and changed_alone(base, latest, left)
    decides = theirs_alone or (is_copy and not unit.exact)
    if not decides or base is None or unit.fingerprint is None or not latest.is_active:
        return Blocked(f"{changed}; check it, then plan again")
    if not is_copy:
        return _with_what_is_live(unit, unit.fingerprint, base, latest, history, changed)
    return _same_change(unit, unit.fingerprint, base, latest, history, changed)


def _same_change(
    unit: Unit, meant: Fingerprint, base: Version, latest: Version, history: History, changed: str
) -> Unit | Unchanged | Blocked:
    """Apply the changes of a copy to the Version that is live now."""
    doubt = history.doubt(latest)
    unreadable = unreadable_fields(latest.raw)
    if unreadable:
        return Blocked(f"{changed}, with settings that cannot be read: {', '.join(unreadable)}")
    unknown = unknown_fields(latest.raw)
    if unknown:
        return Blocked(f"{changed}, with settings that this program does not know: {', '.join(unknown)}")
    theirs, ring = settings_of(latest), ring_of(unit.spec.settings.tags)
    ours = replace(unit.spec.settings, tags=without_rings(unit.spec.settings.tags))
    settings, conflicts = carried_over(ours, settings_of(base), theirs)
    if conflicts:
        return Blocked(f"{changed}, and it changes the same settings: {', '.join(conflicts)}; plan again")
    if settings == theirs and not meant.forced:
        return Unchanged(latest.id)
    tags = (*settings.tags, *([ring] if ring else []))
    spec = replace(unit.spec, settings=replace(settings, tags=tags), code=VersionCopy(latest.id))
    by_hand = doubt is not None or read_stamp(latest.description) is None
    known = latest if doubt is None or doubt.mine else None
    of_code = code_marks(spec.code, None, latest, by_hand=by_hand)
    marks = tuple(mark for mark in remarked(meant.marks, of_code) if mark[0] != BASE_MARK)
    marks = (*(mark for mark in marks if mark[0] != LIVE_MARK), *_left_mark(settings, unit.spec.as_live))
    digest = replace(meant, marks=marks, settings=fingerprint(settings, "").settings)
    digest = replace(digest, code=code_digest(spec.code, None, known))
    if history.has(digest):
        digest = replace(digest, marks=(*marks, base_mark(latest.id)))
    return _made(unit, spec, digest, base, latest)


def _with_what_is_live(
    unit: Unit, meant: Fingerprint, base: Version, latest: Version, history: History, changed: str
) -> Unit | Blocked:
    """Make the same change, with the present live values of what is left as it is live."""
    lost = not_carried(latest.raw, unit.spec.as_live)
    if lost:
        return Blocked(f"{changed}, with settings that cannot be left as they are live: {', '.join(lost)}")
    settings = with_parts(unit.spec.settings, settings_of(latest), unit.spec.as_live)
    settings = replace(settings, tags=unit.spec.settings.tags)
    marks = tuple(mark for mark in meant.marks if mark[0] != BASE_MARK)
    digest = replace(meant, marks=marks, settings=fingerprint(settings, "").settings)
    if history.has(digest):
        digest = replace(digest, marks=(*marks, base_mark(latest.id)))
    return _made(unit, replace(unit.spec, settings=settings), digest, base, latest)


def _left_mark(settings: Settings, left: AsLive) -> tuple[tuple[str, str], ...]:
    mark = live_mark(settings, left)
    return (mark,) if mark is not None else ()


def _made(unit: Unit, spec: FunctionSpec, digest: Fingerprint, base: Version, latest: Version) -> Unit:
    made = replace(
        unit,
        spec=spec,
        reason=f"{unit.reason}; made from {latest.id}, which is newer than the plan",
        fingerprint=digest,
        base_version_id=latest.id,
        changes=tuple(_based_on(change, latest) for change in unit.changes),
    )
    return on_another_base(made, base, latest)


def _is_desired(unit: Unit, latest: Version) -> bool:
    return (
        unit.fingerprint is not None
        and is_same(read_stamp(latest.description), unit.fingerprint)
        and latest.is_active
        and set(without_rings(unit.spec.settings.tags)) <= set(latest.tags)
        and not differences(unit.spec.settings, latest.raw, filled_in=True)
    )


def _based_on(change: Change, latest: Version) -> Change:
    """Return a change whose new Version takes the tags from the new `$latest`."""
    if change.kind is not ChangeKind.VERSION:
        return change
    held = {tag: latest.id for tag in change.before if tag in (LATEST, *latest.tags)}
    return replace(change, before={**change.before, **held})
