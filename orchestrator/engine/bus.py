"""Passes every event on: to the journal first, then to the state, then to the listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from orchestrator.journal.events import Event
from orchestrator.journal.state import RunState
from orchestrator.ports import Journal

Listener = Callable[[Event], None]
Emit = Callable[[Event], None]
_log = structlog.get_logger()


class Bus:
    """Call it with an event. Raises `JournalError` if the journal cannot be written. A listener never stops a run.

    `clean` removes secrets from an event: the cloud's messages may repeat values that were sent.
    """

    def __init__(
        self,
        journal: Journal,
        state: RunState,
        listeners: Iterable[Listener] = (),
        *,
        clean: Callable[[Event], Event] = lambda event: event,
    ) -> None:
        self._journal = journal
        self._clean = clean
        self.state = state
        self._listeners = list(listeners)

    def __call__(self, event: Event) -> None:
        event = self._clean(event)
        self._journal.append(event)
        self.state.apply(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - a full pipe or a broken display must not stop the run
                self._listeners.remove(listener)
                _log.warning("listener_dropped", listener=type(listener).__name__, error=str(error))
