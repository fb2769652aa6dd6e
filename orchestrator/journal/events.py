"""What happened, as frozen values with a dict form: the journal's rows, the progress display and the logs read these.

No event carries an environment value, a secret, a token or a body. `at` is seconds since the epoch, `key` a unit's,
`change` the index of what it is about in the unit's list of changes.
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
    """Something that happened at a time."""

    kind: ClassVar[str] = ""
    at: float


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run begins. `units` is the number of functions in its plan, `manifest` its path as it was typed."""

    kind: ClassVar[str] = "run_started"
    run_id: str
    verb: str
    endpoint: str
    manifest: str
    units: int
    program: str  # our version
    schema: int = SCHEMA
    resumes: str = ""  # the id of the run that this one takes up
    identity: Identity = NOTHING_KNOWN
    adopt: tuple[str, ...] = ()  # NAME@VERSION_ID of live versions that may lose what they have, or "*": all of them
    planned_s: float = 0.0  # how long its plan took before, builds included
    rolls_back: str = ""  # the id of the run that this one takes back
    approves: str = ""  # the id of the paused run that this one, which resumes it, lets go on
    skips: tuple[str, ...] = ()  # what it was told not to wait for: "pauses", "verification"
    recorded: bool = False  # read from a bucket: what was asked for after its last writing is not among its events
    canary: int = 0  # units of its canary wave, which come first in its plan
    disabled: int = 0  # functions that it leaves out, since the manifest disables them; of a run of all
    waves: tuple[int | str, ...] = ()  # of its chain; () where a former program has not written it
    max_failures: int | str | None = ""  # of its chain; None: not declared, "": not written


@dataclass(frozen=True, slots=True)
class UnitPlanned(Event):
    """What the plan says of one function, its changes in their order, and what was live before it was touched.

    With the run's endpoint, `folder_id` and `function_id` (`name` until the Function exists) are the unit's identity;
    `key` is only what the manifest calls it.
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
    way_back: str = ""  # a `WayBackKind`, by its value; "" where nobody has looked
    back_from: int = 0  # index of the first change that takes it back again; 0: there is none


def unit_planned(at: float, unit: Unit, before: Mapping[str, Any]) -> UnitPlanned:
    """Make the event of a unit. `before`: the live Version's settings, without values."""
    return UnitPlanned(
        at, unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id or "", unit.action, unit.reason,
        unit.base_version_id or "", str(unit.fingerprint or ""), before, unit.changes, unit.warnings,
        unit.way_back.kind if unit.way_back is not None else "", unit.back_from,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitsUnchanged(Event):
    """Functions for which nothing is done, as the plan says: planned and ended. One record of the journal for all.

    Each of `units`: key, name, folder id, function id, id of the live Version, fingerprint, reason.
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
    """A unit leaves a step, whether it went well or not. `seconds` counts retries and their waits."""

    kind: ClassVar[str] = "step_finished"
    key: str
    step: Step
    seconds: float
    ok: bool = True
    change: int = 0


@dataclass(frozen=True, slots=True)
class StepRetried(Event):
    """A call failed in a way that is worth another try, after `wait_s`, holding no slot."""

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
    """Progress of an upload. For displays only: never journaled."""

    kind: ClassVar[str] = "bytes_sent"
    key: str
    sent_bytes: int
    size_bytes: int
    change: int = 0


@dataclass(frozen=True, slots=True)
class PackageStored(Event):
    """The package is where createVersion can take it from. `existed`: nothing was uploaded."""

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
    """The cloud took the call; written before the first poll."""

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
    """The Operation was seen `done`; `error` is empty where it succeeded."""

    kind: ClassVar[str] = "operation_done"
    key: str
    operation_id: str
    seconds: float  # by the cloud's own createdAt and modifiedAt, -1 where it gave none
    error: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class UnitEnded(Event):
    """A unit's outcome; a later one (of reading back) replaces an earlier one."""

    kind: ClassVar[str] = "unit_ended"
    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Breached(Event):
    """Too many functions failed: nothing new starts, in this run and in all that take it up.

    Written before the outcome that makes it so, so that a kill between the two cannot lose it. `then`: what it leads
    to: "stop", "rollback", "pause".
    """

    kind: ClassVar[str] = "breached"
    reason: str
    then: str = "stop"


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run is over; `reason` says why where it stopped before its plan was done."""

    kind: ClassVar[str] = "run_ended"
    exit_code: int
    reason: str = ""
