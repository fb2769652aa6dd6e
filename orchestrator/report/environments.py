"""`plan --env all`: what would be done to each function in each environment, for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestrator.model import Action, Unit
from orchestrator.report.environment_views import EnvironmentPlan, EnvironmentsView
from orchestrator.report.plain_text import aligned, counted
from orchestrator.report.plan_text import plan_counts

ABSENT = "absent"  # does not exist there, is disabled, or is not selected
_NOT_KNOWN = "?"  # its environment could not be planned
_FAILED = "failed"  # its package could not be made


def environments_text(view: EnvironmentsView, *, width: int | None) -> str:
    """Return what would be done in each environment, then a table. The table leaves out functions that are unchanged or
    absent everywhere, unless the view is `verbose`.
    """
    rows = _rows(view)
    same = {str(Action.UNCHANGED), ABSENT, _NOT_KNOWN}
    shown = {key: cells for key, cells in rows.items() if view.verbose or not same.issuperset(cells)}
    head = ["function", *(one.environment for one in view.plans)]
    parts = ["\n".join(line for one in view.plans for line in _summary(one, rows, view))]
    if len(shown) < len(rows):
        parts.append(f"unchanged: {counted(len(rows) - len(shown), 'function')} (--verbose lists them)")
    parts += [aligned(head, [[key, *cells] for key, cells in shown.items()], width=width)] if shown else []
    return "\n\n".join(parts)


def environments_json(view: EnvironmentsView) -> dict[str, Any]:
    """Return the plans as JSON values. `actions`: by environment, null where that could not be planned."""
    return {
        "environments": [
            {
                "environment": one.environment,
                "exit_code": one.exit,
                "folders": _folders(one),
                "counts": plan_counts(one.plan) if one.plan is not None else None,
                "error": one.problem,
                "mistakes": list(one.mistakes),
            }
            for one in view.plans
        ],
        "functions": [
            {"function": key, "actions": {one.environment: _cell_json(one, key) for one in view.plans}}
            for key in _rows(view)
        ],
    }


def _cell_json(one: EnvironmentPlan, key: str) -> dict[str, Any] | None:
    if one.plan is None:
        return None
    unit = next((unit for unit in one.plan.units if unit.key == key), None)
    if unit is None:
        return {"action": ABSENT}
    return {
        "action": _word(unit),
        "reason": unit.reason,
        "name": unit.spec.name,
        "folder_id": unit.spec.folder_id,
        "function_id": unit.function_id,
    }


def _rows(view: EnvironmentsView) -> dict[str, list[str]]:
    """Return what is done to each function, in the order of the environments."""
    words = [None if one.plan is None else {unit.key: _word(unit) for unit in one.plan.units} for one in view.plans]
    keys = sorted({key for of in words if of is not None for key in of})
    return {key: [_NOT_KNOWN if of is None else of.get(key, ABSENT) for of in words] for key in keys}


def _summary(one: EnvironmentPlan, rows: dict[str, list[str]], view: EnvironmentsView) -> list[str]:
    if one.plan is None:
        return [f"environment {one.environment}: {one.problem}", *(f"  {mistake}" for mistake in one.mistakes)]
    number = view.plans.index(one)
    words = Counter(cells[number] for cells in rows.values())
    text = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
    if words.keys() <= {str(Action.UNCHANGED), ABSENT}:
        text = f"nothing to do ({text})" if text else "nothing to do"
    folders = _folders(one)
    where = f" (folder{'s' if len(folders) > 1 else ''} {', '.join(folders)})" if folders else ""
    return [f"environment {one.environment}{where}: {text}"]


def _folders(one: EnvironmentPlan) -> list[str]:
    return sorted({unit.spec.folder_id for unit in one.plan.units}) if one.plan is not None else []


def _word(unit: Unit) -> str:
    return _FAILED if unit.failed_step is not None else str(unit.action)
