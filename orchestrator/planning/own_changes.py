"""What a unit changes of what its Function itself has, and what is said of that. Pure."""

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


OPEN = "anybody may invoke it, without authentication, once this is done"


def with_own_first(unit: Unit, function: Function) -> Unit:
    """Add what is to change of labels and description, first: a new Version is the last thing to be seen. Access that
    is taken away goes then, too.
    """
    changes = tuple(one for one in own_changes(unit.spec, function) if _comes_first(one))
    if not changes or unit.action is Action.BLOCKED:
        return unit
    return replace(_and(unit, changes), changes=(*changes, *unit.changes))


def with_own_last(unit: Unit, live: LiveState) -> Unit:
    """Add what is to change of scaling policies, last: by then the tags that they are about are there. Access is given
    after that, to a Version that has been verified where it is to be.
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
    """Say why a unit is left alone that would take away access which no run known here has given; None where it takes
    none away.
    """
    if not any(change.kind is ChangeKind.ACCESS and not opens(change) for change in unit.changes):
        return None
    return Failure(
        "anybody may invoke it, which no run known here has made so, and `public = false` would take that away",
        kind=GUARDED,
        advice="write `public = true`, leave `public` out, or let it go with"
        f" --adopt {quoted(f'{unit.key}@{latest.id}')}",
    )


def _comes_first(change: Change) -> bool:
    return change.kind is ChangeKind.UPDATE or (change.kind is ChangeKind.ACCESS and not opens(change))


def _opened(changes: Iterable[Change]) -> Iterator[str]:
    if any(map(opens, changes)):
        yield OPEN


def _and(unit: Unit, changes: Iterable[Change]) -> Unit:
    """Say of a unit that it makes these changes of the Function's own settings as well."""
    words = "; ".join(map(in_words, changes))
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.UPDATE, reason=words)
    return replace(unit, reason=f"{unit.reason}; {words}")


def _moved(unit: Unit) -> dict[str, str]:
    """Give the tags that a unit moves → the Version that held each before, "" for none."""
    moves = [
        change for change in unit.changes if change.kind in _MOVES and any(to != "" for to in change.after.values())
    ]
    return {tag: str(holder) for change in moves for tag, holder in change.before.items()}


def _policies(unit: Unit) -> dict[str, Mapping[str, int] | None]:
    """Give the policies that a unit sets, by tag; None: it takes the one that is there away."""
    changes = [change for change in unit.changes if change.kind is ChangeKind.SCALING]
    return {tag: policy for change in changes for tag, policy in change.after["scaling"].items()}


def _without_version(unit: Unit, live: LiveState) -> Iterator[str]:
    """Say which policies are for a tag that no Version has."""
    moved = _moved(unit)
    for tag, policy in _policies(unit).items():
        if policy is not None and tag not in moved and (unit.function_id or "", tag) not in live.tagged:
            yield f"no version has the tag {tag}: the cloud may refuse a scaling policy for it"


def _starting_again(unit: Unit, function: Function) -> Iterator[str]:
    """Say what becomes of provisioned instances where a tag goes from one Version to another: policies are by tag, and
    one that is set, or taken away, is so after that.
    """
    live, then = function.scaling or {}, _policies(unit)
    for tag, holder in _moved(unit).items():
        count = live.get(tag, {}).get("provisioned", 0)
        stays = tag not in then or bool((then[tag] or {}).get("provisioned"))
        if holder and count and stays:
            name = tag if tag == LATEST else f"the tag {tag}"
            instances = f"{count} provisioned instance{'s, which start' if count > 1 else ', which starts'}"
            yield f"{name} has {instances} again with the new version: calls may meet a cold start until then"
