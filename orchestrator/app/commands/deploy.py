"""`deploy`: what the manifest declares is carried out, or what a saved plan says of it."""

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
    """Run `deploy` as typed. Raises `OrchestratorError` where it cannot start."""
    options = read_options("deploy", given)
    return invoke(options, messages, deploy_selected if options.plan is None else apply_saved)
