"""What the rollout of a plan is: its waves, and when it stops by itself. Pure; each with its truth table."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from orchestrator.model import Action, Plan, Rollout, Unit


def wave_ends(units: int, waves: Sequence[int | str]) -> tuple[int, ...]:
    """Say after how many units each wave ends; the last one ends with the last unit, whatever was declared.

    | units | waves              | ends        |
    | ---   | ---                | ---         |
    | 100   | 1, "10%", "100%"   | 1, 10, 100  |
    | 5     | 1, "10%", "100%"   | 1, 5        |  a share is rounded up; a wave without units is none
    | 10    | 3                  | 3, 10       |
    | 0     | any                |             |
    """
    ends: list[int] = []
    for wave in (*waves, "100%"):
        end = min(units, _count(wave, units))
        if end > (ends[-1] if ends else 0):
            ends.append(end)
    return tuple(ends)


def waves_of(plan: Plan, rollout: Rollout) -> tuple[tuple[Unit, ...], ...]:
    """Give the units of each wave; those for which nothing is done are in none."""
    todo = [unit for unit in plan.units if unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
    ends = wave_ends(len(todo), rollout.waves)
    return tuple(tuple(todo[start:end]) for start, end in pairwise((0, *ends)))


@dataclass(frozen=True, slots=True)
class Wave:
    """What is left to do of a wave. `end`: how many units it and those before it had, when the first run began."""

    end: int
    units: tuple[Unit, ...]


def waves_left(
    units: Sequence[Unit], waves: Sequence[int | str], turns: Mapping[str, int], count: int
) -> tuple[Wave, ...]:
    """Give the waves of a chain of runs, with what is left of each: they stay those of the run that began it.

    `turns`: key → the unit's place, from 1, among the `count` units of that run's waves; 0: this run begins a chain.

    | waves     | count | left, by their turns | ends  | left of each wave |
    | ---       | ---   | ---                  | ---   | ---               |
    | 4, "100%" | 12    | 2, 3, 9              | 4, 12 | 2, 1              |
    | 4, "100%" | 12    | 9, 10                | 4, 12 | 0, 2              |
    """
    ends = wave_ends(count or len(units), waves)
    left: list[list[Unit]] = [[] for _ in ends]
    for number, unit in enumerate(units, start=1):
        turn = (turns.get(unit.key) or count) if count else number
        left[bisect_left(ends, turn)].append(unit)
    return tuple(Wave(end, tuple(some)) for end, some in zip(ends, left, strict=True))


def stop_rule(waves: int, max_failures: int | str | None) -> str:
    """Say when a run of so many waves stops by itself, "" where it goes on to its end.

    | waves | max_failures | says                                                                               |
    | ---   | ---          | ---                                                                                |
    | 0, 1  | none         |                                                                                    |
    | 2     | none         | a wave with a failure is the last one                                              |
    | any   | 0            | it stops at the first failure                                                      |
    | any   | 3            | it stops once more than 3 functions have failed                                    |
    | 1     | "2%"         | it stops once more than 2% of the functions have failed                            |
    | 2     | "2%"         | it stops once more than 2% of the functions up to the running wave's end have …    |
    """
    if max_failures is None:
        return "a wave with a failure is the last one" if waves > 1 else ""
    if max_failures == 0:
        return "it stops at the first failure"
    if isinstance(max_failures, int):
        return f"it stops once more than {max_failures} function{'s have' if max_failures > 1 else ' has'} failed"
    up_to = " up to the running wave's end" if waves > 1 else ""
    return f"it stops once more than {max_failures} of the functions{up_to} have failed"


def _count(share: int | str, units: int) -> int:
    return share if isinstance(share, int) else ceil(units * float(share.rstrip("%")) / 100)
