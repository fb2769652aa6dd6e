"""What happened between the waves of a run, and what was found out about its Versions: events like all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from orchestrator.journal.events import Event
from orchestrator.model import Verdict


@dataclass(frozen=True, slots=True)
class VersionVerified(Event):
    """A Version was verified. `attempts`: how often it was called; `reason`: why it has not passed."""

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
    """The gate's command has judged a wave (0: all of it, before tags move). `output`: its last lines, made safe."""

    kind: ClassVar[str] = "gate_ended"
    wave: int
    verdict: Verdict
    seconds: float
    exit_code: int | None = None  # None: it was ended at its limit
    output: str = ""


@dataclass(frozen=True, slots=True)
class RunPaused(Event):
    """The run ends here, and goes on only when somebody says so. `wave`: the last one that has ended."""

    kind: ClassVar[str] = "run_paused"
    reason: str
    wave: int = 0
    until: float = 0.0  # seconds since the epoch, where a pause was declared that is too long to wait for; else 0


@dataclass(frozen=True, slots=True)
class PauseBegan(Event):
    """A wave has ended, and the run waits so many seconds before it goes on."""

    kind: ClassVar[str] = "pause_began"
    wave: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GateBegan(Event):
    """The gate's command begins to judge a wave: whoever looks at the journal meanwhile sees what the run waits for."""

    kind: ClassVar[str] = "gate_began"
    wave: int


@dataclass(frozen=True, slots=True)
class RollbackBegun(Event):
    """What the run has changed is taken back, by a run of its own."""

    kind: ClassVar[str] = "rollback_begun"
    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WaveStarted(Event):
    """A wave of the rollout begins; the one before it has ended whole."""

    kind: ClassVar[str] = "wave_started"
    number: int  # from 1
    waves: int
    units: int
    canary: bool = False
    folders: Mapping[str, int] = field(default_factory=dict)  # its units by folder; none where nobody has written it


@dataclass(frozen=True, slots=True)
class GivenUp(Event):
    """What the runs of this chain have left undone, so many functions, is given up: nobody will take it up."""

    kind: ClassVar[str] = "given_up"
    units: int
