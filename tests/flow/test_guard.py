"""The guard is the last await before a call is sent: a run that was suspended anywhere and lost the lease sends
nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.functions import HttpFunctions
from orchestrator.cloud.transport import Transport
from orchestrator.coordination.lease import Lease, Leases
from orchestrator.coordination.registry import NOT_LOOKED, decode
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.engine.verdicts import exit_code
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, Exit
from orchestrator.model import Cancelled, Deployed, Plan, Rollout
from orchestrator.ports import Guard
from orchestrator.prediction.virtual_time import VirtualLoop
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.stop import Stop, StoppedError
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.version.body import version_request
from tests.engine import Bench, sources
from tests.flow.httpserver import Seen, answer, client_of, serving
from tests.memory_records import MemoryRecords

KEY = "functions/leases.json"
ASLEEP_S = 60.0  # longer than it takes others to see that a run is dead
CHANGES = ("create function", "createVersion")
TROUBLES = {
    "none": (),
    "an answer is lost, so what it began is looked for before it is repeated": (Trouble(lost=True),),
    "refused, then lost": (Trouble(Fault(Code.UNAVAILABLE, "later")), Trouble(lost=True)),
}


class LeasedBench(Bench):
    """Runs hold a real lease. `sleep` suspends the machine, and lets another run take the lease over meanwhile."""

    lease: Lease

    def __post_init__(self) -> None:
        super().__post_init__()
        self.records, self.sent_before, self.slept_s = MemoryRecords(), 0, 0.0

    def world(self) -> World:
        async def guard() -> None:
            await self.lease.check()

        return replace(super().world(), guard=guard)

    async def planned(self, world: World, *args: Any, **kwargs: Any) -> tuple[Plan, Rollout]:
        boottime_s = lambda: anyio.current_time() + self.slept_s  # noqa: E731
        place = RecordPlace(self.records, KEY, boottime_s, random.Random(1), Outage())
        leases = Leases(place, "ours", "our folder", "us", self.now, lambda _said: None)
        plan = await super().planned(world, *args, **kwargs)
        self.lease = await leases.acquire({"f000": "folder/f000"}, looked=NOT_LOOKED, timeout_s=0)
        self.lease.lost = self.stop.lose
        return plan

    def sleep(self) -> None:
        """Suspend now, and resume when another run has the lease."""
        if KEY not in self.records.objects:
            return
        self.slept_s += ASLEEP_S
        registry = decode(self.records.objects[KEY][0], KEY)
        ours = registry.of("ours")
        if ours is not None:
            other = replace(ours, run_id="other", owner="another folder")
            self.records.objects[KEY] = (registry.with_lease(other, [ours]).encode(), "taken over")
        self.sent_before = self.sent

    @property
    def sent(self) -> int:
        return sum(self.wire.calls.get(name, 0) for name in CHANGES)


def deploy(bench: LeasedBench, patch: pytest.MonkeyPatch, at: int) -> int:
    """Deploy one function, suspended before the event loop's `at`-th round. Returns how many rounds there were."""
    whole: Callable[[VirtualLoop], None] = VirtualLoop._run_once  # type: ignore[attr-defined]
    rounds = 0

    def one_round(loop: VirtualLoop) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == at:
            bench.sleep()
        whole(loop)

    patch.setattr(VirtualLoop, "_run_once", one_round)
    bench.deploy(sources(bench.root, 1))
    patch.undo()
    return rounds


@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES.keys())
def test_nothing_is_sent_after_the_lease_was_lost_wherever_the_run_was_suspended(
    troubles: tuple[Trouble, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bench_of() -> LeasedBench:
        bench = LeasedBench(tmp_path)
        for call in CHANGES if troubles else ():
            bench.faults.fail_next(call, *troubles)
        return bench

    rounds = deploy(bench_of(), monkeypatch, -1)
    stopped = 0
    for at in range(1, rounds):
        bench = bench_of()
        deploy(bench, monkeypatch, at)
        (outcome,) = bench.result.outcomes.values()
        assert bench.sent == bench.sent_before or not bench.slept_s, f"sent after round {at}: {outcome}"
        if bench.stop.lost:
            stopped += 1
            assert exit_code([outcome], interrupted=True, lost=True) is Exit.INTERRUPTED
            assert isinstance(outcome, Cancelled) or bench.sent, outcome
    assert stopped > 20


def test_a_run_that_lost_its_lease_ends_as_one_to_resume_whatever_it_saw() -> None:
    assert exit_code([Deployed("v", read_back=True)], interrupted=False, lost=True) is Exit.INTERRUPTED
    assert exit_code([Deployed("v", read_back=True)], interrupted=True) is Exit.DONE

    async def main() -> None:
        stop = Stop()
        stop.request("interrupted")
        stop.lose("taken over")
        assert (stop.reason, stop.lost) == ("interrupted", "taken over")

    anyio.run(main)


class Tokens:
    """Tokens that take a while, and record when they were requested."""

    refreshable, origin, advice, account = True, "a test", "", ""
    warnings: tuple[str, ...] = ()

    def __init__(self, reported: list[str]) -> None:
        self._reported = reported

    async def token(self) -> str:
        await anyio.sleep(0.01)
        self._reported.append("token")
        return "t1.first"

    async def renew(self, refused: str) -> str:
        assert refused == "t1.first"
        await anyio.sleep(0.01)
        self._reported.append("renewed")
        return "t1.second"


def send(reported: list[str], guard: Guard, *, expired: bool = False) -> None:
    def handle(seen: Seen) -> web.Response:
        reported.append("sent")
        if expired and seen.headers["Authorization"] == "Bearer t1.first":
            return answer({"code": int(Code.UNAUTHENTICATED), "message": "expired"}, 401)
        return answer({"id": "operation", "done": True})

    async def main() -> None:
        async with serving(handle) as server, client_of(server.url, Tokens(reported)) as client:
            await HttpFunctions(client).send(version_request({"functionId": "f"}), idempotency_key="k", guard=guard)

    anyio.run(main)


@pytest.mark.parametrize("expired", [False, True])
def test_over_http_the_guard_comes_after_the_token_each_time_that_it_is_sent(expired: bool) -> None:
    reported: list[str] = []

    async def guard() -> None:
        reported.append("guard")

    send(reported, guard, expired=expired)
    again = ["renewed", "guard", "sent"] if expired else []
    assert reported == ["token", "guard", "sent", *again]


def test_over_http_nothing_leaves_where_the_guard_says_no() -> None:
    reported: list[str] = []

    async def guard() -> None:
        reported.append("guard")
        raise StoppedError("the lease was taken over")

    with pytest.raises(StoppedError, match="taken over"):
        send(reported, guard)
    assert reported == ["token", "guard"]


def test_over_http_a_guard_that_fails_to_find_out_in_time_leaves_the_call_unsent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[str] = []
    defaults = Transport.request.__kwdefaults__ or {}
    monkeypatch.setattr(Transport.request, "__kwdefaults__", {**defaults, "total_limit_s": 0.05})
    with pytest.raises(CloudError) as caught:
        send(reported, lambda: anyio.sleep(5))
    assert not caught.value.sent
    assert reported == ["token"]
