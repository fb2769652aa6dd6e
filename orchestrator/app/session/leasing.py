"""The lease of a run on its functions, which needs a bucket, and the other objects in that bucket."""

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

_END_S = 3.0  # for releasing a lease: a machine that shuts down kills us after ten seconds


def leases_of(session: Session) -> Leases | None:
    """Open the registry of leases. Without a bucket only the lock of the state folder separates runs."""
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
    """Return the place of the registry of leases, None without a bucket."""
    records, world = bucket_records(session.world), session.world
    if records is None:
        return None
    return RecordPlace(records, f"{world.storage.prefix}leases.json", boottime_s, world.rng, world.outage)


def probe_of(session: Session) -> str:
    """Return the name of the object that tests conditional writes."""
    return f"{session.world.storage.prefix}conditions.json"


async def look(leases: Leases | None) -> Registry:
    """Return who holds what, before the live state is read."""
    try:
        return await leases.look() if leases is not None else Registry()
    except CloudError:  # a refused token is best reported by the API, everything else by the lease itself
        return NOT_LOOKED


def to_change(plan: Plan) -> dict[str, str]:
    """Return the functions that a plan changes: `folder/name` by key."""
    return {
        unit.key: f"{unit.spec.folder_id}/{unit.spec.name}"
        for unit in plan.units
        if unit.action not in (Action.UNCHANGED, Action.BLOCKED)
    }


@asynccontextmanager
async def leased(
    session: Session, leases: Leases | None, functions: Mapping[str, str], looked: Registry
) -> AsyncIterator[Lease | None]:
    """Hold a lease on these functions. Yields None where there are none, or no bucket.

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
                    " runs on two machines could collide"
                )
            timeout_s = session.request.options.lock_timeout_s
            lease = await leases.acquire(functions, looked=looked, timeout_s=timeout_s)
    except CloudError as error:
        raise StartError(
            f"the leases in {leases.place.key} cannot be used: {with_facts(error)}",
            advice=error.advice or "give the account read and write access: storage.editor on the bucket",
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
            messages.warn(f"the lease could not be released, so other machines wait for half a minute: {error.message}")
    if scope.cancelled_caught:
        messages.warn(
            f"the lease could not be released within {as_duration(_END_S)}, so other machines wait for half a minute"
        )


def guarded(session: Session, lease: Lease | None) -> Session:
    """Return a session that sends nothing once the lease, or the lock of the state folder, is lost."""

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
    """Emit that the lease is held, and later that it was lost."""
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
    """Return what changes: the environment, the folders and clouds of the functions, and the account, where known."""
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
        what = (
            f"{counted(planned.prune.goes, 'version')} of {counted(folders.total(), 'function')} to delete permanently"
        )
    said = [f"{what} in {' and '.join(parts)}"] if parts else []
    if planned.stored is not None and planned.stored.goes.number:
        goes = planned.stored.goes
        objects = (
            f"{counted(goes.number, 'object')} ({size_words(goes.size_bytes)}) of the bucket {planned.stored.bucket}"
        )
        said.append(objects if said else f"{objects} to delete permanently")
    environment = session.request.manifest.environment
    return f"{f'environment {environment}: ' if environment else ''}{' and '.join(said)}{whom}"
