"""Leases: two runs on two machines never change the same function at once.

A run holds a lease on its functions, in a registry that changes by compare-and-set, and writes beats into it. Clocks of
two machines are never compared: a holder counts as dead once its beat has stood still for `DEAD_AFTER_S` on the clock
of the one who watches; and it asks nothing more of the cloud once its own last beat is `GIVE_UP_S` old on its own
clock, which goes on while the machine sleeps, before it has written another. Between that look and the arrival of a
call lies a gap that no client can close: a request that is on its way for longer than the difference of the two.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import anyio

from orchestrator.coordination.registry import Holder, Registry, decode, digest
from orchestrator.errors import LockHeldError, OrchestratorError
from orchestrator.ports import Clock, Records
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.retry import retried
from orchestrator.resilience.stop import StoppedError

T = TypeVar("T")

BEAT_S = 5.0
GIVE_UP_S = 20.0  # without a beat that was written
DEAD_AFTER_S = 30.0
_LOOK_S = 1.0
_SHOWN = 3
_FIRST = ""  # the etag of a registry that is not there yet


class LeaseLostError(OrchestratorError):
    """Another run holds the functions now."""


@dataclass(frozen=True, slots=True)
class Leases:
    """The registry as one run uses it. `boottime`: seconds that count on while the machine sleeps."""

    records: Records
    key: str
    run_id: str
    owner: str
    who: str
    boottime: Callable[[], float]
    clock: Clock
    rng: random.Random
    outage: Outage
    say: Callable[[str], None]

    async def look(self) -> Registry:
        """Read who holds what. Raises `CloudError`, `StartError`."""
        return (await self.read())[0]

    async def acquire(self, functions: Mapping[str, str], *, looked: Registry, timeout_s: float) -> Lease:
        """Take a lease on `functions` (their `folder/name` by what people call them).

        Another run that holds one of them is waited for, `timeout_s` at most, and in any case until it has shown that
        it lives or is dead. `looked`: the registry before what is live was read. Raises `LockHeldError` that names the
        holder, `CloudError`, `StartError`.
        """
        names = {digest(identity): name for name, identity in functions.items()}
        since = f"{datetime.fromtimestamp(self.clock(), UTC):%Y-%m-%d %H:%M:%S} UTC"
        mine = Holder(self.run_id, self.owner, self.who, since, frozenset(names))
        watch = _Watch(self.boottime)
        give_up_at = anyio.current_time() + timeout_s
        while True:
            registry, etag = await self.read()
            held = registry.of(self.run_id)  # our own write may have gone through without an answer
            if held is not None:
                return Lease(self, registry, etag, fresh=_fresh(held.fencing - 1, mine, looked) and not watch.seen)
            living = watch.living(registry.others(mine))
            if living and anyio.current_time() >= give_up_at and all(one.run_id in watch.alive for one in living):
                raise _held(living[0], names, timeout_s)
            if not living:
                taken = registry.with_lease(mine, registry.others(mine))
                written_at = self.boottime()
                written = await self.write(taken, etag)
                if written is not None:
                    self._tell_of_the_dead(registry, mine)
                    fresh = _fresh(registry.fencing, mine, looked) and not watch.seen
                    return Lease(self, taken, written, fresh=fresh, written_at=written_at)
                continue
            if not watch.seen:
                self.say(f"{_what(living[0], names)}: waiting, or until it has shown no life for {DEAD_AFTER_S:.0f} s")
                watch.seen = True
            await anyio.sleep(_LOOK_S)

    def _tell_of_the_dead(self, registry: Registry, mine: Holder) -> None:
        for other in registry.others(mine):
            self.say(f"run {other.run_id} has died ({other.who}): its lease is taken over")

    async def read(self) -> tuple[Registry, str]:
        """Read the registry and its etag."""
        found = await self.safely(partial(self.records.read, self.key))
        return (decode(found[0], self.key), found[1]) if found is not None else (Registry(), _FIRST)

    async def write(self, registry: Registry, etag: str) -> str | None:
        """Write over what was read under this etag. None: it has changed since."""
        body = registry.encode()
        if etag == _FIRST:
            return await self.safely(partial(self.records.create, self.key, body))
        return await self.safely(partial(self.records.replace, self.key, body, etag))

    async def safely(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call again and again: a write that went through without an answer then finds another etag."""
        return await retried(call, rng=self.rng, outage=self.outage)


