"""Ctrl-C once: settle; twice: leave. SIGTERM and SIGHUP: settle for five seconds, since CI kills after ten."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from orchestrator.errors import OrchestratorError
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop

SETTLE_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@asynccontextmanager
async def watching(stop: Stop, say: Callable[[str], None]) -> AsyncIterator[None]:
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
