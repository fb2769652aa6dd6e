"""A bench that runs the program's own commands deploy, resume and rollback, each with its journal on disk and its
record in the bucket. Only the connection to the cloud is replaced: by a memory cloud in virtual time.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import anyio

from orchestrator.app.commands import promote, resume, rollback
from orchestrator.app.session import session
from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening import bucket
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import ROLLBACK, RunOptions
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import endpoint_of
from orchestrator.cloud.connect import Connection
from orchestrator.coordination import heartbeat
from orchestrator.coordination.registry import decode as decode_leases
from orchestrator.engine.base import VALID_S
from orchestrator.engine.bus import Bus, Listener
from orchestrator.engine.world import World
from orchestrator.errors import Exit, JournalError, OrchestratorError
from orchestrator.journal.events import Breached, Event, OperationAccepted, Requested, RunStarted, UnitEnded
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.model import (
    LATEST,
    ApiRequest,
    Deployed,
    InvokeAnswer,
    InvokeRequest,
    Operation,
    Unchanged,
    Verdict,
    decode,
)
from orchestrator.ports import Guard, Records, unguarded
from orchestrator.prediction.virtual_time import run
from orchestrator.report.display import displays
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, PlanView, PruneView
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError
from orchestrator.sandbox.invocation.calls import CallSeeds, Record, SeededAnswer
from orchestrator.sandbox.memory.adapters import MemoryOperations, Wire
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.invocations import MemoryInvocations
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import is_withdrawn, read_back_mark, read_stamp, without_back_mark
from tests.engine import EPOCH_S
from tests.memory_records import MemoryRecords
from tests.simulation.crashes import MortalBench, WatchedFunctions

OF_ITSELF = ("id", "createdAt", "tags", "description")  # fields of a Version that no other can have
PROMOTED = "stable"

# How code behaves when called, and how often each kind is written.
NATURES = {
    "passes": 60, "busy": 8, "flaky": 8, "denied at first": 6, "wrong": 6, "raises": 4, "slow": 4, "denied": 4,
}  # fmt: skip
PASSING = {"passes", "busy", "flaky", "denied at first"}
_RAISED = {"errorMessage": "boom", "errorType": "Boom", "stackTrace": []}
_REFUSED = {"errorCode": 403, "errorMessage": "Permission denied", "errorType": "ClientError"}


class Answers(CallSeeds):
    """Answers calls by the code of the called Version. `sound`: all code seen from now on passes."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.sound = True
        self._seed = seed
        self._natures: dict[str, str] = {}
        self._calls: Counter[str] = Counter()

    def nature(self, digest: str) -> str:
        """Return how some code behaves, by the digest of its package."""
        if digest not in self._natures:
            rng = random.Random(f"{self._seed} {digest}")
            (drawn,) = rng.choices([*NATURES], [*NATURES.values()])
            self._natures[digest] = "passes" if self.sound else drawn
        return self._natures[digest]

    def take(self, _tag: str, _function: Record, version: Record, code: Record) -> SeededAnswer | None:
        self._calls[version["id"]] += 1
        number = self._calls[version["id"]]
        match self.nature(str(code.get("sha256", ""))):
            case "wrong":
                return SeededAnswer(body={"ok": False})
            case "raises":
                return SeededAnswer(status=502, body=_RAISED, headers={"X-Function-Error": "true"})
            case "slow":
                return SeededAnswer(body={"ok": True}, delay_s=5.0)
            case "denied":
                return SeededAnswer(status=403, body=_REFUSED)
            case "denied at first" if number == 1:
                return SeededAnswer(status=403, body=_REFUSED)
            case "busy" if number <= 2:
                return SeededAnswer(status=429, body=_REFUSED)
            case "flaky" if number == 1:
                return SeededAnswer(status=503, body=_REFUSED)
        return SeededAnswer(body={"ok": True})


