"""Notifications in flight: posted or given to a command, all at the same time, and awaited for a limited time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from orchestrator import __version__
from orchestrator.cloud.hooks import Post, deliver
from orchestrator.cloud.transport import Transport, open_transport
from orchestrator.model import Notify
from orchestrator.model.units import as_duration
from orchestrator.ports import CommandRequest, Commands
from orchestrator.redaction.outlet import Outlet
from orchestrator.report.notice.bodies import body_of
from orchestrator.resilience.stop import Stop

END_S = 30.0  # how long the end of a command waits for all notifications
CALLED_OFF_S = 3.0  # the same after a stop: a CI kills after ten seconds
_LOOK_S = 0.25
_SAID_MAX = 300  # characters of a command's last line
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sender:
    """What all notifications of a command share. `key`: the beginning of their Idempotency-Key. `run_id`: "" where no
    run began. `lost` receives a sentence for each notification that was not sent.
    """

    key: str
    run_id: str
    environment: str
    outlet: Outlet
    stop: Stop
    commands: Commands | None
    lost: Callable[[str], None]
    clock: Callable[[], float] = time.time


class Sending:
    """Sends notifications concurrently with everything else."""

    def __init__(self, sender: Sender, transport: Transport, group: TaskGroup) -> None:
        self._sender = sender
        self._transport = transport
        self._group = group
        self._left: dict[tuple[str, str], Callable[[str], None]] = {}  # in flight: how to report a failure
        self._failed: dict[tuple[str, str], str] = {}  # of those: why the latest attempt failed
        self._idle = anyio.Event()

    def start(self, hook: Notify, kind: str, document: Mapping[str, Any]) -> None:
        """Start to send a document. `kind`: the word of `on`."""
        body = body_of(hook, document, self._sender.outlet)
        self._left[hook.name, kind] = partial(self._lost, hook.name, kind)
        self._group.start_soon(self._sent, hook, kind, body)

    async def _sent(self, hook: Notify, kind: str, body: bytes) -> None:
        structlog.contextvars.unbind_contextvars("function", "step", "operation_id")  # of the event that caused it
        try:
            why = await (self._run(hook, kind, body) if hook.command else self._post(hook, kind, body))
        except Exception as error:  # noqa: BLE001 - the fence: no notification fails a run
            why = f"this program failed: {type(error).__name__}: {error}"
        lost = self._left.pop((hook.name, kind))
        if why:
            lost(why)
        else:
            _log.info("notification sent", hook=hook.name, notice=kind)
        if not self._left:
            self._idle.set()

    async def _post(self, hook: Notify, kind: str, body: bytes) -> str:
        post = Post(hook.url, body, kind, f"{self._sender.key}:{kind}", hook.secret, hook.timeout_s)
        failed = partial(self._failed.__setitem__, (hook.name, kind))
        return await deliver(self._transport, post, self._sender.clock, failed)

    async def _run(self, hook: Notify, kind: str, body: bytes) -> str:
        commands, environment = self._sender.commands, self._sender.environment
        if commands is None:
            return "commands cannot run here"
        facts = {"ORCHESTRATOR_RUN_ID": self._sender.run_id, "ORCHESTRATOR_NOTICE": kind}
        facts |= {"ORCHESTRATOR_ENV": environment} if environment else {}
        end = await commands.run(CommandRequest(hook.command, hook.folder, facts, body, hook.timeout_s))
        if end.status is None:
            return f"the command was ended after {as_duration(hook.timeout_s)}"
        said = f": {end.output.splitlines()[-1][:_SAID_MAX]}" if end.output.strip() else ""
        return f"the command ended with exit status {end.status}{said}" if end.status else ""

    def _lost(self, name: str, kind: str, why: str) -> None:
        _log.warning("notification not sent", hook=name, notice=kind, reason=why)
        self._sender.lost(f"notify.{name} was not notified of {kind}: {why}")

    async def settled(self) -> None:
        """Wait a limited time for notifications in flight, then give them up."""
        waited_s = 0.0
        while self._left and waited_s < (CALLED_OFF_S if self._sender.stop.called_off else END_S):
            self._idle = anyio.Event()
            with anyio.move_on_after(_LOOK_S):
                await self._idle.wait()
            waited_s += _LOOK_S
        for one, lost in self._left.items():
            why = self._failed.get(one, "")
            lost(f"not accepted within {as_duration(round(waited_s))}" + (f": {why}" if why else ""))


@asynccontextmanager
async def sending(sender: Sender, environ: Mapping[str, str]) -> AsyncIterator[Sending]:
    """Send notifications until the block ends, then wait for those in flight."""
    async with open_transport(environ, version=__version__) as transport, anyio.create_task_group() as group:
        found = Sending(sender, transport, group)
        yield found
        await found.settled()
        group.cancel_scope.cancel()
