"""Whole runs in virtual time, measured. The figures are exact, so ratios may be asserted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.journal.events import OperationAccepted, OperationDone, Requested, StepRetried
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Deployed, Fingerprint, FunctionSpec, Limits
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.invocation.work import Returned, Run, Work
from orchestrator.sandbox.memory.adapters import Wire
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.directory_adapter import MemoryDirectory
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version import body
from orchestrator.version.stamp import stamped
from tests.benchmarks.speed.frontier import bound_s, makespan_s
from tests.engine import BUCKET, Bench

_HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\ncreate = true\n'
_PACKAGE = f'package = {{ bucket = "{BUCKET}", object = "package.zip" }}\n'
_BEFORE = Fingerprint("0" * 16, "0" * 16)  # of the live state before the run: no deploy has this one
FAST = Limits(operations_per_folder=20, operations_per_cloud=20, requests_per_second=1000.0, polls_per_second=1000.0)


class MuteDirectory(MemoryDirectory):
    """A quota-manager that returns nothing."""

    async def quotas(self, cloud_id: str) -> tuple[()]:
        raise CloudError(f"Permission denied to {cloud_id}", call="list quota limits", code=Code.PERMISSION_DENIED)


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a run. Times in seconds from its first call."""

    makespan_s: float
    lengths_s: list[float]
    looks: float  # polls and listings per Operation
    listings: int
    base_looks: float  # reads of `$latest` per Operation
    accepted: list[float]
    refused: list[float]
    done: list[float]
    knowledge: Knowledge

    def ratio(self, slots: int) -> float:
        return self.makespan_s / bound_s(self.lengths_s, slots)

    def oracle(self, slots: int) -> float:
        return makespan_s(self.lengths_s, slots) / bound_s(self.lengths_s, slots)

    def refused_share(self, after_s: float = 0.0) -> float:
        refused = sum(at > after_s for at in self.refused)
        return refused / max(1, refused + sum(at > after_s for at in self.accepted))

    def per_second(self, start_s: float, end_s: float) -> float:
        return sum(start_s < at <= end_s for at in self.done) / (end_s - start_s)


class SpeedBench(Bench):
    """Redeploys functions that are live, and measures it."""

    mute = False
    knowledge: Knowledge | None = None

    def world(self) -> World:
        world = replace(super().world(), knowledge=self.knowledge or Knowledge())
        return replace(world, directory=MuteDirectory(self.wire)) if self.mute else world


def measure(
    root: Path,
    count: int,
    durations: str = "lognormal:2,0.4",
    *,
    settings: CloudSettings | None = None,
    quotas: Quotas | None = None,
    limits: Limits = FAST,
    mute: bool = False,
    knowledge: Knowledge | None = None,
    latency_s: float = 0.004,
    meanwhile: Callable[[SpeedBench], Any] | None = None,
    folders: int = 1,
    seed: int = 1,
    keys: str = "",
    answers_s: float = 0.1,
) -> Measured:
    """Redeploy `count` live functions, spread over the folders, in order. `keys`: further keys of each in the manifest.
    `answers_s`: how long their handlers take.
    """
    bench, manifest = live_before(root, count, settings or CloudSettings(), seed, folders, keys)
    before = len(lengths_s(bench))
    bench.limits, bench.mute, bench.knowledge = limits, mute, knowledge or Knowledge()
    bench.cloud.active.quotas = quotas or Quotas(10, limits.operations_per_folder, limits.operations_per_cloud)
    bench.cloud.last(Distribution.parse(durations))
    bench.cloud.invocations.invoker = Handlers(answers_s)
    bench.use(Wire(bench.cloud, latency_s=latency_s))

    async def beside(_stop: Stop) -> None:
        if meanwhile is not None:
            await meanwhile(bench)

    assert all(isinstance(one, Deployed) for one in bench.deploy(manifest, meanwhile=beside).values())
    return measured(bench, count, lengths_s(bench)[before:])


