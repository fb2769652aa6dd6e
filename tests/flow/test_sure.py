"""Two holders are never sure at once, of a lease or of a due time, whatever happens to machines and answers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.coordination.claim import CLAIM_TIMINGS, Claim, claim
from orchestrator.coordination.lease import LEASE_TIMINGS, Lease
from orchestrator.errors import CloudError, OrchestratorError
from orchestrator.manifest.schedule import Schedule
from orchestrator.prediction.virtual_time import run
from tests.flow.test_claim import job, now, place
from tests.flow.test_lease import Machine
from tests.memory_records import MemoryRecords, never_stopped

MINUTELY = Schedule("* * * * *")
Take = Callable[[MemoryRecords, str, random.Random], Awaitable[Lease | Claim | None]]


async def lease(records: MemoryRecords, name: str, _rng: random.Random) -> Lease:
    return await Machine(records, name).take("f", timeout_s=200)


async def due_time(records: MemoryRecords, name: str, rng: random.Random) -> Claim | None:
    found = await claim(place(records, rng), job(name, MINUTELY), now, lambda _: None, never_stopped)
    return found if isinstance(found, Claim) else None


@dataclass
class World:
    """Machines that need the same. Calls are late, or hang, and they or their answers are lost."""

    take: Take
    dead_after_s: float
    rng: random.Random
    holders: list[tuple[str, Lease | Claim]] = field(default_factory=list)

    async def meet(self, _when: str) -> None:
        await anyio.sleep(self.rng.expovariate(10))
        if self.rng.random() < 0.05:
            await anyio.sleep(self.rng.uniform(0, self.dead_after_s))
        if self.rng.random() < 0.05:
            raise CloudError("no answer", call="put object")

    async def machine(self, records: MemoryRecords, number: int) -> None:
        for turn in range(4):
            await anyio.sleep(self.rng.uniform(0, 60))
            with suppress(OrchestratorError):
                name = f"run {number}.{turn}"
                held = await self.take(records, name, self.rng)
                if held is not None:
                    self.holders.append((name, held))
                    await self.work(held)

    async def work(self, held: Lease | Claim) -> None:
        while self.rng.random() < 0.8:
            async with anyio.create_task_group() as group:
                beats = held._heartbeat.keep
                group.start_soon(beats, lambda _: group.cancel_scope.cancel())
                await anyio.sleep(self.rng.uniform(0, 2 * self.dead_after_s))
                group.cancel_scope.cancel()
            await anyio.sleep(self.rng.uniform(0, 1.5 * self.dead_after_s))  # suspended: no heartbeat
            await held._heartbeat.check()
        if self.rng.random() < 0.7:  # otherwise it dies
            await (held.end() if isinstance(held, Lease) else held.end(done=self.rng.random() < 0.5))

    async def look(self) -> None:
        while True:
            sure = [name for name, held in self.holders if held._heartbeat.sure]
            assert len(sure) <= 1, f"{' and '.join(sure)} are sure at once"
            await anyio.sleep(1)


@pytest.mark.parametrize(
    ("take", "dead_after_s"), [(lease, LEASE_TIMINGS.dead_after_s), (due_time, CLAIM_TIMINGS.dead_after_s)]
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_two_holders_are_sure_at_once(take: Take, dead_after_s: float, seed: int) -> None:
    world = World(take, dead_after_s, random.Random(seed))

    async def main() -> None:
        records = MemoryRecords(world.meet)
        async with anyio.create_task_group() as looking:
            looking.start_soon(world.look)
            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(world.machine, records, number)
            looking.cancel_scope.cancel()

    run(main)
    assert world.holders, f"seed {seed}: nobody ever held it"
