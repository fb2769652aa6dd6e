"""Leases in virtual time: of two runs over the same function one waits, even if a run dies, sleeps or
loses an answer.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.coordination.lease import LEASE_TIMINGS, Lease, Leases
from orchestrator.coordination.registry import Holder, Registry, decode, digest
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.errors import CloudError, LockHeldError, StartError
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.stop import StoppedError
from tests.memory_records import MemoryRecords

KEY = "functions/leases.json"


@dataclass
class Machine:
    """One run. `slept_s`: how long it was suspended, which its clock counts and its tasks do not notice."""

    records: MemoryRecords
    run_id: str
    owner: str = ""
    said: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    slept_s: float = 0.0

    @property
    def leases(self) -> Leases:
        boottime_s = lambda: anyio.current_time() + self.slept_s  # noqa: E731
        return Leases(
            RecordPlace(self.records, KEY, boottime_s, random.Random(self.run_id), Outage()), self.run_id,
            self.owner or f"folder of {self.run_id}", f"process of {self.run_id}", anyio.current_time, self.said.append,
        )  # fmt: skip

    async def take(self, *functions: str, timeout_s: float = 0.0, looked: Registry | None = None) -> Lease:
        names = {name: f"folder/{name}" for name in functions}
        found = looked if looked is not None else await self.leases.look()
        lease = await self.leases.acquire(names, looked=found, timeout_s=timeout_s)
        lease.lost = self.losses.append
        return lease


def held(main: Callable[[MemoryRecords], Awaitable[None]]) -> None:
    run(main, MemoryRecords())


def test_runs_over_other_functions_go_side_by_side() -> None:
    async def main(records: MemoryRecords) -> None:
        one = await Machine(records, "one").take("f", "g")
        two = await Machine(records, "two").take("h")
        await one.check()
        await two.check()
        assert (one.fencing, two.fencing) == (1, 2)
        assert anyio.current_time() < 1
        await one.end()
        await two.end()
        assert decode(records.objects[KEY][0], KEY) == Registry(fencing=2)

    held(main)


def test_a_living_holder_is_named_as_soon_as_it_has_shown_that_it_lives() -> None:
    async def main(records: MemoryRecords) -> None:
        one = await Machine(records, "one").take("f", "g")
        async with anyio.create_task_group() as group:
            group.start_soon(one.keep)
            two = Machine(records, "two")
            with pytest.raises(LockHeldError) as refused:
                await two.take("e", "g", "f")
            assert anyio.current_time() <= LEASE_TIMINGS.beat_s + 2
            assert (
                "another run holds the lock: f, g: held by run one (process of one) since 1970-01-01 00:00:00 UTC"
                in str(refused.value)
            )
            assert "--lock-timeout" in refused.value.advice
            assert len(two.said) == 1
            group.cancel_scope.cancel()

    held(main)


def test_a_run_waits_for_another_as_long_as_it_may_and_knows_that_it_must_plan_again() -> None:
    async def main(records: MemoryRecords) -> None:
        one = await Machine(records, "one").take("f")
        async with anyio.create_task_group() as group:
            group.start_soon(one.keep)

            async def end() -> None:
                await anyio.sleep(200)
                await one.end()

            group.start_soon(end)
            two = await Machine(records, "two").take("f", timeout_s=300)
            assert 200 <= anyio.current_time() < 203
            assert not two.fresh
            assert one.fencing < two.fencing
            group.cancel_scope.cancel()

    held(main)


def test_who_ended_between_the_look_and_the_lease_may_have_changed_something_too() -> None:
    async def main(records: MemoryRecords) -> None:
        two = Machine(records, "two")
        looked = await two.leases.look()
        await (await Machine(records, "one").take("f")).end()
        assert not (await two.take("f", looked=looked)).fresh

        three = Machine(records, "three")
        assert (await three.take("g")).fresh

    held(main)


def test_a_dead_holder_is_taken_over_and_wakes_to_find_it() -> None:
    async def main(records: MemoryRecords) -> None:
        dead = Machine(records, "dead")
        one = await dead.take("f")
        two = Machine(records, "two")
        lease = await two.take("f")
        assert LEASE_TIMINGS.dead_after_s <= anyio.current_time() <= LEASE_TIMINGS.dead_after_s + 3
        assert two.said[-1] == "run dead is dead (process of dead): its lease is taken over"
        with pytest.raises(StoppedError, match=r"was taken over by run two \(process of two\)"):
            await one.check()
        assert len(dead.losses) == 1
        await one.end()  # which it no longer owns
        await lease.check()

    held(main)


def test_a_holder_that_slept_asks_for_nothing_before_it_has_seen_that_the_lease_is_still_its_own() -> None:
    async def main(records: MemoryRecords) -> None:
        machine = Machine(records, "one")
        one = await machine.take("f")
        machine.slept_s = LEASE_TIMINGS.give_up_s
        before = records.objects[KEY][1]
        await one.check()
        assert records.objects[KEY][1] != before  # a beat
        await one.check()

        machine.slept_s = 2 * LEASE_TIMINGS.give_up_s  # and while it slept, another run waited for it
        records.objects[KEY] = (Registry(fencing=9).encode(), "new")
        with pytest.raises(StoppedError, match="was taken over, because this run had not renewed it"):
            await one.check()
        assert machine.losses

    held(main)


def test_a_registry_that_cannot_be_reached_stops_the_holder_once_its_beat_is_old() -> None:
    async def main(_: MemoryRecords) -> None:
        gone = False

        async def meet(_when: str) -> None:
            if gone:
                raise CloudError("forbidden", call="put object", http_status=403, code=None, sent=True)

        machine = Machine(MemoryRecords(meet), "one")
        one = await machine.take("f")
        async with anyio.create_task_group() as group:
            group.start_soon(one.keep)
            gone = True
            await anyio.sleep(LEASE_TIMINGS.give_up_s - 1)
            await one.check()
            await anyio.sleep(2)
            with pytest.raises(StoppedError, match="the lease could not be renewed: forbidden"):
                await one.check()
            group.cancel_scope.cancel()

    held(main)


def test_a_run_of_the_same_state_folder_takes_its_own_lease_back_at_once() -> None:
    async def main(records: MemoryRecords) -> None:
        killed = await Machine(records, "killed", owner="host:1:2").take("f")
        await Machine(records, "next", owner="host:1:2").take("f", "g")
        assert anyio.current_time() < 1
        await anyio.sleep(LEASE_TIMINGS.give_up_s)
        with pytest.raises(StoppedError):
            await killed.check()

    held(main)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"schema": 1, "fencing": 1, "leases": [{"run_id": "x"}]}'])
def test_a_registry_that_cannot_be_understood_is_named(body: bytes) -> None:
    with pytest.raises(StartError, match=r"the leases in functions/leases\.json cannot be understood"):
        decode(body, KEY)
    with pytest.raises(StartError, match="written by a newer orchestrator"):
        decode(b'{"schema": 2}', KEY)


@given(
    st.lists(st.builds(
        Holder, st.text(), st.text(), st.text(), st.text(),
        st.frozensets(st.text().map(digest)), st.integers(), st.integers(),
    )),
    st.integers(),
)  # fmt: skip
def test_a_registry_comes_back_as_it_was_written(holders: list[Holder], fencing: int) -> None:
    registry = Registry(fencing, tuple(holders))
    assert decode(registry.encode(), KEY) == registry


@dataclass
class World:
    """Machines that take leases, work, sleep, die. `calls`: who requested what, with which lease, in order."""

    rng: random.Random
    calls: list[tuple[str, int]] = field(default_factory=list)  # (function, fencing number)

    async def meet(self, _when: str) -> None:
        """Delay a call to the registry, or lose it, or its answer."""
        await anyio.sleep(self.rng.expovariate(10))
        if self.rng.random() < 0.1:
            raise CloudError("no answer", call="put object")

    async def work(self, records: MemoryRecords, number: int) -> None:
        await anyio.sleep(self.rng.uniform(0, 60))
        functions = self.rng.sample("abcde", self.rng.randrange(1, 4))
        machine = Machine(records, f"run {number}")
        with suppress(LockHeldError, StoppedError, CloudError):
            lease = await machine.take(*functions, timeout_s=self.rng.choice([0, 100, 1000]))
            while self.rng.random() < 0.9:
                async with anyio.create_task_group() as group:
                    group.start_soon(lease.keep)
                    for _ in range(self.rng.randrange(5)):
                        await anyio.sleep(self.rng.uniform(0, 20))
                        await lease.check()
                        self.calls.append((self.rng.choice(functions), lease.fencing))
                    group.cancel_scope.cancel()
                await anyio.sleep(self.rng.uniform(0, 1.5 * LEASE_TIMINGS.dead_after_s))  # suspended: no heartbeat
                await lease.check()
                self.calls.append((functions[0], lease.fencing))
            if self.rng.random() < 0.7:  # otherwise it dies
                await lease.end()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_no_call_is_made_with_a_lease_that_somebody_else_has_taken_over(seed: int) -> None:
    world = World(random.Random(seed))

    async def main() -> None:
        records = MemoryRecords(world.meet)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(world.work, records, number)

    run(main)
    newest: dict[str, int] = {}
    for function, fencing in world.calls:
        assert fencing >= newest.get(function, 0), f"seed {seed}: {function} was asked for with an older lease"
        newest[function] = fencing


def test_a_beat_that_was_answered_after_a_sleep_proves_nothing() -> None:
    """The beat had arrived, then the machine slept, and another run saw no new beat for long enough."""

    async def main(records: MemoryRecords) -> None:
        one = Machine(records, "one")
        lease = await one.take("f")
        one.slept_s += LEASE_TIMINGS.give_up_s  # so that the next check writes a beat

        async def sleep(when: str) -> None:
            if when == "after replace" and not one.slept_s > LEASE_TIMINGS.give_up_s:
                one.slept_s += LEASE_TIMINGS.dead_after_s
                registry = decode(records.objects[KEY][0], KEY)
                (ours,) = registry.holders
                other = Holder("two", "folder of two", "process of two", "", ours.functions)
                records.objects[KEY] = (registry.with_lease(other, [ours]).encode(), "taken over")

        records.meet = sleep
        with pytest.raises(StoppedError, match="taken over by run two"):
            await lease.check()

    held(main)


def test_a_lease_that_was_seen_to_be_lost_is_not_believed_for_its_last_beat() -> None:
    """Someone has removed the record: by the clock alone, no other run could hold it yet."""

    async def main(records: MemoryRecords) -> None:
        one = Machine(records, "one")
        lease = await one.take("f")
        records.objects[KEY] = (Registry(fencing=1).encode(), "emptied")
        await lease.keep()
        assert one.losses == [
            "the lease on these functions was taken over, because this run had not renewed it for too long"
        ]
        assert anyio.current_time() < LEASE_TIMINGS.give_up_s
        with pytest.raises(StoppedError, match="taken over"):
            await lease.check()

    held(main)
