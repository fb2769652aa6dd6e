"""Every event: journal first, then the state, then the listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from orchestrator.events import Event
from orchestrator.ports import Journal
from orchestrator.state import RunState

Listener = Callable[[Event], None]
Emit = Callable[[Event], None]
_log = structlog.get_logger()


class Bus:
    """Call it with an event. A journal that cannot be written raises `JournalError`; a listener never stops a run."""

    def __init__(self, journal: Journal, state: RunState, listeners: Iterable[Listener] = ()) -> None:
        self._journal = journal
        self.state = state
        self._listeners = list(listeners)

    def __call__(self, event: Event) -> None:
        self._journal.append(event)
        self.state.apply(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - the fence: a full pipe or a bad display is no reason to stop
                self._listeners.remove(listener)
                _log.warning("listener_dropped", listener=type(listener).__name__, error=str(error))
