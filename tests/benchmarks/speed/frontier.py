"""What can be attained at all: list scheduling by one who sees each end at once, or after the best polls there are."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence


def bound_s(lengths_s: Sequence[float], slots: int, per_second: float | None = None) -> float:
    """No run can be shorter: the work over the slots, the longest, or the calls over the rate (a second's burst)."""
    rate_s = (len(lengths_s) - per_second) / per_second if per_second else 0.0
    return max(sum(lengths_s) / slots, rate_s, *lengths_s)


def makespan_s(
    lengths_s: Iterable[float], slots: int, seen_s: Callable[[float], float] = lambda length: length
) -> float:
    """Give each slot the next Operation as soon as the end of its last is seen: `seen_s` of its length."""
    free = [0.0] * slots
    for length in lengths_s:
        heapq.heapreplace(free, free[0] + seen_s(length))
    return max(free)


def polled(lengths_s: Sequence[float], polls: float) -> Callable[[float], float]:
    """Place polls so that Operations of these lengths are seen with the least delay for this many polls each.

    By dynamic programming over the quantiles of the lengths themselves, which no one can know beforehand.
    """
    ordered = sorted(lengths_s)
    points = [ordered[round(share * (len(ordered) - 1) / 200)] for share in range(201)]
    low, high = 0.0, max(ordered)
    times = points
    for _ in range(40):
        price = (low + high) / 2
        times = _times(ordered, sorted(set(points)), price)
        if _count(ordered, times) > polls:
            low = price
        else:
            high = price
    return lambda length: next((at for at in times if at >= length - 1e-12), length)


def _times(ordered: Sequence[float], points: Sequence[float], price: float) -> list[float]:
    """Choose the poll times among `points` of the least cost: the delay of what ends before each, and its price."""
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
    total = 0
    for length in ordered:
        total += next(number for number, at in enumerate(times, 1) if at >= length - 1e-12)
    return total / len(ordered)
