"""What a run shows while it lasts, and the question before it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from orchestrator.engine.bus import Listener
from orchestrator.errors import InterruptedRunError, UsageError
from orchestrator.journal.state import RunState
from orchestrator.report.console import progress
from orchestrator.report.logs import LogListener
from orchestrator.report.messages import Messages
from orchestrator.report.ndjson import EventFile
from orchestrator.report.redact import Redactor

_PROGRESS_S = 10.0


async def confirm(*, yes: bool) -> None:
    """Ask whether to go on. Raises `UsageError` where nobody can be asked, `InterruptedRunError` for a no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this changes functions, and there is no terminal to ask on", advice="add --yes")
    sys.stderr.write("Deploy? [y/N] ")
    sys.stderr.flush()
    await anyio.wait_readable(sys.stdin)  # a thread that reads could not be interrupted
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InterruptedRunError("not deployed: nothing was sent")


@asynccontextmanager
async def displays(
    messages: Messages, run_id: str, state: RunState, *, units: int, events: str | None, redactor: Redactor
) -> AsyncIterator[list[Listener]]:
    """Show progress, write logs and the event file `events` for the length of a run of so many functions."""
    display = progress(sys.stderr, total=units, state=state)
    listeners: list[Listener] = [LogListener(run_id), display]
    if events is not None:
        listeners.append(EventFile(events, run_id, redactor))
    async with anyio.create_task_group() as group:
        if messages.log is not None:
            group.start_soon(_log_progress, messages, state, units)
        else:
            group.start_soon(display.run)
        try:
            yield listeners
        finally:
            group.cancel_scope.cancel()


async def _log_progress(messages: Messages, state: RunState, units: int) -> None:
    while True:
        await anyio.sleep(_PROGRESS_S)
        messages.log.info("progress", ended=state.ended, functions=units, outcomes=dict(state.outcomes))
