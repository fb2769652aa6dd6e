"""What another limit would have given: the Operations of a run, with their durations, put into more or fewer slots.

Pure and lightweight: it imports nothing from the engine.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldWork:
    """What one function did in a wave. `scopes`: what its Operations count against. `holds`: for each of them, how long
    it held a slot and how long it held none afterwards, in seconds.
    """

    scopes: tuple[str, ...]
    holds: tuple[tuple[float, float], ...]


def replayed_s(work: Sequence[HeldWork], limits: Mapping[str, float]) -> float:
    """Return the time by list scheduling: the first in `work` gets the first slot that is free in all of its scopes. A
    full scope delays no other. A scope without a limit has unlimited slots.
    """
    waiting: dict[tuple[str, ...], deque[tuple[int, int]]] = {}  # (number in `work`, number of its hold)
    for number, one in enumerate(work):
        if one.holds:
            waiting.setdefault(one.scopes, deque()).append((number, 0))
    held = Counter[str]()
    coming: list[tuple[float, int, int, bool]] = []  # time; then a slot becomes free, or a function is ready again
    now = last = 0.0
    while True:
        _start(work, waiting, held, coming, now, limits)
        if not coming:
            return last
        now, number, hold, frees = heapq.heappop(coming)
        last = max(last, now)
        one = work[number]
        if frees:
            held.subtract(one.scopes)
            if hold + 1 < len(one.holds):
                heapq.heappush(coming, (now + one.holds[hold][1], number, hold + 1, False))
        else:
            waiting.setdefault(one.scopes, deque()).appendleft((number, hold))


def _start(
    work: Sequence[HeldWork],
    waiting: Mapping[tuple[str, ...], deque[tuple[int, int]]],
    held: Counter[str],
    coming: list[tuple[float, int, int, bool]],
    now: float,
    limits: Mapping[str, float],
) -> None:
    """Start what there is room for, in the order of the work."""
    while True:
        fitting = [
            (queue[0], scopes)
            for scopes, queue in waiting.items()
            if queue and all(held[scope] < max(1.0, limits.get(scope, float("inf"))) for scope in scopes)
        ]
        if not fitting:
            return
        (number, hold), scopes = min(fitting)
        waiting[scopes].popleft()
        held.update(scopes)
        heapq.heappush(coming, (now + work[number].holds[hold][0], number, hold, True))
