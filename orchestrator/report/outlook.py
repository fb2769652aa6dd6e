"""What is ahead of a run: its wave, the pause before the next one, and how long what is left will take.

The same as `plan --simulate` goes by, as sums: how long Operations take by what was learned, and for how many there is
room. So it costs nothing while a run lasts, and gets better with each Operation that ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from orchestrator.engine.new_version import kind_of
from orchestrator.engine.run import REQUESTS_PER_SECOND
from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.journal.events import Event, LimitChanged, UnitEnded
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.model import Action, ChangeKind, Rollout, Unit

_RATE = "requests per second"
_KINDS = {ChangeKind.FUNCTION: Kind.FUNCTION, ChangeKind.UPDATE: Kind.FUNCTION, ChangeKind.TAG: Kind.TAG}


class Outlook:
    """A listener: it hears what has ended, and what the limits are. Times in seconds, by the clock of the events."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._left: dict[str, tuple[str, tuple[Kind, ...]]] = {}  # by unit: its folder, and its Operations
        self._count: Counter[tuple[str, Kind]] = Counter()  # of these Operations
        self._clouds: Mapping[str, str] = {}
        self._pause_s = 0.0
        self._allowed: dict[str, float] = {}
        self._wave: WaveStarted | None = None
        self._in_wave = 0  # units of it that have not ended
        self.pause_until: float | None = None

    def plan(self, units: Iterable[Unit], clouds: Mapping[str, str], rollout: Rollout) -> None:
        """Hear what is to be done. `clouds`: folder → cloud."""
        self._clouds, self._pause_s = clouds, rollout.pause_s
        for unit in units:
            if unit.action not in (Action.UNCHANGED, Action.BLOCKED):
                kinds = tuple(_KINDS.get(change.kind) or kind_of(unit) for change in unit.changes)
                self._left[unit.key] = unit.spec.folder_id, kinds
                self._count.update((unit.spec.folder_id, kind) for kind in kinds)

    def __call__(self, event: Event) -> None:
        match event:
            case LimitChanged(what=what, allowed=allowed):
                self._allowed[what] = allowed
            case WaveStarted(units=units):
                self._wave, self._in_wave, self.pause_until = event, units, None
            case UnitEnded(at=at, key=key) if key in self._left:
                folder_id, kinds = self._left.pop(key)
                self._count.subtract((folder_id, kind) for kind in kinds)
                self._in_wave -= 1
                if self._waves_left and not self._in_wave and self._pause_s:
                    self.pause_until = at + self._pause_s

    @property
    def wave(self) -> str:
        """Say which wave it is, "" where there is one only."""
        return f"wave {self._wave.number} of {self._wave.waves}" if self._wave is not None else ""

    @property
    def _waves_left(self) -> int:
        return self._wave.waves - self._wave.number if self._wave is not None else 0

    def seconds(self, now: float) -> float | None:
        """Say how long what is left will take; None where nothing is left, or not known yet for how many is room."""
        if not self._left or not self._allowed:
            return None
        work = defaultdict[str, float](float)
        mean_s = {kind: self._learned.of(kind).mean_s for kind in Kind}
        for (folder_id, kind), count in self._count.items():
            for scope in (f"folder {folder_id}", f"cloud {self._clouds.get(folder_id, '')}"):
                work[scope] += count * mean_s[kind]
        least_s = [
            seconds / max(1.0, self._allowed[scope]) for scope, seconds in work.items() if scope in self._allowed
        ]
        least_s.append(self._count.total() / self._allowed.get(_RATE, REQUESTS_PER_SECOND))
        last_s = max(mean_s[kind] for (_, kind), count in self._count.items() if count) if self._count.total() else 0.0
        paused_s = self._pause_s - max(0.0, self.pause_until - now) if self.pause_until is not None else 0.0
        return max(*least_s, last_s) + self._waves_left * self._pause_s - paused_s
