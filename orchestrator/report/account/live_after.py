"""Which Version of a function serves `$latest` after a run, as far as its events show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import Action, ChangeKind, Deployed, Failed, Step, Unknown
from orchestrator.report.rolled_back import copy_of

NEW, OLD, NO_VERSION, NOT_KNOWN = "new", "old", "none", "unknown"
_MAKE = (Action.CREATE, Action.VERSION, Action.COPY)
LIVE = (NEW, OLD, NO_VERSION, NOT_KNOWN)


def live_after(unit: UnitState, back: UnitState | None = None) -> tuple[str, str]:
    """Return which Version is live, one of `LIVE`, with its ID: "" for none, or not known. `back`: the unit in the
    rollback of its run. The first row that matches counts.

    | what is known                                                   | live    |
    | ---                                                             | ---     |
    | a copy of the old Version replaced the new one                  | old     |
    | such a copy was requested, and not seen as done                 | unknown |
    | its outcome is unknown, or it was not read back as it should be | unknown |
    | its new Version is made, or it is deployed with one             | new     |
    | an Operation that makes it was not seen as done                 | unknown |
    | a Version was live as the plan was made                         | old     |
    | none was, and the plan makes one                                | none    |
    | anything else                                                   | unknown |
    """
    return _taken_back(unit, back) or _left_as(unit)


def _taken_back(unit: UnitState, back: UnitState | None) -> tuple[str, str] | None:
    """Return what the rollback of a run, or of its breach, has left live. None: it has no part in that."""
    outcome = unit.outcome
    if back is not None and (copy := copy_of(back)):
        return OLD, copy
    if isinstance(outcome, Failed) and outcome.rolled_back_to:
        return OLD, outcome.rolled_back_to
    again = _state_of(unit.changes[unit.back_from :]) if unit.back_from else ("", "")
    if back is not None and not again[0]:
        again = _state_of(back.changes)
    return {"done": (OLD, again[1]), "asked for": (NOT_KNOWN, "")}.get(again[0])


def _left_as(unit: UnitState) -> tuple[str, str]:
    """Return what the run itself has left live."""
    outcome, (made, version_id) = unit.outcome, _state_of(unit.changes[: unit.back_from or None])
    if isinstance(outcome, Unknown) or (isinstance(outcome, Failed) and outcome.step is Step.READ_BACK):
        return NOT_KNOWN, ""
    if made == "done":
        return NEW, version_id or unit.version_id
    if isinstance(outcome, Deployed) and outcome.version_id and unit.action in _MAKE:  # of a record without Operations
        return NEW, outcome.version_id
    if made == "asked for":
        return NOT_KNOWN, ""
    if unit.base_version_id:
        return OLD, unit.base_version_id
    return (NO_VERSION if made or unit.action == Action.CREATE else NOT_KNOWN), ""


def live_with(back: RunState | None, unit: UnitState) -> tuple[str, str]:
    """Return which Version is live since the rollback of the run. None: it was not rolled back."""
    return live_after(unit, back.units.get(unit.key) if back is not None else None)


def _state_of(changes: Sequence[ChangeState]) -> tuple[str, str]:
    """Return the outcome of the change that makes a Version, and the Version's ID; "" where there is none. A call that
    was refused makes nothing: only an accepted Operation may still do so.
    """
    for one in changes:
        if one.change.kind is ChangeKind.VERSION:
            accepted = next(reversed(one.operations.values()), None)
            outcome = "not begun" if accepted is None else one.outcome
            return outcome, accepted.version_id if accepted is not None else ""
    return "", ""
