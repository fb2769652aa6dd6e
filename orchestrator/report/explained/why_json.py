"""Views of single functions, for programs; everything known about one function is "orchestrator/why/1"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from orchestrator.planning.why.facts import Explanation, LiveFacts, PastRun, SettingRow, WaitingFor
from orchestrator.report.explained.first_manifest import first_manifest_json
from orchestrator.report.explained.function_views import InitView, PackageView, ResolvedView
from orchestrator.report.explained.origin_words import origin_json, place_json
from orchestrator.report.explained.packaged import package_json
from orchestrator.report.explained.resolved import resolved_json
from orchestrator.report.records import NOT_ENDED
from orchestrator.report.views import WhyView


def function_json(
    view: WhyView | ResolvedView | InitView | PackageView, redacted: Callable[[Any], Any]
) -> tuple[str, dict[str, Any]]:
    """Return the schema of a view of functions, and its JSON values. `redacted`: hides secrets in a value."""
    match view:
        case ResolvedView():
            return "orchestrator/render/1", resolved_json(view, redacted)
        case InitView():
            return "orchestrator/init/1", first_manifest_json(view)
        case PackageView():
            return "orchestrator/package/1", package_json(view)
    return "orchestrator/why/1", _why_json(view.why)


def _why_json(why: Explanation) -> dict[str, Any]:
    """Return it as JSON values. Times: ISO 8601 in UTC, null where there is none."""
    one = why.subject
    return {
        "function": one.key,
        "name": one.name,
        "folder_id": one.folder_id,
        "function_id": one.id_ or None,
        "place": place_json(one.place),
        "declared": one.place is not None,
        "disabled": one.disabled,
        "now": _now(why.now) if why.now is not None else None,
        "next": asdict(why.next_plan) if why.next_plan is not None else None,
        "settings": [_row(row) for row in why.rows],
        "waits": [_waiting(waiting) for waiting in why.waiting],
        "runs": [_past(run) for run in why.past],
        "absent": list(why.absent),
        "unknown": list(why.unknown),
    }


def _now(now: LiveFacts) -> dict[str, Any]:
    return asdict(now) | {
        "created_at": now.created_at or None,
        "tags": list(now.tags),
        "creating": list(now.creating),
        "made_by": asdict(now.made_by) if now.made_by is not None else None,
    }


def _row(row: SettingRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "state": row.held,
        "value": row.desired,
        "live": row.live,
        **origin_json(row),
    }


def _waiting(waiting: WaitingFor) -> dict[str, Any]:
    return {
        "run_id": waiting.run_id,
        "for": waiting.kind,
        "words": waiting.words,
        "since": waiting.since or None,
        "until": waiting.until or None,
        "advice": waiting.advice,
        "operation_id": waiting.operation_id,
        "who": waiting.who,
    }


def _past(run: PastRun) -> dict[str, Any]:
    return asdict(run) | {
        "outcome": run.outcome or NOT_ENDED,
        "started_at": run.started_at or None,
        "operations": [asdict(one) for one in run.operations],
        "sent": [asdict(one) for one in run.sent],
    }
