"""What is attainable at all: list scheduling by seeing each end at once, or with the best possible polls."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

_POINTS = 200
_LONGEST = 30


def bound_s(lengths_s: Sequence[float], slots: int, per_second: float | None = None) -> float:
    """Return the lower bound of a run: the work over the slots, the longest, or the calls over the rate (a second's
    burst).
    """
    rate_s = (len(lengths_s) - per_second) / per_second if per_second else 0.0
    return max(sum(lengths_s) / slots, rate_s, *lengths_s)


def makespan_s(
    lengths_s: Iterable[float], slots: int, seen_s: Callable[[float], float] = lambda length: length
) -> float:
    """Give each slot the next Operation when the end of its last one is seen: `seen_s` of its duration.

    The last ends count as they come: if nothing waits for a slot, there are polls to spare.
    """
    free, end = [0.0] * slots, 0.0
    for length in lengths_s:
        begun = heapq.heapreplace(free, free[0] + seen_s(length))
        end = max(end, begun + length)
    return end


def polled(lengths_s: Sequence[float], polls: float) -> Callable[[float], float]:
    """Place polls so that Operations of these durations are seen with the least delay, with at most this many polls
    each.

    Uses dynamic programming over the quantiles of the durations themselves, which no one can know in advance.
    """
    ordered = sorted(lengths_s)
    few = max(1, len(ordered) // _POINTS)  # of the longest, each counts: their quantiles are far apart
    points = sorted({*ordered[few - 1 :: few], *ordered[-_LONGEST:]})
    low, high = 0.0, 2 * ordered[-1]
    times = points[-1:]
    for _ in range(30):
        price = (low + high) / 2
        found = _times(ordered, points, price)
        if _count(ordered, found) > polls:
            low = price
        else:
            high, times = price, found
    return lambda length: times[bisect_left(times, length)]


def _times(ordered: Sequence[float], points: Sequence[float], price: float) -> list[float]:
    """Choose the poll times among `points` with the lowest cost: the delay of what ends before each, and its price."""
    totals = [0.0]
    for length in ordered:
        totals.append(totals[-1] + length)
    at_or_below = []
    position = 0
    for point in points:
        while position < len(ordered) and ordered[position] <= point:
            position += 1
        at_or_below.append(position)
    best: list[float] = [0.0] * (len(points) + 1)
    choice = [0] * len(points)
    for start in reversed(range(len(points))):
        before = at_or_below[start - 1] if start else 0
        alive = len(ordered) - before
        options = []
        for end in range(start, len(points)):
            ended = at_or_below[end] - before
            late = points[end] * ended - (totals[at_or_below[end]] - totals[before])
            options.append((late + price * alive + best[end + 1], end))
        best[start], choice[start] = min(options)
    times, start = [], 0
    while start < len(points):
        times.append(points[choice[start]])
        start = choice[start] + 1
    return times


def _count(ordered: Sequence[float], times: Sequence[float]) -> float:
    return sum(bisect_left(times, length) + 1 for length in ordered) / len(ordered)
