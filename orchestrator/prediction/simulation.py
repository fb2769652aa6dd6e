"""The world that a prediction runs in: the changes of a plan over a cloud in memory, and what one run of it came to."""

from __future__ import annotations

import io
import random
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio

from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.new_version import kind_of
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.engine.run import REQUESTS_PER_SECOND, execute
from orchestrator.engine.tracking.durations import GUESS_S, Kind, Learned
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.journal.events import Event, OperationAccepted, OperationDone
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import (
    Action,
    Bound,
    BucketPackage,
    Change,
    ChangeKind,
    FunctionSpec,
    InvokeAnswer,
    InvokeRequest,
    Limits,
    Package,
    Plan,
    Rollout,
    Settings,
    SourceCode,
    Storage,
    Tree,
    Unit,
    Verify,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import MemoryFunctions, MemoryOperations, Wire
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.directory_adapter import MemoryDirectory
from orchestrator.sandbox.memory.faults import Distribution, Fate, Faults
from orchestrator.sandbox.memory.objects import Objects
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.rings import ring_of

_ENDLESS = 1 << 30
_BUCKET = "packages"
_OBJECT = "package.zip"
_CALL_S = 0.05  # where none was made before
_ANSWER_S = 0.3  # of a Function that is verified: a guess, with its cold start
_KINDS = {"create": Kind.FUNCTION, "setTag": Kind.TAG}


@dataclass(slots=True)
class SimulatedRun:
    """What one simulated run came to. `lengths`: seconds of its Operations, by folder; `clouds`: folder → cloud."""

    seconds: float
    calls: int
    lengths: dict[str, list[float]]
    clouds: Mapping[str, str]

    def bound(self, allowed: Mapping[LimitKey, int], per_second: float, scale: float) -> Bound | None:
        """Say what makes it take so long. `scale`: how many times more functions there are."""
        work = defaultdict[LimitKey, float](float)
        for folder, lengths in self.lengths.items():
            for scope in (LimitKey("folder", folder), LimitKey("cloud", self.clouds[folder])):
                work[scope] += sum(lengths)
        bounds = [
            Bound(f"{s.kind} {s.id}", allowed[s], scale * seconds / allowed[s])
            for s, seconds in work.items()
            if s in allowed
        ]
        longest = max((length for lengths in self.lengths.values() for length in lengths), default=0.0)
        bounds += [
            Bound("requests per second", per_second, scale * self.calls / per_second),
            Bound("the longest", 1, longest),
        ]
        return max(bounds, key=lambda one: one.seconds, default=None)


def _name(number: int) -> str:
    return f"f{number:05}"


def _here(change: Change, version_id: str | None) -> Change:
    """Let a tag move to the Version that the simulated cloud has in place of the real one, or that one be verified."""
    if change.kind not in (ChangeKind.TAG, ChangeKind.VERIFY):
        return change
    return replace(change, after={tag: wanted and version_id for tag, wanted in change.after.items()})


class _Lengths(Faults):
    """Draws the length of each Operation from those that were seen of its kind."""

    def __init__(self, kinds: Mapping[str, tuple[str, Kind]], learned: Learned, seed: int) -> None:
        super().__init__(seed=seed)
        self._kinds, self._learned, self._chance = kinds, learned, random.Random(seed)
        self.drawn: dict[str, list[float]] = defaultdict(list)
        self.calls = 0

    def fate(self, call: str, function_name: str) -> Fate:
        folder, kind = self._kinds[function_name]
        lengths = self._learned.of(_KINDS.get(call, kind)).lengths_s or GUESS_S
        length_s = self._chance.choice(lengths)
        self.drawn[folder].append(length_s)
        self.calls += 1
        return Fate(duration_s=length_s)


class _Mute(MemoryDirectory):
    """What quota-manager told stands already in what is known."""

    async def quotas(self, cloud_id: str) -> tuple[()]:
        raise CloudError(cloud_id, call="list quota limits", code=Code.PERMISSION_DENIED)


class _Answering:
    """Every Function answers well, in a time that is guessed: how long they take is not learned."""

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        took_s = min(_ANSWER_S, request.timeout_s)
        await anyio.sleep(took_s)
        return InvokeAnswer(200, {}, b"", took_s)


class _Nothing:
    """Packs nothing: simulated code lies in a bucket."""

    async def build(self, code: SourceCode) -> None:
        raise NotImplementedError

    async def scan(self, code: SourceCode) -> Tree:
        raise NotImplementedError

    async def pack(self, code: SourceCode) -> Package:
        raise NotImplementedError

    def read(self, package: Package) -> bytes:
        raise NotImplementedError


class Simulation:
    """The changes of a plan, to be carried out over clouds in memory."""

    def __init__(
        self, units: Iterable[Unit], live: LiveState, limits: Limits, rollout: Rollout, knowledge: Knowledge
    ) -> None:
        self._units = tuple(units)
        self._clouds = {unit.spec.folder_id: live.clouds.get(unit.spec.folder_id, "") for unit in self._units}
        self._limits, self._rollout, self._knowledge = limits, rollout, knowledge
        self.per_second = limits.requests_per_second or knowledge.requests_per_second or REQUESTS_PER_SECOND

    def run(self, seed: int, allowed: Mapping[LimitKey, int]) -> SimulatedRun:
        kinds = {_name(number): (unit.spec.folder_id, kind_of(unit)) for number, unit in enumerate(self._units)}
        lengths = _Lengths(kinds, self._knowledge.durations, seed)
        times: list[float] = []

        def emit(event: Event) -> None:
            if isinstance(event, OperationAccepted | OperationDone | VersionVerified):
                times.append(anyio.current_time())

        async def main() -> float:
            cloud = self._cloud(seed)
            plan, live = self._made(cloud)
            cloud.use(lengths)
            world = self._world(cloud, seed, allowed)
            began_at = anyio.current_time()
            await execute(plan, live, world, emit, Stop(), rollout=self._rollout)
            return max(times, default=began_at) - began_at

        return SimulatedRun(run(main), lengths.calls, lengths.drawn, self._clouds)

    def _cloud(self, seed: int) -> MemoryCloud:
        objects = Objects(None, [_BUCKET])
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("index.py", "")
        objects.put(_BUCKET, _OBJECT, file.getvalue())
        return MemoryCloud(
            clock=anyio.current_time,
            rng=random.Random(seed),
            objects=objects.get,
            durations=Distribution.parse("fixed:0"),
            quotas=Quotas(_ENDLESS, _ENDLESS, _ENDLESS, _ENDLESS),
            settings=CloudSettings(clouds={folder: cloud or "cloud" for folder, cloud in self._clouds.items()}),
        )

    def _made(self, cloud: MemoryCloud) -> tuple[Plan, LiveState]:
        """Make what is live already, and the plan that changes it."""
        versions: dict[str, Version] = {}
        units: list[Unit] = []
        for number, unit in enumerate(self._units):
            ring = ring_of(unit.spec.settings.tags)
            settings = Settings("python312", "index.handler", 128 << 20, tags=(ring,) if ring else ())
            spec = FunctionSpec(
                unit.key, _name(number), unit.spec.folder_id, settings, BucketPackage(_BUCKET, _OBJECT), unit.spec.place
            )
            function_id = version_id = None
            if unit.spec.verify is not None:
                spec = replace(spec, verify=Verify())
            if unit.action is not Action.CREATE:
                made = cloud.functions.create({"folderId": spec.folder_id, "name": spec.name})
                function_id = str(made["metadata"]["functionId"])
                version_id = self._version(cloud, function_id)
                if isinstance(unit.spec.code, VersionCopy):
                    spec = replace(spec, code=VersionCopy(version_id))
                versions[version_id] = Version(version_id, function_id, "ACTIVE", "", None, (), {})
            changes = tuple(_here(change, version_id) for change in unit.changes)
            units.append(replace(unit, spec=spec, function_id=function_id, base_version_id=version_id, changes=changes))
        live = LiveState(versions=versions, clouds=self._clouds, whole=frozenset(self._clouds))
        return Plan(tuple(units)), live

    def _version(self, cloud: MemoryCloud, function_id: str) -> str:
        body = {
            "functionId": function_id, "runtime": "python312", "entrypoint": "index.handler",
            "resources": {"memory": "134217728"}, "executionTimeout": "3s",
            "package": {"bucketName": _BUCKET, "objectName": _OBJECT},
        }  # fmt: skip
        return str(cloud.versions.create(body)["metadata"]["functionVersionId"])

    def _world(self, cloud: MemoryCloud, seed: int, allowed: Mapping[LimitKey, int]) -> World:
        wire = Wire(cloud, latency_s=self._knowledge.call_s or _CALL_S)
        known = Knowledge(told=dict(allowed), requests_per_second=self.per_second)
        for kind in Kind:
            for length_s in self._knowledge.durations.of(kind).lengths_s:
                known.durations.of(kind).add(length_s)
        return World(
            functions=MemoryFunctions(wire),
            operations=MemoryOperations(wire),
            directory=_Mute(wire),
            store=None,
            packager=_Nothing(),
            clock=anyio.current_time,
            server_time=lambda: datetime.fromtimestamp(int(anyio.current_time()), UTC),
            rng=random.Random(seed),
            storage=Storage(),
            limits=replace(self._limits, reserve=0),
            knowledge=known,
            invocations=_Answering(),
        )
