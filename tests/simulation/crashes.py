"""A bench whose runs can die at any event or call, as a killed process does, and be taken up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from orchestrator.events import Event, UnitEnded
from orchestrator.job import Wants
from orchestrator.model import Outcome, Rollout
from orchestrator.pipeline.run import execute
from orchestrator.pipeline.settle import settle
from orchestrator.pipeline.stop import Stop
from orchestrator.plan.resume import accepted, forced_of, still_meant, taken_over, undone
from orchestrator.sandbox.memory.ports import Wire
from orchestrator.sandbox.virtual_time import run
from orchestrator.state import RunState, fold
from tests.engine import EPOCH_S, Bench


class Crash(BaseException):
    """The process is gone: nothing that stands in a `finally` does anything any more."""


class MortalWire(Wire):
    """A wire that is cut with the process, before or after the cloud has acted."""

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


@dataclass
class MortalBench(Bench):
    """`die_after`: events and calls that a run has left to live; None: it lives."""

    die_after: int | None = None
    journal: list[Event] = field(default_factory=list)  # what is left of the last run's
    dead: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        wire = MortalWire(self.cloud)
        wire.crash = self.tick
        self.use(wire)

    def tick(self) -> None:
        """Come nearer to death."""
        if self.dead:
            raise Crash
        if self.die_after is not None:
            self.die_after -= 1
            if self.die_after <= 0:
                self.dead = True
                raise Crash

    def emit(self, event: Event) -> None:
        self.tick()
        super().emit(event)
        self.tick()

    def deploy_until_death(self, manifest: str) -> dict[str, Outcome] | None:
        """Deploy afresh, with no journal of before; None where it died. Its journal is kept."""
        return self._until_death(lambda: self.deploy(manifest))

    def resume_until_death(self, manifest: str) -> dict[str, Outcome] | None:
        """Take the last run up from its journal; None where it died, or had not begun."""
        before = fold(self.journal)
        if not undone(before):
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
            self.pass_time(1.0)
            return None
        finally:
            self.die_after, self.dead = None, False
            self.journal = list(self.events)

    def _resume(self, manifest: str, before: RunState) -> dict[str, Outcome]:
        left = undone(before)
        declared = self.load(manifest).functions
        specs = {key: spec for key, spec in declared.items() if key in left}
        outcomes: dict[str, Outcome] = {}

        async def main() -> None:
            started_at = anyio.current_time()
            self.now = lambda: EPOCH_S + self._past_s + anyio.current_time()
            world, self.stop, self.events = self.world(), Stop(), []
            for event in taken_over(left, 0.0):
                self.emit(event)
            settled = await settle(world, self.emit, self.stop, accepted(left))
            rest = {key: spec for key, spec in specs.items() if key not in settled}
            plan, _ = await self.planned(
                world, lambda _: Wants(rest, Rollout()), rest, forced=forced_of(left), adopt=True
            )
            plan, done = still_meant(plan, left)
            self.announce(plan)
            settled |= done
            for key, outcome in settled.items():
                self.emit(UnitEnded(0.0, key, outcome))
            result = await execute(plan, self.have, world, self.emit, self.stop)
            outcomes.update({**result.outcomes, **settled})
            self.seconds = anyio.current_time() - started_at

        run(main)
        self.pass_time(self.seconds + 1.0)
        return outcomes
