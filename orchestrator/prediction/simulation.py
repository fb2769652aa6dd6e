"""The world of a prediction: the changes of a plan over a cloud in memory, the result of one run, and then the rollback
of that run in the same cloud.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio

from orchestrator.engine.changing.new_version import kind_of
from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.engine.run import REQUESTS_PER_SECOND, execute
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.world import World
from orchestrator.function.scaling import scaling_request
from orchestrator.journal.events import Event, OperationAccepted, OperationDone, unit_planned
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import RunState
from orchestrator.model import (
    LATEST,
    Action,
    Bound,
    BucketPackage,
    Change,
    ChangeKind,
    FunctionSpec,
    Limits,
    Plan,
    Rollout,
    Settings,
    Storage,
    Unit,
    Verify,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.former import read_former, read_touched
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import touched_by
from orchestrator.prediction.drawn import ContentGate, DrawnAnswers, DrawnLengths, MuteQuotas, NothingToPack
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import MemoryFunctions, MemoryOperations, Wire
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.objects import Objects
from orchestrator.sandbox.memory.quotas import Quotas

_ENDLESS = 1 << 30
_BUCKET = "packages"
_OBJECT = "package.zip"
_CALL_S = 0.05  # used if no call was made before
VERIFICATIONS = "verifications at once"


@dataclass(slots=True)
class SimulatedRun:
    """The result of one simulated run. `lengths`: seconds of its Operations, by folder. `clouds`: folder → cloud.
    `verified`: seconds of the verification calls. `gates`: how often the gate was run. `back_s`: how long its rollback
    took, None if it has nothing to do, or was not requested.
    """

    seconds: float
    calls: int
    lengths: dict[str, list[float]]
    clouds: Mapping[str, str]
    verified: list[float]
    gates: int = 0
    back_s: float | None = None

    def bound(
        self, allowed: Mapping[LimitKey, int], per_second: float, scale: float, verify_at_once: int
    ) -> Bound | None:
        """Return what limits its speed. `scale`: how many times more functions there are."""
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
            Bound(VERIFICATIONS, verify_at_once, scale * sum(self.verified) / verify_at_once),
            Bound("requests per second", per_second, scale * self.calls / per_second),
            Bound("the longest", 1, longest),
        ]
        return max(bounds, key=lambda one: one.seconds, default=None)


def _name(number: int) -> str:
    return f"f{number:05}"


def _here(change: Change, version_id: str | None, tags: Iterable[str]) -> Change:
    """Point a change at the Version that the simulated cloud has instead of the live one. `tags`: the tags that it has;
    no Version there has the others.
    """
    if change.kind is ChangeKind.FUNCTION or change.kind.is_own:
        return change
    held = dict.fromkeys((LATEST, *tags), version_id or "")
    before = {tag: held.get(tag, "") for tag in change.before}
    after = {tag: desired and (version_id or "") for tag, desired in change.after.items()}
    return replace(change, before=before, after=after)


def _seed_own(cloud: MemoryCloud, function_id: str, changes: Iterable[Change]) -> None:
    """Make a Function as the plan has found it, as far as its changes show."""
    for change in changes:
        if change.kind is ChangeKind.UPDATE:
            labels = {key: value for key, value in change.before.get("labels", {}).items() if value is not None}
            body = {"updateMask": "labels,description", "description": change.before.get("description", "")}
            cloud.functions.update(function_id, {**body, "labels": labels})
        elif change.kind is ChangeKind.ACCESS and any(change.before["public"].values()):
            cloud.access.open(function_id, change.before["public"])
        elif change.kind is ChangeKind.SCALING:
            ((tag, policy),) = change.before["scaling"].items()
            if policy is not None:
                cloud.scaling.seed(function_id, scaling_request(function_id, tag, policy).body)


@dataclass(slots=True)
class _Watch:
    """Watches a run, from its first call to the last end of an Operation or of a verification."""

    began_at: float
    state: RunState
    ended_at: float = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, OperationAccepted | OperationDone | VersionVerified):
            self.ended_at = anyio.current_time()
        self.state.apply(event)

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended_at - self.began_at)


class Simulation:
    """The changes of a plan, for carrying out over clouds in memory, without pauses, which are known in advance."""

    def __init__(
        self, units: Iterable[Unit], live: LiveState, limits: Limits, rollout: Rollout, knowledge: Knowledge
    ) -> None:
        self._units = tuple(units)
        self._live = live
        self._clouds = {unit.spec.folder_id: live.clouds.get(unit.spec.folder_id, "") for unit in self._units}
        self._limits, self._knowledge = limits, knowledge
        self.rollout = rollout
        self.per_second = limits.requests_per_second or knowledge.requests_per_second or REQUESTS_PER_SECOND

    def run(self, seed: int, allowed: Mapping[LimitKey, int], *, back: bool = False) -> SimulatedRun:
        """Carry out the plan. `back`: then roll all of it back, as someone would if everything failed."""
        return run(self._run, seed, allowed, back)

    async def _run(self, seed: int, allowed: Mapping[LimitKey, int], back: bool) -> SimulatedRun:
        cloud = self._cloud(seed)
        plan, live = self._made(cloud)
        lengths = self._lengths(seed, kind_of)
        cloud.use(lengths)
        gate, answers = ContentGate(), DrawnAnswers(self._knowledge.durations, seed)
        world = self._world(cloud, seed, allowed, gate, answers)
        watch = _Watch(anyio.current_time(), RunState())
        for unit in plan.units if back else ():
            watch(unit_planned(0.0, unit, {}))
        await execute(plan, live, world, watch, Stop(), chain=watch.state, rollout=self.rollout)
        found = SimulatedRun(watch.seconds, lengths.calls, lengths.drawn, self._clouds, answers.drawn, gate.asked)
        if back:
            cloud.use(self._lengths(seed, lambda _unit: Kind.COPY))
            found.back_s = await self._back(watch.state, self._world(cloud, seed, allowed, gate, answers))
        return found

    async def _back(self, state: RunState, world: World) -> float | None:
        """Roll back a simulated run, as far as the plan says that it is possible."""
        touched = touched_by(state).values()
        live = await read_touched(world, touched)
        only_tags = {
            unit.key for unit in self._units if unit.way_back is not None and not unit.way_back.is_whole
        }  # what was live cannot be made again
        units = [
            replace(unit, changes=tuple(one for one in unit.changes if one.kind is not ChangeKind.VERSION))
            if unit.key in only_tags
            else unit
            for unit in taken_back(touched, live, await read_former(world, touched, live))
        ]
        if not any(unit.changes for unit in units):
            return None
        watch = _Watch(anyio.current_time(), RunState())
        await execute(Plan(tuple(units)), live, world, watch, Stop(), chain=watch.state, back=True)
        return watch.seconds

    def _lengths(self, seed: int, kind: Callable[[Unit], Kind]) -> DrawnLengths:
        of = {_name(number): (unit.spec.folder_id, kind(unit)) for number, unit in enumerate(self._units)}
        return DrawnLengths(of, self._knowledge.durations, seed)

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
            quotas=Quotas(_ENDLESS, _ENDLESS, _ENDLESS, _ENDLESS, provisioned_per_cloud=_ENDLESS),
            settings=CloudSettings(clouds={folder: cloud or "cloud" for folder, cloud in self._clouds.items()}),
        )

    def _made(self, cloud: MemoryCloud) -> tuple[Plan, LiveState]:
        """Make what is live already, and the plan that changes it."""
        versions: dict[str, Version] = {}
        units: list[Unit] = []
        for number, unit in enumerate(self._units):
            settings = Settings("python312", "index.handler", 128 << 20, tags=unit.spec.settings.tags)
            spec = FunctionSpec(
                unit.key, _name(number), unit.spec.folder_id, settings, BucketPackage(_BUCKET, _OBJECT), unit.spec.place
            )
            if unit.spec.verify is not None:  # the expected answer is given
                spec = replace(spec, verify=Verify(timeout_s=unit.spec.verify.timeout_s))
            function_id = version_id = None
            base = self._live.versions.get(unit.base_version_id or "")
            tags = tuple(tag for tag in base.tags if tag != LATEST) if base is not None else ()
            if unit.action is not Action.CREATE:
                made = cloud.functions.create({"folderId": spec.folder_id, "name": spec.name})
                function_id = str(made["metadata"]["functionId"])
                version_id = self._version(cloud, function_id, tags)
                if isinstance(unit.spec.code, VersionCopy):
                    spec = replace(spec, code=VersionCopy(version_id))
                _seed_own(cloud, function_id, unit.changes)
                versions[version_id] = Version(version_id, function_id, "ACTIVE", "", None, tags, {})
            changes = tuple(_here(change, version_id, tags) for change in unit.changes)
            units.append(replace(unit, spec=spec, function_id=function_id, base_version_id=version_id, changes=changes))
        live = LiveState(versions=versions, clouds=self._clouds, whole=frozenset(self._clouds))
        return Plan(tuple(units)), live

    def _version(self, cloud: MemoryCloud, function_id: str, tags: tuple[str, ...]) -> str:
        body = {
            "functionId": function_id, "runtime": "python312", "entrypoint": "index.handler",
            "resources": {"memory": "134217728"}, "executionTimeout": "3s",
            "package": {"bucketName": _BUCKET, "objectName": _OBJECT}, "tag": list(tags),
        }  # fmt: skip
        return str(cloud.versions.create(body)["metadata"]["functionVersionId"])

    def _world(
        self, cloud: MemoryCloud, seed: int, allowed: Mapping[LimitKey, int], gate: ContentGate, answers: DrawnAnswers
    ) -> World:
        wire = Wire(cloud, latency_s=self._knowledge.call_s or _CALL_S)
        known = Knowledge(certain=dict(allowed), requests_per_second=self.per_second)
        for kind in Kind:
            for length_s in self._knowledge.durations.of(kind).lengths_s:
                known.durations.of(kind).add(length_s)
        return World(
            functions=MemoryFunctions(wire),
            operations=MemoryOperations(wire),
            directory=MuteQuotas(wire),
            store=None,
            packager=NothingToPack(),
            clock=anyio.current_time,
            server_time=lambda: datetime.fromtimestamp(int(anyio.current_time()), UTC),
            rng=random.Random(seed),
            storage=Storage(),
            limits=replace(self._limits, reserve=0),
            knowledge=known,
            invocations=answers,
            commands=gate,
        )
