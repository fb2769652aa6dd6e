"""`render`: shows the settings of functions after defaults, templates and variables, and where each value comes
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.app.session.choosing import any_selected
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import read_surveyed
from orchestrator.app.session.options import ANY_FOLDER, RunOptions
from orchestrator.errors import Exit
from orchestrator.manifest.environments.choosing import folder_advice
from orchestrator.manifest.findings import require_sound
from orchestrator.planning.resolved import resolved_function
from orchestrator.report.explained.function_views import ResolvedView
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult


def render_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `render`. Raises `UsageError`, and `ManifestError` where a selected function has mistakes."""
    given = dict(given)
    options = RunOptions("render", given.pop("config"), patterns=given.pop("functions"), **given)
    return invoke(options, messages, _render)


async def _render(invocation: Invocation) -> CommandResult:
    request, found = read_surveyed(invocation, has_sources=False, folder_id=ANY_FOLDER)
    specs = any_selected(request)
    require_sound(specs.values())
    homeless = [key for key, spec in specs.items() if spec.folder_id == ANY_FOLDER]
    specs |= {key: replace(specs[key], folder_id="") for key in homeless}
    warnings = list(request.manifest.warnings)
    if homeless:
        chosen = [request.manifest.environment] if request.manifest.environment else []
        advice = folder_advice(chosen, request.manifest.environments)
        warnings.append(f"no folder is set for {counted(len(homeless), 'function')}: {advice}")
        invocation.messages.warn(warnings[-1])
    functions = tuple(resolved_function(found, spec) for spec in specs.values())
    environment = request.manifest.environment
    view = ResolvedView(functions, tuple(warnings), invocation.options.verbose, environment)
    return CommandResult(Exit.DONE, view)
