"""What long-running commands share: logs, signals, and an end with a result or an error.

Signals become stops. Ctrl-C once settles, twice leaves. SIGTERM, SIGHUP and SIGQUIT settle for five seconds, since CI
kills after ten; the process ends then even if a thread is stuck. Signals that were ignored at the start (nohup, a
background job of a shell) stay ignored.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskStatus

from orchestrator.app.session.options import RunOptions
from orchestrator.coordination.local_lock import LocalLock
from orchestrator.errors import Exit, InterruptedRunError, OrchestratorError
from orchestrator.manifest.load import Looks
from orchestrator.model.units import as_duration
from orchestrator.report.messages import Messages
from orchestrator.report.streams import show_cursor
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command runs with. `stack` closes what it opens. `stop` says whether it must end early. `looks`: digests
    for a command that reads a manifest in several environments.
    """

    options: RunOptions
    messages: Messages
    stack: AsyncExitStack
    stop: Stop
    locks: list[LocalLock] = field(default_factory=list)  # of state folders, while they are held
    looks: Looks | None = None
    begun: list[str] = field(default_factory=list)  # ids of the runs of which the journal has the first record
    ended: list[str] = field(default_factory=list)  # those of them that have reported their end
    reported: list[str] = field(default_factory=list)  # notices of what ended it without the end of a run


def invoke(
    options: RunOptions,
    messages: Messages,
    main: Callable[[Invocation], Awaitable[CommandResult]],
    looks: Looks | None = None,
) -> CommandResult:
    """Run a command and return its result. Raises `OrchestratorError` where it cannot start."""
    messages.outlet.redactor.add_variables(options.parameters)
    messages.configure(options.log_level, options.log_format)

    async def watched() -> CommandResult:
        stop = Stop()
        async with watching(stop, messages.say), AsyncExitStack() as stack:
            try:
                return await main(Invocation(options, messages, stack, stop, looks=looks))
            except StoppedError as error:
                raise InterruptedRunError(f"{error}: nothing was sent", advice="run the same command again") from None

    with ungrouped(OrchestratorError):
        return anyio.run(watched)


SETTLE_S = 5.0
LEAVE_S = 10.0  # time to leave normally before the process is ended
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@asynccontextmanager
async def watching(stop: Stop, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Turn signals into stops until the block ends. An error leaves the block as it is, not inside a task group's."""
    with ungrouped(OrchestratorError):
        async with anyio.create_task_group() as group:
            await group.start(_watch, stop, say)
            yield
            group.cancel_scope.cancel()


async def _watch(
    stop: Stop, say: Callable[[str], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    interrupts = 0
    heeded = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(*heeded) as signals, _last_resort(say):
            task_status.started()
            async for number in signals:
                name = signal.Signals(number).name
                if number != signal.SIGINT:
                    say(f"{name}: nothing new starts; leaving in {as_duration(SETTLE_S)} at the latest")
                    stop.call_off(f"stopped by {name}")
                    group.start_soon(_leave_later, stop, name)
                    continue
                interrupts += 1
                if interrupts == 1:
                    say("interrupted: nothing new starts, running operations settle; Ctrl-C again leaves at once")
                    stop.call_off("interrupted")
                else:
                    say("interrupted twice: leaving; the journal is intact")
                    stop.abandon("interrupted twice")


async def _leave_later(stop: Stop, name: str) -> None:
    await anyio.sleep(SETTLE_S)
    stop.abandon(f"stopped by {name}")


@contextmanager
def _last_resort(say: Callable[[str], None]) -> Iterator[None]:
    """End the process where it does not leave by itself: its event loop or a thread may be stuck in a call.

    A thread receives signals before the event loop does, and forwards them. It outlives the block, since a stuck thread
    also delays the end of the interpreter. It cannot interrupt a C call that blocks all threads.
    """
    heard, sender = socket.socketpair()
    sender.setblocking(False)
    loop = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(heard, os.dup(loop) if loop >= 0 else -1, say), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(loop)
        sender.close()  # which ends the thread


def _listen(heard: socket.socket, loop: int, say: Callable[[str], None]) -> None:
    interrupts = 0
    with heard:
        while numbers := heard.recv(64):
            with suppress(OSError):  # the loop has too many, or is gone
                os.write(loop, numbers)
            for number in numbers:
                interrupts += number == signal.SIGINT
                if number == signal.SIGINT and interrupts > 1:
                    _leave_in(LEAVE_S if interrupts == 2 else 0.0, say)
                elif number in _SIGNALS and number != signal.SIGINT:
                    _leave_in(SETTLE_S + LEAVE_S, say)
    if loop >= 0:
        os.close(loop)


def _leave_in(seconds: float, say: Callable[[str], None]) -> None:
    def leave() -> None:
        say("leaving by force: a part of this program does not end; the journal is intact")
        show_cursor()
        os._exit(Exit.INTERRUPTED)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
