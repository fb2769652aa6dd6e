"""The record of a run in the bucket: written before the first change, at each wave, at a breach and at the end.

Machines without the run in their journal read it, see `records/fetching.py`. `PREFIX/runs/RUN.json` is the run;
`PREFIX/runs/index.json` names the newest, since a bucket is not listed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.records.index import IndexRow, change_index
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.journal.events import Breached, Event, RunStarted
from orchestrator.journal.record import RunRecord, read_index, read_record
from orchestrator.journal.rollout_events import RunPaused, WaveStarted
from orchestrator.journal.runs import Link
from orchestrator.journal.state import RunState
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts
from orchestrator.resilience.groups import beside

T = TypeVar("T")
_INDEXED = 500  # runs in the index; older records stay in the bucket until they are pruned
_END_S = 3.0  # for the last write: a machine that shuts down kills us after ten seconds


class Recorder:
    """Keeps the record of one run. A failed write is reported once: the journal of this machine has everything.

    `chain`: the runs that it resumes, newest last. `takes_back`: the IDs of runs that it rolls back. The bucket has no
    record of a run that sent nothing, so the record refers to the last one that has a record.
    """

    def __init__(
        self,
        session: Session,
        records: Records,
        chain: Sequence[Link] = (),
        *,
        takes_back: Sequence[str] = (),
        lost: str = "so only this machine can resume it",
    ) -> None:
        self._chain = chain
        self._takes_back = takes_back
        self._lost = lost
        self._session = session
        self._records = records
        self._record = RunRecord()
        self._due = anyio.Event()
        self._etag: str | None = None
        self._begun = self._broken = False

    def __call__(self, event: Event) -> None:
        self._record(event)
        if isinstance(event, WaveStarted | Breached | RunPaused):
            self._due.set()

    async def keep(self) -> None:
        """Write the record at each wave and at a breach, until cancelled."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            await self.write()

    async def begin(self) -> None:
        """Write the record and add it to the index. Nothing is written before that: a run without changes leaves
        nothing to resume.
        """
        self._begun = True
        await self.write(first=True)

    async def _follow(self) -> None:
        """Make the record follow an existing one: others know the chain only from the bucket."""
        started = self._record.run[0]
        if not isinstance(started, RunStarted):
            return
        before = await last_recorded(self._session, self._records, [link.run_id for link in self._chain])
        back = await last_recorded(self._session, self._records, self._takes_back)
        resumes, rolls_back = before or started.resumes, back or started.rolls_back
        self._record.run[0] = replace(started, resumes=resumes, rolls_back=rolls_back)

    async def write(self, *, first: bool = False) -> None:
        """Write the current state."""
        if self._broken or not self._begun:
            return
        prefix = records_folder(self._session)
        try:
            if first:
                await self._follow()
            key = f"{prefix}{self._session.run_id}.json"
            self._etag = await self._put(key, self._record.encode(), self._etag)
            if first:
                await self._index(f"{prefix}index.json")
        except (CloudError, InterruptedRunError) as error:
            self._broken = True
            cause = with_facts(error) if isinstance(error, CloudError) else error.message
            self._session.messages.warn(f"the record of the run cannot be written, {self._lost}: {cause}")

    async def end(self) -> None:
        """Write how the run ended, if that is possible in time."""
        with anyio.move_on_after(_END_S, shield=True):
            await self.write()

    async def _put(self, key: str, body: bytes, etag: str | None) -> str | None:
        records = self._records
        if etag is None:
            made = await self._safely(partial(records.create, key, body))
        else:
            made = await self._safely(partial(records.replace, key, body, etag))
        if made is not None:
            return made
        found = await self._safely(partial(records.read, key))  # a response was lost: the record is ours
        return await self._safely(partial(records.replace, key, body, found[1])) if found is not None else None

    async def _index(self, key: str) -> None:
        started = next(event for event in self._record.run if isinstance(event, RunStarted))

        def with_row(rows: list[IndexRow]) -> list[IndexRow]:
            others = (row for row in rows if row["run_id"] != started.run_id)
            return [{"run_id": started.run_id, "endpoint": started.endpoint}, *others][:_INDEXED]

        await change_index(self._records, key, with_row, self._session.world)

    async def _safely(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._session.world.read(call)


def records_folder(session: Session) -> str:
    """Return the key prefix of the run records, with its slash."""
    return f"{session.world.storage.prefix}runs/"


async def recorded_runs(session: Session, records: Records) -> list[str] | None:
    """Return the IDs of this installation's runs in the index, newest first; None without an index.

    Raises `CloudError`, and `ValueError` for an unreadable index.
    """
    index = await session.world.read(partial(records.read, f"{records_folder(session)}index.json"))
    if index is None:
        return None
    return [row["run_id"] for row in read_index(index[0]) if row["endpoint"] == session.endpoint]


async def recorded_events(session: Session, records: Records, run_id: str, *, keep: bool = False) -> list[Event]:
    """Return the events of a run's record, empty without one. `keep`: store its summary, see `EndedRuns`.

    Raises as `recorded_runs` does.
    """
    key = f"{records_folder(session)}{run_id}.json"
    found = await session.world.read(partial(records.read, key))
    if found is None:
        return []
    if keep:
        session.ended_runs.take(key, found[0])
    return read_record(found[0])


async def last_recorded(session: Session, records: Records, chain: Sequence[str]) -> str:
    """Return the ID of the last run of a chain with a record in the bucket, "" for none. Raises `CloudError`."""
    for run_id in reversed(chain):
        if await session.world.read(partial(records.read, f"{records_folder(session)}{run_id}.json")) is not None:
            return run_id
    return ""


@asynccontextmanager
async def recorded(
    session: Session, chain: Sequence[Link] = (), takes_back: Sequence[str] = ()
) -> AsyncIterator[Recorder | None]:
    """Keep the record of a run while the block lasts. Yields None without a bucket. `chain`, `takes_back`: see
    `Recorder`.
    """
    records = bucket_records(session.world)
    if records is None:
        yield None
        return
    recorder = Recorder(session, records, chain, takes_back=takes_back)
    try:
        async with beside(recorder.keep):
            yield recorder
    finally:
        await recorder.end()


async def record_given_up(session: Session, before: RunState, started: RunStarted, *said: Event) -> None:
    """Write the run that gave a chain up, where the bucket has a record of one of the chain's runs.

    Raises `CloudError`.
    """
    records = bucket_records(session.world)
    if records is None:
        return
    if not await last_recorded(session, records, [link.run_id for link in before.chain]):
        return
    lost = "so other machines may still resume what was given up"
    recorder = Recorder(replace(session, run_id=started.run_id), records, before.chain, lost=lost)
    for event in (started, *said):
        recorder(event)
    await recorder.begin()
