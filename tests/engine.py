"""The whole engine over the memory cloud in virtual time: flow tests, requests and simulation use it.

Only time, randomness and the network are simulated: sources are real files, packed by the real archive.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from orchestrator.engine.progress import Result
from orchestrator.engine.run import execute
from orchestrator.engine.verdicts import NOTHING_BEFORE, Before
from orchestrator.engine.world import World
from orchestrator.errors import JournalError
from orchestrator.job.binding import bind, marked
from orchestrator.job.contract import Desired
from orchestrator.journal.events import Event, unit_planned
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import RunState, fold
from orchestrator.manifest.load import load
from orchestrator.model import (
    ApiRequest,
    Failure,
    FunctionSpec,
    Limits,
    Manifest,
    Operation,
    Outcome,
    Package,
    Plan,
    Rollout,
    SourceCode,
    Storage,
    Tree,
    Verdict,
)
from orchestrator.model.live_state import LiveState
from orchestrator.package import archive
from orchestrator.planning.back.former import read_former, read_touched
from orchestrator.planning.back.known_rollbacks import NO_ROLLBACKS
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.back.way_back import with_ways_back
from orchestrator.planning.back.withdrawn import without_withdrawn
from orchestrator.planning.foresee import foresee
from orchestrator.planning.live import read_live
from orchestrator.planning.names import resolve_names
from orchestrator.planning.own import with_declared
from orchestrator.planning.planner import build
from orchestrator.planning.rollout import canary_first
from orchestrator.planning.sources import read_sources
from orchestrator.planning.verifying import Verifying
from orchestrator.ports import CommandEnd, CommandRequest, Guard, unguarded
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import MAX_S, Outage
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import (
    MemoryFunctions,
    MemoryObjectStore,
    MemoryOperations,
    Wire,
)
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.directory_adapter import MemoryDirectory
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.invocations import MemoryInvocations
from orchestrator.sandbox.memory.objects import Objects
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import forced_digest
from tests.protobuf import parse_access, parse_create_version, parse_scaling

EPOCH_S = 1_790_000_000.0  # virtual time starts here
BUCKET = "packages"
ENVIRON = {"YC_FOLDER_ID": "folder"}


def quotas_of(limits: Limits) -> Quotas:
    """Return the declared quotas for a cloud."""
    return Quotas(limits.operations_per_function, limits.operations_per_folder, limits.operations_per_cloud)


class InlinePackager:
    """The real archive, without threads: virtual time would jump while they work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.packed: list[SourceCode] = []
        self._packages: dict[SourceCode, Package] = {}

    async def build(self, code: SourceCode) -> None:
        assert code.build is None, "a build needs a process: see the e2e tests"

    async def scan(self, code: SourceCode) -> Tree:
        return archive.scan(code, lambda: None)

    async def pack(self, code: SourceCode) -> Package:
        if code not in self._packages:
            self.packed.append(code)
            self._packages[code] = archive.pack(code, self._folder, lambda: None)
        return self._packages[code]

    def read(self, package: Package) -> bytes:
        return package.path.read_bytes()


class ScriptedCommands:
    """Ends each command as scripted, in virtual time. One that takes longer than its limit is ended there."""

    def __init__(self) -> None:
        self.ends: list[CommandEnd] = []  # the next ones, in order; further commands succeed at once
        self.requests: list[CommandRequest] = []

    async def run(self, request: CommandRequest) -> CommandEnd:
        self.requests.append(request)
        end = self.ends.pop(0) if self.ends else CommandEnd(0, "", 0.0)
        await anyio.sleep(min(end.seconds, request.timeout_s))
        return replace(end, status=None) if end.seconds > request.timeout_s else end


