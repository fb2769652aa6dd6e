"""The rollout of a plan: its waves, and when it stops by itself. Pure; each function has its truth table."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from orchestrator.journal.runs import RolloutState
from orchestrator.model import Action, Plan, Rollout, Unit
from orchestrator.planning.selection import Selectable, fitting

WAIT_MAX_S = 900.0  # a longer pause ends the run as paused: no run holds a lease on functions for that long


def wave_ends(units: int, waves: Sequence[int | str], canary: int = 0) -> tuple[int, ...]:
    """Return the number of units after which each wave ends. The last wave ends with the last unit, whatever was
    declared. `canary`: size of the first wave; the others share the rest.

    | units | canary | waves              | ends          |
    | ---   | ---    | ---                | ---           |
    | 100   | 0      | 1, "10%", "100%"   | 1, 10, 100    |
    | 5     | 0      | 1, "10%", "100%"   | 1, 5          |  a share is rounded up; a wave without units is none
    | 10    | 0      | 3                  | 3, 10         |
    | 102   | 2      | 1, "10%", "100%"   | 2, 3, 12, 102 |
    | 2     | 2      | 1, "100%"          | 2             |
    | 0     | 0      | any                |               |
    """
    ends: list[int] = [canary] if canary else []
    left = units - canary
    for wave in (*waves, "100%"):
        end = canary + min(left, _count(wave, left))
        if end > (ends[-1] if ends else 0):
            ends.append(end)
    return tuple(ends)


def canaries(units: Sequence[Unit], rollout: Rollout) -> frozenset[str]:
    """Return the keys of the units that `canary` selects. There may be none, since a plan has only some of the
    functions.
    """
    if not rollout.canary:
        return frozenset()
    things = {
        unit.key: Selectable((unit.key, unit.spec.name, unit.function_id or unit.key), unit.spec.labels)
        for unit in units
    }
    return frozenset(fitting(things, rollout.canary))


def canary_first(plan: Plan, rollout: Rollout) -> Plan:
    """Return the plan in the order in which its units start."""
    first = canaries(plan.units, rollout)
    return Plan(tuple(sorted(plan.units, key=lambda unit: unit.key not in first))) if first else plan


def canary_size(plan: Plan, rollout: Rollout) -> int:
    """Return how many units the canary wave has, 0 for none."""
    return len(canaries(_changing(plan), rollout))


def no_canary(plan: Plan, rollout: Rollout) -> str:
    """Return a notice if a canary is declared and none of it changes, so that `waves` begins at once. Otherwise return
    "".

    Its functions that could not be prepared are named: their failure stops the run before it begins.
    """
    todo = _changing(plan)
    if not rollout.canary or not todo or canaries(todo, rollout):
        return ""
    names = ", ".join(rollout.canary)
    failed = sorted(canaries([unit for unit in plan.units if unit.failed_step is not None], rollout))
    if failed:
        return f"canary ({names}): {', '.join(failed)} could not be prepared, so nothing starts"
    blocked = sorted(canaries([unit for unit in plan.units if unit.action is Action.BLOCKED], rollout))
    if blocked:
        return f"canary ({names}): {', '.join(blocked)} blocked, so the waves begin at once, without a canary"
    return f"canary ({names}): unchanged, so the waves begin at once"


def waves_of(plan: Plan, rollout: Rollout) -> tuple[tuple[Unit, ...], ...]:
    """Return the units of each wave, the canary first. Units without changes are in none."""
    todo, first = _changing(plan), canaries(_changing(plan), rollout)
    todo.sort(key=lambda unit: unit.key not in first)
    ends = wave_ends(len(todo), rollout.waves, len(first))
    return tuple(tuple(todo[start:end]) for start, end in pairwise((0, *ends)))


@dataclass(frozen=True, slots=True)
class ChainWaves:
    """The waves of a chain's first run. `turns` and `count`: see `waves_left`. `canary`: its size."""

    turns: Mapping[str, int]
    count: int
    canary: int


@dataclass(frozen=True, slots=True)
class PlannedWave:
    """A wave as a plan shows it: its number, and how many there are."""

    number: int
    of: int
    canary: bool
    units: tuple[Unit, ...]


def planned_waves(plan: Plan, rollout: Rollout, chain: ChainWaves | None = None) -> tuple[PlannedWave, ...]:
    """Return the waves with changes. `chain`: the plan has what is left of these."""
    todo = _changing(plan)
    if chain is None:
        waves, canary = waves_of(plan, rollout), canary_size(plan, rollout)
    else:
        left = waves_left(todo, rollout.waves, chain.turns, chain.count, chain.canary)
        waves, canary = tuple(wave.units for wave in left), chain.canary
    return tuple(
        PlannedWave(number, len(waves), number == 1 and canary > 0, units)
        for number, units in enumerate(waves, start=1)
        if units
    )


