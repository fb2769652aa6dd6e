"""One function over time, from its events: its steps, its Operations, and the slots that it held."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.journal.events import (
    OperationAccepted,
    OperationDone,
    Requested,
    StepFinished,
    StepRetried,
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Step

_ASKED = (Step.FUNCTION, Step.UPDATE, Step.CREATE, Step.TAG, Step.DELETE)  # the steps in which a slot is held


@dataclass(slots=True)
class Hold:
    """A slot that is held: from the end of the queue until its Operation is seen as done, or its call is refused. It
    was waited for in the queue. `to` None: it is still held. Times are seconds since the epoch.
    """

    since: float
    waited_s: float = 0.0
    to: float | None = None
    refused: bool = False


@dataclass(slots=True)
class Followed:
    """An Operation, as far as events report it."""

    accepted: OperationAccepted
    asked_at: float | None
    done: OperationDone | None = None


@dataclass(slots=True)
class Track:
    """One function over time. `wave`: the last one in which it was worked on. `is_recorded`: its events are from a
    record, which has no steps.
    """

    unit: UnitState
    wave: int = 0
    is_recorded: bool = False
    steps: list[StepFinished] = field(default_factory=list)
    tries: list[tuple[StepRetried, str]] = field(
        default_factory=list
    )  # each with the scope whose limit had no room, "" for none
    operations: dict[str, Followed] = field(default_factory=dict)
    verified: list[VersionVerified] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    _open: dict[int, Hold] = field(default_factory=dict)  # by change
    _followed: dict[int, float] = field(default_factory=dict)  # by change: since when its Operation is tracked
    _asked: dict[int, float] = field(default_factory=dict)  # by change: when its call was sent last

    @property
    def follows(self) -> tuple[Step, float] | None:
        """The step and its start, for an Operation of an earlier run that is being tracked. A run that resumes another
        one reports no step for it.
        """
        return (Step.TRACK, min(self._followed.values())) if self._followed else None

    @property
    def holds_any(self) -> bool:
        """Whether it holds a slot."""
        return bool(self._open)

    def step(self, event: StepFinished) -> None:
        """Handle the end of a step. A slot is granted as the queue ends, and freed when a call is refused."""
        self.steps.append(event)
        if event.step is Step.TRACK:
            self._followed.pop(event.change, None)
        if event.step is Step.QUEUE:
            if event.ok:
                self._hold(event.change, event.at, event.seconds)
        elif event.step in _ASKED and not event.ok:
            self._free(event.change, event.at, refused=True)

    def retried(self, event: StepRetried, no_room: str) -> None:
        """Handle a retry. The slot of a call was freed when its step ended."""
        self.tries.append((event, no_room))

    def requested(self, event: Requested) -> None:
        """Handle a call being sent. Where the journal of a killed run lacks the step, the slot is held from now on."""
        self._asked[event.change] = event.at
        self._hold(event.change, event.at)

    def accepted(self, event: OperationAccepted) -> None:
        """Handle a call being accepted by the cloud."""
        self._hold(event.change, event.at)
        if not self.is_recorded:
            self._followed.setdefault(event.change, event.at)
        self.operations.setdefault(event.operation_id, Followed(event, self._asked.pop(event.change, None)))

    def done(self, event: OperationDone) -> None:
        """Handle the end of an Operation."""
        found = self.operations.get(event.operation_id)
        if found is not None:
            found.done = event
        self._free(event.change, event.at)
        self._tracked(event.change, event.at, ok=not event.error)

    def let_go(self, at: float) -> None:
        """Free all slots: the unit, or the run, has ended."""
        for change in list(self._open):
            self._free(change, at)
        for change in list(self._followed):
            self._tracked(change, at, ok=True)

    def _tracked(self, change: int, at: float, *, ok: bool) -> None:
        """Add the step in which an Operation was tracked, where no event has: its run was killed or resumed."""
        since = self._followed.pop(change, None)
        if since is not None:
            self.steps.append(StepFinished(at, self.unit.key, Step.TRACK, at - since, ok, change))

    def _hold(self, change: int, at: float, waited_s: float = 0.0) -> None:
        if change not in self._open:
            self._open[change] = hold = Hold(at, waited_s)
            self.holds.append(hold)

    def _free(self, change: int, at: float, *, refused: bool = False) -> None:
        hold = self._open.pop(change, None)
        if hold is not None:
            hold.to, hold.refused = at, refused
