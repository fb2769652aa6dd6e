"""What commands that run for a while have in common: logs, signals, and an end that is an answer or an error."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import anyio

from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.signals import watching
from orchestrator.coordination.local_lock import LocalLock
from orchestrator.errors import InterruptedRunError, OrchestratorError
from orchestrator.report.messages import Messages
from orchestrator.report.redact import Redactor
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError

# Values that may show up nowhere, whatever they look like.
_SECRETS = (
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_STORAGE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command is run with. What it opens is closed with `stack`; `stop` says whether it is to end early."""

    options: RunOptions
    messages: Messages
    stack: AsyncExitStack
    stop: Stop
    redactor: Redactor
    locks: list[LocalLock] = field(default_factory=list)  # of state folders, as far as they are held


def invoke(
    options: RunOptions, messages: Messages, main: Callable[[Invocation], Awaitable[CommandResult]]
) -> CommandResult:
    """Run a command to its result. Raises `OrchestratorError` where it cannot start."""
    redactor = _redactor_of(os.environ)
    messages.configure(options.log_level, options.log_format, redactor)

    async def watched() -> CommandResult:
        stop = Stop()
        async with watching(stop, messages.say), AsyncExitStack() as stack:
            try:
                return await main(Invocation(options, messages, stack, stop, redactor))
            except StoppedError as error:
                raise InterruptedRunError(f"{error}: nothing was sent", advice="run the same command again") from None

    with ungrouped(OrchestratorError):
        return anyio.run(watched)


def _redactor_of(environ: Mapping[str, str]) -> Redactor:
    """Make a redactor that knows the credentials of the environment."""
    redactor = Redactor()
    for name in _SECRETS:
        redactor.add(environ.get(name, "").strip())
    return redactor
