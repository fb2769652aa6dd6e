"""A run measured on virtual time, exact and repeatable: `python -m tests.benchmarks.speed.virtual [DURATIONS]`.

The whole engine over the memory cloud, without HTTP: ratios may be asserted, and an hour of rollout takes seconds.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from orchestrator.model import Deployed, Limits
from orchestrator.pipeline.knowledge import Knowledge
from orchestrator.pipeline.world import World
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.core import Settings
from orchestrator.sandbox.memory.durations import Durations
from orchestrator.sandbox.memory.ports import MemoryFunctions, Wire
from orchestrator.sandbox.memory.quotas import Quotas
from tests.benchmarks.speed.frontier import bound_s, makespan_s, polled
from tests.benchmarks.speed.strategies import Counted
from tests.clouds import body
from tests.engine import EPOCH_S, Bench

LATENCY_S = 0.004  # of a call to the HTTP sandbox on the same machine
LIMITS = Limits(operations_per_folder=20, operations_per_cloud=20, requests_per_second=1000, polls_per_second=1000)
_HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\n'


@dataclass(frozen=True)
class Measured:
    """What a run came to. Times in seconds since its first createVersion."""

    slots: int
    makespan_s: float
    lengths_s: Sequence[float]
    looks: float  # polls and listings per Operation
    accepted: Sequence[float]
    refused: Sequence[float]
    done: Sequence[float]
    knowledge: Knowledge

    @property
    def ratio(self) -> float:
        return self.makespan_s / bound_s(self.lengths_s, self.slots)

    @property
    def oracle(self) -> float:
        """The ratio of one who sees each end at once, in the same order."""
        return makespan_s(self.lengths_s, self.slots) / bound_s(self.lengths_s, self.slots)

    @property
    def frontier(self) -> float:
        """The ratio of one who knows the lengths' distribution and polls each Operation as often, at the best times."""
        seen_s = polled(self.lengths_s, self.looks)
        return makespan_s(self.lengths_s, self.slots, seen_s) / bound_s(self.lengths_s, self.slots)

    def refused_share(self, start_s: float = 0.0) -> float:
        """Give the share of createVersion calls that were refused, from a time on."""
        refused = sum(at >= start_s for at in self.refused)
        return refused / max(1, refused + sum(at >= start_s for at in self.accepted))

    def per_second(self, start_s: float, end_s: float) -> float:
        return sum(start_s <= at < end_s for at in self.done) / (end_s - start_s)


@dataclass
class Speed(Bench):
    """A bench whose folder is full of functions, each with one version. Learns from run to run."""

    latency_s: float = LATENCY_S
    knowledge: Knowledge = field(default_factory=Knowledge)
    filled: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.use(Wire(self.cloud, latency_s=self.latency_s))

    def fill(self, functions: int) -> None:
        at_once, unlimited = Durations.parse("fixed:0"), Quotas(1 << 30, 1 << 30, 1 << 30)
        maker = MemoryCloud(
            clock=lambda: EPOCH_S - 1.0, rng=random.Random("fill"), durations=at_once, quotas=unlimited,
            state=self.cloud.state,
        )  # fmt: skip
        for number in range(functions):
            made = maker.functions.create({"folderId": "folder", "name": f"f{number:06}"})
            maker.versions.create(body(made["metadata"]["functionId"]))
        maker.settle()
        self.filled = len(self.cloud.state.operations)

    def world(self) -> World:
        world = super().world()
        self.counted = Counted(MemoryFunctions(self.wire), world.operations)
        return replace(world, functions=self.counted, operations=self.counted, knowledge=self.knowledge)

    def measure(self, functions: int) -> Measured:
        """Copy the latest version of each function, and say what that took."""
        outcomes = self.deploy(
            _HEAD + "".join(f'[functions.f{number:06}]\nversion_id = "$latest"\n' for number in range(functions)),
            force=f"run {len(self.cloud.state.operations)}",
            adopt=True,
        )
        assert all(isinstance(outcome, Deployed) for outcome in outcomes.values()), next(iter(outcomes.values()))
        operations = [self.cloud.state.operations[key]["json"] for key in self.cloud.state.operations][self.filled :]
        self.filled = len(self.cloud.state.operations)
        seen, quotas = self.counted, self.cloud.active.quotas
        since = seen.first_at
        return Measured(
            slots=min(quotas.operations_per_folder, quotas.operations_per_cloud),
            makespan_s=seen.last_at - since,
            lengths_s=[_length_s(operation) for operation in operations],
            looks=(seen.calls.get("get operation", 0) + seen.calls.get("listVersions", 0)) / functions,
            accepted=[at - since for at in seen.accepted],
            refused=[at - since for at in seen.refused],
            done=[at - since for at in seen.done],
            knowledge=self.knowledge,
        )


def measure(
    functions: int,
    durations: str,
    *,
    settings: Settings | None = None,
    limits: Limits = LIMITS,
    quotas: Quotas | None = None,
    knowledge: Knowledge | None = None,
    seed: int = 1,
) -> Measured:
    """Measure one run. `quotas`: what the cloud enforces, where that differs from `limits`; `knowledge`: what earlier
    runs learned, and what this one adds to.
    """
    with tempfile.TemporaryDirectory() as folder:
        speed = Speed(
            Path(folder), durations, quotas=quotas, limits=limits, settings=settings or Settings(), seed=seed,
            knowledge=knowledge or Knowledge(),
        )  # fmt: skip
        speed.fill(functions)
        return speed.measure(functions)


def _length_s(operation: dict[str, str]) -> float:
    created, modified = (datetime.fromisoformat(operation[name]) for name in ("createdAt", "modifiedAt"))
    return (modified - created).total_seconds()


def main(durations: Sequence[str]) -> None:
    """Print the figures of 1,000 functions on 20 slots."""
    sys.stdout.write("durations | listing | ÷ bound | oracle | polled as often | looks\n")
    for one in durations:
        for name, settings in (("visible", Settings()), ("hidden", Settings(creating_visible=False))):
            found = measure(1000, one, settings=settings)
            figures = f"{found.ratio:.3f} | {found.oracle:.3f} | {found.frontier:.3f} | {found.looks:.2f}"
            sys.stdout.write(f"{one} | {name} | {figures}\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["lognormal:2,0.4", "lognormal:2,0.1", "lognormal:2,1.0", "9*fixed:1+1*fixed:30"])
