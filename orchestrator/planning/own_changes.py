"""The changes of a Function's own settings in a unit, and the messages about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from shlex import quote as quoted

from orchestrator.function.access import opens
from orchestrator.function.fields import in_words, own_changes, unmade
from orchestrator.model import LATEST, Action, Change, ChangeKind, Failure, Function, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.version.adoption import GUARDED

_MOVES = (ChangeKind.VERSION, ChangeKind.TAG)  # kinds that move tags


OPEN = "anyone may invoke it, without authentication, once this is done"


def with_own_first(unit: Unit, function: Function) -> Unit:
    """Add the changes of labels and description, first: a new Version is visible last. Access that is removed is
    removed then, too.
    """
    changes = tuple(one for one in own_changes(unit.spec, function) if _comes_first(one))
    if not changes or unit.action is Action.BLOCKED:
        return unit
    return replace(_and(unit, changes), changes=(*changes, *unit.changes))


def with_own_last(unit: Unit, live: LiveState) -> Unit:
    """Add the changes of scaling policies, last: by then their tags exist. Access is granted after that, to a Version
    that has been verified if required.
    """
    if unit.action is Action.BLOCKED:
        return unit
    function = live.by_id.get(unit.function_id or "") or unmade(unit.spec)
    changes = tuple(one for one in own_changes(unit.spec, function) if not _comes_first(one))
    if changes:
        unit = replace(_and(unit, changes), changes=(*unit.changes, *changes))
    said = (*_opened(changes), *_without_version(unit, live), *_starting_again(unit, function))
    return replace(unit, warnings=(*said, *unit.warnings)) if said else unit


def closed_unseen(unit: Unit, latest: Version) -> Failure | None:
    """Return why a unit is blocked that would remove access which no known run has granted, None if it would not."""
    if not any(change.kind is ChangeKind.ACCESS and not opens(change) for change in unit.changes):
        return None
    return Failure(
        "it is public, no known run has made it so, and `public = false` would remove this access",
        kind=GUARDED,
        advice="write `public = true`, leave `public` out, or remove the access with"
        f" --adopt {quoted(f'{unit.key}@{latest.id}')}",
    )


def _comes_first(change: Change) -> bool:
    return change.kind is ChangeKind.UPDATE or (change.kind is ChangeKind.ACCESS and not opens(change))


def _opened(changes: Iterable[Change]) -> Iterator[str]:
    if any(map(opens, changes)):
        yield OPEN


def _and(unit: Unit, changes: Iterable[Change]) -> Unit:
    """Add changes of the Function's own settings to a unit and to its reason."""
    words = "; ".join(map(in_words, changes))
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.UPDATE, reason=words)
    return replace(unit, reason=f"{unit.reason}; {words}")


def _moved(unit: Unit) -> dict[str, str]:
    """Return the tags that a unit moves → the Version that held each before, "" for none."""
    moves = [
        change for change in unit.changes if change.kind in _MOVES and any(to != "" for to in change.after.values())
    ]
    return {tag: str(holder) for change in moves for tag, holder in change.before.items()}


def _policies(unit: Unit) -> dict[str, Mapping[str, int] | None]:
    """Return the policies that a unit sets, by tag. None: the unit removes the policy."""
    changes = [change for change in unit.changes if change.kind is ChangeKind.SCALING]
    return {tag: policy for change in changes for tag, policy in change.after["scaling"].items()}


def _without_version(unit: Unit, live: LiveState) -> Iterator[str]:
    """Yield warnings about policies for a tag that no Version has."""
    moved = _moved(unit)
    for tag, policy in _policies(unit).items():
        if policy is not None and tag not in moved and (unit.function_id or "", tag) not in live.tagged:
            yield f"no version has the tag {tag}: the cloud may refuse a scaling policy for it"


def _starting_again(unit: Unit, function: Function) -> Iterator[str]:
    """Yield warnings about provisioned instances of tags that move to another Version. Policies are by tag, and changes
    to them are made after the move.
    """
    live, then = function.scaling or {}, _policies(unit)
    for tag, holder in _moved(unit).items():
        count = live.get(tag, {}).get("provisioned", 0)
        stays = tag not in then or bool((then[tag] or {}).get("provisioned"))
        if holder and count and stays:
            name = tag if tag == LATEST else f"the tag {tag}"
            instances = f"{count} provisioned instance{'s' if count > 1 else ''}"
            yield f"{name} starts {instances} again with the new version: until then, calls may meet a cold start"
