"""The lease of a run on its functions, where a bucket makes one possible, and what else lies in that bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.coordination.heartbeat import boottime_s
from orchestrator.coordination.lease import Lease, Leases
from orchestrator.coordination.local_lock import described, owner_of
from orchestrator.coordination.registry import NOT_LOOKED, Registry
from orchestrator.coordination.shared_record import RecordPlace, conditions_hold
from orchestrator.errors import CloudError, JournalError, OrchestratorError, StartError
from orchestrator.journal.condition_events import LeaseLost, LeaseTaken
from orchestrator.journal.events import Event
from orchestrator.model import Action, Plan
from orchestrator.model.live_state import UNKNOWN_CLOUD
from orchestrator.model.units import as_duration
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.plain_text import counted
from orchestrator.report.prunes.prune_text import size_words
from orchestrator.resilience.groups import beside
from orchestrator.resilience.stop import StoppedError

_END_S = 3.0  # for giving a lease up: a machine that is to go down kills us after ten


def leases_of(session: Session) -> Leases | None:
    """Open the registry of leases; without a bucket only the lock of the state folder keeps runs apart."""
    place = registry_place(session)
    if place is None:
        return None
    return Leases(
        place=place,
        run_id=session.run_id,
        owner=owner_of(session.request.state_dir),
        who=described(session.request.what),
        clock=session.world.clock,
        say=session.messages.say,
    )


def registry_place(session: Session) -> RecordPlace | None:
    """Say where the registry of leases is, None where there is no bucket to hold it in."""
    records, world = bucket_records(session.world), session.world
    if records is None:
        return None
    return RecordPlace(records, f"{world.storage.prefix}leases.json", boottime_s, world.rng, world.outage)


def probe_of(session: Session) -> str:
    """Name the object on which conditional writes are tried."""
    return f"{session.world.storage.prefix}conditions.json"


async def look(leases: Leases | None) -> Registry:
    """See who holds what, before what is live is read."""
    try:
        return await leases.look() if leases is not None else Registry()
    except CloudError:  # a refused token is best told by the API; the lease itself will tell of the rest
        return NOT_LOOKED


def to_change(plan: Plan) -> dict[str, str]:
    """Give the functions for which a plan does something: `folder/name` by key."""
    return {
        unit.key: f"{unit.spec.folder_id}/{unit.spec.name}"
        for unit in plan.units
        if unit.action not in (Action.UNCHANGED, Action.BLOCKED)
    }


@asynccontextmanager
async def leased(
    session: Session, leases: Leases | None, functions: Mapping[str, str], looked: Registry
) -> AsyncIterator[Lease | None]:
    """Hold a lease on these functions. None: there is nothing to hold, or no bucket to hold it in.

    Raises `LockHeldError`, `StartError`.
    """
    if leases is None or not functions:
        yield None
        return
    try:
        with session.stop.interruptible():
            if not await conditions_hold(leases.place, probe_of(session)):
                session.messages.warn(
                    f"{session.connection.storage_endpoint} ignores the conditions of writes (If-Match, If-None-Match):"
                    " two machines are not kept apart"
                )
            timeout_s = session.request.options.lock_timeout_s
            lease = await leases.acquire(functions, looked=looked, timeout_s=timeout_s)
    except CloudError as error:
        raise StartError(
            f"the leases in {leases.place.key} cannot be used: {with_facts(error)}",
            advice=error.advice or "the account needs to read and write there: storage.editor on the bucket",
        ) from error
    lease.lost = session.stop.lose
    try:
        async with beside(lease.keep):
            yield lease
    finally:
        await _end(lease, session.messages)


async def _end(lease: Lease, messages: Messages) -> None:
    with anyio.move_on_after(_END_S, shield=True) as scope:
        try:
            await lease.end()
        except OrchestratorError as error:
            messages.warn(f"the lease could not be given up, so other machines wait for half a minute: {error.message}")
    if scope.cancelled_caught:
        messages.warn(
            f"the lease could not be given up within {as_duration(_END_S)}, so other machines wait for half a minute"
        )


def guarded(session: Session, lease: Lease | None) -> Session:
    """Let nothing be asked of the cloud any more once the lease is lost, or the lock of the state folder."""

    async def guard() -> None:
        for held in session.locks:
            try:
                held.check()
            except JournalError as error:
                session.stop.lose(error.message)
                raise StoppedError(error.message) from error
        if lease is not None:
            await lease.check()

    return replace(session, world=replace(session.world, guard=guard))


def tell(lease: Lease | None, functions: int, session: Session, emit: Callable[[Event], None]) -> None:
    """Write down that the lease is held, and once it is lost."""
    if lease is None:
        return
    clock, stop = session.world.clock, session.stop

    def lost(why: str) -> None:
        if not stop.reason:
            emit(LeaseLost(clock(), why))
            session.messages.warn(why)
        stop.lose(why)

    lease.lost = lost
    emit(LeaseTaken(clock(), lease.fencing, functions))


def where_to(session: Session, planned: Planned) -> str:
    """Say in which environment, to which folders functions go, of which clouds, and as whom, where that is known."""
    folders = Counter(function.split("/", 1)[0] for function in to_change(planned.plan).values())
    parts = []
    clouds = dict[str, list[str]]()
    for folder_id, number in sorted(folders.items()):
        cloud = planned.live.clouds.get(folder_id, UNKNOWN_CLOUD)
        clouds.setdefault(cloud, []).append(f"{folder_id} ({number})" if len(folders) > 1 else folder_id)
    for cloud, named in clouds.items():
        parts.append(f"folder{'s' if len(named) > 1 else ''} {', '.join(named)}{f' of cloud {cloud}' if cloud else ''}")
    whom = f", as service account {session.connection.account}" if session.connection.account else ""
    what = f"{counted(folders.total(), 'function')} to change"
    if planned.prune is not None:
        what = f"{counted(planned.prune.goes, 'version')} of {counted(folders.total(), 'function')} to delete for good"
    said = [f"{what} in {' and '.join(parts)}"] if parts else []
    if planned.stored is not None and planned.stored.goes.number:
        goes = planned.stored.goes
        objects = (
            f"{counted(goes.number, 'object')} ({size_words(goes.size_bytes)}) of the bucket {planned.stored.bucket}"
        )
        said.append(objects if said else f"{objects} to delete for good")
    environment = session.request.manifest.environment
    return f"{f'environment {environment}: ' if environment else ''}{' and '.join(said)}{whom}"
