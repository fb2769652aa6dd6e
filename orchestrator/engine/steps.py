"""The step that a unit is in. An event reports when each step begins and when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import structlog

from orchestrator.engine.bus import Emit
from orchestrator.errors import CloudError
from orchestrator.journal.events import StepFinished, StepRetried, StepStarted
from orchestrator.model import Step
from orchestrator.ports import Clock


@dataclass(frozen=True, slots=True)
class At:
    """A change of a unit, as events and calls refer to it."""

    unit: str  # its key
    change: int  # index in the unit's list of changes


@dataclass(frozen=True, slots=True)
class Steps:
    """Emits the events of steps."""

    emit: Emit
    clock: Clock

    @contextmanager
    def step(self, at: At, step: Step) -> Iterator[None]:
        """Report when a change enters and leaves a step."""
        started_at, ok = anyio.current_time(), False
        self.emit(StepStarted(self.clock(), at.unit, step, at.change))
        try:
            with structlog.contextvars.bound_contextvars(step=str(step)):
                yield
            ok = True
        finally:
            seconds = anyio.current_time() - started_at
            self.emit(StepFinished(self.clock(), at.unit, step, seconds, ok, at.change))

    def retrying(self, at: At, step: Step) -> Callable[[int, float, CloudError], None]:
        """Return the listener that reports the retries of a step."""

        def report(attempt: int, wait_s: float, error: CloudError) -> None:
            self.emit(
                StepRetried(
                    self.clock(), at.unit, step, attempt, wait_s, error.message, error.request_id, at.change
                )
            )  # fmt: skip

        return report
