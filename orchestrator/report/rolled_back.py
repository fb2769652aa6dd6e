"""What a rollback has brought back of each function, by what became of each of its changes. Pure."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Blocked, ChangeKind, Deployed, Failed, Step, Unchanged
from orchestrator.planning.back.rollback import NOT_BACK


class CameBack(StrEnum):
    """How much of a function is back, as tables say it."""

    WHOLE = "yes"
    PART = "in part"
    NOTHING = "no"
    UNSEEN = "unknown"


def came_back(unit: UnitState) -> CameBack:
    """Say how much of a function is back. `unit`: of the rollback.

    | its outcome in the rollback                         | of its changes | it is back |
    | ---                                                 | ---            | ---        |
    | deployed, unchanged                                 | any            | yes        |
    | failed or blocked                                   | some are done  | in part    |
    | failed or blocked                                   | none is done   | no         |
    | failed: at the end it was not seen as it was to be  | any            | no         |
    | any other, or none                                  | any            | unknown    |
    """
    match unit.outcome:
        case Deployed() | Unchanged():
            return CameBack.WHOLE
        case Failed() | Blocked():
            return CameBack.PART if parts_back(unit) else CameBack.NOTHING
    return CameBack.UNSEEN


def parts_back(unit: UnitState) -> list[str]:
    """Name what is back of a function by the changes of the rollback that are done: "version", "tag stable", "labels".
    Nothing counts where somebody else's change was seen in its place.
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
    """Give the copy of the former Version that serves since the rollback, "" where it made none that does.

    | its outcome in the rollback           | its Version change | the copy serves                         |
    | ---                                   | ---                | ---                                     |
    | deployed                              | was planned        | yes                                     |
    | failed, since a part was left alone   | is done            | yes: it was seen                        |
    | blocked, or unchanged, when gone on   | is done            | where it served as the rest was planned |
    | any other                             | any                | nobody has seen it                      |
    """
    outcome = unit.outcome
    if isinstance(outcome, Deployed) and unit.action == Action.COPY:
        return outcome.version_id
    if "version" not in parts_back(unit):
        return ""
    seen = isinstance(outcome, Failed) and outcome.failure.kind == NOT_BACK
    gone_on = isinstance(outcome, Blocked | Unchanged) and unit.base_version_id == unit.version_id
    return unit.version_id if seen or gone_on else ""
