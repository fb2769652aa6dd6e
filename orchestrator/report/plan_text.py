"""A plan in words, function by function, and how long it is predicted to take."""

from __future__ import annotations

from collections import Counter

from orchestrator.model import Action, Bound, Plan, Prediction

_FIRST = 20  # changes listed before a run; `plan` lists all
_UNCHANGED_MAX = 60  # functions up to which a plan names the unchanged ones too


def plan_text(plan: Plan, *, whole: bool) -> str:
    """Write what will be done and why, one function a line: the `whole` plan, or the beginning of its changes."""
    changes = [unit for unit in plan.units if unit.action is not Action.UNCHANGED]
    if whole and len(plan.units) <= _UNCHANGED_MAX:
        changes = list(plan.units)
    shown = changes if whole else changes[:_FIRST]
    width = max((len(unit.key) for unit in shown), default=0)
    lines = []
    for unit in shown:
        advice = f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""
        lines.append(f"  {unit.key:<{width}}  {unit.action:<11}  {unit.reason}{advice}")
    if len(changes) > len(shown):
        lines.append(f"  … and {len(changes) - len(shown)} more")
    counted = ", ".join(f"{count} {action}" for action, count in plan_counts(plan).items())
    return "\n".join([*lines, f"plan: {counted or 'nothing to do'}"])


def plan_counts(plan: Plan) -> dict[str, int]:
    """Count the functions of a plan by what is done to them, in the order of the actions."""
    counts = Counter(unit.action for unit in plan.units)
    return {str(action): counts[action] for action in Action if counts[action]}


def prediction_text(found: Prediction) -> str:
    """Write a sentence or two."""
    if not found.functions:
        return "simulated: nothing to do"
    text = f"simulated: {_time(found.seconds)} (p90 {_time(found.p90_s)})"
    if found.bound is not None:
        text += f", of which {_time(min(found.bound.seconds, found.seconds))} bound by {_what(found.bound)}"
    if found.raised is not None:
        text += f"; {found.raised[0]} would give {_time(found.raised[1])}"
    text += f"; {found.busy:.1f} Operations at once on average"
    if not found.learned:
        text += "\n  guessed: no run has shown yet how long such Operations take here"
    return text


def _what(bound: Bound) -> str:
    kind, _, name = bound.what.partition(" ")
    if kind in ("folder", "cloud"):
        return f"the {bound.limit:g} operations of {kind} {name}"
    return f"{bound.limit:g} requests per second" if kind == "requests" else "its longest Operation"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
