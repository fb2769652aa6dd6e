"""The record of a run in the bucket: written before the first change, at each wave, at a breach, at the end.

It is read on a machine whose journal has no such run.

`PREFIX/runs/RUN.json` is the run; `PREFIX/runs/index.json` names the newest, since a bucket is not listed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import anyio

from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import RunOptions, storage_of
from orchestrator.app.session.session import Session, open_session
from orchestrator.app.session.taking_up import Differs, Now, difference, endpoint_of, same_manifest
from orchestrator.errors import CloudError, Exit, InterruptedRunError, OrchestratorError, StartError
from orchestrator.journal.events import Breached, Event, RunStarted
from orchestrator.journal.identity import Identity
from orchestrator.journal.record import RunRecord, encode_index, read_index, read_record
from orchestrator.journal.rollout_events import RunPaused, WaveStarted
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.ports import Records
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import beside

T = TypeVar("T")
_INDEXED = 500  # runs that the index names; records of older ones lie in the bucket until somebody removes them
_READ = 20  # runs that are read, the newest first
_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_TRIES = 8  # to write the index against others who do so as well
_END_S = 3.0  # for the last writing: a machine that is to go down kills us after ten


class Recorder:
    """Keeps the record of one run. What cannot be written is said once: the journal of this machine has it all."""

    def __init__(self, session: Session, records: Records, *, lost: str = "so only this machine can resume it") -> None:
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
        """Write the record whenever a wave begins, or a breach is seen, until cancelled."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            await self.write()

    async def begin(self) -> None:
        """Write the record, and name it in the index. Before that nothing is written: a run that changes nothing leaves
        nothing to take up.
        """
        self._begun = True
        await self.write(first=True)

    async def write(self, *, first: bool = False) -> None:
        """Write what is known by now."""
        if self._broken or not self._begun:
            return
        prefix = _folder(self._session)
        try:
            key = f"{prefix}{self._session.run_id}.json"
            self._etag = await self._put(key, self._record.encode(), self._etag)
            if first:
                await self._index(f"{prefix}index.json")
        except (CloudError, InterruptedRunError) as error:
            self._broken = True
            told = with_facts(error) if isinstance(error, CloudError) else error.message
            self._session.messages.warn(f"the run's record cannot be written, {self._lost}: {told}")

    async def end(self) -> None:
        """Write how it ended, if that can be done soon."""
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
        found = await self._safely(partial(records.read, key))  # an answer was lost: it is ours
        return await self._safely(partial(records.replace, key, body, found[1])) if found is not None else None

    async def _index(self, key: str) -> None:
        started = next(event for event in self._record.run if isinstance(event, RunStarted))
        for _ in range(_TRIES):
            found = await self._safely(partial(self._records.read, key))
            rows = [row for row in read_index(found[0] if found else b"") if row["run_id"] != started.run_id]
            body = encode_index([{"run_id": started.run_id, "endpoint": started.endpoint}, *rows][:_INDEXED])
            if found is None:
                made = await self._safely(partial(self._records.create, key, body))
            else:
                made = await self._safely(partial(self._records.replace, key, body, found[1]))
            if made is not None:
                return

    async def _safely(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._session.world.read(call)


def _folder(session: Session) -> str:
    return f"{session.world.storage.prefix}runs/"


@asynccontextmanager
async def recorded(session: Session) -> AsyncIterator[Recorder | None]:
    """Keep the record of a run for as long as it lasts. None where there is no bucket to keep it in."""
    records = bucket_records(session.world)
    if records is None:
        yield None
        return
    recorder = Recorder(session, records)
    try:
        async with beside(recorder.keep):
            yield recorder
    finally:
        await recorder.end()


async def record_given_up(session: Session, before: RunState, started: RunStarted, *said: Event) -> None:
    """Write the run that has given a chain up, where the bucket has the record of one of the chain's runs.

    Raises `CloudError`.
    """
    records = bucket_records(session.world)
    if records is None:
        return
    for link in reversed(before.chain):
        if await session.world.read(partial(records.read, f"{_folder(session)}{link.run_id}.json")) is not None:
            session = replace(session, run_id=started.run_id)
            recorder = Recorder(session, records, lost="so other machines may still take up what was given up")
            for event in (replace(started, resumes=link.run_id), *said):  # others know the chain as far as it is there
                recorder(event)
            await recorder.begin()
            return


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of reading records. `kept`: how many runs were not in the journal yet; `others`: the ids of those that
    stay in the bucket, since they are of other manifests, the newest first.
    """

    kept: int = 0
    others: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Say how to come to the others, "" where there are none."""
        if not self.others:
            return ""
        number, newest = counted(len(self.others), "run"), self.others[0]
        return f"{number} of other manifests in this bucket: name one by its id (the newest: {newest})"


NOT_FETCHED = Fetched()


async def fetch(invocation: Invocation, named: str = "") -> Fetched:
    """Read the newest runs of this manifest from its bucket into the journal, and of whatever manifest that which is
    `named` by its id or the beginning of it, with what belongs with it.

    What cannot be read is said, and is as if it were not there.
    """
    options = invocation.options
    try:
        request = read_request(invocation)
        if options.sandbox or storage_of(request.manifest, options.bucket).bucket is None:
            return NOT_FETCHED
        now = Now("", endpoint_of(options, request.manifest), identity_of(options, request.manifest), request.state_dir)
        async with AsyncExitStack() as stack:
            session = await open_session(replace(invocation, stack=stack), request)
            return await read_runs(session, now, named=named)
    except OrchestratorError as error:
        invocation.messages.warn(f"the bucket's records of runs cannot be asked for: {error.message}")
        return NOT_FETCHED


def fetch_for(options: RunOptions, messages: Messages, named: str = "") -> Fetched:
    """Do so for a command that asks nothing else of the cloud."""
    found = NOT_FETCHED
    if not options.config.exists():
        return found

    async def main(invocation: Invocation) -> CommandResult:
        nonlocal found
        found = await fetch(invocation, named)
        return CommandResult(Exit.DONE)

    invoke(options, messages, main)
    return found


async def read_run(session: Session, run_id: str) -> None:
    """Read a run, and what took it up, from the bucket into the journal, as far as it is not there.

    Raises `CloudError`, `JournalError`, and `StartError` for a record that cannot be understood.
    """
    try:
        await _read_runs(session, lambda run: run.verb == session.request.options.verb, named=run_id)
    except ValueError as error:
        raise StartError(
            f"the record of run {run_id} in the bucket cannot be read: {error}", advice="upgrade orchestrator"
        ) from error


async def read_runs(session: Session, now: Now, *, named: str = "") -> Fetched:
    """Read the newest runs that are about the same into the journal, as `fetch` does. What cannot be read is said."""

    def wanted(run: RunState) -> bool:
        differs = difference(run, now)
        return differs is None or differs[0] is Differs.FOLDERS

    found = NOT_FETCHED
    try:
        found = await _read_runs(session, wanted, named=named)
    except (CloudError, ValueError) as error:
        told = with_facts(error) if isinstance(error, CloudError) else str(error)
        session.messages.warn(f"the records of runs in the bucket cannot be read: {told}")
    if found.kept:
        session.messages.say(f"{counted(found.kept, 'run')} of other machines read from the bucket")
    return found


async def _read_runs(session: Session, wanted: Callable[[RunState], bool], *, named: str = "") -> Fetched:
    """Read those of the newest runs that are wanted and not here yet, and what is `named` with what belongs with it.

    Raises `CloudError`, `JournalError`, and `ValueError` for a record that cannot be understood.
    """
    records = bucket_records(session.world)
    if records is None:
        return NOT_FETCHED
    index = await session.world.read(partial(records.read, f"{_folder(session)}index.json"))
    rows = [row["run_id"] for row in read_index(index[0] if index else b"") if row["endpoint"] == session.endpoint]
    kept, others, about = 0, list[str](), list[Identity]()
    with open_store(session.request.state_dir) as store:
        here = {run.id: run for run in store.runs()}
        about += [store.chain_state(run_id).identity for run_id in here if named and run_id.startswith(named)]
        asked = _named(rows, named)
        due = list(dict.fromkeys([*asked, *_around(rows, asked), *rows[:_READ]]))
        for run_id in due:  # grows by what those belong with that are found
            key = f"{_folder(session)}{run_id}.json"
            found = await session.world.read(partial(records.read, key)) if run_id not in here else None
            events = read_record(found[0]) if found is not None else []
            if not events:
                continue
            run = fold(events)
            if run_id in asked:
                about.append(run.identity)
                before = (
                    link for one in events if isinstance(one, RunStarted) for link in (one.resumes, one.rolls_back)
                )
                due += [link for link in before if link and link not in due]
            if wanted(run) or run_id in asked or any(same_manifest(run.identity, one) for one in about):
                store.keep(events)
                kept += 1
            else:
                others.append(run_id)
    return Fetched(kept, tuple(others))


def _named(rows: Sequence[str], named: str) -> list[str]:
    """Give the ids that begin with what was typed; a whole one may be older than the index goes back."""
    found = [run_id for run_id in rows if named and run_id.startswith(named)][:_READ]
    return found or ([named] if _RUN_ID.fullmatch(named) else [])


def _around(rows: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Give the runs that came soon after those that were asked for: they may have taken them up, or back."""
    last = next((number for number, run_id in enumerate(rows) if run_id in asked), 0)
    return list(rows[max(0, last - _READ) : last])
