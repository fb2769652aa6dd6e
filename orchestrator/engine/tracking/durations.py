"""How long Operations take, learned by kind, and when to look at a running one next.

Durations come from the Operation's own `createdAt` and `modifiedAt`, never from when its end was noticed: that would
include our own lateness.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

_WINDOW = 300  # durations kept per kind: last week's should not count forever
_ENOUGH = 8  # durations below which a guess is mixed in
_REBUILD_SHARE = 0.05  # share of new durations in the window before the curve is rebuilt
# Used if nothing is known: 1.5 s, within a factor of three ("done (1s)" in the docs: cloud-api#answer).
GUESS_S = (0.35, 0.6, 0.9, 1.25, 1.8, 2.5, 3.8, 6.5)
CALL_GUESS_S = (0.1, 0.15, 0.25, 0.4, 0.6)  # for a call of a new Function, which starts cold
_TAIL = 1.5  # beyond the longest: the share that still runs falls with this power of the age
_EARLY = 0.85  # of the shortest: some may end slightly earlier than any before
_GAP = 1.15  # ratio between two durations that counts as a gap: no ends are expected inside it
_BEFORE = 0.97  # of the duration after a gap: where its ends may begin
_GROWTH = 1.05  # beyond the longest known, looks are at least this factor apart


class Kind(StrEnum):
    """Work that takes about equally long."""

    FUNCTION = "function"  # create
    PLAIN = "plain"  # createVersion of code that needs no building
    BUILD = "build"  # createVersion of code with dependencies to install
    COPY = "copy"  # createVersion from another Version
    TAG = "tag"  # setTag, removeTag
    DELETE = "delete"  # deleteVersion
    VERIFY = "verify"  # no Operation: the call of a Function, or the command, that verifies a Version


class Durations:
    """The durations in seconds of one kind of Operation: the last `_WINDOW`, as a curve of how many still run at an
    age. `guess_s`: assumed durations while few are known.
    """

    def __init__(self, lengths_s: Iterable[float] = (), guess_s: Sequence[float] = GUESS_S) -> None:
        self._lengths = deque(lengths_s, maxlen=_WINDOW)
        self._guess_s = guess_s
        self._new = 0
        self._ages: list[float] = []
        self._hazards: list[float] = []
        self._draw()

    def add(self, length_s: float) -> None:
        """Learn another one."""
        self._lengths.append(length_s)
        self._new += 1
        if len(self._lengths) < 2 * _ENOUGH or self._new >= _REBUILD_SHARE * len(self._lengths):
            self._draw()

    @property
    def lengths_s(self) -> tuple[float, ...]:
        """The remembered durations, the oldest first."""
        return tuple(self._lengths)

    @property
    def expected_s(self) -> Sequence[float]:
        """The remembered durations, or a guess if there are none."""
        return tuple(self._lengths) or self._guess_s

    @property
    def mean_s(self) -> float:
        """The mean duration, or a guess if nothing is known."""
        known = self._lengths or self._guess_s
        return sum(known) / len(known)

    @property
    def earliest_s(self) -> float:
        """The age before which none ends."""
        return self._ages[0]

    @property
    def longest_s(self) -> float:
        """The longest duration, known or guessed."""
        return self._ages[-1]

    def hazard(self, age_s: float) -> float:
        """Return the cumulative hazard: minus the logarithm of the share that still runs at this age."""
        ages, hazards = self._ages, self._hazards
        if age_s >= ages[-1]:
            return hazards[-1] + _TAIL * math.log(age_s / ages[-1])
        if age_s <= ages[0]:
            return 0.0
        index = bisect_right(ages, age_s)
        low, high = ages[index - 1], ages[index]
        share = (age_s - low) / (high - low) if high > low else 1.0
        return hazards[index - 1] + share * (hazards[index] - hazards[index - 1])

    def _draw(self) -> None:
        self._new = 0
        known = list(self._lengths)
        lengths = sorted(known if len(known) >= _ENOUGH else [*known, *self._guess_s])
        count = len(lengths)
        self._ages, self._hazards = [_EARLY * max(lengths[0], 0.001)], [0.0]
        for number, length in enumerate(lengths):
            if length > _GAP * self._ages[-1]:  # between two modes nothing ends
                self._ages.append(_BEFORE * length)
                self._hazards.append(self._hazards[-1])
            hazard = -math.log1p(-(number + 0.5) / count)
            if length > self._ages[-1]:
                self._ages.append(length)
                self._hazards.append(hazard)
            else:
                self._hazards[-1] = hazard


class Learned:
    """What is known about all kinds."""

    def __init__(self, lengths_s: Mapping[Kind, Iterable[float]] | None = None) -> None:
        known = lengths_s or {}
        self._of = {
            kind: Durations(known.get(kind, ()), CALL_GUESS_S if kind is Kind.VERIFY else GUESS_S) for kind in Kind
        }
        self._mean_s = 0.0
        self._count = 0

    def of(self, kind: Kind) -> Durations:
        """Return what is known about a kind."""
        return self._of[kind]

    def called(self, length_s: float) -> None:
        """Learn from a call that verifies a Version. It holds no slot."""
        self._of[Kind.VERIFY].add(length_s)

    def add(self, kind: Kind, length_s: float) -> None:
        """Learn from an Operation that has ended."""
        self._of[kind].add(length_s)
        self._count += 1
        self._mean_s += (length_s - self._mean_s) / min(self._count, _WINDOW)

    @property
    def mean_s(self) -> float:
        """The mean over all that ended in this run: how long a slot is held."""
        return self._mean_s if self._count else self._of[Kind.PLAIN].mean_s


def next_look_s(hazard: Callable[[float], float], price_s: float, *, least_s: float, most_s: float) -> float:
    """Return how long to wait before the next look at one Operation, or at several at once.

    `hazard(wait_s)`: how many ends are expected within that wait. `price_s`: the cost of a call, in seconds of wasted
    slot time. If looks are g seconds apart and ends come at a rate of r, lateness wastes r·g/2 and calls cost price/g
    per second. The sum is least at g = √(2·price/r), so the wait ends when wait · (ends expected in it) reaches 2 ·
    price. Nothing is requested while nothing can end, for example between the modes of a mixture.
    """
    wait_s, before_s = least_s, 0.0
    while wait_s < most_s and wait_s * hazard(wait_s) < 2 * price_s:
        before_s, wait_s = wait_s, wait_s * 1.5
    low, high = before_s, min(wait_s, most_s)
    for _ in range(4):  # to a sixteenth of the last step
        middle = (low + high) / 2
        low, high = (middle, high) if middle * hazard(middle) < 2 * price_s else (low, middle)
    return max(least_s, high)


def next_poll_s(durations: Durations, age_s: float, price_s: float, *, least_s: float, most_s: float) -> float:
    """Return how long to wait before the next poll of an Operation of this age."""
    if age_s >= durations.longest_s:
        least_s = max(least_s, (_GROWTH - 1) * age_s)
    now = durations.hazard(age_s)
    return next_look_s(lambda wait_s: durations.hazard(age_s + wait_s) - now, price_s, least_s=least_s, most_s=most_s)
