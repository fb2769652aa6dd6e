"""`deploy`: what the manifest declares is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import invoke
from orchestrator.app.session.options import read_options
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def deploy_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `deploy` as typed. Raises `OrchestratorError` where it cannot start."""
    return invoke(read_options("deploy", given), messages, deploy_selected)