class RecordingFunctions(MemoryFunctions):
    """Records every createVersion as it was sent, (Idempotency-Key, body), and checks it against the protobufs."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        await guard()
        if request.call == "createVersion":
            unknown = self._cloud.seeds.fields
            parse_create_version({name: value for name, value in request.body.items() if name not in unknown})
            self.sent.append((idempotency_key, request.body))
        elif request.call in ("setScalingPolicy", "removeScalingPolicy"):
            parse_scaling(request.call, request.path.rpartition("/")[2].partition(":")[0], request.body)
        elif request.call == "updateAccessBindings":
            parse_access(request.path.rpartition("/")[2].partition(":")[0], request.body)
        return await super().send(request, idempotency_key=idempotency_key)


@dataclass
class Bench:
    """One cloud, and runs against it. `events`: those of the last run."""

    root: Path
    durations: str = "lognormal:1.2,0.4"
    faults: Faults = field(default_factory=Faults)
    quotas: Quotas | None = None  # None: those of `limits`
    storage: Storage = field(default_factory=lambda: Storage(BUCKET, "functions/"))
    limits: Limits = field(default_factory=Limits)
    settings: CloudSettings = field(default_factory=CloudSettings)
    seed: int = 1
    outage_s: float = MAX_S

    def __post_init__(self) -> None:
        self.objects = Objects(None, [BUCKET])
        self.now: Callable[[], float] = lambda: EPOCH_S
        self.cloud = MemoryCloud(
            clock=lambda: self.now(),  # noqa: PLW0108 - `now` is replaced with every run
            rng=random.Random(self.seed),
            objects=self.objects.get,
            durations=Distribution.parse(self.durations),
            quotas=self.quotas or quotas_of(self.limits),
            faults=self.faults,
            settings=self.settings,
        )
        self.use(Wire(self.cloud))
        (self.root / "zips").mkdir(exist_ok=True)
        self.packager = InlinePackager(self.root / "zips")
        self.commands = ScriptedCommands()
        self.passed: set[str] = set()  # IDs of Versions that a run has verified, as the journal stores them
        self.skips_verification = False
        self.events: list[Event] = []
        self.folded = RunState()  # of the last run, with those that it resumed
        self.seconds = 0.0
        self.opened: set[str] = set()  # IDs of Functions that runs have made public, as the journal stores them
        self.again: set[str] = set()  # functions that may be deployed although they were rolled back
        self.rollbacks = NO_ROLLBACKS  # the rollbacks that plans consider
        self.live = LiveState()
        self.plan = Plan(())
        self.left: tuple[FunctionSpec, ...] = ()  # of the last manifest: parts of some may be left as they are live
        self.job_names: tuple[str, ...] = ()
        self.break_journal_after: int | None = None  # number of events after which it cannot be written
        self.environment = ""  # the chosen one of the manifest
        self._past_s = 0.0

    def use(self, wire: Wire) -> None:
        """Use this connection to the cloud."""
        self.wire = wire
        self.functions = RecordingFunctions(wire)
        self.invocations = MemoryInvocations(wire.cloud)

    def world(self) -> World:
        return World(
            functions=self.functions,
            operations=MemoryOperations(self.wire),
            directory=MemoryDirectory(self.wire),
            store=MemoryObjectStore(self.wire, self.objects),
            packager=self.packager,
            clock=self.now,
            server_time=lambda: datetime.fromtimestamp(int(self.now()), UTC),
            rng=random.Random(self.seed),
            storage=self.storage,
            limits=self.limits,
            outage=Outage(self.outage_s),
            invocations=self.invocations,
            commands=self.commands,
            run_id="run",
            environment=self.environment,
        )

    def emit(self, event: Event) -> None:
        if self.break_journal_after is not None and len(self.events) >= self.break_journal_after:
            raise JournalError("the disk is full")
        self.events.append(event)
        self.folded.apply(event)
        if isinstance(event, VersionVerified) and event.verdict is Verdict.PASSED:
            self.passed.add(event.version_id)

    def deploy(
        self,
        manifest: str,
        *,
        force: str = "",
        adopt: Adoption | bool = False,
        meanwhile: Callable[[Stop], Any] | None = None,
        rollout: Rollout | None = None,
        before: Before = NOTHING_BEFORE,
        chain: RunState | None = None,
    ) -> dict[str, Outcome]:
        """Deploy a manifest. Returns every function's outcome. `meanwhile` runs in parallel, to interfere. `before`,
        `chain`: of the runs that it resumes.
        """
        specs = self.load(manifest).functions
        forced = forced_digest(force) if force else ""
        return self.carry_out(
            lambda _have: Desired(specs, rollout or Rollout()), specs, forced=forced, adopt=adopt, meanwhile=meanwhile,
            before=before, chain=chain,
        )  # fmt: skip

    def run_job(
        self,
        manifest: str,
        name: str,
        *,
        adopt: Adoption | bool = False,
        meanwhile: Callable[[Stop], Any] | None = None,
        **given: str,
    ) -> dict[str, Outcome]:
        """Run a job of a manifest, with all folders read. Returns every function's outcome."""
        loaded = self.load(manifest)
        bound = bind(loaded, name, given, datetime.fromtimestamp(EPOCH_S, UTC))
        folders = bound.job.folders(loaded, bound.given)

        def ask(state: LiveState) -> Desired:
            self.desired = bound.job.desired(loaded, state, bound.given)
            self.jobs: Mapping[str, str] = marked(name, loaded, self.desired.specs)
            return self.desired

        return self.carry_out(ask, {}, whole=folders, adopt=adopt, meanwhile=meanwhile)

    def load(self, manifest: str) -> Manifest:
        """Load a manifest in this bench's folder."""
        path = self.root / "deploy.toml"
        path.write_text(manifest, "utf-8")
        loaded = load(path, ENVIRON)
        self.left = tuple(loaded.functions.values())
        self.job_names = tuple(loaded.jobs)
        return loaded

    def carry_out(
        self,
        ask: Callable[[LiveState], Desired],
        specs: Mapping[str, FunctionSpec],
        *,
        whole: Iterable[str] = (),
        forced: str = "",
        adopt: Adoption | bool = False,
        meanwhile: Callable[[Stop], Any] | None = None,
        before: Before = NOTHING_BEFORE,
        chain: RunState | None = None,
    ) -> dict[str, Outcome]:
        """Read the live state of `specs` and of the folders in `whole`, ask for the desired state, plan and carry it
        out.
        """

        async def main() -> Result:
            started_at = anyio.current_time()
            self.now = lambda: EPOCH_S + self._past_s + anyio.current_time()
            world, self.stop, self.events, self.folded = self.world(), Stop(), [], chain or RunState()
            plan, rollout = await self.planned(world, ask, specs, whole=whole, forced=forced, adopt=adopt)
            self.announce(plan)
            async with anyio.create_task_group() as group:
                if meanwhile is not None:
                    group.start_soon(meanwhile, self.stop)
                result = await execute(
                    plan, self.live, world, self.emit, self.stop, chain=self.folded, rollout=rollout, before=before
                )
                group.cancel_scope.cancel()
            self.seconds = anyio.current_time() - started_at
            return result

        self.result = run(main)
        self.pass_time(self.seconds + 1.0)
        return self.result.outcomes

    def roll_back(
        self,
        events: Iterable[Event],
        *,
        lossy: Iterable[str] = (),
        wider: Iterable[str] = (),
        meanwhile: Callable[[Stop], Any] | None = None,
    ) -> dict[str, Outcome]:
        """Roll back the run with these events. Returns every function's outcome."""
        touched = list(touched_by(fold(events)).values())

        async def main() -> Result:
            started_at = anyio.current_time()
            self.now = lambda: EPOCH_S + self._past_s + anyio.current_time()
            world, self.stop, self.events, self.folded = self.world(), Stop(), [], RunState()
            self.live = live = await read_touched(world, touched)
            former = await read_former(world, touched, live, lossy=frozenset(lossy), wider=frozenset(wider))
            self.plan = Plan(taken_back(touched, live, former))
            self.announce(self.plan)
            async with anyio.create_task_group() as group:
                if meanwhile is not None:
                    group.start_soon(meanwhile, self.stop)
                result = await execute(self.plan, self.live, world, self.emit, self.stop, chain=self.folded, back=True)
                group.cancel_scope.cancel()
            self.seconds = anyio.current_time() - started_at
            return result

        self.result = run(main)
        self.pass_time(self.seconds + 1.0)
        return self.result.outcomes

    async def planned(
        self,
        world: World,
        ask: Callable[[LiveState], Desired],
        specs: Mapping[str, FunctionSpec],
        *,
        whole: Iterable[str] = (),
        forced: str = "",
        adopt: Adoption | bool = False,
    ) -> tuple[Plan, Rollout]:
        """Plan the desired state over the live state, as the program does."""
        self.live = await read_live(world, specs.values(), whole=whole, runtimes=bool(whole), left=self.left)
        self.jobs = {}
        desired = ask(self.live)
        resolved = await resolve_names(world, desired.specs, self.live)
        read = await read_sources(world, resolved.specs)
        failures = {key: Failure(why) for key, why in desired.failures.items()} | resolved.failures
        self.live, unread = await with_declared(world, resolved.specs, self.live)
        allowed = adopt if isinstance(adopt, Adoption) else Adoption(everything=adopt)
        verifying = Verifying(frozenset(self.passed), skipped=self.skips_verification)
        plan = build(
            resolved.specs, self.live, read.prepared, failures | unread, forced=forced, adopt=allowed, jobs=self.jobs,
            verifying=verifying, opened=self.opened, job_names=self.job_names,
        )  # fmt: skip
        inline = self.storage.bucket is None
        self.foreseen = await foresee(
            world, plan, self.live, self.limits, inline=inline, adopt=allowed, known=self.rollbacks, again=self.again
        )
        demanded = desired.rollout.on_breach == "rollback" or desired.rollout.two_phase
        plan = await with_ways_back(world, self.foreseen.plan, self.live, demanded=demanded)
        self.plan = without_withdrawn(plan, self.live, again=self.again)
        self.plan = canary_first(self.plan, desired.rollout)
        return self.plan, desired.rollout

    def announce(self, plan: Plan) -> None:
        """Write the plan to the journal."""
        for unit in plan.units:
            self.emit(unit_planned(self.now(), unit, {}))

    def pass_time(self, seconds: float) -> None:
        """Let time pass between two runs: what has begun meanwhile ends."""
        self._past_s += seconds
        at = EPOCH_S + self._past_s
        self.now = lambda: at

    def versions(self, folder_id: str = "folder") -> list[Mapping[str, Any]]:
        """Return every Version of a folder in its current state."""
        answer = self.cloud.versions.list({"folderId": folder_id, "pageSize": 1000})
        versions: list[Mapping[str, Any]] = answer.get("versions", [])
        return versions


class UnchangingPackager(InlinePackager):
    """Reads each source once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._trees: dict[SourceCode, Tree] = {}

    async def scan(self, code: SourceCode) -> Tree:
        if code not in self._trees:
            self._trees[code] = await super().scan(code)
        return self._trees[code]


@dataclass
class UnchangingBench(Bench):
    """Many runs with unchanged files: each manifest and each source is read once, not in every run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.packager = UnchangingPackager(self.root / "zips")
        self._loaded: dict[str, Manifest] = {}

    def load(self, manifest: str) -> Manifest:
        if manifest not in self._loaded:
            self._loaded[manifest] = super().load(manifest)
        return self._loaded[manifest]


def sources(root: Path, count: int) -> str:
    """Write `count` small Python functions. Returns the manifest that deploys them."""
    tables = ['[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\ncreate = true\n']
    for number in range(count):
        folder = root / "src" / f"f{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
        tables.append(f'[functions.f{number:03}]\nsource = "src/f{number}"\n')
    return "\n".join(tables)
