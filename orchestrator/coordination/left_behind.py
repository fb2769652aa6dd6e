"""What ended runs have left in shared records: records of jobs that no longer exist, leases of dead runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import StrEnum

from orchestrator.coordination.claim import Record
from orchestrator.coordination.heartbeat import Life, Watch
from orchestrator.coordination.lease import LEASE_TIMINGS
from orchestrator.coordination.registry import Holder, Registry, decode
from orchestrator.coordination.shared_record import Final, RecordPlace, Shared, Step, Wait, Write, ask
from orchestrator.journal.retention import DAY_S
from orchestrator.model.units import as_duration
from orchestrator.ports import PUT_AGAIN_AFTER_S

CLAIM_KEPT_S = 400 * DAY_S  # even a job that is due once a year has been called since


class ClaimKept(StrEnum):
    """Why the record of a job's due times is kept, the first reason that applies. `NOT`: it is deleted."""

    NOT = ""
    DECLARED = "of a job in the manifest"
    YOUNG = f"written in the last {CLAIM_KEPT_S / DAY_S:.0f} days"
    RUNNING = "of a due time that is being run"
    STOPPED = "of a due time that a breach has left undone"


def judge_claim(record: Record, age_s: float, *, declared: bool) -> ClaimKept:
    """Return why a claim is kept. Without its record the next call for its job runs nothing: due times count from then.

    | of a job in the manifest | written           | running, or left undone by a breach | goes  |
    | ---                      | ---               | ---                                 | ---   |
    | yes                      |                   |                                     | never |
    | no                       | in `CLAIM_KEPT_S` |                                     | no    |
    | no                       | before            | yes                                 | no    |
    | no                       | before            | no                                  | yes   |
    """
    if declared:
        return ClaimKept.DECLARED
    if age_s <= CLAIM_KEPT_S:
        return ClaimKept.YOUNG
    if record.running is not None:
        return ClaimKept.RUNNING
    return ClaimKept.STOPPED if record.breach is not None else ClaimKept.NOT


def held_long(registry: Registry, now: float) -> tuple[Holder, ...]:
    """Return the leases that are so old that their holders are probably dead. `now`: epoch seconds. Leases with an
    invalid time are left out.
    """
    return tuple(one for one in registry.holders if now - since_of(one) > PUT_AGAIN_AFTER_S - DAY_S)


def since_of(holder: Holder) -> float:
    """Return since when a lease is held, in epoch seconds on its holder's clock, infinity if unknown."""
    try:
        return datetime.strptime(holder.since, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")


async def find_dead(place: RecordPlace, suspects: Collection[Holder], say: Callable[[str], None]) -> tuple[Holder, ...]:
    """Watch leases until each holder is known to be alive or dead, and return the dead ones in their latest state. This
    takes half a minute, or no time if there are none to watch. Raises `CloudError`, `StartError`.
    """
    if not suspects:
        return ()
    watch, ids = Watch(LEASE_TIMINGS, place.boottime_s), {one.run_id for one in suspects}

    def decide(registry: Registry) -> Step[Registry, tuple[Holder, ...]]:
        watched = [one for one in registry.holders if one.run_id in ids]
        lives = watch.look({one.run_id: one.beat for one in watched})
        if Life.UNKNOWN in lives.values():
            names = ", ".join(f"run {one.run_id} ({one.who}) since {one.since}" for one in watched)
            return Wait(
                f"checking for {as_duration(LEASE_TIMINGS.dead_after_s)} whether it is alive: a lease of {names}"
            )
        return Final(tuple(one for one in watched if lives[one.run_id] is Life.DEAD))

    found, _ = await ask(Shared(place, decode), decide, look_s=LEASE_TIMINGS.look_s, say=say)
    return found


async def bury(place: RecordPlace, beats: Mapping[str, int]) -> int:
    """Remove the leases of dead runs from the registry. `beats`: the last beat of each; one with a newer beat stays.
    Returns how many were removed. Raises `CloudError`, `StartError`.
    """

    def decide(registry: Registry) -> Step[Registry, int]:
        gone = [one.run_id for one in registry.holders if beats.get(one.run_id) == one.beat]
        if not gone:
            return Final(0)
        left = registry
        for run_id in gone:
            left = left.without(run_id)
        return Write(left, len(gone))

    went, _ = await ask(Shared(place, decode), decide, look_s=LEASE_TIMINGS.look_s, say=lambda _: None)
    return went
