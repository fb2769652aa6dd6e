"""Who is told of a run while it lasts, and at its end. What cannot be told delays the end, and fails nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import structlog
from anyio.abc import TaskGroup

from orchestrator import __version__
from orchestrator.app.session.identity import next_step
from orchestrator.app.session.session import Session
from orchestrator.cloud.hooks import Post, deliver
from orchestrator.cloud.transport import Transport, open_transport
from orchestrator.engine.bus import Listener
from orchestrator.journal.events import Event
from orchestrator.journal.state import RunState
from orchestrator.model import Notify
from orchestrator.model.units import as_duration
from orchestrator.ports import CommandRequest
from orchestrator.report.notice.bodies import body_of
from orchestrator.report.notice.document import notice_of, notification

END_S = 30.0  # that the end of a run waits for all that is still being told
CALLED_OFF_S = 3.0  # the same once somebody has stopped it: a CI kills after ten seconds
_LOOK_S = 0.25
_log = structlog.get_logger()


@asynccontextmanager
async def notified(session: Session, chain: RunState) -> AsyncIterator[Sequence[Listener]]:
    """Tell of a run, or of the chain that it is the last of, whoever wants to know; a run that follows on another is
    told of with that.
    """
    request = session.request
    hooks = () if request.options.follows else request.manifest.notify
    for hook in hooks:
        if hook.unset:
            session.messages.warn(f"notify.{hook.name} is told nothing: {hook.unset}")
    hooks = tuple(hook for hook in hooks if not hook.is_off and not hook.unset)
    if not hooks:
        yield ()
        return
    async with open_transport(request.environ, version=__version__) as transport, anyio.create_task_group() as group:
        notifier = _Notifier(session, chain, hooks, transport, group)
        yield (notifier,)
        await notifier.settled()
        group.cancel_scope.cancel()


class _Notifier:
    """A listener that has what is due told, beside the run."""

    def __init__(
        self, session: Session, chain: RunState, hooks: Sequence[Notify], transport: Transport, group: TaskGroup
    ) -> None:
        self._session = session
        self._chain = chain
        self._hooks = hooks
        self._transport = transport
        self._group = group
        self._left: dict[tuple[str, str], Callable[[str], None]] = {}  # that are being told: how to say that it failed
        self._idle = anyio.Event()

    def __call__(self, event: Event) -> None:
        kind = notice_of(event, self._chain)
        for hook in self._hooks if kind else ():
            if kind in hook.on:
                self._tell(hook, kind)

    def _tell(self, hook: Notify, kind: str) -> None:
        state, session = self._chain, self._session
        then = "" if kind == "breach" else next_step(state)  # what follows a breach is told with the end
        document = notification(kind, state, hook, run_id=session.run_id, then=then)
        body = body_of(hook, document, session.messages.outlet)
        self._left[hook.name, kind] = partial(self._lost, hook.name, kind)
        self._group.start_soon(self._told, hook, kind, body)

    async def _told(self, hook: Notify, kind: str, body: bytes) -> None:
        structlog.contextvars.unbind_contextvars("function", "step", "operation_id")  # of whoever made it due
        why = await (self._run(hook, kind, body) if hook.command else self._post(hook, kind, body))
        lost = self._left.pop((hook.name, kind))
        if why:
            lost(why)
        else:
            _log.info("notification sent", hook=hook.name, notice=kind)
        if not self._left:
            self._idle.set()

    async def _post(self, hook: Notify, kind: str, body: bytes) -> str:
        post = Post(hook.url, body, kind, f"{self._session.run_id}:{kind}", hook.secret, hook.timeout_s)
        return await deliver(self._transport, post, self._session.world.clock)

    async def _run(self, hook: Notify, kind: str, body: bytes) -> str:
        commands, environment = self._session.world.commands, self._chain.identity.environment
        if commands is None:
            return "commands cannot be run here"
        facts = {"ORCHESTRATOR_RUN_ID": self._session.run_id, "ORCHESTRATOR_NOTICE": kind}
        facts |= {"ORCHESTRATOR_ENV": environment} if environment else {}
        end = await commands.run(CommandRequest(hook.command, hook.folder, facts, body, hook.timeout_s))
        if end.status is None:
            return f"the command was ended after {as_duration(hook.timeout_s)}"
        said = f": {end.output.splitlines()[-1]}" if end.output.strip() else ""
        return f"the command ended with exit status {end.status}{said}" if end.status else ""

    def _lost(self, name: str, kind: str, why: str) -> None:
        _log.warning("notification not sent", hook=name, notice=kind, reason=why)
        self._session.messages.incomplete.append(f"notify.{name} was not told of {kind}: {why}")

    async def settled(self) -> None:
        """Wait for what is still being told, for so long; then it is given up."""
        waited_s = 0.0
        while self._left and waited_s < (CALLED_OFF_S if self._session.stop.called_off else END_S):
            self._idle = anyio.Event()
            with anyio.move_on_after(_LOOK_S):
                await self._idle.wait()
            waited_s += _LOOK_S
        for lost in self._left.values():
            lost(f"it was not taken within {as_duration(round(waited_s))}")
