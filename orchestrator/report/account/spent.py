"""Where the time of a chain went: each moment of its runs belongs to one part, and the parts add up to the whole.

| the first of these that is true at a moment                               | its part       |
| ---                                                                       | ---            |
| the cloud does not respond                                                 | "outage"       |
| a declared pause between two waves                                        | "pause"        |
| a gate is running                                                         | "gate"         |
| functions wait, and all slots of a folder or cloud that they need are in  | "bound"        |
| use, or were until a second ago, since slots take time to change hands    |                |
| functions wait though slots are free: for the request rate, after         | "waiting"      |
| refusals, for the first calls                                             |                |
| Operations run, no function of this wave waits, and a later wave of the   | "wave"         |
| run is still to come                                                      |                |
| Operations run and no function waits: the end of the run                  | "tail"         |
| a new version is called, to verify it                                     | "verifying"    |
| packages are made or uploaded                                             | "preparing"    |
| another run rolls this one back                                           | "rolling back" |
| the live state is read back                                               | "reading back" |
| anything else                                                             | "other"        |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.report.account.usage import HeldSlot, KnownLimits, ScopeKey

PARTS = (
    "bound", "waiting", "wave", "tail", "verifying", "preparing", "pause", "gate", "outage", "rolling back",
    "reading back", "other",
)  # fmt: skip
_GRACE_S = 1.0  # a free slot is taken by the next function within this time, at the pace of the calls
_STOPS = ("outage", "pause", "gate")
_BELOW = ("verifying", "preparing", "rolling back", "reading back")  # in this order, where no Operation runs


class Spell(NamedTuple):
    """A time when something was in progress: of a part's kind, "waits" or "run". `of`: the waiting unit's folder.
    "wave": a wave after which another one comes.
    """

    since: float
    to: float
    kind: str
    of: str = ""


class Bounding(NamedTuple):
    """A part of the time; for "bound" also the scope and its limit."""

    part: str
    scope: ScopeKey | None = None
    limit: int | None = None


class _Turn(NamedTuple):
    at: float
    kind: str
    of: str
    change: int


@dataclass(slots=True)
class _Sweep:
    """Walks through time, from one turn to the next."""

    limits: KnownLimits
    spent: defaultdict[Bounding, float] = field(default_factory=lambda: defaultdict(float))
    going: Counter[str] = field(default_factory=Counter)  # spells, by kind
    waiting: Counter[str] = field(default_factory=Counter)  # by folder
    held: Counter[ScopeKey] = field(default_factory=Counter)
    allowed: dict[ScopeKey, int] = field(default_factory=dict)
    full_at: dict[ScopeKey, float] = field(default_factory=dict)  # when a scope that is not full now was last full
    scopes: dict[str, tuple[ScopeKey, ...]] = field(default_factory=dict)

    def of(self, folder_id: str) -> tuple[ScopeKey, ...]:
        if folder_id not in self.scopes:
            self.scopes[folder_id] = self.limits.scopes_of(folder_id)
        return self.scopes[folder_id]

    def go(self, since: float, to: float) -> None:
        """Add the time between two turns to its part."""
        if not self.going["run"]:
            return
        for kind in _STOPS:
            if self.going[kind]:
                self.spent[Bounding(kind)] += to - since
                return
        if self.waiting:
            key, until = self._binding(since, to)
            if key is not None:
                self.spent[Bounding("bound", key, self.allowed[key])] += until - since
            if until < to:
                self.spent[Bounding("waiting")] += to - until
            return
        below = next((kind for kind in _BELOW if self.going[kind]), "other")
        last = "wave" if self.going["wave"] else "tail"
        self.spent[Bounding(last if self.going["slot"] else below)] += to - since

    def _binding(self, since: float, to: float) -> tuple[ScopeKey | None, float]:
        """Return a scope that is full and waited for, or was a moment ago, and until when that counts."""
        found, until = None, since
        for folder_id in self.waiting:
            for key in self.of(folder_id):
                limit = self.allowed.get(key)
                if limit is None:
                    continue
                if self.held[key] >= limit:
                    return key, to
                graced = min(to, self.full_at.get(key, float("-inf")) + _GRACE_S)
                if graced > until:
                    found, until = key, graced
        return found, until

    def turn(self, turn: _Turn) -> None:
        """Handle the beginning or end of something."""
        if turn.kind == "limit":
            key = ScopeKey(*turn.of.split(" ", 1))
            self.allowed[key] = turn.change
            return
        self.going[turn.kind] += turn.change
        if turn.kind == "waits":
            self.waiting[turn.of] += turn.change
            if not self.waiting[turn.of]:
                del self.waiting[turn.of]
        elif turn.kind == "slot":
            for key in self.of(turn.of):
                if turn.change < 0 and self.held[key] == self.allowed.get(key):
                    self.full_at[key] = turn.at
                self.held[key] += turn.change


def time_spent(held: Iterable[HeldSlot], spells: Iterable[Spell], limits: KnownLimits) -> Mapping[Bounding, float]:
    """Return how many seconds belong to each part. `spells`: include the runs, as "run"."""
    turns: list[_Turn] = []
    for since, to, folder_id in held:
        turns += (_Turn(since, "slot", folder_id, 1), _Turn(to, "slot", folder_id, -1))
    for since, to, kind, of in spells:
        if to > since:
            turns += (_Turn(since, kind, of, 1), _Turn(to, kind, of, -1))
    for key, changes in limits.changes.items():
        if key.id:
            turns += [_Turn(event.at, "limit", f"{key.kind} {key.id}", int(event.allowed)) for event in changes]
    turns.sort()
    sweep, before = _Sweep(limits), 0.0
    for turn in turns:
        if turn.at > before:
            sweep.go(before, turn.at)
            before = turn.at
        sweep.turn(turn)
    return sweep.spent


def parts_in_order(spent: Mapping[Bounding, float]) -> Sequence[tuple[Bounding, float]]:
    """Sort the parts: by kind, the longest of a kind first. The limits that a scope had count as one part."""
    merged: dict[tuple[str, ScopeKey | None], dict[int | None, float]] = {}
    for (part, scope, limit), seconds in spent.items():
        merged.setdefault((part, scope), {})[limit] = seconds
    rows = [
        (Bounding(part, scope, max(limits, key=lambda limit: limits[limit])), sum(limits.values()))
        for (part, scope), limits in merged.items()
    ]
    return sorted(rows, key=lambda row: (PARTS.index(row[0].part), -row[1]))
