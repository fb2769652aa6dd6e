"""The conditions under which a run works: what the cloud allows, whether it answers, whether the lease is ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orchestrator.journal.events import Event
from orchestrator.model import Step


@dataclass(frozen=True, slots=True)
class BreakerOpened(Event):
    """All calls of one step in one folder were refused for the same reason, and no more of them are tried. `left`: how
    many functions had not asked yet; a few of these may have been on their way.
    """

    kind: ClassVar[str] = "breaker_opened"
    folder_id: str
    step: Step
    reason: str
    left: int


@dataclass(frozen=True, slots=True)
class OutageBegan(Event):
    """The cloud stopped answering: the run waits."""

    kind: ClassVar[str] = "outage_began"
    reason: str


@dataclass(frozen=True, slots=True)
class OutageEnded(Event):
    """The cloud responds again: the run continues."""

    kind: ClassVar[str] = "outage_ended"
    seconds: float


@dataclass(frozen=True, slots=True)
class LongWait(Event):
    """The next attempt comes only after this many seconds, more than ten. Usually the server asked for it."""

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
    """The lease is lost: nothing more is sent to the cloud."""

    kind: ClassVar[str] = "lease_lost"
    reason: str


@dataclass(frozen=True, slots=True)
class LimitChanged(Event):
    """How much may be in flight at once, or be sent per second, and why.

    `what`: "folder ID" or "cloud ID" (unfinished Operations), or "requests per second". `reason`: "quota-manager",
    "learned before", "declared" (or documented) at the start; then "refused", "others use it", "calm". `cloud_id`: the
    cloud of a folder; "" if it is not known or was not written.
    """

    kind: ClassVar[str] = "limit_changed"
    what: str
    allowed: float
    reason: str
    cloud_id: str = ""


@dataclass(frozen=True, slots=True)
class SlotRefused(Event):
    """The cloud had no room for another Operation. `what`: "folder ID", "cloud ID" or "function ID", as the refusal
    says; if it does not, the one nearest to its limit. `held`: how many others of ours counted there.
    """

    kind: ClassVar[str] = "slot_refused"
    what: str
    held: int
