"""One quota of unfinished Operations as a run knows it. A refusal lowers it, a calm period raises it again.

Pure: it is given what happens and when, and answers how many Operations of this run there may be.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from orchestrator.resilience.policy import backoff_s

GROWTH_CALLS = 8  # calls accepted at the limit before it grows by one, if no call was ever refused
RETURN_CALLS = 2  # the same while it returns to where a call was refused last
PROOF = 8  # acceptances that prove capacity: a single one may be luck, if an Operation of ours has just ended unnoticed
PROBE_CALLS = 60  # calls accepted since the last refusal before that number is tried again: 1.7 % of calls at most
PROBE_MIN_S = 15.0  # minimum time since the last refusal; doubled with each refused probe
PROBE_MAX_S = 240.0
_PATIENCE = 4  # refusals in a row after which only waiting helps


@dataclass(slots=True)
class Limit:
    """How many Operations may be unfinished in one folder, or in one cloud.

    `assumed`: the limit from quota-manager (`known`), or the declared, documented or learned one. `source`: where it
    comes from. `reserve`: how many of these are left to others. `ceiling`: a number that was refused, None if none was.
    A limit from quota-manager is never exceeded; any other limit is probed for more.
    """

    assumed: int
    known: bool = False
    reserve: int = 0
    ceiling: int | None = None
    source: str = "declared"
    allowed: int = field(init=False)
    closed_until: float = 0.0
    shared: bool = False  # the last refusal came below the number that is proved to be available
    _in_a_row: int = 0
    _calls: int = 0  # accepted at the limit since it last changed
    _since_refusal: int = 0
    _proven: int = 0  # accepted at what was refused before
    # A heap: the `PROOF` largest numbers of ours that ran at once.
    _most_at_once: list[int] = field(default_factory=list)
    _refused_at: float = float("-inf")
    _probe_s: float = PROBE_MIN_S

    def __post_init__(self) -> None:
        self.allowed = max(1, self.assumed - self.reserve)

    @property
    def most(self) -> float:
        """The limit that is never exceeded."""
        return max(1, self.assumed - self.reserve) if self.known else float("inf")

    @property
    def proved(self) -> int:
        """How many of ours have run at once, as more than one acceptance shows; 0 while that is not known."""
        return self._most_at_once[0] if len(self._most_at_once) == PROOF else 0

    def accepted(self, held: int, running: int, now: float) -> None:
        """Record an accepted call. `held`: ours that run or are requested. `running`: those accepted, including this
        one.
        """
        self._in_a_row, self.closed_until = 0, 0.0
        self._since_refusal += 1
        (heappush if len(self._most_at_once) < PROOF else heappushpop)(self._most_at_once, running)
        if held < self.allowed:
            return
        self._calls += 1
        if self.ceiling is not None and running >= self.ceiling:
            self._proven += 1
            if self._proven >= PROOF:
                self.ceiling, self.shared, self._probe_s = None, False, PROBE_MIN_S
        if self.allowed < self.most and self._grows(now):
            self.allowed, self._calls, self._proven = self.allowed + 1, 0, 0

    def _grows(self, now: float) -> bool:
        if self.ceiling is None:
            return self._calls >= GROWTH_CALLS
        if self.allowed + 1 < self.ceiling:
            return self._calls >= RETURN_CALLS
        waited = self._since_refusal >= PROBE_CALLS and now >= self._refused_at + self._probe_s
        return waited and self.allowed < self.ceiling  # which is then proved, or refused

    def refused(
        self, held: int, granted_at: float, now: float, rng: random.Random, retry_after_s: float | None = None
    ) -> None:
        """Record the refusal of a call that had its slot since `granted_at`. `held`: others of ours that run or are
        requested.

        Some of ours may have ended unnoticed, so the capacity is at most `held`, and each further refusal lowers it. If
        none of ours runs, or refusals continue, only waiting helps.
        """
        if granted_at <= self._refused_at:  # sent before the last refusal arrived: part of the same burst
            self.ceiling = min(self.ceiling or held + 1, held + 1)
            self.allowed = max(1, min(self.allowed, held))
        else:
            self._in_a_row += 1
            if self._in_a_row == 1:
                probe = self.ceiling is not None and held + 1 >= self.ceiling
                self._probe_s = min(PROBE_MAX_S, 2 * self._probe_s) if probe else PROBE_MIN_S
                # Below the proved number, or quota-manager's limit: others are filling the quota.
                self.shared = held < (self.most if self.known else self.proved) and not probe
                if not self.shared:  # otherwise fewer were running than it seemed
                    self._most_at_once = [min(one, held) for one in self._most_at_once]
            yielded = max(1, held // 10) if self.shared else 0
            room = held * 3 // 4 if self._in_a_row > 1 else held - yielded
            self.allowed = max(1, min(self.allowed, room))
            self.ceiling = self.allowed + 1 if self.shared else held + 1  # what others use is not claimed at once
            self._refused_at = now
        self._calls, self._proven, self._since_refusal = 0, 0, 0
        wait_s = retry_after_s or 0.0
        if held == 0 or self._in_a_row >= _PATIENCE:
            wait_s = backoff_s(max(1, self._in_a_row - _PATIENCE + 1), rng, retry_after_s)
        self.closed_until = max(self.closed_until, now + wait_s)
