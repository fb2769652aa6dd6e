"""What is ahead of a run: its wave, the pause before the next one, how much time is left, and the share done.

It uses what `plan --simulate` uses, as sums: the learned durations of Operations and verifications, and the limits.
So it costs nothing during a run, and improves with each Operation that ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from orchestrator.engine.changing.new_version import kinds_of
from orchestrator.engine.run import REQUESTS_PER_SECOND
from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import Event, OperationDone, UnitEnded
from orchestrator.journal.rollout_events import (
    GateBegan,
    GateEnded,
    PauseBegan,
    RunPaused,
    VersionVerified,
    WaveStarted,
)
from orchestrator.model import Action, Rollout, Unit, Verdict
from orchestrator.planning.rollout import ends_paused

_RATE = "requests per second"
_Counts = Counter[tuple[str, Kind]]  # changes, by folder and kind


class Outlook:
    """A listener for what has ended, and for the limits. Times in seconds, by the clock of the events."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._left: dict[str, tuple[str, dict[int, Kind]]] = {}  # by unit: its folder, and its changes by their number
        self._counts = _Counts()  # of these changes
        self._all = _Counts()  # at the beginning of the run
        self.clouds: Mapping[str, str] = {}  # folder → cloud
        self._pause_s = 0.0
        self._at_once = 1
        self._one_wave = False  # the run ends as paused after this wave
        self._allowed: dict[str, float] = {}
        self._wave: WaveStarted | None = None
        self._first = 1  # the wave that this run began with
        self._in_wave = 0  # units of the wave that have not ended
        self.pause_until: float | None = None
        self.gate = ""  # what delays the next wave, other than a pause
        self.gate_until: float | None = None  # when its command times out
        self._gate_s: float | None = None

    def plan(self, units: Iterable[Unit], clouds: Mapping[str, str], rollout: Rollout) -> None:
        """Set what is to be done. `clouds`: folder → cloud."""
        self.clouds, self._at_once, self._one_wave = clouds, rollout.verify_at_once, ends_paused(rollout)
        self._gate_s = rollout.gate.timeout_s if rollout.gate is not None else None
        self._pause_s = 0.0 if self._one_wave else rollout.pause_s
        for unit in units:
            if unit.action not in (Action.UNCHANGED, Action.BLOCKED):
                changes = dict(enumerate(kinds_of(unit)))
                self._left[unit.key] = unit.spec.folder_id, changes
                self._counts.update((unit.spec.folder_id, kind) for kind in changes.values())
        self._all = self._counts.copy()

    def __call__(self, event: Event) -> None:
        match event:
            case LimitChanged(what=what, allowed=allowed):
                self._allowed[what] = allowed
            case WaveStarted(number=number, units=units):
                self._first = self._first if self._wave is not None else number
                self._wave, self._in_wave, self.pause_until = event, units, None
            case PauseBegan(at=at, seconds=seconds):
                self.pause_until = at + seconds
            case GateBegan(at=at, wave=wave):
                self.gate, self.pause_until = f"gate running for wave {wave}" if wave else "gate running", None
                self.gate_until = at + self._gate_s if self._gate_s is not None else None
            case GateEnded():
                self.gate, self.gate_until = "", None
            case RunPaused(until=until):
                self.gate = "" if until else "waiting for approval"
            case OperationDone(key=key, change=change, error=""):
                self._made(key, change)
            case VersionVerified(key=key, change=change, verdict=Verdict.PASSED):
                self._made(key, change)
            case UnitEnded(key=key) if key in self._left:
                folder_id, changes = self._left.pop(key)
                self._counts.subtract((folder_id, kind) for kind in changes.values())
                self._in_wave -= 1

    def _made(self, key: str, change: int) -> None:
        """Remove a change that is done from what is left."""
        folder_id, changes = self._left.get(key, ("", {}))
        if change in changes:
            self._counts[folder_id, changes.pop(change)] -= 1

    @property
    def wave(self) -> str:
        """Return which wave it is, "" where there is only one."""
        return f"wave {self._wave.number} of {self._wave.waves}" if self._wave is not None else ""

    @property
    def _waves_left(self) -> int:
        return self._wave.waves - self._wave.number if self._wave is not None else 0

    def seconds(self, now: float) -> float | None:
        """Return how many seconds are left; None where nothing is left, or no limit is known yet. For a run that ends
        as paused after each wave: until it does.
        """
        if not self._left or not self._allowed:
            return None
        paused_s = self._pause_s - max(0.0, self.pause_until - now) if self.pause_until is not None else 0.0
        left_s = self._work_s(self._counts) + self._waves_left * self._pause_s - paused_s
        return left_s * self._in_wave / len(self._left) if self._one_wave and self._waves_left else left_s

    def share(self, now: float) -> float | None:
        """Return the share of the total time that has passed, from 0 to 1; None where `seconds` is None."""
        left_s = self.seconds(now)
        if left_s is None or self._one_wave:
            return None
        waves = self._wave.waves - self._first if self._wave is not None else 0
        return max(0.0, 1.0 - left_s / (self._work_s(self._all) + waves * self._pause_s))

    def _work_s(self, counts: _Counts) -> float:
        """Return how long these changes take under the limits, and never less than one of them takes."""
        work = defaultdict[str, float](float)
        mean_s = {kind: self._learned.of(kind).mean_s for kind in Kind}
        calls, verifying_s = 0, 0.0
        for (folder_id, kind), count in counts.items():
            if kind is Kind.VERIFY:
                verifying_s += count * mean_s[kind]
                continue
            calls += count
            for scope in (f"folder {folder_id}", f"cloud {self.clouds.get(folder_id, '')}"):
                work[scope] += count * mean_s[kind]
        least_s = [
            seconds / max(1.0, self._allowed[scope]) for scope, seconds in work.items() if scope in self._allowed
        ]
        least_s += [calls / self._allowed.get(_RATE, REQUESTS_PER_SECOND), verifying_s / self._at_once]
        return max(*least_s, max((mean_s[kind] for (_, kind), count in counts.items() if count), default=0.0))
