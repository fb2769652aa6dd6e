"""How what a run has changed comes back: for each Function its changes, or why it is left alone. Pure.

| $latest now                            | comes back by                                                              |
| ---                                    | ---                                                                        |
| a Version of the run                   | a copy of the former one, to the letter, with a back mark                  |
| a Version of the run, and none before  | nothing: a Function that exists may be called by somebody; it is named     |
| the copy that took the run back        | nothing: it is back                                                        |
| any other                              | nothing: somebody has deployed since; it is named, with who and when       |

| a tag that the run moved               | comes back by                                                              |
| ---                                    | ---                                                                        |
| on a Version of the run                | moving to the very Version that held it; to none, where none did           |
| on the Version that held it            | nothing: it is back                                                        |
| anywhere else                          | nothing: somebody has moved it since; it is named                          |

Own settings (labels, description) come back where they still are as the run left them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.function.fields import still_as
from orchestrator.model import (
    LATEST,
    Action,
    Change,
    ChangeKind,
    Failure,
    Function,
    FunctionSpec,
    Place,
    Settings,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.touched import Touched
from orchestrator.version.copy import copy_spec, settings_of
from orchestrator.version.stamp import (
    back_mark,
    code_digest,
    fingerprint,
    marked_back,
    parse_fingerprint,
    read_back_mark,
    read_stamp,
)

NOT_BACK = "not back"  # the kind of failure of what a rollback leaves alone


@dataclass(frozen=True, slots=True)
class Former:
    """The Versions that were live before a run, each read by itself; and who has deployed since, by Version id.
    `lossy`: keys or names of Functions whose unknown settings may be lost.
    """

    versions: Mapping[str, Version]
    authors: Mapping[str, str]
    lossy: Container[str] = ()


def taken_back(touched: Iterable[Touched], live: LiveState, former: Former) -> tuple[Unit, ...]:
    """Plan the way back of what a run has touched. A unit that leaves something alone has a `failure` that says what;
    it makes the changes that it has all the same.
    """
    return tuple(_unit(one, live, former) for one in touched)


def _unit(touched: Touched, live: LiveState, former: Former) -> Unit:
    place = Place("", 0)
    function = live.by_id.get(touched.function_id)
    if function is None:
        gone = FunctionSpec(
            touched.key, touched.name, touched.folder_id, Settings("", "", 0), VersionCopy(LATEST), place, id=None
        )
        return _left(Unit(touched.key, gone, Action.BLOCKED, ""), ["the function is not there any more"])
    spec = _as_it_is(touched, function, live, place)
    unit = Unit(touched.key, spec, Action.UNCHANGED, "", function_id=function.id)
    latest = live.latest(function.id)
    unit = replace(unit, base_version_id=latest.id if latest is not None else None)
    tags, left = _tags(touched, live)
    own, other = _own(touched, function)
    unit = replace(unit, changes=(*tags, *own))
    unit, why = _latest(unit, touched, function, latest, former)
    left += [*other, *([why] if why else [])]
    reason = _reason(unit, touched)
    return _left(replace(unit, action=_action(unit), reason=reason), left)


def _latest(
    unit: Unit, touched: Touched, function: Function, latest: Version | None, former: Former
) -> tuple[Unit, str]:
    """Add the copy of the former Version; or say why there is none, "" where none is needed."""
    if not touched.made:
        return unit, ""
    if latest is None:
        return unit, "it has no version any more"
    if latest.id not in touched.made:
        withdrawn = parse_fingerprint(touched.fingerprint)
        if withdrawn is not None and read_back_mark(latest.description) == back_mark(withdrawn):
            return unit, ""  # it is back
        return unit, f"{latest.id} was deployed since{_who(latest, former)}"
    if not touched.base_version_id:
        return unit, "" if touched.created else "it had no version before, and its first one cannot be taken away"
    base = former.versions.get(touched.base_version_id)
    if base is None:
        return unit, f"version {touched.base_version_id}, which was live before, is gone"
    if not base.is_active:
        return unit, f"version {base.id}, which was live before, is {base.status}"
    return _copied(unit, touched, function, base, lossy=unit.key in former.lossy or function.name in former.lossy)


def _copied(unit: Unit, touched: Touched, function: Function, base: Version, *, lossy: bool) -> tuple[Unit, str]:
    spec = copy_spec(function, base, unit.spec.place, lossy=lossy, tags=())
    if isinstance(spec, Failure):
        return unit, spec.message
    withdrawn = parse_fingerprint(touched.fingerprint)
    description = marked_back(base.description, back_mark(withdrawn)) if withdrawn is not None else base.description
    digest = read_stamp(base.description) or fingerprint(spec.settings, code_digest(spec.code, None, base))
    change = Change(ChangeKind.VERSION, {LATEST: unit.base_version_id or ""}, {LATEST: None})
    return replace(
        unit,
        spec=replace(spec, key=unit.key),
        fingerprint=digest,
        description=description,
        changes=(*unit.changes, change),
    ), ""


def _tags(touched: Touched, live: LiveState) -> tuple[list[Change], list[str]]:
    """Give the moves of tags, and what is said of those that stay."""
    moves, left = [], []
    for tag, holder_id in touched.tags.items():
        now = live.tagged.get((touched.function_id, tag))
        now_id = now.id if now is not None else ""
        if now_id == holder_id:
            continue
        if now_id not in touched.made and now_id != touched.moved_to.get(tag):
            left.append(f"the tag {tag} was moved to {now_id or 'none'} since")
        elif holder_id and holder_id not in live.versions:
            left.append(f"version {holder_id}, which held the tag {tag}, is gone")
        else:
            moves.append(Change(ChangeKind.TAG, {tag: now_id}, {tag: holder_id}))
    return moves, left


def _own(touched: Touched, function: Function) -> tuple[list[Change], list[str]]:
    changes, left = [], []
    for change in reversed(touched.own):
        if still_as(function, change.after):
            changes.append(Change(ChangeKind.UPDATE, change.after, change.before))
        elif not still_as(function, change.before):
            left.append("its labels or its description were changed since")
    return changes, left


def _as_it_is(touched: Touched, function: Function, live: LiveState, place: Place) -> FunctionSpec:
    """Describe the Function as it is: nothing is wanted of it but what its changes say."""
    latest = live.latest(function.id)
    code = VersionCopy(latest.id if latest is not None else LATEST)
    settings = replace(settings_of(latest), tags=()) if latest is not None else Settings("", "", 0)
    return FunctionSpec(touched.key, function.name, function.folder_id, settings, code, place, id=function.id)


def _action(unit: Unit) -> Action:
    kinds = {change.kind for change in unit.changes}
    if ChangeKind.VERSION in kinds:
        return Action.COPY
    if ChangeKind.TAG in kinds:
        return Action.RETAG
    return Action.UPDATE if kinds else Action.UNCHANGED


def _reason(unit: Unit, touched: Touched) -> str:
    """Say what goes back, and to what."""
    found = [f"back to {touched.base_version_id}"] if _action(unit) is Action.COPY else []
    for change in unit.changes:
        if change.kind is ChangeKind.TAG:
            ((tag, holder),) = change.after.items()
            found.append(f"tag {tag} back to {holder}" if holder else f"tag {tag} goes, which nobody held")
    if any(change.kind is ChangeKind.UPDATE for change in unit.changes):
        found.append("labels and description back")
    if found:
        return "; ".join(found)
    return "it was created by that run, and stays" if touched.created else "it is as it was before"


def _left(unit: Unit, left: list[str]) -> Unit:
    """Say what is left alone of a unit: all of it, where nothing else is to be done."""
    if not left:
        return unit
    failure = Failure(f"left alone: {'; '.join(left)}", kind=NOT_BACK, advice="look at it, then decide by hand")
    if unit.changes:
        return replace(unit, failure=failure)
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)


def _who(version: Version, former: Former) -> str:
    when = f" at {version.created_at:%Y-%m-%d %H:%M:%S} UTC" if version.created_at is not None else ""
    who = former.authors.get(version.id, "")
    return f"{when}{f' by {who}' if who else ''}"
