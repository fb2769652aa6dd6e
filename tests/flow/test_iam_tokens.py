"""Tokens in a cache: renewed early, once for all, and kept if renewing fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from orchestrator.cloud.tokens import CachedToken, FixedToken, Issued
from orchestrator.errors import CloudError, Code


class Iam:
    """Issues t-1, t-2 … after a moment, on a clock that the test controls."""

    def __init__(self, life_s: float = 43_200.0) -> None:
        self.now = 1_000_000.0
        self.life_s = life_s
        self.asked = 0
        self.broken = False
        self.gate = anyio.Event()
        self.gate.set()

    async def issue(self) -> Issued:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        await anyio.lowlevel.checkpoint()
        if self.broken:
            raise CloudError("IAM is away", call="create IAM token", code=Code.UNAVAILABLE)
        return Issued(f"t-{number}", self.life_s)


def with_cache(test: Callable[[Iam, CachedToken], Awaitable[None]], life_s: float = 43_200.0) -> None:
    async def main() -> None:
        iam = Iam(life_s)
        await test(iam, CachedToken(iam.issue, now=lambda: iam.now, origin="a key", advice=""))

    anyio.run(main)


@pytest.mark.parametrize(
    ("life_s", "renewed_at_s"), [(43_200.0, 38_880.0), (3600.0, 3240.0), (300.0, 240.0), (100.0, 50.0)]
)
def test_a_token_is_renewed_when_a_tenth_of_its_life_is_left(life_s: float, renewed_at_s: float) -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        assert await cache.token() == "t-1"
        iam.now += renewed_at_s - 0.5
        assert await cache.token() == "t-1"
        iam.now += 1.0
        assert await cache.token() == "t-2"

    with_cache(test, life_s)


def test_a_hundred_callers_make_one_exchange() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        got: list[str] = []

        async def ask() -> None:
            got.append(await cache.token())

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ask)
        assert got == ["t-1"] * 100
        assert iam.asked == 1

    with_cache(test)


def test_a_hundred_callers_share_one_failure() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        iam.broken = True
        errors: list[CloudError] = []

        async def ask() -> None:
            with pytest.raises(CloudError) as caught:
                await cache.token()
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ask)
        assert iam.asked == 1
        assert {(error.code, error.sent) for error in errors} == {(Code.UNAVAILABLE, False)}

    with_cache(test)


def test_after_a_failure_the_next_caller_tries_again() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        iam.broken = True
        with pytest.raises(CloudError):
            await cache.token()
        iam.broken = False
        assert await cache.token() == "t-2"

    with_cache(test)


def test_a_failed_renewal_keeps_the_token_that_still_lives() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        await cache.token()
        iam.now += 40_000
        iam.broken = True
        assert [await cache.token() for _ in range(3)] == ["t-1"] * 3
        assert iam.asked == 2  # not at every call
        iam.now += 31
        iam.broken = False
        assert await cache.token() == "t-3"

    with_cache(test)


def test_a_failed_renewal_of_a_dead_token_is_an_error() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        await cache.token()
        iam.now += 43_201
        iam.broken = True
        with pytest.raises(CloudError, match="IAM is away"):
            await cache.token()

    with_cache(test)


def test_while_one_renews_the_others_use_the_old_token() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        await cache.token()
        iam.now += 40_000
        iam.gate = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cache.token)
            await anyio.wait_all_tasks_blocked()
            assert await cache.token() == "t-1"
            iam.gate.set()
        assert await cache.token() == "t-2"

    with_cache(test)


def test_a_cancelled_renewal_leaves_it_to_the_next_caller() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        iam.gate = anyio.Event()
        got: list[str] = []

        async def ask() -> None:
            got.append(await cache.token())

        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as first:
                first.start_soon(cache.token)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                first.cancel_scope.cancel()
            iam.gate.set()
        assert got == ["t-2"]

    with_cache(test)


def test_a_refused_token_is_renewed_once_for_all_who_were_refused() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        refused = await cache.token()
        got: list[str] = []

        async def renew() -> None:
            got.append(await cache.renew(refused))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(renew)
        assert got == ["t-2"] * 20
        assert await cache.renew(refused) == "t-2"  # a late one
        assert iam.asked == 2

    with_cache(test)


def test_a_refused_token_is_not_kept_where_renewing_fails() -> None:
    async def test(iam: Iam, cache: CachedToken) -> None:
        refused = await cache.token()
        iam.broken = True
        with pytest.raises(CloudError, match="IAM is away"):
            await cache.renew(refused)

    with_cache(test)


def test_a_fixed_token_never_changes() -> None:
    source = FixedToken("t1.x", "YC_IAM_TOKEN")
    assert not source.refreshable
    assert anyio.run(source.token) == anyio.run(source.renew, "t1.x") == "t1.x"
