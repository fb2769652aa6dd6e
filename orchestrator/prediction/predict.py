"""Predicts how long a plan takes. The engine itself runs on a virtual clock, over a cloud whose Operations take as long
as earlier ones. Of many functions, a sample is simulated and scaled up. The duration of a rollback is predicted in the
same way.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from orchestrator.engine.changing.new_version import kinds_of
from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.engine.tracking.durations import Kind
from orchestrator.model import Action, Bound, ChangeKind, Limits, Plan, Prediction, Rollout, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.rollout import canary_size, wave_ends
from orchestrator.prediction.simulation import VERIFICATIONS, SimulatedRun, Simulation

# Simulated functions, fewer if each has several changes; a larger plan is sampled, and its duration extrapolated.
FUNCTIONS_MAX = 600
_CHANGES_MAX = 3  # number of changes per function up to which the sample shrinks
_RUNS = 5  # with new random durations; more runs for few functions, where chance matters more
_RUNS_MAX = 15
_RUNS_RAISED = 3
_RUNS_BACK = 3  # runs that are rolled back again; fewer for many functions
_BUDGET_BACK = 450  # functions in all of these
_BUDGET = 1500  # functions in all runs, if there are more than `_RUNS`: about a millisecond each
_WORTH = 0.95  # a higher limit is reported if it reduces the time to less than this share


def predict(
    plan: Plan, live: LiveState, limits: Limits, rollout: Rollout, knowledge: Knowledge, allowed: Mapping[LimitKey, int]
) -> Prediction:
    """Carry out a plan several times in virtual time. `allowed`: our Operations at once, by folder and cloud."""
    todo = [unit for unit in plan.units if unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
    if not todo:
        return Prediction(0, 0.0, 0.0, 0.0, None, None, learned=True)
    count = len(todo)
    ends = wave_ends(count, rollout.waves, canary_size(plan, rollout))
    paused_s = 0.0 if rollout.approval else (len(ends) - 1) * rollout.pause_s

    most = FUNCTIONS_MAX // max(1, min(_CHANGES_MAX, round(sum(len(unit.changes) for unit in todo) / count)))
    sizes = (most // 2, most) if count > most else (count,)

    def samples(rollout: Rollout) -> _Samples:
        made = (
            Simulation(some, live, limits, _unpaused(rollout, ends, len(some)), knowledge)
            for some in _sampled(todo, sizes)
        )
        return _Samples(tuple(made), sizes, count)

    simulated = samples(rollout)
    scale = count / sizes[-1]
    runs = max(_RUNS, min(_RUNS_MAX, _BUDGET // sizes[-1]))
    found = simulated.runs(runs, allowed, back=max(1, min(_RUNS_BACK, _BUDGET_BACK // sizes[-1])))
    seconds, middle = found[len(found) // 2].seconds, found[len(found) // 2].largest
    late_s = found[ceil(0.9 * len(found)) - 1].seconds - seconds
    back = [one.back_s for one in found if one.back_s is not None]
    bound = middle.bound(allowed, simulated.simulations[-1].per_second, scale, rollout.verify_at_once)
    verified, known = sum(map(_is_verified, todo)), knowledge.durations.of(Kind.VERIFY)
    kinds = {kind for unit in todo for kind in kinds_of(unit)} - {Kind.VERIFY}
    return Prediction(
        functions=count,
        seconds=seconds + paused_s,
        # The chance of many parts evens out.
        p90_s=seconds + paused_s + late_s / math.sqrt(scale),
        busy=sum(length for lengths in middle.lengths.values() for length in lengths) / max(middle.seconds, 0.001),
        bound=bound,
        raised=_raised(bound, seconds + paused_s, paused_s, rollout, allowed, live, samples),
        learned=all(knowledge.durations.of(kind).lengths_s for kind in kinds),
        waves=len(ends),
        paused_s=paused_s,
        approvals=len(ends) - 1 if rollout.approval else 0,
        gates=middle.gates,
        gates_most_s=middle.gates * rollout.gate.timeout_s if rollout.gate is not None else 0.0,
        verified=verified,
        verify_each_s=known.mean_s if verified else 0.0,
        verify_learned=bool(known.lengths_s) or not verified,
        rollback_s=statistics.median(back) if back else None,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A whole plan, by simulation. `largest`: the largest simulation."""

    seconds: float
    back_s: float | None
    largest: SimulatedRun


