"""What a run, or a chain of runs, has done to each Function, according to its journal or record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import LATEST, Change, ChangeKind, Deployed, Failed, Unknown

_NOTHING_BACK = (ChangeKind.VERIFY, ChangeKind.DELETE)  # kinds of change that need no rollback
_BEGUN = ("done", "asked for")  # outcomes of a change that may have had an effect


@dataclass(frozen=True, slots=True)
class Touched:
    """What was done to one Function.

    `made`: IDs of the Versions that were made, the newest last. `base_version_id`: the `$latest` before, "" for none.
    `tags`: each tag that was moved → ID of the Version that held it before, "" for none. `moved_to`: the Version that
    it was moved to, "" if that was made by the run. `own`: the changes of the Function's own settings. `fingerprint`:
    of the Version that was requested last, "" for none. `unsure`: no Operation is known to make it. `perhaps`: no
    request is known, but a record may be behind.
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
    perhaps: bool = False


def touched_by(run: RunState, units: Mapping[str, UnitState] | None = None) -> dict[str, Touched]:
    """Return the Functions that a run has changed, or may have changed. `units`: only these, by their keys in this
    manifest.
    """
    behind = any(link.recorded and link.exit_code is None for link in run.chain)
    found = {key: _touched(unit, behind=behind) for key, unit in (run.units if units is None else units).items()}
    return {key: one for key, one in found.items() if one is not None}


def _touched(unit: UnitState, *, behind: bool) -> Touched | None:
    forth = unit.changes[: unit.back_from or None]
    changes = [state for state in forth if state.change.kind not in _NOTHING_BACK]
    recorded = [state for state in changes if _is_begun(unit, state)]
    begun = [
        state for state in changes if any(state is one for one in recorded) or (behind and _is_unrecorded(unit, state))
    ]
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
    versions = [state for state in begun if state.change.kind is ChangeKind.VERSION]
    return Touched(
        key=unit.key,
        name=unit.name,
        folder_id=unit.folder_id,
        function_id=unit.function_id,
        made=made,
        base_version_id=base_version_id,
        fingerprint=unit.fingerprint if versions else "",
        tags={tag: "" if holder in made else holder for tag, holder in tags.items()},
        moved_to={tag: str(to) for move in moves for tag, to in move.items() if to is not None},
        own=tuple(state.change for state in begun if state.change.kind.is_own),
        created=any(state.change.kind is ChangeKind.FUNCTION for state in begun),
        unsure=any(_is_unanswered(state) or not state.operations for state in versions),
        perhaps=not recorded,
    )


def _is_begun(unit: UnitState, state: ChangeState) -> bool:
    """Return whether a change may have had an effect.

    | its last request                        | may have had an effect                         |
    | ---                                     | ---                                            |
    | was refused, which ended the unit       | no                                             |
    | has no answer                           | yes                                            |
    | has an Operation                        | yes, unless the Operation failed               |
    | is not recorded, the unit's end unknown | yes: a record of a lost machine lacks requests |
    """
    if _is_unanswered(state):
        refused = unit.outcome
        return not (
            isinstance(refused, Failed) and refused.step is state.change.kind.step and refused.failure.http_status
        )
    if not state.requests and not state.operations:
        return isinstance(unit.outcome, Unknown) and not unit.requests and any(state is one for one in unit.planned)
    return state.outcome in _BEGUN


def _is_unrecorded(unit: UnitState, state: ChangeState) -> bool:
    """Return whether a change without any event may have been made by a run whose record is behind.

    | the unit                                         | may have been made        |
    | ---                                              | ---                       |
    | has no known end                                 | yes                       |
    | was planned without it by a resuming run         | yes: it was there by then |
    | was found deployed by a resuming run             | yes: it was there by then |
    | was planned by a resuming run, and has not begun | no                        |
    """
    if state.requests or state.operations:
        return False
    if unit.outcome is None:
        return True
    return isinstance(unit.outcome, Deployed) or not any(state is one for one in unit.planned)


def _is_unanswered(state: ChangeState) -> bool:
    """Return whether a request was made after the last one that has a known Operation."""
    last = next(reversed(state.operations.values()), None)
    return bool(state.requests) and (last is None or state.requests[-1].at > last.at)


def made_by(unit: UnitState) -> tuple[str, ...]:
    """Return the IDs of the Versions that a unit has made, the newest last."""
    return tuple(dict.fromkeys(one for state in unit.changes for one in _made(state)))


def _made(state: ChangeState) -> Iterator[str]:
    """Yield the Versions of a change whose Operation has not failed."""
    if state.change.kind is not ChangeKind.VERSION:
        return
    for operation_id, accepted in state.operations.items():
        done = state.done.get(operation_id)
        if accepted.version_id and (done is None or not done.error):
            yield accepted.version_id
