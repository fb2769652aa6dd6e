"""The one way from a verb to its exit code: show its result or report its error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from orchestrator.errors import OrchestratorError
from orchestrator.manifest.includes.upward import NAME, nearest_manifest
from orchestrator.report.streams import tell_crashes
from orchestrator.verbs.ci_options import files_for_ci


def answer(command: Callable[[Any], Any], output: str = "text") -> int:
    """Run a command with its `Messages`, show its result or its error, and return the exit code."""
    from orchestrator.report.messages import Messages  # noqa: PLC0415 - heavy imports only when needed

    messages = Messages(*files_for_ci())
    tell_crashes(messages.outlet)
    if found := _found_above():
        messages.say(f"using {found}")
    try:
        return messages.finish(command(messages), output)
    except OrchestratorError as error:
        messages.fail(error)
        return error.exit


def _found_above() -> str:
    """Return the manifest found in a folder above, where the verb takes one and none was named; else ""."""
    context = click.get_current_context(silent=True)
    if context is None or context.get_parameter_source("config") is not ParameterSource.DEFAULT:
        return ""
    option = next(one for one in context.command.params if one.name == "config")
    found = Path(NAME) if option.default == NAME else nearest_manifest()
    return str(found) if str(found) != NAME else ""
