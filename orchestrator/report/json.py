"""What commands return, for programs: each kind of document names its schema.

`schema` is "orchestrator/KIND/N". N is raised when a key changes its meaning or is removed, not when one is added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, assert_never

from orchestrator.function.access import opens
from orchestrator.journal.rollout_events import GateEnded
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.account.view import ReportView
from orchestrator.report.display.board import board_json
from orchestrator.report.environment_views import EnvironmentsView
from orchestrator.report.environments import environments_json
from orchestrator.report.explained.function_views import InitView, PackageView, ResolvedView
from orchestrator.report.explained.why_json import function_json
from orchestrator.report.failures import serving_since
from orchestrator.report.history import chain_word, identity_json, state_word, status
from orchestrator.report.plan_text import left_alone, plan_counts
from orchestrator.report.prunes.prune_text import usage_json
from orchestrator.report.prunes.storage import pruning_json, storage_json
from orchestrator.report.records import iso, record
from orchestrator.report.rolled_back import CameBack, came_back, parts_back
from orchestrator.report.rollout_text import rollout_json
from orchestrator.report.summary import counts
from orchestrator.report.verifying_text import then_words
from orchestrator.report.views import (
    BoardView,
    DocumentView,
    FindingsView,
    ImportView,
    JobsView,
    PlanView,
    PruneView,
    ResultView,
    RewriteView,
    RunsView,
    SavedPlanView,
    View,
    WhyView,
)


def render_json(view: View, _width: int | None, outlet: Outlet) -> Safe:
    """Return a value as an indented JSON document."""
    match view:
        case PlanView() | PruneView() | EnvironmentsView():
            schema, document = _of_plans(view)
        case ResultView():
            document = result_json(view.state, view.back, alive=view.alive) | {"warnings": list(view.warnings)}
            document |= {"storage": storage_json(view.storage)} if view.storage is not None else {}
            document |= {"usage": usage_json(view.usage)} if view.usage else {}
            schema = "orchestrator/result/1"
        case ReportView():
            from orchestrator.report.account.document import report_json  # noqa: PLC0415 - only for this view

            schema, document = report_json(view)
        case RunsView(runs):
            schema, document = "orchestrator/runs/1", runs_json(runs)
        case BoardView() | JobsView():
            schema, document = _of_jobs(view)
        case FindingsView():
            schema, document = "orchestrator/findings/1", findings_json(view)
        case WhyView() | ResolvedView() | InitView() | PackageView():
            schema, document = function_json(view, outlet.redactor.value)
        case ImportView() | RewriteView():
            schema, document = _of_manifests(view)
        case DocumentView() | SavedPlanView():
            return outlet.rendered(view.text if isinstance(view, DocumentView) else view.document.decode())
        case _:
            assert_never(view)
    environment = getattr(view, "environment", "")
    named = {"environment": environment} if environment and "environment" not in document else {}
    return outlet.json({"schema": schema} | named | document, indent=True)


def _of_plans(view: PlanView | PruneView | EnvironmentsView) -> tuple[str, dict[str, Any]]:
    if isinstance(view, PlanView):
        return "orchestrator/plan/1", plan_json(view)
    if isinstance(view, PruneView):
        return "orchestrator/prune/1", pruning_json(view)
    return "orchestrator/environments/1", environments_json(view)


def _of_jobs(view: BoardView | JobsView) -> tuple[str, dict[str, Any]]:
    if isinstance(view, BoardView):
        return "orchestrator/board/1", board_json(view.rows)
    return "orchestrator/jobs/1", jobs_json(view)


def plan_json(view: PlanView) -> dict[str, Any]:
    """Return a plan as JSON values, for `plan` and `--dry-run`. `waves`: those with work, in order."""
    rows = [
        {
            "function": unit.key,
            "action": unit.action,
            "reason": unit.reason,
            "folder_id": unit.spec.folder_id,
            "name": unit.spec.name,
            "function_id": unit.function_id,
            "base_version_id": unit.base_version_id,
            "advice": unit.failure.advice if unit.failure is not None else "",
            "failed_step": unit.failed_step,
            "detail": unit.failure.detail if unit.failure is not None else "",
            "warnings": list(unit.warnings),
            "way_back": asdict(unit.way_back) if unit.way_back is not None else None,
            "left_out": list(unit.tree.left_out) if unit.tree is not None else [],
            **({"files": asdict(unit.files)} if unit.files is not None else {}),
            **({"opens": True} if any(map(opens, unit.changes)) else {}),
            **({"then": then} if (then := then_words(unit)) else {}),
            **({"left_alone": alone} if (alone := left_alone(unit)) else {}),
        }
        for unit in view.plan.units
    ]
    undeclared = []
    for found in view.undeclared:
        ours = [{"name": one.name, "function_id": one.id} for one in found.ours]
        undeclared.append({"folder_id": found.folder_id, "functions": ours, "others": found.others})
    return {
        "units": rows,
        "counts": plan_counts(view.plan),
        **rollout_json(view),
        "undeclared": undeclared,
        "disabled": view.disabled,
        "warnings": list(view.warnings),
        **({"skips": ["verification"]} if view.skips_verification else {}),
        **({"simulation": asdict(view.prediction)} if view.prediction is not None else {}),
    }


def _of_manifests(view: ImportView | RewriteView) -> tuple[str, dict[str, Any]]:
    """Return an imported manifest, with what it does not contain, or the changes of a manifest."""
    if isinstance(view, RewriteView):
        found = {"diffs": dict(view.diffs), "functions": list(view.functions), "left": list(view.left)}
        return "orchestrator/rewrite/1", {**found, "variables": dict(view.variables), "written": view.written}
    return "orchestrator/import/1", {
        "file": view.file,
        "functions": list(view.functions),
        "folders": list(view.folders),
        "variables": dict(view.variables),
        "notes": {key: list(notes) for key, notes in view.notes.items()},
        "left_out": dict(view.left_out),
        "unread": list(view.unread),
        "manifest": view.text,
    }


def _paused(state: RunState) -> dict[str, Any]:
    paused = state.rollout.paused
    if paused is None:
        return {}
    until = iso(paused.until) if paused.until else None
    return {"paused": {"reason": paused.reason, "wave": paused.wave, "until": until}}


def gate_json(gate: GateEnded) -> dict[str, Any]:
    """Return a gate's verdict as JSON values."""
    facts = {"verdict": gate.verdict, "exit_code": gate.exit_code, "seconds": gate.seconds, "output": gate.output}
    return {"wave": gate.wave, **facts}


