"""How long a plan will take: the engine itself, on a virtual clock, over a cloud whose Operations take as long as those
that were seen before; of many functions a sample, scaled up.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from math import ceil

from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.new_version import kind_of
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.model import (
    Action,
    Bound,
    Limits,
    Plan,
    Prediction,
    Rollout,
)
from orchestrator.model.live_state import LiveState
from orchestrator.prediction.simulation import SimulatedRun, Simulation

FUNCTIONS_MAX = 600  # simulated; of more a sample is, and its duration drawn out
_RUNS = 5  # with lengths drawn anew; more of few functions, where chance counts for more
_RUNS_MAX = 15
_RUNS_RAISED = 3
_BUDGET = 1500  # functions in all runs, where more than `_RUNS` are made: about a millisecond each
_WORTH = 0.95  # of the time: what a higher limit has to save to be told


def predict(
    plan: Plan, live: LiveState, limits: Limits, rollout: Rollout, knowledge: Knowledge, allowed: Mapping[LimitKey, int]
) -> Prediction:
    """Carry a plan out a few times in virtual time. `allowed`: Operations of ours at once, by folder and cloud."""
    todo = [unit for unit in plan.units if unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
    if not todo:
        return Prediction(0, 0.0, 0.0, 0.0, None, None, learned=True)
    count = len(todo)
    sample = random.Random(0).sample(todo, FUNCTIONS_MAX) if count > FUNCTIONS_MAX else todo
    learned = all(knowledge.durations.of(kind).lengths_s for kind in {kind_of(unit) for unit in sample})
    sizes = (len(sample) // 2, len(sample)) if count > len(sample) else (len(sample),)
    simulations = [Simulation(sample[:size], live, limits, rollout, knowledge) for size in sizes]

    def runs(seeds: int, allowed: Mapping[LimitKey, int]) -> list[tuple[float, SimulatedRun]]:
        """Give how long all of it takes, and the largest run that shows so, the shortest first."""
        found = []
        for seed in range(seeds):
            made = [simulation.run(seed, allowed) for simulation in simulations]
            found.append((_drawn_out([one.seconds for one in made], sizes, count), made[-1]))
        return sorted(found, key=lambda one: one[0])

    found = runs(max(_RUNS, min(_RUNS_MAX, _BUDGET // len(sample))), allowed)
    seconds, middle = found[len(found) // 2]
    worked_s = sum(length for lengths in middle.lengths.values() for length in lengths)
    late_s = found[ceil(0.9 * len(found)) - 1][0] - seconds
    bound, raised = middle.bound(allowed, simulations[-1].per_second, count / len(sample)), None
    if bound is not None and bound.what.startswith(("folder", "cloud")):
        limit, higher = _higher(bound, allowed, live)
        faster_s = statistics.median(one for one, _ in runs(_RUNS_RAISED, higher))
        raised = (limit, faster_s) if faster_s < _WORTH * seconds else None
    return Prediction(
        functions=count,
        seconds=seconds,
        # What chance makes of each of many parts evens out.
        p90_s=seconds + late_s / math.sqrt(count / len(sample)),
        busy=worked_s / middle.seconds if middle.seconds else 0.0,
        bound=bound,
        raised=raised,
        learned=learned,
    )


def _drawn_out(seconds: Sequence[float], sizes: Sequence[int], count: int) -> float:
    """Go on from what half a sample and a whole one took: beginning, tail and pauses are in both, and count once."""
    if len(sizes) == 1:
        return seconds[0]
    each_s = max(0.0, seconds[1] - seconds[0]) / (sizes[1] - sizes[0])
    return seconds[1] + (count - sizes[1]) * each_s


def _higher(bound: Bound, allowed: Mapping[LimitKey, int], live: LiveState) -> tuple[int, dict[LimitKey, int]]:
    """Raise the limit that bounds the run: of a folder to its cloud's, else by a half."""
    kind, _, name = bound.what.partition(" ")
    clouds = allowed.get(LimitKey("cloud", live.clouds.get(name, "")), 0)
    limit = clouds if kind == "folder" and clouds > bound.limit else ceil(1.5 * bound.limit)
    return limit, {**allowed, LimitKey(kind, name): limit}
