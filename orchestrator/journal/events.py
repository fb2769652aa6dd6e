"""What happened, as frozen values with a dict form. The journal's rows, the progress display and the logs are made from
these.

No event has an environment value, a secret, a token or a body. `at`: seconds since the epoch. `key`: of a unit.
`change`: the index of the change that the event is about, in the unit's list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.model import Change, Outcome, Step, Unit

SCHEMA = 1  # raised when a stored event changes its meaning


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a point in time."""

    kind: ClassVar[str] = ""
    at: float


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run begins. `units`: the number of functions in its plan. `manifest`: its path as typed."""

    kind: ClassVar[str] = "run_started"
    run_id: str
    verb: str
    endpoint: str
    manifest: str
    units: int
    program: str  # version of this program
    schema: int = SCHEMA
    resumes: str = ""  # the ID of the run that this one resumes
    identity: Identity = NOTHING_KNOWN
    adopt: tuple[str, ...] = ()  # NAME@VERSION_ID of live versions that may lose settings, or "*": all of them
    planned_s: float = 0.0  # how long planning took before, builds included
    rolls_back: str = ""  # the ID of the run that this one rolls back
    approves: str = ""  # the ID of the paused run that this run resumes and lets continue
    skips: tuple[str, ...] = ()  # what it does not wait for: "pauses", "verification"
    recorded: bool = False  # read from a bucket: calls after the last write are not among its events
    canary: int = 0  # number of units of its canary wave, which come first in its plan
    disabled: int = 0  # functions that it leaves out because the manifest disables them; of a run of all
    left_out: int = 0  # enabled functions that its selection leaves out
    waves: tuple[int | str, ...] = ()  # of its chain; () if an earlier program did not write it
    max_failures: int | str | None = ""  # of its chain; None: not declared, "": not written


@dataclass(frozen=True, slots=True)
class UnitPlanned(Event):
    """The plan for one function, its changes in order, and what was live before the run touched it.

    With the run's endpoint, `folder_id` and `function_id` (`name` until the Function exists) identify the unit. `key`
    is only its name in the manifest.
    """

    kind: ClassVar[str] = "unit_planned"
    key: str
    name: str
    folder_id: str
    function_id: str
    action: str
    reason: str
    base_version_id: str
    fingerprint: str
    before: Mapping[str, Any] = field(default_factory=dict)  # the live Version's settings, see `live_state.remembered`
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()  # sentences about its package
    way_back: str = ""  # a `WayBackKind`, by its value; "" if not determined
    back_from: int = 0  # index of the first change that rolls it back; 0: there is none


def unit_planned(at: float, unit: Unit, before: Mapping[str, Any]) -> UnitPlanned:
    """Return the event of a unit. `before`: the live Version's settings, without values."""
    return UnitPlanned(
        at, unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id or "", unit.action, unit.reason,
        unit.base_version_id or "", str(unit.fingerprint or ""), before, unit.changes, unit.warnings,
        unit.way_back.kind if unit.way_back is not None else "", unit.back_from,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitsUnchanged(Event):
    """Functions that the plan leaves unchanged: planned and ended. One journal record for all of them.

    Each of `units`: key, name, folder ID, function ID, ID of the live Version, fingerprint, reason.
    """

    kind: ClassVar[str] = "units_unchanged"
    units: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A unit enters a step."""

    kind: ClassVar[str] = "step_started"
    key: str
    step: Step
    change: int = 0


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """A unit leaves a step, whether it succeeded or not. `seconds` includes retries and their waits."""

    kind: ClassVar[str] = "step_finished"
    key: str
    step: Step
    seconds: float
    ok: bool = True
    change: int = 0


@dataclass(frozen=True, slots=True)
class StepRetried(Event):
    """A call failed and is tried again after `wait_s`. No slot is held meanwhile."""

    kind: ClassVar[str] = "step_retried"
    key: str
    step: Step
    attempt: int
    wait_s: float
    reason: str
    request_id: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class BytesSent(Event):
    """Progress of an upload. For displays only: never stored in the journal."""

    kind: ClassVar[str] = "bytes_sent"
    key: str
    sent_bytes: int
    size_bytes: int
    change: int = 0


@dataclass(frozen=True, slots=True)
class PackageStored(Event):
    """The package is where createVersion can read it. `existed`: nothing was uploaded."""

    kind: ClassVar[str] = "package_stored"
    key: str
    bucket: str
    object: str
    sha256: str
    size_bytes: int
    existed: bool
    change: int = 0


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """The intent, written before the call. `call`: a `ChangeKind`, by its value."""

    kind: ClassVar[str] = "requested"
    key: str
    call: str
    function_id: str
    idempotency_key: str
    attempt: int
    change: int = 0


@dataclass(frozen=True, slots=True)
class OperationAccepted(Event):
    """The cloud accepted the call. Written before the first poll."""

    kind: ClassVar[str] = "operation_accepted"
    key: str
    call: str
    operation_id: str
    function_id: str
    version_id: str = ""
    request_id: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class OperationDone(Event):
    """The Operation was seen `done`. `error` is empty if it succeeded."""

    kind: ClassVar[str] = "operation_done"
    key: str
    operation_id: str
    seconds: float  # by the cloud's own createdAt and modifiedAt, -1 if they are missing
    error: str = ""
    change: int = 0
    polls: int = 0  # how often it was polled; 0 also in journals of older programs


@dataclass(frozen=True, slots=True)
class UnitEnded(Event):
    """A unit's outcome. A later one (from reading back) replaces an earlier one."""

    kind: ClassVar[str] = "unit_ended"
    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Breached(Event):
    """Too many functions failed: nothing new starts, in this run and in all that resume it.

    Written before the outcome that causes it, so that a kill between the two cannot lose it. `then`: what it leads to:
    "stop", "rollback", "pause".
    """

    kind: ClassVar[str] = "breached"
    reason: str
    then: str = "stop"


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run has ended. `reason`: why it stopped before its plan was done."""

    kind: ClassVar[str] = "run_ended"
    exit_code: int
    reason: str = ""
