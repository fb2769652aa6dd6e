"""A bench whose runs can die at any event or call, like a killed process, and be resumed."""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import anyio

from orchestrator.app.session.execution import Earlier
from orchestrator.engine.base import VALID_S
from orchestrator.engine.in_flight import settle
from orchestrator.engine.run import execute
from orchestrator.engine.world import World
from orchestrator.job.contract import Desired
from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, UnitEnded, UnitPlanned
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import ApiRequest, Operation, Outcome, Rollout
from orchestrator.planning.meanwhile.overwritten import after_a_kill
from orchestrator.planning.resume import accepted, agreed, forced_of, still_meant, taken_over, to_resume
from orchestrator.ports import Guard, unguarded
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import MemoryOperations, Wire
from orchestrator.sandbox.memory.faults import Fault
from tests.clouds import body
from tests.engine import EPOCH_S, RecordingFunctions, UnchangingBench


class Crash(BaseException):
    """The process is gone: no `finally` has any effect any more."""


class MortalWire(Wire):
    """A connection that is cut with the process, before or after the cloud has carried out the call."""

    crash: Callable[[], None] = staticmethod(lambda: None)

    async def call(self, name: str, act: Callable[[], Any]) -> Any:
        self.crash()

        def acted() -> Any:
            answer = act()
            self.crash()
            return answer

        found = await super().call(name, acted)
        self.crash()
        return found


class WatchedFunctions(RecordingFunctions):
    """Checks that nothing is requested that was not written to the journal before."""

    def __init__(self, wire: Wire, bench: MortalBench) -> None:
        super().__init__(wire)
        self._bench = bench

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        written = {event.idempotency_key for event in self._bench.events if isinstance(event, Requested)}
        assert idempotency_key in written, "asked for before it was written down"
        if request.call == "createVersion":
            self._bench.check_the_base(str(request.body["functionId"]))
        return await super().send(request, idempotency_key=idempotency_key, guard=guard)


class WatchedOperations(MemoryOperations):
    """Checks that no Operation is polled that was not written to the journal before."""

    def __init__(self, wire: Wire, bench: MortalBench) -> None:
        super().__init__(wire)
        self._bench = bench

    async def get(self, operation_id: str) -> Operation:
        written = {event.operation_id for event in self._bench.events if isinstance(event, OperationAccepted)}
        assert operation_id in written, "polled before it was written down"
        return await super().get(operation_id)


