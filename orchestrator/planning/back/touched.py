"""What a run, or a chain of them, has done to each Function, as its journal or its record tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import LATEST, Change, ChangeKind

_BEGUN = ("done", "asked for")  # what became of a change that may have had an effect


@dataclass(frozen=True, slots=True)
class Touched:
    """What was done to one Function.

    `made`: ids of the Versions that were made, the newest last; `base_version_id`: the `$latest` before, "" for none.
    `tags`: each tag that was moved → id of the Version that held it before, "" for none; `moved_to`: the Version that
    it was moved to, where that was there before, "" for none. `own`: the changes that were
    made of its own settings. `unsure`: something was asked for and no Operation of it is known.
    """

    key: str
    name: str
    folder_id: str
    function_id: str
    made: tuple[str, ...] = ()
    base_version_id: str = ""
    fingerprint: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    moved_to: Mapping[str, str] = field(default_factory=dict)
    own: tuple[Change, ...] = ()
    created: bool = False
    unsure: bool = False


def touched_by(run: RunState) -> dict[str, Touched]:
    """Give the Functions that a run has changed, or may have."""
    found = {key: _touched(unit) for key, unit in run.units.items()}
    return {key: one for key, one in found.items() if one is not None}


def _touched(unit: UnitState) -> Touched | None:
    forth = unit.changes[: unit.back_from or None]
    begun = [state for state in forth if state.outcome in _BEGUN and state.change.kind is not ChangeKind.VERIFY]
    if not begun:
        return None
    made = tuple(dict.fromkeys(one for state in forth for one in _made(state)))
    tags: dict[str, str] = {}
    for state in begun:
        if state.change.kind in (ChangeKind.VERSION, ChangeKind.TAG):
            for tag, holder in state.change.before.items():
                tags.setdefault(tag, str(holder or ""))
    base_version_id = tags.pop(LATEST, "")
    moves = [state.change.after for state in begun if state.change.kind is ChangeKind.TAG]
    return Touched(
        key=unit.key,
        name=unit.name,
        folder_id=unit.folder_id,
        function_id=unit.function_id,
        made=made,
        base_version_id=base_version_id,
        fingerprint=unit.fingerprint if made else "",
        tags={tag: "" if holder in made else holder for tag, holder in tags.items()},
        moved_to={tag: str(to) for move in moves for tag, to in move.items() if to is not None},
        own=tuple(state.change for state in begun if state.change.kind is ChangeKind.UPDATE),
        created=any(state.change.kind is ChangeKind.FUNCTION for state in begun),
        unsure=any(state.requests and not state.operations for state in begun),
    )


def made_by(unit: UnitState) -> tuple[str, ...]:
    """Give the ids of the Versions that a unit has made, the newest last."""
    return tuple(dict.fromkeys(one for state in unit.changes for one in _made(state)))


def _made(state: ChangeState) -> Iterator[str]:
    """Give the Versions of a change whose Operation has not failed."""
    if state.change.kind is not ChangeKind.VERSION:
        return
    for operation_id, accepted in state.operations.items():
        done = state.done.get(operation_id)
        if accepted.version_id and (done is None or not done.error):
            yield accepted.version_id
