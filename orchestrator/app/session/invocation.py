"""What commands that run for a while have in common: logs, signals, and an end that is an answer or an error.

Ctrl-C once: settle; twice: leave. SIGTERM and SIGHUP: settle for five seconds, since CI kills after ten.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskStatus

from orchestrator.app.session.options import RunOptions
from orchestrator.coordination.local_lock import LocalLock
from orchestrator.errors import InterruptedRunError, OrchestratorError
from orchestrator.report.messages import Messages
from orchestrator.report.redact import Redactor
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError

SETTLE_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
        async with _watching(stop, messages.say), AsyncExitStack() as stack:
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


@asynccontextmanager
async def _watching(stop: Stop, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Turn signals into stops until the block ends. Its error comes out as it is, not inside a task group's."""
    with ungrouped(OrchestratorError):
        async with anyio.create_task_group() as group:
            await group.start(_watch, stop, say)
            yield
            group.cancel_scope.cancel()


async def _watch(
    stop: Stop, say: Callable[[str], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    interrupts = 0
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            task_status.started()
            async for number in signals:
                name = signal.Signals(number).name
                if number != signal.SIGINT:
                    say(f"{name}: nothing new starts; leaving in {SETTLE_S:.0f} s at the latest")
                    stop.request(f"stopped by {name}")
                    group.start_soon(_leave_later, stop, name)
                    continue
                interrupts += 1
                if interrupts == 1:
                    say("interrupted: nothing new starts, running operations settle; Ctrl-C again leaves at once")
                    stop.request("interrupted")
                else:
                    say("interrupted twice: leaving; the journal is intact")
                    stop.abandon("interrupted twice")


async def _leave_later(stop: Stop, name: str) -> None:
    await anyio.sleep(SETTLE_S)
    stop.abandon(f"stopped by {name}")
