"""Every order in which a few Operations can go through the slots: the counts are right after each step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations_with_replacement

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrator.engine.quotas.limit import Limit
from orchestrator.engine.quotas.slots import LimitKey, QuotaScope, Slot, Slots
from orchestrator.model import Limits
from orchestrator.prediction.virtual_time import run
from tests.long import short_first

# What may happen to one call, step by step. "ask" waits for a slot; what follows needs one.
LIVES = (
    ("ask", "accepted", "release"),
    ("ask", "refused"),
    ("ask", "release"),  # it failed, or its answer was lost
    ("ask", "give up"),  # a stop, while it waits or just as it was granted
)
TOGETHER = list(combinations_with_replacement(LIVES, 3))
FOLDER, CLOUD = LimitKey("folder", "folder"), LimitKey("cloud", "cloud")


def orders(lives: tuple[tuple[str, ...], ...]) -> Iterator[tuple[int, ...]]:
    """Yield each order in which the steps of some lives can interleave, as the numbers of those whose turn it is."""

    def go_on(left: tuple[int, ...], done: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if not any(left):
            yield done
        for number, count in enumerate(left):
            if count:
                yield from go_on((*left[:number], count - 1, *left[number + 1 :]), (*done, number))

    yield from go_on(tuple(len(life) for life in lives), ())


class Play:
    """Slots, and what each of several calls holds."""

    def __init__(self, allowed: int) -> None:
        self.slots = Slots(Limits(), {FOLDER: Limit(allowed), CLOUD: Limit(allowed + 1)}, random.Random(1))
        self.held: dict[int, Slot] = {}
        self.scopes: dict[int, anyio.CancelScope] = {}
        self.accepted: set[int] = set()

    async def ask(self, number: int) -> None:
        with anyio.CancelScope() as self.scopes[number]:
            self.held[number] = await self.slots.acquire(QuotaScope(str(number), "folder", "cloud"), float(number))

    async def step(self, number: int, what: str) -> bool:
        """Do a step. False: not possible yet, because the call waits for its slot."""
        if what == "give up":
            self.scopes[number].cancel()
            await settle()
            if number in self.held:
                self.held.pop(number).release()
                await settle()
            return True
        if number not in self.held:
            return False
        if what == "accepted":
            self.held[number].accepted()
            self.accepted.add(number)
        elif what == "refused":
            self.held.pop(number).refused("", None)
        else:
            self.accepted.discard(number)
            self.held.pop(number).release()
        await settle()
        return True

    def check(self, most: int) -> None:
        statistics = self.slots.statistics()
        assert statistics.held == len(self.held) == statistics.per_folder.get("folder", 0)
        assert statistics.per_cloud.get("cloud", 0) == len(self.held)
        assert len(self.held) <= most
        room = len(self.held) < self.slots.limit_of(FOLDER).allowed
        closed = anyio.current_time() < self.slots.limit_of(FOLDER).closed_until
        assert not statistics.waiting or not room or closed, "a slot is free, and somebody waits"


async def settle() -> None:
    """Let the tasks that were granted something notice it."""
    for _ in range(3):
        await checkpoint()


async def play(lives: tuple[tuple[str, ...], ...], order: tuple[int, ...], allowed: int) -> None:
    one = Play(allowed)
    steps = [list(life) for life in lives]
    late: dict[int, list[str]] = {number: [] for number in range(len(lives))}
    async with anyio.create_task_group() as group:
        for number in order:
            what = steps[number].pop(0)
            if what == "ask":
                group.start_soon(one.ask, number)
                await settle()
            elif late[number] or not await one.step(number, what):
                late[number].append(what)
            one.check(allowed)
        for _ in lives:  # what had to wait for a slot comes afterwards
            for number, left in late.items():
                while left and await one.step(number, left[0]):
                    left.pop(0)
                    one.check(allowed)
            await anyio.sleep(60)  # a closed quota opens
            with anyio.move_on_after(1):  # the next request makes it visible
                (await one.slots.acquire(QuotaScope("last", "folder", "cloud"), -1.0)).release()
            await settle()
        assert not any(late.values()), "somebody never got a slot"
    assert one.slots.statistics().held == one.slots.statistics().waiting == 0


@pytest.mark.parametrize("allowed", short_first(1, [2, 1]))
@pytest.mark.parametrize("lives", TOGETHER, ids=[",".join(life[-1] for life in lives) for lives in TOGETHER])
def test_every_order_of_three_calls(lives: tuple[tuple[str, ...], ...], allowed: int) -> None:
    async def main() -> None:
        for order in orders(lives):
            await play(lives, order, allowed)

    run(main)


@pytest.mark.parametrize("folder", ["a", "b"])
def test_what_is_last_waits_behind_all_else_whatever_its_folder(folder: str) -> None:
    """A deletion that came first, and takes longer, gets its slot after later work."""

    async def main() -> list[str]:
        slots, order = Slots(Limits(operations_per_folder=1, operations_per_cloud=1)), list[str]()
        first = await slots.acquire(QuotaScope("held", "a", "c"))

        async def wait(name: str, scope: QuotaScope, last: bool) -> None:
            slot = await slots.acquire(scope, 9.0 if last else 1.0, last=last)
            order.append(name)
            slot.release()

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(wait, f"last {number}", QuotaScope(f"f{number}", "a", "c"), True)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(wait, "later", QuotaScope("g", folder, "c"), False)
            await anyio.wait_all_tasks_blocked()
            first.release()
        return order

    assert anyio.run(main) == ["later", "last 0", "last 1", "last 2"]
