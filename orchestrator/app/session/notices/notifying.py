"""Notifications during a run and at its end. A failed notification delays the end, but fails nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from orchestrator.app.session.identity import next_step
from orchestrator.app.session.notices.sending import Sender, Sending, sending
from orchestrator.app.session.session import Session
from orchestrator.engine.bus import Listener
from orchestrator.journal.events import Event
from orchestrator.journal.state import RunState
from orchestrator.model import Notify
from orchestrator.report.notice.document import notice_of, notification


@asynccontextmanager
async def notified(session: Session, chain: RunState) -> AsyncIterator[Sequence[Listener]]:
    """Yield the listeners that notify about a run, or about the chain that it ends. A follow-up run is part of the same
    notifications.
    """
    request, world = session.request, session.world
    hooks = () if request.options.follows else request.manifest.notify
    for hook in hooks:
        if hook.unset:
            session.messages.warn(f"notify.{hook.name} is off: {hook.unset}")
    hooks = tuple(hook for hook in hooks if not hook.is_off and not hook.unset)
    if not hooks:
        yield ()
        return
    sender = Sender(
        session.run_id, session.run_id, chain.identity.environment or request.manifest.environment,
        session.messages.outlet, session.stop, world.commands, session.messages.incomplete.append, world.clock,
    )  # fmt: skip
    async with sending(sender, request.environ) as found:
        yield (_Notifier(session, chain, hooks, found),)


class _Notifier:
    """A listener that sends due notifications next to the run."""

    def __init__(self, session: Session, chain: RunState, hooks: Sequence[Notify], found: Sending) -> None:
        self._session = session
        self._chain = chain
        self._hooks = hooks
        self._sending = found

    def __call__(self, event: Event) -> None:
        kind = notice_of(event, self._chain)
        for hook in self._hooks if kind else ():
            if kind in hook.on:
                # The advice after a breach comes with the end.
                then = "" if kind == "breach" else next_step(self._chain)
                document = notification(kind, self._chain, hook, run_id=self._session.run_id, then=then)
                self._sending.start(hook, kind, document)
