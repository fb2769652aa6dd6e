"""What a function is doing, in words."""

from __future__ import annotations

from orchestrator.journal.unit_state import UnitState
from orchestrator.model import ChangeKind, Step
from orchestrator.model.units import MB
from orchestrator.report.plain_text import counted

DOING = {
    Step.BUILD: "building", Step.PACKAGE: "packing", Step.UPLOAD: "uploading", Step.QUEUE: "waiting for a slot",
    Step.FUNCTION: "creating the function", Step.UPDATE: "updating the function",
    Step.CREATE: "creating the version", Step.TAG: "moving tags", Step.DELETE: "deleting versions",
    Step.TRACK: "operation running",
    Step.VERIFY: "verifying", Step.READ_BACK: "reading back",
}  # fmt: skip
# What a running Operation does, by its call.
_RUNNING = {
    ChangeKind.FUNCTION: "function being created", ChangeKind.UPDATE: "function being updated",
    ChangeKind.VERSION: "version being created", ChangeKind.TAG: "tag being moved",
    ChangeKind.SCALING: "scaling being changed", ChangeKind.ACCESS: "access being changed",
    ChangeKind.DELETE: "version being deleted",
}  # fmt: skip
_COUNTABLE = frozenset({"function", "version", "tag", "operation"})
_CALLS = frozenset(ChangeKind)


def doing(unit: UnitState) -> str:
    """Return what a unit is doing."""
    if unit.step is None:
        return "waiting to retry"
    running = _RUNNING.get(ChangeKind(unit.call)) if unit.step is Step.TRACK and unit.call in _CALLS else None
    return running or DOING[unit.step]


def counted_doing(number: int, what: str) -> str:
    """Return how many units do the same: "2 versions being created", "2 with access being changed"."""
    noun, _, rest = what.partition(" ")
    if number == 1 or noun not in _COUNTABLE:
        return f"{number} {'with ' if ' being ' in what and noun not in _COUNTABLE else ''}{what}"
    return f"{counted(number, noun)} {rest}"


def doing_how_far(unit: UnitState) -> str:
    """Return what a unit is doing; for an upload also how far it is."""
    if unit.step is Step.UPLOAD and unit.size_bytes:
        return f"{doing(unit)} {100 * unit.sent_bytes // unit.size_bytes} % of {unit.size_bytes // MB}MB"
    return doing(unit)


def own_work_s(unit: UnitState, now: float) -> float:
    """Return how many seconds a unit has worked so far, without the time that it waited for a slot."""
    is_working = unit.step is not None and unit.step is not Step.QUEUE
    return unit.work_s + (max(0.0, now - unit.step_since) if is_working else 0.0)
