"""Under which conditions a run works: what the cloud allows, whether it answers, whether the lease is ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orchestrator.journal.events import Event
from orchestrator.model import Step


@dataclass(frozen=True, slots=True)
class BreakerOpened(Event):
    """Calls of one step in one folder were refused alike, each of them, and no more of them are tried. `left`: how many
    functions had not been asked for; a few of them may have been on their way.
    """

    kind: ClassVar[str] = "breaker_opened"
    folder_id: str
    step: Step
    reason: str
    left: int


@dataclass(frozen=True, slots=True)
class OutageBegan(Event):
    """The cloud does not answer any more: the run pauses."""

    kind: ClassVar[str] = "outage_began"
    reason: str


@dataclass(frozen=True, slots=True)
class OutageEnded(Event):
    """The cloud answers again: the run goes on."""

    kind: ClassVar[str] = "outage_ended"
    seconds: float


@dataclass(frozen=True, slots=True)
class LongWait(Event):
    """Something is asked for again only after so many seconds, more than ten: mostly since the server says so."""

    kind: ClassVar[str] = "long_wait"
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseTaken(Event):
    """No other run may change these functions now. `fencing` grows with each lease that any run takes."""

    kind: ClassVar[str] = "lease_taken"
    fencing: int
    functions: int


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """The lease is lost: nothing more is asked of the cloud."""

    kind: ClassVar[str] = "lease_lost"
    reason: str


@dataclass(frozen=True, slots=True)
class LimitChanged(Event):
    """How much may be asked of the cloud at once, and why that is so now.

    `what`: "folder ID" or "cloud ID" (unfinished Operations), or "requests per second". `reason`: "quota-manager",
    "learned before", "declared" (or documented) at the start; then "refused", "others use it", "calm".
    `cloud_id`: of a folder, the cloud that it is in; "" where that is not known, or nobody has written it.
    """

    kind: ClassVar[str] = "limit_changed"
    what: str
    allowed: float
    reason: str
    cloud_id: str = ""


@dataclass(frozen=True, slots=True)
class SlotRefused(Event):
    """The cloud had no room for another Operation. `what`: "folder ID", "cloud ID" or "function ID", as its refusal
    says or, where it does not, the one that was nearest to its limit. `held`: how many others of ours counted there.
    """

    kind: ClassVar[str] = "slot_refused"
    what: str
    held: int
