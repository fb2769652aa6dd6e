"""The heartbeat: a part of a shared record belongs to a run as long as its beats in that record continue.

The record changes only by compare-and-set. Clocks of two machines are never compared. A holder counts as dead if its
beat has not changed for `dead_after_s` on the watcher's clock. On its own clock, it is sure of what it holds for
`give_up_s` after it began to write its last beat. Both clocks continue while the machine sleeps. Between a holder's
check of its clock and the arrival of a call there is a gap that no client can close. The request may be in transit for
longer than the difference of the two.

What is in the record belongs to the payload: leases (`lease`, `registry`), claims on due times (`claim`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic

import anyio

from orchestrator.coordination.shared_record import Copy, R, Shared
from orchestrator.errors import OrchestratorError


class TakenOverError(OrchestratorError):
    """The record has no part of this run any more."""


@dataclass(frozen=True, slots=True)
class Timings:
    """The intervals of one kind of heartbeat. `give_up_s` + `beat_s` is less than `dead_after_s`."""

    beat_s: float  # between two beats
    give_up_s: float  # without a written beat: the holder is no longer sure
    dead_after_s: float  # without an observed beat: others may take over
    look_s: float  # between two checks of another's beat


def boottime_s() -> float:
    """Return the time of the clock that continues while the machine sleeps."""
    # macOS has no CLOCK_BOOTTIME, but its CLOCK_MONOTONIC continues while the machine sleeps.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Life(Enum):
    """What a watcher can say about a holder."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Seen:
    """A holder as its watcher has seen it: the beat, since when it is the same, and whether a write was observed."""

    beat: int
    since_s: float  # on the watcher's clock
    wrote: bool = False

    def then(self, beat: int, now_s: float) -> Seen:
        """Return the state after another check."""
        return self if beat == self.beat else Seen(beat, now_s, wrote=True)

    def life(self, now_s: float, dead_after_s: float) -> Life:
        """Return the judgment.

        | the same beat for | seen to write | life    |
        | ---               | ---           | ---     |
        | ≥ `dead_after_s`  |               | DEAD    |
        | less              | yes           | ALIVE   |
        | less              | no            | UNKNOWN |
        """
        if now_s >= self.since_s + dead_after_s:
            return Life.DEAD
        return Life.ALIVE if self.wrote else Life.UNKNOWN


class Watch:
    """What a waiting run has seen of others' beats. `boottime_s`: its own clock."""

    def __init__(self, timings: Timings, boottime_s: Callable[[], float]) -> None:
        self._dead_after_s, self._boottime_s = timings.dead_after_s, boottime_s
        self._seen: dict[str, Seen] = {}

    @property
    def waited(self) -> bool:
        """Whether it ever had to wait for another run."""
        return bool(self._seen)

    def look(self, beats: Mapping[str, int]) -> dict[str, Life]:
        """Judge the runs that block this one, from their present beats. A run that appears during the watch has just
        written.
        """
        now_s, watching = self._boottime_s(), self.waited
        for run_id, beat in beats.items():
            before = self._seen.get(run_id, Seen(beat, now_s, wrote=watching))
            self._seen[run_id] = before.then(beat, now_s)
        return {run_id: self._seen[run_id].life(now_s, self._dead_after_s) for run_id in beats}


@dataclass(frozen=True, slots=True)
class Payload(Generic[R]):
    """What a run owns in a record.

    `beaten` returns the record with our beat incremented, None if we own nothing any more; then `taken` returns why.
    `unsure`: the message if the holder stops as soon as it is not sure; "" if it asks `check` before each call, and may
    wait.
    """

    timings: Timings
    beaten: Callable[[R], R | None]
    taken: Callable[[R], str]
    unsure: str = ""


class Heartbeat(Generic[R]):
    """Keeps what a run owns in a record. `copy`: the record with it."""

    def __init__(self, shared: Shared[R], payload: Payload[R], copy: Copy[R]) -> None:
        self._shared, self._payload, self._copy = shared, payload, copy
        self._written_at_s = copy.written_at_s
        self._writing = anyio.Lock()
        self._ended = False
        self._taken = ""  # why it is lost

    @property
    def sure(self) -> bool:
        """Whether it is certain, from the clock alone, that no other run can hold it."""
        return not (self._ended or self._taken) and self._age_s() < self._payload.timings.give_up_s

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Write beats until cancelled. Calls `lost` with the reason, once, if what we hold is lost."""
        timings, unsure = self._payload.timings, self._payload.unsure
        while not self._ended:
            await anyio.sleep(timings.beat_s)
            # A holder that must stop in time does not wait for one slow write until others may take over.
            left_s = max(timings.give_up_s - self._age_s(), timings.beat_s) if unsure else timings.give_up_s
            try:
                with anyio.fail_after(left_s):
                    await self._renew()
            except TakenOverError as error:
                lost(error.message)
                return
            except (OrchestratorError, TimeoutError):
                if unsure and self._age_s() >= timings.give_up_s:
                    lost(unsure)
                    return

    async def check(self) -> None:
        """Check that it is still ours, by a new beat if the last one is too old.

        Raises `TakenOverError` if it is not, another `OrchestratorError` if that cannot be found out.
        """
        if self._taken:
            raise TakenOverError(self._taken)
        while not (self._ended or self.sure):  # again if this machine was suspended while the beat was written
            await self._renew(only_if_unsure=True)

    async def end(self, without: Callable[[R], R | None]) -> None:
        """Write the record `without` what is ours (None: nothing is). May be repeated. Raises as `Shared.read`."""
        async with self._writing:
            self._ended = True
            while (left := without(self._copy.record)) is not None:
                self._copy = await self._shared.write(left, self._copy)

    def _age_s(self) -> float:
        return self._shared.place.boottime_s() - self._written_at_s

    async def _renew(self, *, only_if_unsure: bool = False) -> None:
        async with self._writing:
            while not (self._ended or (only_if_unsure and self.sure)):
                beaten = self._payload.beaten(self._copy.record)
                if beaten is None:
                    self._taken = self._payload.taken(self._copy.record)
                    raise TakenOverError(self._taken)
                self._copy = await self._shared.write(beaten, self._copy)
                # Without a response, an equal beat may be from an earlier attempt: others have seen it for longer.
                if self._copy.answered:
                    self._written_at_s = self._copy.written_at_s
                    return
