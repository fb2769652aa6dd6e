"""What happened between the waves of a run, and what was found out about its Versions, as events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from orchestrator.journal.events import Event
from orchestrator.model import Verdict


@dataclass(frozen=True, slots=True)
class VersionVerified(Event):
    """A Version was verified. `attempts`: how often it was called. `reason`: why it did not pass."""

    kind: ClassVar[str] = "version_verified"
    key: str
    version_id: str
    verdict: Verdict
    reason: str = ""
    attempts: int = 1
    seconds: float = 0.0
    change: int = 0


@dataclass(frozen=True, slots=True)
class GateEnded(Event):
    """The gate's command has judged a wave (0: all of the run, before tags move). `output`: its last lines, with
    secrets removed.
    """

    kind: ClassVar[str] = "gate_ended"
    wave: int
    verdict: Verdict
    seconds: float
    exit_code: int | None = None  # None: it was ended at its time limit
    output: str = ""


@dataclass(frozen=True, slots=True)
class RunPaused(Event):
    """The run ends here, and continues only when someone says so. `wave`: the last one that ended."""

    kind: ClassVar[str] = "run_paused"
    reason: str
    wave: int = 0
    until: float = 0.0  # seconds since the epoch, for a declared pause that is too long to wait for; else 0


@dataclass(frozen=True, slots=True)
class PauseBegan(Event):
    """A wave has ended, and the run waits this many seconds before it continues."""

    kind: ClassVar[str] = "pause_began"
    wave: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GateBegan(Event):
    """The gate's command starts to judge a wave. Anyone who reads the journal meanwhile sees what the run waits for."""

    kind: ClassVar[str] = "gate_began"
    wave: int


@dataclass(frozen=True, slots=True)
class RollbackBegun(Event):
    """A separate run rolls back what this run changed."""

    kind: ClassVar[str] = "rollback_begun"
    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WaveStarted(Event):
    """A wave of the rollout begins; the one before it has ended completely."""

    kind: ClassVar[str] = "wave_started"
    number: int  # from 1
    waves: int
    units: int
    canary: bool = False
    folders: Mapping[str, int] = field(default_factory=dict)  # its units by folder; none if this was not written


@dataclass(frozen=True, slots=True)
class GivenUp(Event):
    """What this chain of runs left undone, for this many functions, is given up and will not be resumed."""

    kind: ClassVar[str] = "given_up"
    units: int
