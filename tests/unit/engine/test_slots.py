from __future__ import annotations

import random
from collections import Counter

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import QuotaScope, Slot, Slots
from orchestrator.model import Limits


def limits(function: int = 10, folder: int = 15, cloud: int = 20, reserve: int = 0) -> Limits:
    return Limits(function, folder, cloud, reserve)


def granted_of(desired: list[QuotaScope], given_limits: Limits) -> int:
    async def main() -> int:
        slots = Slots(given_limits)
        async with anyio.create_task_group() as group:
            for domain in desired:
                group.start_soon(slots.acquire, domain)
            await anyio.wait_all_tasks_blocked()
            held = slots.statistics().held
            group.cancel_scope.cancel()
        return held

    return anyio.run(main)


@pytest.mark.parametrize(
    ("desired", "given_limits", "granted"),
    [
        ([QuotaScope(str(n), "a", "c") for n in range(30)], limits(), 15),
        ([QuotaScope(str(n), f"folder{n % 2}", "c") for n in range(60)], limits(), 20),
        ([QuotaScope(str(n), f"folder{n}", f"cloud{n}") for n in range(60)], limits(), 60),
        ([QuotaScope("one", "a", "c") for n in range(30)], limits(), 10),
        ([QuotaScope(str(n), "a", "c") for n in range(30)], limits(reserve=3), 12),
    ],
)
def test_limits_per_function_folder_and_cloud(desired: list[QuotaScope], given_limits: Limits, granted: int) -> None:
    assert granted_of(desired, given_limits) == granted


def test_a_full_folder_does_not_hold_up_another() -> None:
    desired = [QuotaScope(str(n), "full", "c") for n in range(50)] + [QuotaScope("x", "other", "c")]
    assert granted_of(desired, limits(folder=2)) == 3


def test_a_released_slot_goes_to_whoever_waited_longest() -> None:
    async def main() -> list[str]:
        slots, order = Slots(limits(cloud=1)), list[str]()
        first = await slots.acquire(QuotaScope("0", "a", "c"))

        async def take(name: str) -> None:
            slot = await slots.acquire(QuotaScope(name, "a", "c"))
            order.append(name)
            slot.release()

        async with anyio.create_task_group() as group:
            for name in ("1", "2", "3"):
                group.start_soon(take, name)
                await anyio.wait_all_tasks_blocked()
            first.release()
            first.release()  # a second time has no effect
        assert slots.statistics().held == 0
        return order

    assert anyio.run(main) == ["1", "2", "3"]


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_no_limit_is_ever_passed_and_nothing_leaks_whoever_is_cancelled(
    seed: int, function: int, folder: int, cloud: int
) -> None:
    rng = random.Random(seed)

    async def main() -> None:
        slots = Slots(limits(function, folder, cloud))

        async def work(domain: QuotaScope) -> None:
            with anyio.CancelScope() as scope:
                if rng.random() < 0.3:
                    scope.cancel()
                slot = await slots.acquire(domain)
                seen = slots.statistics()
                assert all(count <= folder for count in seen.per_folder.values())
                assert all(count <= cloud for count in seen.per_cloud.values())
                try:
                    for _ in range(rng.randrange(3)):
                        await anyio.lowlevel.checkpoint()
                finally:
                    slot.release()

        async with anyio.create_task_group() as group:
            for n in range(40):
                group.start_soon(work, QuotaScope(str(n % 7), f"folder{n % 3}", f"cloud{n % 2}"))
        assert slots.statistics().held == 0
        assert slots.statistics().waiting == 0

    anyio.run(main)


WAITERS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1.0, 2.0, 30.0])), min_size=1, max_size=30)


@given(WAITERS, st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_the_folder_with_most_work_left_comes_first_and_in_it_what_takes_longest(
    desired: list[tuple[str, float]], folder: int, cloud: int
) -> None:
    async def main() -> None:
        slots, waiting, held = Slots(limits(folder=folder, cloud=cloud)), list[tuple[str, float]](), list[Slot]()
        for number in range(cloud):  # by others, so that all of `wanted` must wait
            held.append(await slots.acquire(QuotaScope(f"first{number}", f"first{number}", "c")))

        async def work(number: int, place: str, expected_s: float) -> None:
            waiting.append((place, expected_s))
            slots.left_s[place] += expected_s
            slot = await slots.acquire(QuotaScope(str(number), place, "c"), expected_s)
            taken = Counter(one.scope.folder for one in held)
            with_room = [one for one in waiting if taken[one[0]] < folder]
            assert expected_s == max(length for name, length in with_room if name == place)
            assert slots.left_s[place] == max(slots.left_s[name] for name, _ in with_room)
            waiting.remove((place, expected_s))
            held.append(slot)

        async with anyio.create_task_group() as group:
            for number, (place, expected_s) in enumerate(desired):
                group.start_soon(work, number, place, expected_s)
            await anyio.wait_all_tasks_blocked()
            while held:
                done = held.pop(0)
                done.release()
                await anyio.wait_all_tasks_blocked()  # one slot that becomes free is granted at most once
        assert not waiting

    anyio.run(main)


@given(st.floats(0.5, 200), st.integers(1, 50), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_pace_never_lets_more_through_than_rate_and_burst_allow(rate: float, burst: int, gaps: list[float]) -> None:
    pace, now, turns = Pace(rate, burst), 0.0, list[float]()
    for gap in gaps:
        now += gap
        turns.append(now + pace.reserve(now))
    assert turns == sorted(turns)
    for start in range(len(turns)):
        for end in range(start + 1, len(turns)):
            assert end - start + 1 <= burst + rate * (turns[end] - turns[start]) + 1e-6


@pytest.mark.parametrize("accepted", [False, True])
def test_a_slot_that_is_given_back_is_not_asked_for_any_more(accepted: bool) -> None:
    async def main() -> list[int]:
        slots = Slots(limits())
        slot = await slots.acquire(QuotaScope("f", "a", "c"))
        asked = [slots.statistics().asked]
        if accepted:
            slot.accepted()
            asked.append(slots.statistics().asked)
        slot.release()
        return [*asked, slots.statistics().asked]

    assert anyio.run(main) == ([1, 0, 0] if accepted else [1, 0])
