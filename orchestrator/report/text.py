"""What commands return, for people."""

from __future__ import annotations

from shlex import quote
from typing import assert_never

from orchestrator.errors import ManifestError
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.account.view import ReportView
from orchestrator.report.display.board import board_text
from orchestrator.report.environment_views import EnvironmentsView
from orchestrator.report.environments import environments_text
from orchestrator.report.explained.first_manifest import first_manifest_text
from orchestrator.report.explained.function_views import InitView, PackageView, ResolvedView
from orchestrator.report.explained.packaged import package_text
from orchestrator.report.explained.resolved import resolved_text
from orchestrator.report.explained.why_text import why_text
from orchestrator.report.failures import failures
from orchestrator.report.history import facts_text, history_text
from orchestrator.report.plain_text import aligned, counted
from orchestrator.report.plan_text import environment_head, plan_text, prediction_text
from orchestrator.report.prunes.prune_text import usage_text
from orchestrator.report.prunes.storage import pruning_text, storage_text
from orchestrator.report.summary import folder_table, headline, rollback_summary, run_table, runs_table, warnings
from orchestrator.report.views import (
    BoardView,
    BoundJob,
    DocumentView,
    FindingsView,
    ImportView,
    JobsView,
    OpenDue,
    PlanView,
    PruneView,
    ResultView,
    RewriteView,
    RunsView,
    SavedPlanView,
    View,
    WhyView,
)


def render_text(view: View, width: int | None, outlet: Outlet) -> Safe:
    """Return a value for people. Raises `ManifestError` with the mistakes of a manifest, since those are not data."""
    return outlet.rendered(_text(outlet.value(view), width))


def _text(view: View, width: int | None) -> str:
    match view:
        case PlanView() | SavedPlanView() | PruneView():
            return _plan(view)
        case ResultView():
            return _result(view, width)
        case EnvironmentsView():
            return environments_text(view, width=width)
        case RunsView() | ReportView():
            return _runs(view, width)
        case BoardView(rows, missing):
            return "\n".join([*environment_head(view.environment), missing or board_text(rows, width=width)])
        case JobsView():
            return _jobs(view, width)
        case FindingsView():
            return _findings(view)
        case WhyView() | ResolvedView() | InitView() | PackageView():
            return _of_functions(view, width)
        case ImportView() | RewriteView() | DocumentView():
            return _document(view)
        case _:
            assert_never(view)


def _plan(view: PlanView | SavedPlanView | PruneView) -> str:
    match view:
        case SavedPlanView(facts, plan):
            return f"{facts_text(facts)}\n\n{plan_text(plan, whole=True)}"
        case PruneView():
            return pruning_text(view, whole=True)
        case PlanView():
            predicted = [prediction_text(view.prediction)] if view.prediction is not None else []
            return "\n".join([plan_text(view, whole=True), *predicted])


def _runs(view: RunsView | ReportView, width: int | None) -> str:
    if isinstance(view, ReportView):
        from orchestrator.report.account.tables import report_text  # noqa: PLC0415 - only for this view

        return report_text(view, width=width)
    return runs_table(view.runs) if view.runs else "no runs yet"


def _of_functions(view: WhyView | ResolvedView | InitView | PackageView, width: int | None) -> str:
    match view:
        case WhyView(why):
            return "\n".join([*environment_head(view.environment), why_text(why, width=width)])
        case ResolvedView():
            return resolved_text(view, width=width)
        case InitView():
            return first_manifest_text(view, width=width)
        case PackageView():
            return "\n".join([*environment_head(view.environment), package_text(view)])


def _result(view: ResultView, width: int | None) -> str:
    state = view.state
    table = run_table(state, view.back, width=width, everything=view.everything, timings=view.timings)
    by_folder = folder_table(state, width=width)
    parts = [table, warnings(state), failures(state, view.back), by_folder, headline(state)]
    parts += [rollback_summary(view.back)] if view.back is not None else []
    parts += [usage_text(view.usage)]
    parts += [storage_text(view.storage)] if view.storage is not None else []
    if view.history:
        parts.insert(0, history_text(state, view.back, alive=view.alive))
    return "\n\n".join(part for part in parts if part)


def _jobs(view: JobsView, width: int | None) -> str:
    lines = [
        f"{view.config} defines no jobs yet: add a table [jobs.NAME] with `run` and the parameters of one of these jobs"
    ]
    if view.bound:
        cells = {
            "environment": [job.environment for job in view.bound],
            "job": [job.job for job in view.bound],
            "runs": [job.run for job in view.bound],
            "schedule": [job.schedule or "-" for job in view.bound],
            "next due": [job.next_due or "-" for job in view.bound],
            "at": [job.place for job in view.bound],
        }
        if view.environment or not any(cells["environment"]):
            del cells["environment"]
        head, rows = tuple(cells), list(zip(*cells.values(), strict=True))
        lines = [aligned(head, rows, width=width)]
        lines += [f"\n{_open(job, job.open_due)}" for job in view.bound if job.open_due is not None]
    lines = [*environment_head(view.environment), *lines]
    if view.bound and not view.verbose:
        return "\n".join([*lines, f"\nthe manifest can use: {', '.join(view.known)} (--verbose describes them)"])
    for name, job in view.known.items():
        lines.append(f"\n{name}: {job.about}")
        lines += [
            f"  {key}{' (required)' if one.required else ''}: {one.description}" for key, one in job.parameters.items()
        ]
    return "\n".join(lines)


def _open(job: BoundJob, due: OpenDue) -> str:
    stopped = f"the run that was due at {due.due_at} is not done: run {due.run_id} was stopped for good: {due.why}"
    where = f" --env {job.environment}" if job.environment else ""
    return f'job "{job.job}": {stopped}; once that is fixed, `orchestrator run {job.job}{where}` starts a new run'


def _document(view: ImportView | RewriteView | DocumentView) -> str:
    """Return the text itself, or a summary if it was written to a file."""
    if isinstance(view, DocumentView):
        return view.text
    if isinstance(view, RewriteView):
        what = f"{', '.join(view.diffs)}: {counted(len(view.functions), 'function')}"
        done = f"{what} written" if view.written else f"{what} would be written"
        return done if view.diffs else "nothing to write: the manifest matches the live state"
    if not view.file:
        return view.text.rstrip("\n")
    count, of = counted(len(view.functions), "function"), counted(len(view.folders), "folder")
    once = "once the variables are set, " if view.variables else ""
    # With notes something may differ: what Terraform declares and is not live, for example.
    changes = "what would change" if view.notes else "no changes"
    return f"{view.file}: {count} of {of}; {once}`orchestrator plan -c {quote(str(view.file))}` shows {changes}"


def _findings(view: FindingsView) -> str:
    if view.mistakes:
        raise ManifestError(view.mistakes)
    disabled = f" ({view.disabled} disabled)" if view.disabled else ""
    jobs = f", {counted(len(view.jobs), 'job')}" if view.jobs else ""
    within = f" in {', '.join(view.environments)}" if view.environments else ""
    valid = f"{view.config} is valid{within}: {counted(len(view.functions), 'function')}{disabled}{jobs}"
    return "\n".join([*(f"warning: {warning}" for warning in view.warnings), valid])
