"""What events tell of one function in time: its steps, its Operations, and the slots that it held."""

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
    """A slot that is held: from the end of the queue, in which it was waited for so long, until its Operation is seen
    done, or its call is refused. `to` None: still. Times are seconds since the epoch.
    """

    since: float
    waited_s: float = 0.0
    to: float | None = None
    refused: bool = False


@dataclass(slots=True)
class Followed:
    """An Operation, as far as its events tell."""

    accepted: OperationAccepted
    asked_at: float | None
    done: OperationDone | None = None


@dataclass(slots=True)
class Track:
    """One function in time. `wave`: the last one in which something was done for it."""

    unit: UnitState
    wave: int = 0
    steps: list[StepFinished] = field(default_factory=list)
    tries: list[tuple[StepRetried, str]] = field(default_factory=list)  # with whose limit had no room, "" for none
    operations: dict[str, Followed] = field(default_factory=dict)
    verified: list[VersionVerified] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    _open: dict[int, Hold] = field(default_factory=dict)  # by change
    _asked: dict[int, float] = field(default_factory=dict)  # by change: when its call was sent last

    @property
    def holds_any(self) -> bool:
        """Whether it holds a slot."""
        return bool(self._open)

    def step(self, event: StepFinished) -> None:
        """Hear that a step is over. A slot is granted as the queue ends, and given back where a call is refused."""
        self.steps.append(event)
        if event.step is Step.QUEUE:
            if event.ok:
                self._hold(event.change, event.at, event.seconds)
        elif event.step in _ASKED and not event.ok:
            self._free(event.change, event.at, refused=True)

    def retried(self, event: StepRetried, no_room: str) -> None:
        """Hear that something is tried again. The slot of a call was given back as its step ended."""
        self.tries.append((event, no_room))

    def requested(self, event: Requested) -> None:
        """Hear that a call is sent. Where the journal of a killed run lacks the step, the slot is held from now on."""
        self._asked[event.change] = event.at
        self._hold(event.change, event.at)

    def accepted(self, event: OperationAccepted) -> None:
        """Hear that the cloud has taken a call."""
        self._hold(event.change, event.at)
        self.operations.setdefault(event.operation_id, Followed(event, self._asked.pop(event.change, None)))

    def done(self, event: OperationDone) -> None:
        """Hear that an Operation is done."""
        found = self.operations.get(event.operation_id)
        if found is not None:
            found.done = event
        self._free(event.change, event.at)

    def let_go(self, at: float) -> None:
        """Give back what is held: the unit, or the run, has come to its end."""
        for change in list(self._open):
            self._free(change, at)

    def _hold(self, change: int, at: float, waited_s: float = 0.0) -> None:
        if change not in self._open:
            self._open[change] = hold = Hold(at, waited_s)
            self.holds.append(hold)

    def _free(self, change: int, at: float, *, refused: bool = False) -> None:
        hold = self._open.pop(change, None)
        if hold is not None:
            hold.to, hold.refused = at, refused
