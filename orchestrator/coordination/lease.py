"""Leases: two runs on two machines never change the same function at once.

A run holds a lease on its functions in the registry, a payload of one heartbeat. Before each call it checks whether it
is still sure of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from orchestrator.coordination.heartbeat import Heartbeat, Life, Payload, TakenOverError, Timings, Watch
from orchestrator.coordination.local_lock import lock_held
from orchestrator.coordination.registry import Holder, Registry, decode, digest
from orchestrator.coordination.shared_record import Copy, Final, RecordPlace, Shared, Step, Wait, Write, ask
from orchestrator.errors import OrchestratorError
from orchestrator.model.units import as_duration
from orchestrator.ports import Clock
from orchestrator.resilience.stop import StoppedError

LEASE_TIMINGS = Timings(beat_s=5.0, give_up_s=20.0, dead_after_s=30.0, look_s=1.0)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease number `fencing`. `fresh`: no other run can have changed its functions since the registry was read."""

    fencing: int
    fresh: bool
    dead: tuple[Holder, ...] = ()  # whom it was taken over from


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run requests: its lease, names of the functions by their digests, the registry as it was read."""

    mine: Holder
    names: Mapping[str, str]
    looked: Registry
    timeout_s: float

    def decide(
        self, registry: Registry, lives: Mapping[str, Life], *, waited: bool, over: bool
    ) -> Step[Registry, Granted]:
        """Return the next step. `lives`: of `registry.others`. `over`: `timeout_s` has passed.

        | our lease is in it | the others that are not dead | over | step                                            |
        | ---                | ---                          | ---  | ---                                             |
        | yes                |                              |      | it is granted: the response to its write was lost |
        | no                 | none                         |      | write it, in place of the dead ones             |
        | no                 | all ALIVE                    | yes  | raise `LockHeldError` that names one            |
        | no                 | otherwise                    |      | wait                                            |
        """
        held, others = registry.of(self.mine.run_id), registry.others(self.mine)
        if held is not None:
            return Final(self._granted(held.fencing, waited=waited))
        living = [one for one in others if lives[one.run_id] is not Life.DEAD]
        if not living:
            granted = self._granted(registry.fencing + 1, waited=waited, dead=others)
            return Write(registry.with_lease(self.mine, others), granted)
        if over and all(lives[one.run_id] is Life.ALIVE for one in living):
            raise lock_held(self._what(living[0]), self.timeout_s)
        dead_after = as_duration(LEASE_TIMINGS.dead_after_s)
        return Wait(f"{self._what(living[0])}; waiting until it ends, or has not renewed its lease for {dead_after}")

    def _granted(self, fencing: int, *, waited: bool, dead: tuple[Holder, ...] = ()) -> Granted:
        fresh = fencing == self.looked.fencing + 1 and not self.looked.others(self.mine) and not waited
        return Granted(fencing, fresh, dead)

    def _what(self, holder: Holder) -> str:
        held = sorted(self.names[one] for one in holder.functions & self.names.keys())
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        return f"{', '.join(held[:_SHOWN])}{more}: held by run {holder.run_id} ({holder.who}) since {holder.since}"


@dataclass(frozen=True, slots=True)
class Leases:
    """The registry as one run uses it."""

    place: RecordPlace
    run_id: str
    owner: str
    who: str
    clock: Clock
    say: Callable[[str], None]

    async def look(self) -> Registry:
        """Return the registry. Raises `CloudError`, `StartError`."""
        return (await Shared(self.place, decode).read()).record

    async def acquire(self, functions: Mapping[str, str], *, looked: Registry, timeout_s: float) -> Lease:
        """Take a lease on `functions` (`folder/name` by the name to show).

        If another run holds one of them, wait at most `timeout_s`, but at least until it is known whether it is alive
        or dead. `looked`: the registry before the live state was read. Raises `LockHeldError` that names the holder,
        `CloudError`, `StartError`.
        """
        names = {digest(identity): name for name, identity in functions.items()}
        since = f"{datetime.fromtimestamp(self.clock(), UTC):%Y-%m-%d %H:%M:%S} UTC"
        mine = Holder(self.run_id, self.owner, self.who, since, frozenset(names))
        desired = Wanted(mine, names, looked, timeout_s)
        shared, watch = Shared(self.place, decode), Watch(LEASE_TIMINGS, self.place.boottime_s)
        over_at = anyio.current_time() + timeout_s

        def decide(registry: Registry) -> Step[Registry, Granted]:
            lives = watch.look({one.run_id: one.beat for one in registry.others(mine)})
            return desired.decide(registry, lives, waited=watch.waited, over=anyio.current_time() >= over_at)

        granted, copy = await ask(shared, decide, look_s=LEASE_TIMINGS.look_s, say=self.say)
        for dead in granted.dead:
            self.say(f"run {dead.run_id} is dead ({dead.who}): its lease is taken over")
        return Lease(shared, self.run_id, granted, copy)


class Lease:
    """A lease that is held. `lost` is called with the reason if it no longer is."""

    def __init__(self, shared: Shared[Registry], run_id: str, granted: Granted, copy: Copy[Registry]) -> None:
        self._run_id = run_id
        self.fencing, self.fresh = granted.fencing, granted.fresh
        self.lost: Callable[[str], None] = lambda _why: None
        self._heartbeat = Heartbeat(shared, Payload(LEASE_TIMINGS, self._beaten, self._taken), copy)

    async def keep(self) -> None:
        """Write heartbeats until cancelled, or until the lease is lost."""
        await self._heartbeat.keep(lambda why: self.lost(why))  # noqa: PLW0108 - `lost` may be set later

    async def check(self) -> None:
        """Check that the lease is held, before a call that changes something. Raises `StoppedError` if it is not."""
        try:
            await self._heartbeat.check()
        except OrchestratorError as error:
            taken = isinstance(error, TakenOverError)
            why = error.message if taken else f"the lease could not be renewed: {error.message}"
            self.lost(why)
            raise StoppedError(why) from error

    async def end(self) -> None:
        """Release the lease. Raises `CloudError`, `StartError`."""
        await self._heartbeat.end(lambda now: now.without(self._run_id) if now.of(self._run_id) is not None else None)

    def _beaten(self, registry: Registry) -> Registry | None:
        return registry.with_beat(self._run_id) if registry.of(self._run_id) is not None else None

    def _taken(self, registry: Registry) -> str:
        newest = max(registry.holders, key=lambda one: one.fencing, default=None)
        by = f" by run {newest.run_id} ({newest.who})" if newest is not None and newest.fencing > self.fencing else ""
        return f"the lease on these functions was taken over{by}, because this run had not renewed it for too long"
