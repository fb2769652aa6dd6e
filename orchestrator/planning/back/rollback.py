"""How the changes of a run are rolled back: the changes for each Function, or why it is left alone. Pure.

| $latest now                           | rolled back by                                                   |
| ---                                   | ---                                                              |
| a Version of the run                  | an exact copy of the former one, with a back mark                |
| a Version of the run, and none before | nothing: the Function may be in use; it is reported              |
| the copy that took the run back       | nothing: it is done                                              |
| any other                             | nothing: another deployment followed; reported with who and when |

| a tag that the run moved    | rolled back by                                              |
| ---                         | ---                                                         |
| on a Version of the run     | moving to the Version that held it; removed, where none did |
| on the Version that held it | nothing: it is done                                         |
| anywhere else               | nothing: it was moved since; it is reported                 |

Own settings (labels, description, scaling policies, access) are restored if they still are as the run left them.
Access is made wider only with consent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from shlex import join

from orchestrator.function.access import opens
from orchestrator.function.fields import taken_back_change
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
from orchestrator.version.compare import differences
from orchestrator.version.copy import as_it_is, same_again, settings_of
from orchestrator.version.drift import is_as_stamped
from orchestrator.version.stamp import (
    back_mark,
    code_digest,
    fingerprint,
    marked_back,
    parse_fingerprint,
    read_back_mark,
    read_stamp,
)

NOT_BACK = "not back"  # the failure kind of what a rollback leaves alone


@dataclass(frozen=True, slots=True)
class Former:
    """The Versions that were live before a run, whole, and who has since changed what is left alone. This is text: by
    Version ID for deployments, by Function ID and tag for tag moves. `lossy`: keys or names of Functions whose unknown
    settings may be lost. `wider`: of those that may become public again. `run_id`: of the run. `reaching`: what else to
    type to roll it back.
    """

    versions: Mapping[str, Version]
    deployed: Mapping[str, str]
    moved: Mapping[tuple[str, str], str]
    lossy: Container[str] = ()
    wider: Container[str] = ()
    run_id: str = ""
    reaching: tuple[str, ...] = ()


def taken_back(touched: Iterable[Touched], live: LiveState, former: Former) -> tuple[Unit, ...]:
    """Plan the rollback of what a run has touched. A unit that leaves something alone has a `failure` that says what,
    and still makes its other changes.
    """
    return tuple(_unit(as_found(one, live), live, former) for one in touched)


def as_found(touched: Touched, live: LiveState) -> Touched:
    """Add a Version that was made by a request whose answer was lost. If there is no Version, no tag has moved."""
    latest = live.latest(touched.function_id)
    if latest is not None and _is_answer(touched, latest) and not _is_back(touched, latest, live):
        touched = replace(touched, made=(*touched.made, latest.id))
    if touched.made:
        return touched
    return replace(touched, tags={tag: held for tag, held in touched.tags.items() if tag in touched.moved_to})


def _is_answer(touched: Touched, latest: Version) -> bool:
    """Return whether a Version is the one that was requested last, if no Operation of that request is known. A manual
    copy of its description does not count.
    """
    stamp = read_stamp(latest.description)
    if not touched.unsure or latest.id in (touched.base_version_id, *touched.made):
        return False
    if stamp is None or str(stamp) != touched.fingerprint:
        return False
    return latest.is_creating or is_as_stamped(settings_of(latest), latest, stamp)


def moved_since(touched: Touched, live: LiveState) -> dict[str, str]:
    """Return the tags that are neither where the run put them nor where they were before → the Version that has them
    now, "" for none.
    """
    now = {tag: _held(touched, live, tag) for tag in touched.tags}
    return {
        tag: now[tag]
        for tag, holder_id in touched.tags.items()
        if now[tag] != holder_id and now[tag] not in touched.made and now[tag] != touched.moved_to.get(tag)
    }


def deployed_since(touched: Touched, live: LiveState) -> Version | None:
    """Return the Version that replaced the one that the run made, None if there is none or the run was rolled back."""
    latest = live.latest(touched.function_id)
    if not touched.made or latest is None or latest.id in (touched.base_version_id, *touched.made):
        return None
    return None if _is_back(touched, latest, live) else latest


def _is_back(touched: Touched, latest: Version, live: LiveState) -> bool:
    """Return whether `$latest` is the copy that rolled the run back. If its description had no room for a mark, the
    copy is recognised by equal description, settings and size.
    """
    base, withdrawn = live.versions.get(touched.base_version_id), parse_fingerprint(touched.fingerprint)
    if withdrawn is None:
        return False
    if base is None:
        return read_back_mark(latest.description) == back_mark(withdrawn, latest)
    if latest.description != marked_back(base.description, back_mark(withdrawn, base)):
        return False
    same = latest.raw.get("imageSize") == base.raw.get("imageSize") and not differences(settings_of(base), latest.raw)
    return bool(read_back_mark(latest.description)) or same


def _held(touched: Touched, live: LiveState, tag: str) -> str:
    holder = live.tagged.get((touched.function_id, tag))
    return holder.id if holder is not None else ""


def _unit(touched: Touched, live: LiveState, former: Former) -> Unit:
    place = Place("", 0)
    function = live.by_id.get(touched.function_id)
    if function is None:
        nothing = Settings("", "", 0)
        gone = FunctionSpec(touched.key, touched.name, touched.folder_id, nothing, VersionCopy(LATEST), place)
        if touched.created or not touched.function_id:
            return Unit(touched.key, gone, Action.UNCHANGED, "it was created by that run, and does not exist any more")
        return _left(Unit(touched.key, gone, Action.BLOCKED, ""), ["the function does not exist any more"])
    spec = _as_it_is(touched, function, live, place)
    unit = Unit(touched.key, spec, Action.UNCHANGED, "", function_id=function.id)
    latest = live.latest(function.id)
    unit = replace(unit, base_version_id=latest.id if latest is not None else None)
    tags, left = _tags(touched, live, former)
    own, other = _own(touched, function, former)
    unit = replace(unit, changes=(*tags, *own))
    unit, why = _latest(unit, touched, function, live, former)
    left += [*other, *([why] if why else [])]
    reason = _reason(unit, touched)
    return _left(replace(unit, action=_action(unit), reason=reason), left)


def _latest(unit: Unit, touched: Touched, function: Function, live: LiveState, former: Former) -> tuple[Unit, str]:
    """Add the copy of the former Version. Otherwise return why there is none, "" if none is needed."""
    if any(one.id in touched.made or _is_answer(touched, one) for one in live.creating.get(function.id, ())):
        return unit, "its new version is still being made: roll it back when that has ended"
    if not touched.made:
        return unit, ""
    latest = live.latest(function.id)
    if latest is None:
        return unit, "it no longer has a version"
    since = deployed_since(touched, live)
    if since is not None:
        return unit, f"{since.id} was deployed since{former.deployed.get(since.id, '')}"
    if latest.id not in touched.made or not touched.base_version_id:
        return unit, ""  # it is rolled back, or there was none before
    base = former.versions.get(touched.base_version_id)
    if base is None:
        return unit, f"version {touched.base_version_id}, which was live before, is gone"
    if not base.is_active and not _tagged_again(unit, base):
        return unit, f"version {base.id}, which was live before, is {base.status}"
    return _copied(unit, touched, function, base, latest, former), ""


def _tagged_again(unit: Unit, base: Version) -> bool:
    """Return whether a tag moves back to an OBSOLETE Version before that is copied: the tag makes it ACTIVE
    (cloud-api#versions).
    """
    return base.status == "OBSOLETE" and any(base.id in change.after.values() for change in unit.changes)


def _copied(unit: Unit, touched: Touched, function: Function, base: Version, latest: Version, former: Former) -> Unit:
    spec = same_again(function, base, unit.spec.place, tags=())
    withdrawn = parse_fingerprint(touched.fingerprint)
    description = base.description
    if withdrawn is not None:
        description = marked_back(description, back_mark(withdrawn, base))
    digest = read_stamp(base.description) or fingerprint(spec.settings, code_digest(spec.code, None, base))
    change = Change(ChangeKind.VERSION, {LATEST: unit.base_version_id or ""}, {LATEST: None})
    lossy = unit.key in former.lossy or function.name in former.lossy
    return replace(
        unit,
        spec=replace(spec, key=unit.key),
        fingerprint=digest,
        description=description,
        as_it_is={} if lossy else as_it_is(base.raw, latest.raw),
        changes=(*unit.changes, change),
    )


def _tags(touched: Touched, live: LiveState, former: Former) -> tuple[list[Change], list[str]]:
    """Return the tag moves, and messages about the tags that stay."""
    moves, left, since = [], [], moved_since(touched, live)
    for tag, holder_id in touched.tags.items():
        now_id = _held(touched, live, tag)
        if now_id == holder_id:
            continue
        if tag in since:
            where = f"moved to {now_id}" if now_id else "removed"
            left.append(f"the tag {tag} was {where} since{former.moved.get((touched.function_id, tag), '')}")
        elif holder_id and holder_id not in live.versions:
            left.append(f"version {holder_id}, which held the tag {tag}, is gone")
        else:
            moves.append(Change(ChangeKind.TAG, {tag: now_id}, {tag: holder_id}))
    return moves, left


def _own(touched: Touched, function: Function, former: Former) -> tuple[list[Change], list[str]]:
    """Return the changes of the Function's own settings, and messages about those that stay."""
    found = [taken_back_change(function, change) for change in reversed(touched.own)]
    wider = [change for change, _ in found if change is not None and opens(change)]
    agreed = touched.key in former.wider or function.name in former.wider
    since = [name for _, names in found for name in names]
    left = [f"its {', '.join(since)} {'were' if len(since) > 1 else 'was'} changed since"] if since else []
    if wider and not agreed:
        words = ["orchestrator", "rollback", former.run_id or "RUN", touched.key, "--wider", touched.key]
        left.append(
            "access stays as it is: the function was public before, and a rollback makes it public again only with"
            f" `{join([*words, *former.reaching])}`"
        )
    return [change for change, _ in found if change is not None and (agreed or change not in wider)], left


def _as_it_is(touched: Touched, function: Function, live: LiveState, place: Place) -> FunctionSpec:
    """Describe the Function as it is: only its changes are desired."""
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
    """Return what is rolled back, and to which state."""
    found = [f"back to {touched.base_version_id}"] if _action(unit) is Action.COPY else []
    for change in unit.changes:
        if change.kind is ChangeKind.TAG:
            ((tag, holder),) = change.after.items()
            found.append(f"tag {tag} back to {holder}" if holder else f"tag {tag} removed, as before")
    own = dict.fromkeys(name for one in unit.changes if one.kind.is_own for name in one.after)
    found += [f"{' and '.join(own)} back"] if own else []
    if touched.created:
        found.append("it was created by that run, and stays")
    if found:
        return "; ".join(found)
    return "nothing to roll back" if touched.base_version_id or not touched.made else "its first version stays"


def _left(unit: Unit, left: list[str]) -> Unit:
    """Report what a unit leaves alone. Without any change, the whole unit is left alone."""
    if not left:
        return unit
    failure = Failure(f"left alone: {'; '.join(left)}", kind=NOT_BACK, advice="look at it, then change it by hand")
    if unit.changes:
        return replace(unit, failure=failure)
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)