@dataclass(frozen=True, slots=True)
class _Samples:
    """Simulations of all that a plan does, or of a sample of it and of half of that, with their numbers of
    functions.
    """

    simulations: tuple[Simulation, ...]
    sizes: tuple[int, ...]
    count: int  # of the plan

    def runs(self, seeds: int, allowed: Mapping[LimitKey, int], *, back: int = 0) -> list[_Run]:
        """Run with this many seeds, the shortest first. `back`: for how many the rollback is simulated too."""
        return sorted(
            (self._run(seed, allowed, back=seed < back) for seed in range(seeds)), key=lambda one: one.seconds
        )

    def _run(self, seed: int, allowed: Mapping[LimitKey, int], *, back: bool) -> _Run:
        made = [simulation.run(seed, allowed, back=back) for simulation in self.simulations]
        backs = [one.back_s for one in made if one.back_s is not None]
        back_s = self._drawn_out(backs) if len(backs) == len(made) else None
        return _Run(self._drawn_out([one.seconds for one in made]), back_s, made[-1])

    def _drawn_out(self, seconds: Sequence[float]) -> float:
        """Extrapolate from the time of half a sample and of the whole one: beginning, tail and waves are in both, and
        count once.
        """
        if len(seconds) == 1:
            return seconds[0]
        each_s = max(0.0, seconds[1] - seconds[0]) / (self.sizes[1] - self.sizes[0])
        return seconds[1] + (self.count - self.sizes[1]) * each_s


def _sampled(todo: Sequence[Unit], sizes: Sequence[int]) -> Iterator[list[Unit]]:
    """Draw this many, in the order of the plan: each wave has its share, and each sample is part of the next."""
    order = random.Random(0).sample(range(len(todo)), len(todo))
    for size in sizes:
        yield [todo[number] for number in sorted(order[:size])]


def _unpaused(rollout: Rollout, ends: Sequence[int], size: int) -> Rollout:
    """Return a rollout that gives a sample as many waves as the plan has, with its share in each. Pauses need no
    simulation, and no one can approve.
    """
    waves: list[int | str] = []
    for end in ends:
        waves.append(max(ceil(end * size / ends[-1]), len(waves) + 1))
    return replace(rollout, waves=tuple(waves), canary=(), pause_s=0.0, approval=False)


def _is_verified(unit: Unit) -> bool:
    return unit.spec.verify is not None and any(change.kind is ChangeKind.VERIFY for change in unit.changes)


def _raised(
    bound: Bound | None,
    seconds: float,
    paused_s: float,
    rollout: Rollout,
    allowed: Mapping[LimitKey, int],
    live: LiveState,
    samples: Callable[[Rollout], _Samples],
) -> tuple[int, float] | None:
    """Return how long it takes with a higher limit, if that is worth it: (limit, seconds)."""
    if bound is None:
        return None
    limit, faster = 0, rollout
    if bound.what == VERIFICATIONS:
        limit = 2 * rollout.verify_at_once
        faster = replace(rollout, verify_at_once=limit)
    elif bound.what.startswith(("folder", "cloud")):
        limit, allowed = _higher(bound, allowed, live)
    else:
        return None
    found = samples(faster).runs(_RUNS_RAISED, allowed)
    faster_s = statistics.median(one.seconds for one in found) + paused_s
    return (limit, faster_s) if faster_s < _WORTH * seconds else None


def _higher(bound: Bound, allowed: Mapping[LimitKey, int], live: LiveState) -> tuple[int, dict[LimitKey, int]]:
    """Raise the limit that bounds the run: a folder's to its cloud's, otherwise by half."""
    kind, _, name = bound.what.partition(" ")
    clouds = allowed.get(LimitKey("cloud", live.clouds.get(name, "")), 0)
    limit = clouds if kind == "folder" and clouds > bound.limit else ceil(1.5 * bound.limit)
    return limit, {**allowed, LimitKey(kind, name): limit}