def result_json(state: RunState, back: RunState | None = None, *, alive: bool = False) -> dict[str, Any]:
    """Return a run with its whole chain, and every unit: what `deploy` and `show` print. Times: ISO 8601 in UTC.
    `back`: the rollback that took it back.
    """
    serving = serving_since(back)
    return {
        "run_id": state.run_id,
        "verb": state.verb,
        "endpoint": state.endpoint,
        "manifest": state.manifest,
        "program": state.program,
        "resumes": state.resumes,
        "chain": [
            {
                "run_id": link.run_id,
                "started_at": iso(link.started_at),
                "ended_at": iso(link.ended_at),
                "exit_code": link.exit_code,
                **({"by": link.by} if link.by else {}),
                **({"approves": link.approves} if link.approves else {}),
                **({"skips": list(link.skips)} if link.skips else {}),
                **({"adopt": list(link.adopt)} if link.adopt else {}),
            }
            for link in state.chain
        ],
        **identity_json(state.identity),
        "state": chain_word(state, back, alive=alive),
        **_paused(state),
        "breach": state.breach,
        "given_up": state.given_up,
        "started_at": iso(state.started_at),
        "ended_at": iso(state.ended_at),
        "exit_code": state.exit_code,
        "reason": state.reason,
        **({"skips": list(state.rollout.skips)} if state.rollout.skips else {}),
        **({"gates": [gate_json(gate) for gate in state.rollout.gates]} if state.rollout.gates else {}),
        "total": state.total,
        "disabled": state.disabled,
        "outcomes": counts(state),
        **({"rolls_back": state.rollout.rolls_back} if state.rollout.rolls_back else {}),
        **({"rollback": _rollback_json(back)} if back is not None else {}),
        "functions": [record(unit, serving.get(unit.key, "")) for unit in state.units.values()],
    }


_OF_ROLLBACK = ("function", "version_id", "outcome", "outcome_reason", "failed_step", "failure", "back_in_part")


def _rollback_json(back: RunState) -> dict[str, Any]:
    records = [{**record(unit), **_part_json(unit)} for unit in back.units.values()]
    return {
        "run_id": back.run_id,
        "exit_code": back.exit_code,
        "outcomes": counts(back),
        "functions": [{name: one[name] for name in _OF_ROLLBACK if name in one} for one in records],
    }


def _part_json(unit: UnitState) -> dict[str, Any]:
    """Return which parts are back for a function that is partly rolled back; empty for others."""
    return {"back_in_part": parts_back(unit)} if came_back(unit) is CameBack.PART else {}


def runs_json(runs: Iterable[RunSummary]) -> dict[str, Any]:
    """Return the list of runs as JSON values."""
    rows = [
        {
            "run_id": run.id,
            "verb": run.verb,
            "endpoint": run.endpoint,
            "started_at": iso(run.started_at),
            "ended_at": iso(run.ended_at),
            "exit_code": run.exit_code,
            "functions": run.units,
            "outcomes": dict(run.outcomes),
            "program": run.program,
            "manifest": run.manifest,
            **identity_json(run.identity),
            "status": status(run),
            "state": state_word(run),
            **({"rolled_back_by": run.rolled_back_by} if run.rolled_back_by else {}),
            **({"superseded_by": run.superseded_by} if run.superseded_by else {}),
            "resumes": run.resumes,
            "taken_up_by": run.taken_up_by,
            **({"elsewhere": True} if run.elsewhere else {}),
        }
        for run in runs
    ]
    return {"runs": rows}


def jobs_json(view: JobsView) -> dict[str, Any]:
    """Return the jobs of a manifest as JSON values."""
    known = {
        name: {
            "about": job.about,
            "parameters": {
                key: {"description": one.description, "required": one.required, "default": one.default}
                for key, one in job.parameters.items()
            },
        }
        for name, job in view.known.items()
    }
    return {"jobs": [asdict(job) for job in view.bound], "known": known}


def findings_json(view: FindingsView) -> dict[str, Any]:
    """Return the findings in a manifest as JSON values."""
    if view.mistakes:
        rows = [{"file": m.file, "line": m.line, "key": m.key, "rule": m.rule} for m in view.mistakes]
        return {"valid": False, "mistakes": rows}
    return {
        "valid": True,
        "functions": list(view.functions),
        "jobs": list(view.jobs),
        "warnings": list(view.warnings),
        **({"environments": list(view.environments)} if view.environments else {}),
    }
