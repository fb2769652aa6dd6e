"""The account of a run for people at a terminal; and as a document, for programs."""

from __future__ import annotations

from typing import Any

from orchestrator.report.account.document import account_json
from orchestrator.report.account.tables import ReportView, facts_of, tables_of
from orchestrator.report.history import facts_text
from orchestrator.report.plain_text import aligned


def report_text(view: ReportView, *, width: int | None) -> str:
    """Write the account: facts, then a table for each subject of which there is something to tell."""
    tables = [
        f"{table.title}:\n{aligned(table.head, table.rows, width=width, numbers=table.numbers)}"
        for table in tables_of(view.account)
    ]
    return "\n\n".join([facts_text(facts_of(view.account)), *tables])


def report_json(view: ReportView) -> dict[str, Any]:
    """Give the account as JSON values, see `values.Account`."""
    document: dict[str, Any] = account_json(view.account)
    return document