def measure_back(root: Path, count: int, durations: str, *, keys: str, latency_s: float = 0.004) -> Measured:
    """Roll back a run of `count` functions. All its Operations count, tags and copies."""
    bench, manifest = live_before(root, count, CloudSettings(), 1, 1, keys)
    bench.cloud.last(Distribution.parse("fixed:0"))
    bench.cloud.invocations.invoker = Handlers(0.0)
    assert all(isinstance(one, Deployed) for one in bench.deploy(manifest).values())
    forth, before = bench.events, len(all_lengths_s(bench))
    bench.limits, bench.knowledge = FAST, Knowledge()
    bench.cloud.active.quotas = Quotas(10, FAST.operations_per_folder, FAST.operations_per_cloud)
    bench.cloud.last(Distribution.parse(durations))
    bench.use(Wire(bench.cloud, latency_s=latency_s))
    assert all(isinstance(one, Deployed) for one in bench.roll_back(forth).values())
    return measured(bench, count, all_lengths_s(bench)[before:])


def measured(bench: SpeedBench, count: int, lengths_s: list[float]) -> Measured:
    """Return the result of the last run."""
    first = min(event.at for event in bench.events if isinstance(event, Requested))
    times: dict[type, list[float]] = {
        kind: [event.at - first for event in bench.events if isinstance(event, kind)]
        for kind in (OperationAccepted, StepRetried, OperationDone, VersionVerified)
    }
    calls = bench.wire.calls
    looks = calls.get("get operation", 0) + calls.get("listVersions", 0)
    assert bench.knowledge is not None
    return Measured(
        max(times[OperationDone][-1], *times[VersionVerified][-1:], 0.0), lengths_s, looks / count,
        calls.get("listVersions", 0), calls.get("getVersionByTag", 0) / count,
        times[OperationAccepted], times[StepRetried], times[OperationDone], bench.knowledge,
    )  # fmt: skip


def live_before(
    root: Path, count: int, settings: CloudSettings, seed: int, folders: int, keys: str
) -> tuple[SpeedBench, str]:
    """Create this many live functions, in a cloud without limits. Returns it with the manifest that changes them."""
    root.mkdir(exist_ok=True)
    endless = 1 << 20
    wide = replace(FAST, operations_per_folder=endless, operations_per_cloud=endless)
    quotas = Quotas(endless, endless, endless)
    bench = SpeedBench(root, durations="fixed:0", limits=wide, quotas=quotas, settings=settings, seed=seed)
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", "")
    bench.objects.put(BUCKET, "package.zip", package.getvalue())
    homes = [f'folder_id = "folder{number or ""}"' for number in range(folders)]
    tables = [f"[functions.f{number:05}]\n{homes[number % folders]}\n{keys}" for number in range(count)]
    manifest = _HEAD + _PACKAGE + "\n".join(tables)
    deployed_before(bench, bench.load(manifest).functions.values())
    return bench, manifest


@dataclass(frozen=True, slots=True)
class Handlers:
    """Functions that answer after this many seconds."""

    seconds: float

    async def start(self, _work: Work) -> Run:
        async def run() -> Returned:
            await anyio.sleep(self.seconds)
            return Returned(b"{}")

        return run


def deployed_before(bench: Bench, specs: Iterable[FunctionSpec]) -> None:
    """Create the live functions as another program would have: the engine's own deployment would take as long again."""
    source = body.from_object(BUCKET, "package.zip", None)
    for spec in specs:
        operation = bench.cloud.functions.create({"folderId": spec.folder_id, "name": spec.name})
        function_id = operation["metadata"]["functionId"]
        bench.cloud.settle()
        description = stamped(spec.settings.description, _BEFORE)
        bench.cloud.versions.create(body.body(function_id, spec.settings, source, description))
    bench.pass_time(1.0)


def lengths_s(bench: Bench) -> list[float]:
    """Return how long each createVersion has taken so far, in the order of their starts."""
    return [length_s for length_s, is_version in _operations(bench) if is_version]


def all_lengths_s(bench: Bench) -> list[float]:
    """Return how long each Operation has taken so far, in the order of their starts."""
    return [length_s for length_s, _ in _operations(bench)]


def _operations(bench: Bench) -> Iterator[tuple[float, bool]]:
    for key in bench.cloud.state.operations:
        row = bench.cloud.state.operations[key]["json"]
        is_version = row["metadata"]["@type"].endswith("CreateFunctionVersionMetadata")
        yield _at(row["modifiedAt"]) - _at(row["createdAt"]), is_version


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
