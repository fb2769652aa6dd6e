"""`plan`: what `deploy` would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import invoke
from orchestrator.app.session.options import read_options
from orchestrator.errors import Exit, OrchestratorError
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def plan_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `plan` as typed. With --detailed-exitcode: 0 no changes, 1 any error, 2 changes."""
    options = read_options("plan", given)
    try:
        return invoke(options, messages, deploy_selected)
    except OrchestratorError as error:
        if options.detailed_exitcode:
            error.exit = Exit.FAILED  # 2 would say that there are changes
        raise