class Lease:
    """A lease that is held. `fresh`: nobody else can have changed its functions since the registry was looked at."""

    def __init__(
        self, leases: Leases, registry: Registry, etag: str, *, fresh: bool, written_at: float | None = None
    ) -> None:
        held = registry.of(leases.run_id)
        if held is None:
            raise AssertionError(leases.run_id)  # whoever makes one has just written it
        self._leases, self._registry, self._etag = leases, registry, etag
        # Where it is not known when the write arrived, the next call renews it first.
        self._written_at = written_at if written_at is not None else leases.boottime() - GIVE_UP_S
        self._writing = anyio.Lock()
        self._ended = False
        self.fencing = held.fencing
        self.fresh = fresh
        self.lost: Callable[[str], None] = lambda _why: None

    async def keep(self) -> None:
        """Write beats until cancelled, or the lease is lost."""
        while True:
            await anyio.sleep(BEAT_S)
            try:
                with anyio.fail_after(GIVE_UP_S):
                    await self._renew()
            except LeaseLostError as error:
                self.lost(error.message)
                return
            except (OrchestratorError, TimeoutError):
                continue  # `check` sees how old the last beat is

    async def check(self) -> None:
        """See that the lease is held, before a call that changes something. Raises `StoppedError` where it is not."""
        if self._valid():
            return
        try:
            await self._renew(only_if_needed=True)
        except OrchestratorError as error:
            lost = isinstance(error, LeaseLostError)
            why = error.message if lost else f"the lease could not be renewed: {error.message}"
            self.lost(why)
            raise StoppedError(why) from error

    async def end(self) -> None:
        """Give the lease up. Raises `CloudError`."""
        async with self._writing:
            self._ended = True
            while True:
                registry, etag = await self._leases.read()
                if registry.of(self._leases.run_id) is None:
                    return
                if await self._leases.write(registry.without(self._leases.run_id), etag) is not None:
                    return

    def _valid(self) -> bool:
        return self._leases.boottime() < self._written_at + GIVE_UP_S

    async def _renew(self, *, only_if_needed: bool = False) -> None:
        async with self._writing:
            while not (self._ended or (only_if_needed and self._valid())):
                written_at = self._leases.boottime()  # whoever watches may see it from now on
                beaten = self._registry.with_beat(self._leases.run_id)
                etag = await self._leases.write(beaten, self._etag)
                if etag is not None:
                    self._registry, self._etag, self._written_at = beaten, etag, written_at
                    return
                self._registry, self._etag = await self._leases.read()
                if self._registry.of(self._leases.run_id) is None:
                    raise LeaseLostError(self._taken())

    def _taken(self) -> str:
        newest = max(self._registry.holders, key=lambda one: one.fencing, default=None)
        by = f" by run {newest.run_id} ({newest.who})" if newest is not None and newest.fencing > self.fencing else ""
        return f"the lease on these functions was taken over{by}, since this run showed no life for too long"


class _Watch:
    """What one who waits has seen of the others' beats, on its own clock."""

    def __init__(self, boottime: Callable[[], float]) -> None:
        self._boottime = boottime
        self._beats: dict[str, tuple[int, float]] = {}  # of a run: its beat, and since when it stands
        self.alive: set[str] = set()  # runs that were seen to beat
        self.seen = False  # whether anybody had to be waited for

    def living(self, others: tuple[Holder, ...]) -> list[Holder]:
        """Give those that are not known to be dead."""
        now = self._boottime()
        living = []
        for other in others:
            beat, since = self._beats.get(other.run_id, (other.beat, now))
            if beat != other.beat:
                self.alive.add(other.run_id)
                since = now
            self._beats[other.run_id] = other.beat, since
            if now < since + DEAD_AFTER_S:
                living.append(other)
        return living


def _fresh(fencing: int, mine: Holder, looked: Registry) -> bool:
    return fencing == looked.fencing and not looked.others(mine)


def _what(holder: Holder, names: Mapping[str, str]) -> str:
    held = sorted(names[one] for one in holder.functions & names.keys())
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return f"{', '.join(held[:_SHOWN])}{more}: held by run {holder.run_id} ({holder.who}) since {holder.since}"


def _held(holder: Holder, names: Mapping[str, str], timeout_s: float) -> LockHeldError:
    waited = f", after waiting for {timeout_s:g} s" if timeout_s else ""
    return LockHeldError(
        f"another run holds the lock{waited}: {_what(holder, names)}",
        advice="wait for it (--lock-timeout 10m, say), or end it",
    )
