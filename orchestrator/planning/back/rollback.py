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

Own settings (labels, description, scaling policies, access) come back where they still are as the run left them; but
access that would be wider than it is now only where somebody agrees to it.
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

NOT_BACK = "not back"  # the kind of failure of what a rollback leaves alone


@dataclass(frozen=True, slots=True)
class Former:
    """The Versions that were live before a run, whole; and who has done since what is left alone, in words: by Version
    id for what was deployed, by Function id and tag for what was moved. `lossy`: keys or names of Functions whose
    unknown settings may be lost; `wider`: of those that everybody may invoke again. `run_id`: of the run; `reaching`:
    what else is to be typed to roll it back.
    """

    versions: Mapping[str, Version]
    deployed: Mapping[str, str]
    moved: Mapping[tuple[str, str], str]
    lossy: Container[str] = ()
    wider: Container[str] = ()
    run_id: str = ""
    reaching: tuple[str, ...] = ()


def taken_back(touched: Iterable[Touched], live: LiveState, former: Former) -> tuple[Unit, ...]:
    """Plan the way back of what a run has touched. A unit that leaves something alone has a `failure` that says what;
    it makes the changes that it has all the same.
    """
    return tuple(_unit(as_found(one, live), live, former) for one in touched)


def as_found(touched: Touched, live: LiveState) -> Touched:
    """Add what is seen to be made by a request whose answer was lost. Without a Version its tags have moved nowhere."""
    latest = live.latest(touched.function_id)
    if latest is not None and _is_answer(touched, latest) and not _is_back(touched, latest, live):
        touched = replace(touched, made=(*touched.made, latest.id))
    if touched.made:
        return touched
    return replace(touched, tags={tag: held for tag, held in touched.tags.items() if tag in touched.moved_to})


def _is_answer(touched: Touched, latest: Version) -> bool:
    """Say whether a Version is what was asked for last, of which no Operation is known, and not a copy of its
    description by hand.
    """
    stamp = read_stamp(latest.description)
    if not touched.unsure or latest.id in (touched.base_version_id, *touched.made):
        return False
    if stamp is None or str(stamp) != touched.fingerprint:
        return False
    return latest.is_creating or is_as_stamped(settings_of(latest), latest, stamp)


def moved_since(touched: Touched, live: LiveState) -> dict[str, str]:
    """Give the tags that are neither where the run put them nor where they were before → the Version that has them now,
    "" for none.
    """
    now = {tag: _held(touched, live, tag) for tag in touched.tags}
    return {
        tag: now[tag]
        for tag, holder_id in touched.tags.items()
        if now[tag] != holder_id and now[tag] not in touched.made and now[tag] != touched.moved_to.get(tag)
    }


def deployed_since(touched: Touched, live: LiveState) -> Version | None:
    """Give the Version that took the place of what the run made, None where none did or the run was taken back."""
    latest = live.latest(touched.function_id)
    if not touched.made or latest is None or latest.id in (touched.base_version_id, *touched.made):
        return None
    return None if _is_back(touched, latest, live) else latest


def _is_back(touched: Touched, latest: Version, live: LiveState) -> bool:
    """Say whether `$latest` is the copy that took the run back. Where the description left no room for a mark, it is a
    Version of the same description, settings and size.
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
            return Unit(touched.key, gone, Action.UNCHANGED, "it was created by that run, and is not there any more")
        return _left(Unit(touched.key, gone, Action.BLOCKED, ""), ["the function is not there any more"])
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
    """Add the copy of the former Version; or say why there is none, "" where none is needed."""
    if any(one.id in touched.made or _is_answer(touched, one) for one in live.creating.get(function.id, ())):
        return unit, "its new version is still being made: roll it back once that has ended"
    if not touched.made:
        return unit, ""
    latest = live.latest(function.id)
    if latest is None:
        return unit, "it has no version any more"
    since = deployed_since(touched, live)
    if since is not None:
        return unit, f"{since.id} was deployed since{former.deployed.get(since.id, '')}"
    if latest.id not in touched.made or not touched.base_version_id:
        return unit, ""  # it is back, or nothing was there before
    base = former.versions.get(touched.base_version_id)
    if base is None:
        return unit, f"version {touched.base_version_id}, which was live before, is gone"
    if not base.is_active and not _tagged_again(unit, base):
        return unit, f"version {base.id}, which was live before, is {base.status}"
    return _copied(unit, touched, function, base, latest, former), ""


def _tagged_again(unit: Unit, base: Version) -> bool:
    """Say whether a tag goes back to an OBSOLETE Version before it is copied, which makes it ACTIVE (cloud-api §2)."""
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
    """Give the moves of tags, and what is said of those that stay."""
    moves, left, since = [], [], moved_since(touched, live)
    for tag, holder_id in touched.tags.items():
        now_id = _held(touched, live, tag)
        if now_id == holder_id:
            continue
        if tag in since:
            where = f"moved to {now_id}" if now_id else "taken away"
            left.append(f"the tag {tag} was {where} since{former.moved.get((touched.function_id, tag), '')}")
        elif holder_id and holder_id not in live.versions:
            left.append(f"version {holder_id}, which held the tag {tag}, is gone")
        else:
            moves.append(Change(ChangeKind.TAG, {tag: now_id}, {tag: holder_id}))
    return moves, left


def _own(touched: Touched, function: Function, former: Former) -> tuple[list[Change], list[str]]:
    """Give the changes of the Function's own settings, and what is said of those that stay."""
    found = [taken_back_change(function, change) for change in reversed(touched.own)]
    wider = [change for change, _ in found if change is not None and opens(change)]
    agreed = touched.key in former.wider or function.name in former.wider
    since = [name for _, names in found for name in names]
    left = [f"its {', '.join(since)} {'were' if len(since) > 1 else 'was'} changed since"] if since else []
    if wider and not agreed:
        words = ["orchestrator", "rollback", former.run_id or "RUN", touched.key, "--wider", touched.key]
        left.append(
            "access stays as it is: anybody could invoke it before, and no rollback makes that so by itself:"
            f" `{join([*words, *former.reaching])}` does"
        )
    return [change for change, _ in found if change is not None and (agreed or change not in wider)], left


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
    own = dict.fromkeys(name for one in unit.changes if one.kind.is_own for name in one.after)
    found += [f"{' and '.join(own)} back"] if own else []
    if touched.created:
        found.append("it was created by that run, and stays")
    if found:
        return "; ".join(found)
    return "it is as it was before" if touched.base_version_id or not touched.made else "its first version stays"


def _left(unit: Unit, left: list[str]) -> Unit:
    """Say what is left alone of a unit: all of it, where nothing else is to be done."""
    if not left:
        return unit
    failure = Failure(f"left alone: {'; '.join(left)}", kind=NOT_BACK, advice="look at it, then decide by hand")
    if unit.changes:
        return replace(unit, failure=failure)
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)
