"""`report`: how a run went, with all that took it up: for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.app.session.known_run import known_account
from orchestrator.app.session.options import read_place
from orchestrator.errors import Exit
from orchestrator.report.account.tables import ReportView
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def report_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Tell how a run went. Raises `JournalError`, `UsageError` as `show` does."""
    return CommandResult(Exit.DONE, ReportView(known_account(read_place("report", given), messages, given["run"])))
