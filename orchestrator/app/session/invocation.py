"""What commands that run for a while have in common: logs, signals, and an end that is an answer or an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import anyio

from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.signals import watching
from orchestrator.coordination.local_lock import LocalLock
from orchestrator.errors import InterruptedRunError, OrchestratorError
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command is run with. What it opens is closed with `stack`; `stop` says whether it is to end early."""

    options: RunOptions
    messages: Messages
    stack: AsyncExitStack
    stop: Stop
    locks: list[LocalLock] = field(default_factory=list)  # of state folders, as far as they are held


def invoke(
    options: RunOptions, messages: Messages, main: Callable[[Invocation], Awaitable[CommandResult]]
) -> CommandResult:
    """Run a command to its result. Raises `OrchestratorError` where it cannot start."""
    messages.outlet.redactor.add_variables(options.parameters)
    messages.configure(options.log_level, options.log_format)

    async def watched() -> CommandResult:
        stop = Stop()
        async with watching(stop, messages.say), AsyncExitStack() as stack:
            try:
                return await main(Invocation(options, messages, stack, stop))
            except StoppedError as error:
                raise InterruptedRunError(f"{error}: nothing was sent", advice="run the same command again") from None

    with ungrouped(OrchestratorError):
        return anyio.run(watched)