@dataclass
class MortalBench(UnchangingBench):
    """`die_after`: events and calls until a run dies; None: it does not. `hand_after`: the same until someone makes a
    Version in the console. `jumps`: this machine's wall clock is changed from time to time.
    """

    die_after: int | None = None
    hand_after: int | None = None
    jumps: bool = False
    rollout: Rollout = field(default_factory=Rollout)
    by_hand: dict[str, list[str]] = field(default_factory=dict)  # Versions made by others, by function
    skew_s: float = 0.0
    journal: list[Event] = field(default_factory=list)  # what is left of the last run's journal
    dead: bool = False
    last_s: float = EPOCH_S  # when the run was last seen running

    def __post_init__(self) -> None:
        super().__post_init__()
        self._chance = random.Random(self.seed)
        wire = MortalWire(self.cloud)
        wire.crash = self.tick
        self.use(wire)

    def tick(self) -> None:
        """Count one step towards death."""
        self.last_s = self.now()
        if self.dead:
            raise Crash
        if self.jumps and self._chance.random() < 0.02:
            self.skew_s = self._chance.uniform(-86400.0, 86400.0)
        if self.hand_after is not None:
            self.hand_after -= 1
            if self.hand_after <= 0:
                self.hand_after = None
                self.make_by_hand()
        if self.die_after is not None:
            self.die_after -= 1
            if self.die_after <= 0:
                self.dead = True
                raise Crash

    def make_by_hand(self) -> None:
        """Make a Version of a random function by hand, with the description of the last one or another."""
        functions = self.cloud.functions.list({"folderId": "folder"}).get("functions", [])
        if not functions:
            return
        function_id = self._chance.choice(functions)["id"]
        versions = [one for one in self.versions() if one["functionId"] == function_id]
        copied = versions[-1]["description"] if versions and self._chance.random() < 0.5 else "by hand"
        try:
            operation = self.cloud.versions.create(body(function_id, description=copied, executionTimeout="7s"))
        except Fault:
            return  # the function is being created, or the quota is used up
        self.by_hand.setdefault(function_id, []).append(operation["metadata"]["functionVersionId"])

    def check_the_base(self, function_id: str) -> None:
        """Check that what will be replaced is what the plan was based on, or came at the last moment."""
        try:
            latest = self.cloud.versions.by_tag({"functionId": function_id, "tag": "$latest"})
        except Fault:
            return  # it has no version
        if latest["id"] not in self.by_hand.get(function_id, ()):
            return
        operations = self.cloud.operations.list(function_id, {"pageSize": 1000})["operations"]
        ends = {one["metadata"].get("functionVersionId"): one["modifiedAt"] for one in operations}
        since_s = self.now() - datetime.fromisoformat(ends[latest["id"]]).timestamp()
        planned = [
            event for event in self.events if isinstance(event, UnitPlanned) and event.function_id == function_id
        ]
        based_on = planned[-1].base_version_id if planned else ""
        assert latest["id"] == based_on or since_s <= VALID_S + 1.0, f"{latest['id']} of somebody else is overwritten"

    def emit(self, event: Event) -> None:
        self.tick()
        if isinstance(event, OperationDone):
            assert self.cloud.operations.get(event.operation_id).get("done"), "said to be done, and is not"
        super().emit(event)
        self.tick()

    def use(self, wire: Wire) -> None:
        super().use(wire)
        self.functions = WatchedFunctions(wire, self)

    def world(self) -> World:
        world = super().world()
        return replace(world, operations=WatchedOperations(self.wire, self), clock=lambda: self.now() + self.skew_s)

    def deploy_until_death(self, manifest: str, *, adopt: bool = False) -> dict[str, Outcome] | None:
        """Deploy without an earlier journal. Returns None if it died. Its journal is kept."""
        return self._until_death(lambda: self.deploy(manifest, adopt=adopt))

    def resume_until_death(self, manifest: str) -> dict[str, Outcome] | None:
        """Resume the last run from its journal. Returns None if it died, or had not begun."""
        before = fold(self.journal)
        if not to_resume(before):
            return {key: unit.outcome for key, unit in before.units.items() if unit.outcome is not None}
        return self._until_death(lambda: self._resume(manifest, before))

    def _until_death(self, work: Callable[[], dict[str, Outcome]]) -> dict[str, Outcome] | None:
        self.dead = False
        try:
            return work()
        except BaseException as error:
            if not self.dead:
                raise
            del error
            self.pass_time(self.last_s - EPOCH_S - self._past_s + 1.0)
            return None
        finally:
            self.die_after, self.dead = None, False
            self.journal = list(self.events)

    def _resume(
        self,
        manifest: str,
        before: RunState,
        left: Mapping[str, UnitState] | None = None,
        earlier: Earlier | None = None,
    ) -> dict[str, Outcome]:
        """Resume what is `left` of a run (all that its journal leaves), as `resume` does. `earlier`: of its chain."""
        left, earlier = to_resume(before) if left is None else dict(left), earlier or Earlier()
        declared = self.load(manifest).functions
        specs = {key: spec for key, spec in declared.items() if key in left}
        outcomes: dict[str, Outcome] = {}

        async def main() -> None:
            started_at = anyio.current_time()
            self.now = lambda: EPOCH_S + self._past_s + anyio.current_time()
            world, self.stop, self.events, self.folded = self.world(), Stop(), [], before
            self.start(len(left), before.run_id)
            for event in taken_over(left, 0.0):
                self.emit(event)
            settled = await settle(world, self.emit, self.stop, accepted(left))
            rest = {key: spec for key, spec in specs.items() if key not in settled}
            plan, _ = await self.planned(
                world, lambda _: Desired(rest, Rollout()), rest, forced=forced_of(left), adopt=agreed(left)
            )
            plan, done = still_meant(plan, self.live, left)
            self.announce(plan)
            settled |= after_a_kill(done, self.live, left)
            for key, outcome in settled.items():
                self.emit(UnitEnded(0.0, key, outcome))
            self.result = await execute(
                plan, self.live, world, self.emit, self.stop, chain=self.folded, rollout=self.rollout,
                before=earlier.and_settled(settled),
            )  # fmt: skip
            outcomes.update({**earlier.outcomes, **self.result.outcomes, **settled})
            self.end(list(outcomes.values()))
            self.seconds = anyio.current_time() - started_at

        run(main)
        self.pass_time(self.seconds + 1.0)
        return outcomes

    def start(self, units: int, resumes: str = "") -> None:
        """Begin a run, on benches that record it."""

    def end(self, outcomes: list[Outcome]) -> None:
        """End a run, likewise."""


def go_on(live_through: Callable[[int, Path], None]) -> None:
    """Run one seed after the other, from the given one, until stopped. Reports which one fails."""
    for number in count(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        with tempfile.TemporaryDirectory() as place:
            try:
                live_through(number, Path(place))
            except BaseException:
                sys.stderr.write(f"seed {number}\n")
                raise
        if number % 100 == 0:
            sys.stderr.write(f"{number}\n")
