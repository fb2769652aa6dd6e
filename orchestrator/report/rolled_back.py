"""What a rollback has restored of each function, by the outcome of each change. Pure."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Blocked, ChangeKind, Deployed, Failed, Step, Unchanged
from orchestrator.planning.back.rollback import NOT_BACK


class CameBack(StrEnum):
    """How much of a function is rolled back, as tables show it."""

    WHOLE = "yes"
    PART = "in part"
    NOTHING = "no"
    UNSEEN = "unknown"


def came_back(unit: UnitState) -> CameBack:
    """Return how much of a function is rolled back. `unit`: of the rollback.

    | its outcome in the rollback                         | its changes    | rolled back |
    | ---                                                 | ---            | ---         |
    | deployed, unchanged                                 | any            | yes         |
    | failed or blocked                                   | some are done  | in part     |
    | failed or blocked                                   | none is done   | no          |
    | failed: not read back as it should be               | any            | no          |
    | any other, or none                                  | any            | unknown     |
    """
    match unit.outcome:
        case Deployed() | Unchanged():
            return CameBack.WHOLE
        case Failed() | Blocked():
            return CameBack.PART if parts_back(unit) else CameBack.NOTHING
    return CameBack.UNSEEN


def parts_back(unit: UnitState) -> list[str]:
    """Return which parts of a function are back, by the rollback's changes: "version", "tag stable", "labels". A change
    does not count if another user's change was read back instead.
    """
    outcome = unit.outcome
    if isinstance(outcome, Failed) and outcome.step is Step.READ_BACK and outcome.failure.kind != NOT_BACK:
        return []
    named = dict[str, None]()
    for state in unit.changes:
        kind, names = state.change.kind, list(state.change.after)
        if state.outcome == "done" and kind is ChangeKind.VERSION:
            named["version"] = None
        elif state.outcome == "done" and kind is ChangeKind.TAG:
            named |= dict.fromkeys(f"tag {name}" for name in names)
        elif state.outcome == "done" and kind.is_own:
            named |= dict.fromkeys(names)
    return list(named)


def copy_of(unit: UnitState) -> str:
    """Return the copy of the former Version that serves since the rollback, "" where there is none.

    | its outcome in the rollback           | its Version change | the copy serves                         |
    | ---                                   | ---                | ---                                     |
    | deployed                              | was planned        | yes                                     |
    | failed, since a part was left alone   | is done            | yes: it was seen                        |
    | blocked or unchanged, in a resumed    | is done            | if it served when the rest was planned  |
    | rollback                              |                    |                                         |
    | any other                             | any                | not known                               |
    """
    outcome = unit.outcome
    if isinstance(outcome, Deployed) and unit.action == Action.COPY:
        return outcome.version_id
    if "version" not in parts_back(unit):
        return ""
    seen = isinstance(outcome, Failed) and outcome.failure.kind == NOT_BACK
    gone_on = isinstance(outcome, Blocked | Unchanged) and unit.base_version_id == unit.version_id
    return unit.version_id if seen or gone_on else ""
