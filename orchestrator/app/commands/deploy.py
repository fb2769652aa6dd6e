"""`deploy`: deploys what the manifest declares, or applies a saved plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import invoke
from orchestrator.app.session.options import read_options
from orchestrator.app.session.saved.applying import apply_saved
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def deploy_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `deploy`. Raises `OrchestratorError` where it cannot start."""
    options = read_options("deploy", given)
    return invoke(options, messages, deploy_selected if options.plan is None else apply_saved)
