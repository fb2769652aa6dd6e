"""What commands return, as Markdown: plans and results as tables for comments and summaries, a report as several
tables. Everything else is as on a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.model import Action, Plan, Unit
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.account.run_facts import facts_of
from orchestrator.report.account.tables import ReportTable, tables_of
from orchestrator.report.account.view import ReportView
from orchestrator.report.markdown.pieces import code, cut_to, fenced, row
from orchestrator.report.markdown.result import result_markdown
from orchestrator.report.plain_text import counted, named
from orchestrator.report.plan_text import (
    NAMED,
    plan_counts,
    plan_notes,
    way_back_words,
)
from orchestrator.report.text import render_text
from orchestrator.report.unit_words import by_cause, reason_words, word_of
from orchestrator.report.verifying_text import then_words
from orchestrator.report.views import DocumentView, PlanView, ResultView, SavedPlanView, View

MAX_CHARS = 60_000  # of a comment; the services that show them accept 65,536 or more
# Columns without untrusted text.
_OURS = frozenset(
    {
        "part",
        "time",
        "share",
        "functions",
        "own work",
        "waited",
        "retries",
        "most in use",
        "refusals",
        "calls",
        "longest",
    }
)
_SPARED = 200  # reserved for the lines that say how much is left out


def render_markdown(view: View, width: int | None, outlet: Outlet) -> Safe:
    """Return a value for a comment. Raises `ManifestError` as `render_text` does."""
    if isinstance(view, DocumentView):
        return render_text(view, width, outlet)
    if isinstance(view, ReportView):
        return outlet.rendered(_report(outlet.value(view), MAX_CHARS - _SPARED))
    if isinstance(view, ResultView) and view.storage is None:  # a prune is shown as on a terminal
        return outlet.rendered(result_markdown(outlet.value(view), MAX_CHARS))
    if not isinstance(view, PlanView | SavedPlanView):
        return outlet.rendered(fenced(render_text(view, width, outlet), MAX_CHARS - _SPARED))
    facts = outlet.value(view.facts) if isinstance(view, SavedPlanView) else {}
    plan = outlet.value(view.plan if isinstance(view, SavedPlanView) else view)
    return outlet.rendered(_plan(plan, facts))


def _plan(view: PlanView, facts: Mapping[str, str]) -> str:
    head = _head(view, facts)
    tail = [
        *(f"- {code(line.strip())}" for line in plan_notes(view)),
        *(f"- warning: {code(one)}" for one in view.warnings),
    ]
    rest = "\n".join(cut_to(tail, MAX_CHARS // 2 - len(head), "more line"))
    table = "\n".join(_table(view.plan, MAX_CHARS - len(head) - len(rest) - _SPARED))
    return "\n\n".join(part for part in (head, table, rest) if part)


def _head(view: PlanView, facts: Mapping[str, str]) -> str:
    counts = ", ".join(f"**{count}** {action}" for action, count in plan_counts(view.plan).items()) or "nothing to do"
    environment = facts.get("environment", view.environment)
    plan = f"Plan {code(facts['plan'])}" if facts else "Plan"
    title = f"### {plan}{f' for {code(environment)}' if environment else ''}: {counts}"
    items = [f"- {name}: {code(value)}" for name, value in facts.items() if value and name != "plan"]
    return "\n".join([title, *(["", *items] if items else [])])


def _table(plan: Plan, room: int) -> list[str]:
    """Return rows for what changes, then for what is blocked, as far as there is room. What is left out is counted."""
    units = [unit for unit in plan.units if unit.action is not Action.UNCHANGED]
    units.sort(key=lambda unit: (unit.action is Action.BLOCKED, unit.spec.folder_id, unit.key))
    if not units:
        return []
    folders = len({unit.spec.folder_id for unit in plan.units}) > 1
    names = [*(["folder"] if folders else []), "function", "action", "reason", "rollback"]
    head = [row(names), row(["---"] * len(names))]
    causes = by_cause([unit for unit in units if unit.action is Action.BLOCKED])
    groups = [*([unit] for unit in units if unit.action is not Action.BLOCKED), *causes]
    lines = [row(_cells(group, folders=folders)) for group in groups]
    return [*head, *cut_to(lines, room - sum(map(len, head)), "more function", list(map(len, groups)))]


def _cells(group: Sequence[Unit], *, folders: bool) -> list[str]:
    """Return the cells of a function, or of several that share one cause."""
    unit = group[0]
    failure, way, then = unit.failure, unit.way_back, then_words(unit)
    advice = f"; {failure.advice}" if failure is not None and failure.advice else ""
    name = f"{unit.key} ({unit.spec.name})" if unit.spec.name not in ("", unit.key) else unit.key
    if len(group) > 1:
        name = f"{counted(len(group), 'function')}: {named([one.key for one in group], NAMED)}"
    where = ", ".join(sorted({one.spec.folder_id for one in group}))
    back = way_back_words(way) if way is not None else ""
    reason = f"{reason_words(unit, whole=False)}{advice}{f'; {then}' if then else ''}"
    return [*([code(where)] if folders else []), code(name), word_of(unit), code(reason), code(back)]


def _report(view: ReportView, most: int) -> str:
    """Return what happened, then a table for each subject that has rows. `most`: characters."""
    account = view.account
    facts = facts_of(account)
    head = [f"## Run {code(account.run_id)}: {account.state or 'nothing is known yet'}", "", facts.pop("time"), ""]
    head += [f"- {name}: {code(value)}" for name, value in facts.items() if value and name not in ("run", "state")]
    lines = list(head)
    for table in tables_of(account):
        lines += ["", f"### {table.title[0].upper()}{table.title[1:]}", "", *_rows(table)]
    return "\n".join(cut_to(lines, most, "more line"))


def _rows(table: ReportTable) -> list[str]:
    rule = ["---:" if name in table.numbers else "---" for name in table.head]
    rows = [
        row(text if name in _OURS else code(text) for name, text in zip(table.head, one, strict=True))
        for one in table.rows
    ]
    return [row(table.head), row(rule), *rows]
