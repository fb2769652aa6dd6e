"""One way from a verb to its exit code: what it gives back is shown, what goes wrong is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.report.streams import tell_crashes


def answer(command: Callable[[Any], Any], output: str = "text") -> int:
    """Run a command, given its `Messages`; show what it gives back, or what went wrong. Gives the exit code."""
    from orchestrator.report.messages import Messages  # noqa: PLC0415 - heavy imports only when needed

    messages = Messages()
    tell_crashes(messages.outlet)
    try:
        return messages.finish(command(messages), output)
    except OrchestratorError as error:
        messages.fail(error)
        return error.exit