def without_pauses(rollout: Rollout) -> Rollout:
    """Return the rollout of a run that does not pause between its waves."""
    return replace(rollout, pause_s=0.0, approval=False)


def ends_paused(rollout: Rollout) -> bool:
    """Return whether a run ends as paused after each wave, instead of waiting.

    | pause        | ends as paused |
    | ---          | ---            |
    | none         | no             |
    | up to 15 min | no: it waits   |
    | longer       | yes            |
    | "approval"   | yes            |
    """
    return rollout.approval or rollout.pause_s > WAIT_MAX_S


def _changing(plan: Plan) -> list[Unit]:
    return [unit for unit in plan.units if unit.action not in (Action.UNCHANGED, Action.BLOCKED)]


@dataclass(frozen=True, slots=True)
class Wave:
    """What is left of a wave. `begin`, `end`: the number of units before it, and up to its end, when the first run
    began.
    """

    begin: int
    end: int
    units: tuple[Unit, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all of it is left: none of its units has ended."""
        return len(self.units) >= self.end - self.begin


def waves_left(
    units: Sequence[Unit], waves: Sequence[int | str], turns: Mapping[str, int], count: int, canary: int = 0
) -> tuple[Wave, ...]:
    """Return the waves of a chain of runs, with what is left of each. They stay the waves of the first run.

    `turns`: key → the unit's place, from 1, among the `count` units of that run's waves. 0: this run begins a chain.
    `canary`: how many of these are its canary.

    | waves     | count | canary | left, by their turns | ends     | left of each wave |
    | ---       | ---   | ---    | ---                  | ---      | ---               |
    | 4, "100%" | 12    | 0      | 2, 3, 9              | 4, 12    | 2, 1              |
    | 4, "100%" | 12    | 0      | 9, 10                | 4, 12    | 0, 2              |
    | 4, "100%" | 12    | 2      | 2, 3, 9              | 2, 6, 12 | 1, 1, 1           |
    """
    ends = wave_ends(count or len(units), waves, canary)
    left: list[list[Unit]] = [[] for _ in ends]
    for number, unit in enumerate(units, start=1):
        turn = (turns.get(unit.key) or count) if count else number
        left[bisect_left(ends, turn)].append(unit)
    return tuple(Wave(*span, tuple(some)) for span, some in zip(pairwise((0, *ends)), left, strict=True))


def as_begun(rollout: Rollout, then: RolloutState) -> tuple[Rollout, str]:
    """Return a rollout with what a chain keeps of its first run: its waves, and how many may fail. Also returns what
    the manifest declares differently now, "" if nothing. Former programs have recorded neither.
    """
    if not then.waves:
        return rollout, ""
    now = {"waves": list(rollout.waves), "max_failures": rollout.max_failures}
    kept = {"waves": list(then.waves), "max_failures": then.max_failures}
    others = [
        f"{name} = {_written(value)}, as when the run began (now it is {_written(now[name])})"
        for name, value in kept.items()
        if value != now[name]
    ]
    return replace(rollout, waves=then.waves, max_failures=then.max_failures), "; ".join(others)


def _written(value: object) -> str:
    return "not declared" if value is None else str(value).replace("'", '"')


def stop_rule(waves: int, max_failures: int | str | None) -> str:
    """Return when a run of this many waves stops by itself, "" if it never does.

    | waves | max_failures | says                                                                            |
    | ---   | ---          | ---                                                                             |
    | 0, 1  | none         |                                                                                 |
    | 2     | none         | a wave with a failure is the last one                                           |
    | any   | 0            | stops at the first failure                                                      |
    | any   | 3            | stops when more than 3 functions have failed                                    |
    | 1     | "2%"         | stops when more than 2% of the functions have failed                            |
    | 2     | "2%"         | stops when more than 2% of the functions in the waves so far have failed        |
    """
    if max_failures is None:
        return "a wave with a failure is the last one" if waves > 1 else ""
    if max_failures == 0:
        return "stops at the first failure"
    if isinstance(max_failures, int):
        return f"stops when more than {max_failures} function{'s have' if max_failures > 1 else ' has'} failed"
    up_to = " in the waves so far" if waves > 1 else ""
    return f"stops when more than {max_failures} of the functions{up_to} have failed"


def _count(share: int | str, units: int) -> int:
    return share if isinstance(share, int) else ceil(units * float(share.rstrip("%")) / 100)
