"""The way back of a unit that was carried out: the same list of changes reversed, before and after swapped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.model import LATEST, Action, Change, ChangeKind, Failure, Function, Unit, Version
from orchestrator.version.copy import copy_spec
from orchestrator.version.stamp import code_digest, fingerprint


def reversed_changes(changes: Iterable[Change], version_id: str) -> tuple[Change, ...]:
    """Reverse a list of changes that was made. `version_id`: of the Version that it made, "" where it made none.

    | made                                      | way back                                                          |
    | ---                                       | ---                                                               |
    | FUNCTION                                  | none: a Function that exists may be called by somebody            |
    | UPDATE                                    | UPDATE, to the settings that it changed                           |
    | VERSION that was the first                | none: $latest cannot be taken away                                |
    | VERSION after another                     | VERSION, a copy of the other; then TAG for each tag that it took  |
    | TAG                                       | TAG, to the Version that held it, or to none                      |
    """
    back: list[Change] = []
    for change in reversed(tuple(changes)):
        made = {name: version_id if value is None else value for name, value in change.after.items()}
        if change.kind is ChangeKind.UPDATE:
            back.append(Change(ChangeKind.UPDATE, change.after, change.before))
        elif change.kind is ChangeKind.TAG:
            back.append(Change(ChangeKind.TAG, made, change.before))
        elif change.kind is ChangeKind.VERSION and change.before.get(LATEST):
            back.append(Change(ChangeKind.VERSION, {LATEST: made[LATEST]}, {LATEST: None}))
            back += [
                Change(ChangeKind.TAG, {tag: made[tag]}, {tag: holder})
                for tag, holder in change.before.items()
                if tag != LATEST
            ]
    return tuple(back)


def way_back(unit: Unit, version_id: str, function: Function, former: Version | None) -> Unit | Failure | None:
    """Make the unit that takes back what `unit` has made. None where there is nothing that could be taken back.

    `version_id`: of the Version that it made. `former`: the Version that was `$latest` before, read by itself, since a
    listing keeps old ones in part; needed where a Version was made after another. A Failure where that one is gone, or
    cannot be copied without a loss.
    """
    changes = reversed_changes(unit.changes, version_id)
    if not changes:
        return None
    if all(change.kind is not ChangeKind.VERSION for change in changes):
        as_it_is = replace(unit.spec, settings=replace(unit.spec.settings, tags=()))
        return replace(unit, spec=as_it_is, action=Action.RETAG, reason="the tags go back", changes=changes)
    if former is None:
        return Failure(
            f"version {unit.base_version_id} is gone: there is nothing to go back to", kind="no such version"
        )
    spec = copy_spec(function, former, unit.spec.place, tags=())  # its tags go back one by one
    if isinstance(spec, Failure):
        return spec
    return Unit(
        key=unit.key,
        spec=spec,
        action=Action.COPY,
        reason=f"back to {former.id}",
        fingerprint=fingerprint(spec.settings, code_digest(spec.code, None, former)),
        function_id=function.id,
        base_version_id=version_id,
        changes=changes,
    )