class SilentMessages(Messages):
    """Records messages."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def plan(self, view: PlanView | PruneView) -> None:
        """Show nothing."""


class MortalInvocations(MemoryInvocations):
    """Calls that die with their process. A Version that has answered is not called again by the same process."""

    def __init__(self, bench: RolloutBench) -> None:
        super().__init__(bench.cloud)
        self._bench = bench

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        bench = self._bench
        bench.tick()
        answer = await super().invoke(request)
        version_id = answer.headers.get("x-function-version-id", "")
        if answer.status in (200, 502):
            assert version_id not in bench.answered, f"{version_id} has answered, and was called once more"
            bench.answered.add(version_id)
        bench.tick()
        return answer


class RolloutFunctions(WatchedFunctions):
    """Checks what a run requests against what its rollout allows."""

    def __init__(self, wire: Wire, bench: RolloutBench) -> None:
        super().__init__(wire, bench)
        self._rollouts = bench

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        async def and_looked() -> None:
            await guard()
            self._rollouts.check_what_is_asked(request)

        return await super().send(request, idempotency_key=idempotency_key, guard=and_looked)


class JournaledOperations(MemoryOperations):
    """Checks that no Operation is polled that was not written before, by this process or an earlier one."""

    def __init__(self, bench: RolloutBench) -> None:
        super().__init__(bench.wire)
        self._bench = bench

    async def get(self, operation_id: str) -> Operation:
        planning = not self._bench.started  # a rollback looks for what was requested without a response
        assert planning or operation_id in self._bench.operations, "polled before it was written down"
        return await super().get(operation_id)


@dataclass
class Rolled:
    """What was live before a chain of runs. `index`: into all changes, the first since then. `moving`: functions that
    changed during planning, because something was in flight.
    """

    live: Mapping[str, Any]
    index: int
    moving: set[str] = field(default_factory=set)
    backs: set[str] = field(default_factory=set)  # the first runs of the chains that rolled it back
    typed: set[str] = field(default_factory=set)  # typed rollbacks of all of it


@dataclass
class RolloutBench(MortalBench):
    """`verified`, `promoted`: keys of functions whose tables say so now. The other options are those of [rollout]."""

    verified: set[str] = field(default_factory=set)
    passes_inconclusive: bool = False
    two_phase: bool = False
    again: set[str] = field(default_factory=set)
    calls_off_after_s: float | None = None
    skipped: bool = False
    answered: set[str] = field(default_factory=set)  # Versions that have answered in this process
    operations: set[str] = field(default_factory=set)  # IDs of all that were journaled
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # as they were journaled, by Version
    changes: list[tuple[str, str]] = field(default_factory=list)  # function ID, first run of the chain or "hand"
    rolled: dict[str, Rolled] = field(default_factory=dict)  # by the first run of a chain
    roots: dict[str, str] = field(default_factory=dict)  # run → the first one of its chain
    code: int | None = None
    said: list[str] = field(default_factory=list)
    started: list[RunStarted] = field(default_factory=list)  # by the last command
    state: RunState | None = None  # of the running chain
    bus: Bus | None = None
    begun: set[tuple[str, int]] = field(default_factory=set)
    breached: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.records = MemoryRecords(self._meet)
        self.answers = Answers(self.seed)
        self.cloud.seeds.calls = self.answers
        self.invocations = MortalInvocations(self)
        self.state_dir = self.root / "state"

    async def _meet(self, _when: str) -> None:
        self.tick()

    def use(self, wire: Wire) -> None:
        super().use(wire)
        self.functions = RolloutFunctions(wire, self)

    def world(self) -> World:
        return replace(super().world(), operations=JournaledOperations(self), invocations=self.invocations)

    # --- commands -------------------------------------------------------------------------------------------------

    def deploy_now(self, *, adopt: bool = False, again: bool = False) -> int | None:
        """Deploy all. Returns the exit code; None if it died."""
        self.again = {"all"} if again else set()
        names = tuple(self.names()) if again else ()
        return self._command(
            "deploy", deploy_selected, adopt=Adoption(everything=adopt), again=names, no_verify=self.skipped
        )

    def resume_now(self, run_id: str = "last") -> int | None:
        """Resume, as if typed."""

        async def main(invocation: Invocation) -> CommandResult:
            return await resume._run(run_id, resume._resume, invocation)

        return self._command("resume", main)

    def promote_now(self, run_id: str = "last") -> int | None:
        """Let a paused run continue."""

        async def main(invocation: Invocation) -> CommandResult:
            return await promote._promote(run_id, invocation)

        return self._command("promote", main)

    def roll_back_now(self, run_id: str = "") -> int | None:
        """Roll back, as if typed."""
        return self._command(ROLLBACK, rollback._rollback, run=run_id)

    def names(self) -> list[str]:
        """Return the names of all functions of the manifest."""
        return [line.split(".")[1].rstrip("]") for line in self.manifest().splitlines() if "[functions." in line]

    def manifest(self) -> str:
        """Load the manifest."""
        return (self.root / "deploy.toml").read_text("utf-8")

    def lose_the_state(self) -> None:
        """Change to another machine, which has only the bucket's records."""
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def chain(self, run_id: str) -> RunState:
        """Return what this machine's journal has of a run's chain."""
        with open_store(self.state_dir, read_only=True) as store:
            return store.chain_state(run_id)

    def is_paused(self, run_id: str) -> bool:
        """Return whether a run is paused, as far as this machine knows."""
        try:
            return self.chain(run_id).rollout.paused is not None
        except JournalError:
            return False

    def held_leases(self) -> list[str]:
        """Return the runs of the last command that hold a lease in the bucket."""
        found = self.records.objects.get("functions/leases.json")
        holders = decode_leases(found[0], "leases").holders if found is not None else ()
        own = {one.run_id for one in self.started}
        return [holder.run_id for holder in holders if holder.run_id in own]

    def _command(self, verb: str, main: Callable[[Invocation], Awaitable[CommandResult]], **given: Any) -> int | None:
        options = RunOptions(verb, self.root / "deploy.toml", self.state_dir, yes=True, **given)
        self._verb = verb
        self.messages = SilentMessages()
        self.events, self.started, self.answered = [], [], set()
        self.begun, self.breached, self.state = set(), False, None
        self.packager = type(self.packager)(self.root / "zips")  # of another process, which packs the current files
        self._index, self._before = len(self.changes), self.live_now()

        async def whole() -> int:
            self.now = lambda: EPOCH_S + self._past_s + anyio.current_time()
            self.stop = Stop()
            try:
                with ungrouped(OrchestratorError), ungrouped(StoppedError):
                    async with anyio.create_task_group() as group, AsyncExitStack() as stack:
                        group.start_soon(self._call_off)
                        found = await main(Invocation(options, self.messages, stack, self.stop))
                        group.cancel_scope.cancel()
                return int(found.exit)
            except StoppedError:
                return int(Exit.INTERRUPTED)
            except OrchestratorError as error:
                self.messages.said.append(f"error: {error.message}")
                return int(error.exit)
            finally:
                self.seconds = anyio.current_time()

        def work() -> dict[str, Any]:
            with self._as_the_program():
                self.code = run(whole)
            self.pass_time(self.seconds + 1.0)
            return {}

        self.code = None
        self._until_death(work)
        self.said = self.messages.said
        return self.code

    async def _call_off(self) -> None:
        if self.calls_off_after_s is not None:
            await anyio.sleep(self.calls_off_after_s)
            self.stop.call_off("interrupted")

    @contextmanager
    def _as_the_program(self) -> Iterator[None]:
        """Put this bench in place of what the program opens, in all modules that use it."""
        replaced = {
            session.open_session: self._open_session,
            bucket.bucket_records: lambda _world: self._bucket_records(),
            session.new_run_id: self._new_run_id,
            displays.displays: _no_displays,
            heartbeat.boottime_s: lambda: self.now(),  # noqa: PLW0108 - replaced with every run
        }
        whole, undone = Bus.__call__, []

        def call(bus: Bus, event: Event) -> None:
            self.hear_before(bus, event)
            whole(bus, event)
            self.hear(bus, event)

        for module in [one for name, one in sys.modules.items() if name.startswith("orchestrator.app")]:
            for name, value in list(vars(module).items()):
                if callable(value) and getattr(value, "__hash__", None) and value in replaced:
                    undone.append((module, name, value))
                    setattr(module, name, replaced[value])
        Bus.__call__ = call  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            Bus.__call__ = whole  # type: ignore[method-assign]
            for module, name, value in undone:
                setattr(module, name, value)

    def _new_run_id(self) -> str:
        self._runs = getattr(self, "_runs", 0) + 1
        return f"20260101T{self._runs:06}-{self._runs:06x}"

    async def _open_session(self, invocation: Invocation, request: Request) -> Session:
        run_id = self._new_run_id()
        world = replace(self.world(), run_id=run_id, outlet=invocation.messages.outlet)
        endpoint = endpoint_of(request.options, request.manifest)
        world = replace(world, knowledge=session._knowledge(request.state_dir, endpoint))
        nowhere = cast("Connection", SimpleNamespace(account="", storage_endpoint="memory"))
        outlook = Outlook(world.knowledge.durations)
        return Session(
            request, nowhere, world, invocation.stop, run_id, invocation.messages, endpoint, invocation.locks, outlook
        )

    def _bucket_records(self) -> Records:
        return self.records

    # --- what is seen ---------------------------------------------------------------------------------------------

    def hear_before(self, bus: Bus, event: Event) -> None:
        """Handle an event before it is written."""
        self.tick()
        if isinstance(event, Requested) and not bus.state.rollout.rolls_back and self.breached:
            known = (event.key, event.change) in self.begun
            unit = bus.state.units.get(event.key)
            is_back = (
                unit is not None
                and unit.back_from > 0
                and event.change > 0
                and unit.planned[event.change] in (unit.changes[unit.back_from :])
            )
            assert known or is_back, f"{event.key} starts {event.call} after a breach"
        if isinstance(event, UnitEnded) and not bus.state.rollout.rolls_back:
            self._check_the_verdict(event)

    def hear(self, bus: Bus, event: Event) -> None:
        """Handle an event that was written."""
        self.bus = bus
        self.events.append(event)
        match event:
            case RunStarted():
                self._run_started(event)
            case OperationAccepted():
                self.operations.add(event.operation_id)
            case Breached():
                self.breached = True
            case Requested():
                self.begun.add((event.key, event.change))
            case VersionVerified():
                self.verdicts[event.version_id] = event.verdict
                if event.verdict is Verdict.INCONCLUSIVE:  # it is called again at the end of the wave
                    self.answered.clear()
        self.tick()

    def _run_started(self, event: RunStarted) -> None:
        self.started.append(event)
        self.begun = set()
        root = self.roots.setdefault(event.run_id, self.roots.get(event.resumes, event.run_id))
        if root not in self.rolled:
            live = self.live_now()
            moving = {one for one, seen in live.items() if self._before.get(one) != seen}
            coming = {one["id"] for one in self.versions() if one["status"] == "CREATING"}
            moving |= {one for one, made in self.by_hand.items() if coming.intersection(made)}
            self.rolled[root] = Rolled(live, self._index, moving)
        if event.resumes:
            with open_store(self.state_dir, read_only=True) as store:
                self.breached = bool(store.chain_state(event.resumes).breach)
        else:
            self.breached = False
        if event.rolls_back:
            with open_store(self.state_dir, read_only=True) as store:  # it may have died before the event was handled
                self.roots.setdefault(event.rolls_back, self.roots.get(store.chain(event.rolls_back)[0], ""))
            rolled = self.rolled[self.roots[event.rolls_back]]
            rolled.backs.add(root)
            whole = self._verb == ROLLBACK and event.identity.selection.is_whole
            rolled.typed |= {event.run_id} if whole else set()
        elif event.resumes:
            known = {one for one in self.rolled[root].typed if self._is_known(one)}
            assert not known, f"{event.run_id} goes on with what {', '.join(known)} has taken back"

    def _is_known(self, run_id: str) -> bool:
        """Return whether this machine can know about a run, from its journal or from the bucket."""
        with open_store(self.state_dir, read_only=True) as store:
            here = {run.id for run in store.runs()}
        return run_id in here or f"functions/runs/{run_id}.json" in self.records.objects

    def _check_the_verdict(self, event: UnitEnded) -> None:
        if not isinstance(event.outcome, Deployed | Unchanged) or event.key not in self.verified or self.skipped:
            return
        version_id = event.outcome.version_id
        found = self.verdict_of(version_id)
        assert found in self._allowed(), f"{event.key} is {type(event.outcome).__name__}, and {version_id} is {found}"
        if found is Verdict.PASSED:
            code = self.cloud.state.codes.get(version_id) or {}
            assert self.answers.nature(str(code.get("sha256"))) in PASSING, f"{version_id} has not passed"

    def _allowed(self) -> set[Verdict]:
        return {Verdict.PASSED, *({Verdict.INCONCLUSIVE} if self.passes_inconclusive else ())}

    def verdict_of(self, version_id: str) -> Verdict | None:
        """Return the verdict on a Version; for a rollback's copy, the verdict on the original."""
        version = self.cloud.state.versions.get(version_id)
        if version_id in self.verdicts or version is None or not read_back_mark(version["description"]):
            return self.verdicts.get(version_id)
        stamp = read_stamp(version["description"])
        of = [one for one in self.versions() if one["functionId"] == version["functionId"]]
        found = {self.verdicts.get(one["id"]) for one in of if read_stamp(one["description"]) == stamp}
        return Verdict.PASSED if Verdict.PASSED in found else None

    def check_what_is_asked(self, request: ApiRequest) -> None:
        """Check a call that changes something against what its run may do."""
        assert self.bus is not None
        run_state, body = self.bus.state, request.body
        back = bool(run_state.rollout.rolls_back)
        function_id = self._function_of(request)
        self.changes.append((function_id, self.roots[run_state.run_id]))
        if request.call == "createVersion":
            self._check_a_version(body, back=back)
        if request.call == "setTag" and not back and body.get("tag") == PROMOTED:
            self._check_a_promotion(request)

    def _function_of(self, request: ApiRequest) -> str:
        found = str(request.body.get("functionId") or _target(request))
        version = self.cloud.state.versions.get(found)
        return str(version["functionId"]) if version is not None else found

    def _check_a_version(self, body: Mapping[str, Any], *, back: bool) -> None:
        latest = self.latest_of(str(body["functionId"]))
        if latest is None:
            return
        if back and latest["id"] in self.by_hand.get(latest["functionId"], ()):
            since_s = self.now() - self._ended_at(latest)
            assert since_s <= VALID_S + 1.0, f"a rollback replaces {latest['id']} of somebody else"
        if back:
            same = latest["description"] == body["description"] and read_back_mark(body["description"])
            assert not same, f"{latest['id']} is put back once more"
            return
        stamp = read_stamp(str(body.get("description", "")))
        if stamp is not None and not self.again:
            assert not is_withdrawn(decode.version(latest), stamp), "what was withdrawn is deployed again"

    def _ended_at(self, version: Mapping[str, Any]) -> float:
        operations = self.cloud.operations.list(version["functionId"], {"pageSize": 1000})["operations"]
        ends = {one["metadata"].get("functionVersionId"): one["modifiedAt"] for one in operations}
        return datetime.fromisoformat(ends[version["id"]]).timestamp()

    def _check_a_promotion(self, request: ApiRequest) -> None:
        assert self.bus is not None
        version_id = _target(request)
        units = [unit for unit in self.bus.state.units.values() if unit.function_id == self._function_of(request)]
        (unit,) = units
        if unit.back_from or unit.key not in self.verified or self.skipped:
            return
        found = self.verdict_of(version_id)
        assert found in self._allowed(), f"{PROMOTED} moves to {version_id}, which is {found}"
        if self.two_phase:
            for other in self.bus.state.units.values():
                if other.key not in self.verified:
                    continue
                if isinstance(other.outcome, Unchanged):  # nothing of it moves
                    version_id = other.outcome.version_id
                else:
                    version_id = str((self.latest_of(other.function_id) or {}).get("id", ""))
                seen = self.verdict_of(version_id)
                assert seen in self._allowed(), f"{PROMOTED} moves for {unit.key}, and {other.key} is {seen}"

    def latest_of(self, function_id: str) -> Mapping[str, Any] | None:
        """Return the Version that serves."""
        try:
            found: Mapping[str, Any] = self.cloud.versions.by_tag({"functionId": function_id, "tag": LATEST})
        except Fault:
            return None
        return found

    def live_now(self) -> dict[str, Any]:
        """Return what serves, field by field, and where each tag is, by function ID."""
        functions = self.cloud.functions.list({"folderId": "folder", "pageSize": 1000}).get("functions", [])
        found: dict[str, Any] = {}
        for function in functions:
            own = function["name"], function.get("labels"), function.get("description")
            found[function["id"]] = {"own": own, "tags": {}, "latest": None}
        for version in self.versions():
            tags = version.get("tags", ())
            for tag in tags:
                if tag == LATEST:
                    seen = {name: value for name, value in version.items() if name not in OF_ITSELF}
                    text = without_back_mark(version["description"])
                    code = self.cloud.state.codes.get(version["id"]) or {}
                    found[version["functionId"]]["latest"] = (seen, text, code.get("sha256"))
                else:
                    found[version["functionId"]]["tags"][tag] = version["id"]
        return found

    def make_by_hand(self) -> None:
        """Make a Version, move a tag or set labels as someone would in the console."""
        functions = self.cloud.functions.list({"folderId": "folder"}).get("functions", [])
        if not functions:
            return
        draw = self._chance.random()
        if draw < 0.6:
            before = {one: list(made) for one, made in self.by_hand.items()}
            super().make_by_hand()
            self.changes += [(one, "hand") for one, made in self.by_hand.items() if made != before.get(one, [])]
            return
        function_id = str(self._chance.choice(functions)["id"])
        try:
            if draw < 0.8:
                own = [one for one in self.versions() if one["functionId"] == function_id and one["status"] == "ACTIVE"]
                if not own:
                    return
                self.cloud.versions.set_tag(self._chance.choice(own)["id"], {"tag": PROMOTED})
            else:
                self.cloud.functions.update(function_id, {"updateMask": "labels", "labels": {"by": "hand"}})
        except Fault:
            return
        self.changes.append((function_id, "hand"))


@asynccontextmanager
async def _no_displays(*_: Any, **__: Any) -> Any:
    listeners: list[Listener] = []
    yield listeners


def _target(request: ApiRequest) -> str:
    """Return the ID in the path of a call."""
    return request.path.split("/")[-1].split(":")[0]
