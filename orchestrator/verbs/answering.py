"""The one way from a verb to its exit code: show its result or report its error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orchestrator.errors import OrchestratorError
from orchestrator.manifest.includes.upward import NAME, nearest_manifest
from orchestrator.report.streams import tell_crashes
from orchestrator.verbs.ci_options import files_for_ci

if TYPE_CHECKING:
    from orchestrator.model.command_line import Typed


def answer(command: Callable[[Any], Any], output: str = "text") -> int:
    """Run a command with its `Messages`, show its result or its error, and return the exit code."""
    # heavy imports only when needed: neither `--help` nor a completion has them
    from orchestrator.model.command_line import typed_with  # noqa: PLC0415
    from orchestrator.report.messages import Messages  # noqa: PLC0415

    messages = Messages(*files_for_ci())
    tell_crashes(messages.outlet)
    if found := _found_above():
        messages.say(f"using {found}")
    with typed_with(_typed()):
        try:
            return messages.finish(command(messages), output)
        except OrchestratorError as error:
            messages.fail(error)
            return error.exit
        finally:
            messages.ci.end_group()  # also after a crash


def _typed() -> Typed:
    """Return the options that decide where runs are found, as far as they were typed."""
    from orchestrator.model.command_line import Typed  # noqa: PLC0415 - as above

    context = click.get_current_context(silent=True)
    if context is None:
        return Typed()
    given = {
        name: str(context.params[name])
        for name in ("config", "state", "bucket")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    config, usual = Path(given.get("config", NAME)), nearest_manifest()
    is_there = usual.is_file() and config.absolute().parent == usual.absolute().parent
    is_elsewhere = "config" in given and "state" not in given and not is_there
    others = tuple(part for name in ("state", "bucket") if name in given for part in (f"--{name}", given[name]))
    return Typed("" if str(config) == NAME else str(config), is_elsewhere, others)


def _found_above() -> str:
    """Return the manifest found in a folder above, where the verb takes one and none was named; else ""."""
    context = click.get_current_context(silent=True)
    if context is None or context.get_parameter_source("config") is not ParameterSource.DEFAULT:
        return ""
    option = next(one for one in context.command.params if one.name == "config")
    found = Path(NAME) if option.default == NAME else nearest_manifest()
    return str(found) if str(found) != NAME else ""
