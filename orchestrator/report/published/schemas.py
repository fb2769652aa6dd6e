"""The JSON Schema (Draft 2020-12) of each kind of published documents: `orchestrator schema KIND`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.report.plain_text import aligned
from orchestrator.report.published.accounts import REPORT
from orchestrator.report.published.catalog import CATALOG
from orchestrator.report.published.events import event_schema
from orchestrator.report.published.explained import WHY
from orchestrator.report.published.functions import INIT, PACKAGE, RENDER
from orchestrator.report.published.manifests import BOARD, FINDINGS, IMPORT, JOBS, REWRITE
from orchestrator.report.published.notices import GATE, NOTIFICATION
from orchestrator.report.published.plans import ENVIRONMENTS, PLAN
from orchestrator.report.published.prunes import PRUNE
from orchestrator.report.published.results import RESULT, RUNS
from orchestrator.report.published.saved_plans import SAVED_PLAN
from orchestrator.report.published.shape import Takes, whole_document

_OF: Mapping[str, Takes] = {
    "plan": PLAN,
    "environments": ENVIRONMENTS,
    "saved-plan": SAVED_PLAN,
    "result": RESULT,
    "runs": RUNS,
    "report": REPORT,
    "why": WHY,
    "render": RENDER,
    "package": PACKAGE,
    "findings": FINDINGS,
    "jobs": JOBS,
    "board": BOARD,
    "prune": PRUNE,
    "init": INIT,
    "import": IMPORT,
    "rewrite": REWRITE,
    "notification": NOTIFICATION,
    "gate": GATE,
}


def published_schema(kind: str) -> dict[str, Any]:
    """Return the schema of a kind of `CATALOG`."""
    one = CATALOG[kind]
    return event_schema() if kind == "event" else whole_document(kind, one.number, one.about, _OF[kind])


def catalog_text() -> str:
    """Return the kinds, one a line."""
    rows = [(kind, str(one.number), one.written_by.replace("`", ""), one.stability) for kind, one in CATALOG.items()]
    return aligned(("kind", "version", "written by", "what may change"), rows, width=None)
