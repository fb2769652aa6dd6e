"""What commands give back, for people: plans, function by function, and everything else."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from orchestrator.errors import ManifestError
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Bound, Plan, Prediction
from orchestrator.report.board import board_text
from orchestrator.report.plain_text import aligned, counted
from orchestrator.report.summary import failures, headline, run_table, runs_table
from orchestrator.report.views import (
    BoardView,
    DocumentView,
    FindingsView,
    JobsView,
    PlanView,
    ResultView,
    RunsView,
    View,
)

_WIDTH = 110  # of a table where there is no terminal
_WIDE = 160  # the same, of tables with whole sentences


def render_text(view: View, width: int | None) -> str:
    """Write a value for people. Raises `ManifestError` with the mistakes of a manifest, which are no data."""
    match view:
        case PlanView(plan, prediction):
            predicted = [prediction_text(prediction)] if prediction is not None else []
            return "\n".join([plan_text(plan, whole=True), *predicted])
        case ResultView(state, everything):
            return _result(state, everything, width or _WIDTH)
        case RunsView(runs):
            return runs_table(runs) if runs else "no runs yet"
        case BoardView(rows):
            return board_text(rows, width=width or _WIDE)
        case JobsView():
            return _jobs(view, width or _WIDE)
        case FindingsView():
            return _findings(view)
        case DocumentView(text):
            return text
        case _:
            assert_never(view)


def _result(state: RunState, everything: bool, width: int) -> str:
    parts = [run_table(state, width=width, everything=everything), failures(state), headline(state)]
    return "\n\n".join(part for part in parts if part)


def _jobs(view: JobsView, width: int) -> str:
    lines = [f"{view.config} binds no job yet: add a table [jobs.NAME] with `run` and the parameters of one of these"]
    if view.bound:
        rows = [(job.job, job.run, job.schedule or "-", job.next_due or "-", job.place) for job in view.bound]
        lines = [aligned(("job", "runs", "schedule", "next due", "at"), rows, width=width)]
    for name, job in view.known.items():
        lines.append(f"\n{name}: {job.about}")
        lines += [
            f"  {key}{' (required)' if one.required else ''}: {one.description}" for key, one in job.parameters.items()
        ]
    return "\n".join(lines)


def _findings(view: FindingsView) -> str:
    if view.mistakes:
        raise ManifestError(view.mistakes)
    disabled = f" ({view.disabled} disabled)" if view.disabled else ""
    jobs = f", {counted(len(view.jobs), 'job')}" if view.jobs else ""
    valid = f"{view.config} is valid: {counted(len(view.functions), 'function')}{disabled}{jobs}"
    return "\n".join([*(f"warning: {warning}" for warning in view.warnings), valid])


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
