"""Copying runs of other machines from the bucket's records into the journal of this one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import RunOptions, storage_of
from orchestrator.app.session.records.recording import recorded_events, recorded_runs
from orchestrator.app.session.session import Session, open_session
from orchestrator.app.session.taking_up import Differs, Now, difference, endpoint_of, same_manifest
from orchestrator.app.session.typed import is_on
from orchestrator.errors import CloudError, Exit, OrchestratorError, StartError, UsageError
from orchestrator.journal.events import RunStarted
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult

_READ = 20  # runs read, newest first
_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of reading records. `kept`: how many runs are new in the journal. `others`: the IDs of runs of other
    manifests or environments, newest first, which stay in the bucket.
    """

    kept: int = 0
    others: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Return how to read the others, "" where there are none."""
        if not self.others:
            return ""
        number, newest = counted(len(self.others), "run"), self.others[0]
        return (
            f"{number} of other manifests or environments in this bucket: select one by its ID (newest: {newest});"
            " `orchestrator runs --all` lists them"
        )


NOT_FETCHED = Fetched()


async def fetch(invocation: Invocation, named: str = "") -> Fetched:
    """Read the newest runs of this manifest from its bucket into the journal. Of any manifest, read also the run whose
    ID begins with `named`, with its chain.

    Records that cannot be read are reported and then ignored. Raises `UsageError` for an unknown environment.
    """
    options = invocation.options
    try:
        request = read_request(invocation)
        in_sandbox = options.sandbox or is_on("ORCHESTRATOR_SANDBOX")  # `resume`, `show` and others have no --sandbox
        if in_sandbox or storage_of(request.manifest, options.bucket).bucket is None:
            return NOT_FETCHED
        now = Now("", endpoint_of(options, request.manifest), identity_of(options, request.manifest), request.state_dir)
        async with AsyncExitStack() as stack:
            session = await open_session(replace(invocation, stack=stack), request)
            return await read_runs(session, now, named=named)
    except OrchestratorError as error:
        if isinstance(error, UsageError) and options.environment:
            raise  # report the unknown environment instead of finding no run in it
        invocation.messages.warn(f"the run records in the bucket cannot be read: {error.message}")
        return NOT_FETCHED


def fetch_for(options: RunOptions, messages: Messages, named: str = "") -> Fetched:
    """Fetch runs for a command that makes no other calls to the cloud."""
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
    """Read a run and its resumes from the bucket into the journal, unless they are there.

    Raises `CloudError`, `JournalError`, and `StartError` for an unreadable record.
    """
    try:
        await _read_runs(session, lambda run: run.verb == session.request.options.verb, named=run_id)
    except ValueError as error:
        raise StartError(
            f"the record of run {run_id} in the bucket cannot be read: {error}", advice="upgrade orchestrator"
        ) from error


async def read_runs(session: Session, now: Now, *, named: str = "") -> Fetched:
    """Read the newest runs of the same scope into the journal, as `fetch` does. Records that cannot be read are
    reported.
    """

    def desired(run: RunState) -> bool:
        differs = difference(run, now)
        return differs is None or differs[0] is Differs.FOLDERS

    found = NOT_FETCHED
    try:
        found = await _read_runs(session, desired, named=named)
    except (CloudError, ValueError) as error:
        cause = with_facts(error) if isinstance(error, CloudError) else str(error)
        session.messages.warn(f"the run records in the bucket cannot be read: {cause}")
    if found.kept:
        session.messages.say(f"{counted(found.kept, 'run')} of other machines read from the bucket")
    return found


async def _read_runs(session: Session, desired: Callable[[RunState], bool], *, named: str = "") -> Fetched:
    """Read the newest runs of the scope that are not here yet, and the `named` run with its chain.

    Raises `CloudError`, `JournalError`, and `ValueError` for an unreadable record.
    """
    records = bucket_records(session.world)
    if records is None:
        return NOT_FETCHED
    rows = await recorded_runs(session, records) or []
    kept, others, about = 0, list[str](), list[Identity]()
    with open_store(session.request.state_dir) as store:
        here = {run.id: run for run in store.runs()}
        about += [store.chain_state(run_id).identity for run_id in here if named and run_id.startswith(named)]
        asked = _named(rows, named)
        due = list(dict.fromkeys([*asked, *_around(rows, asked), *rows[:_READ]]))
        for run_id in due:  # grows by the chains of the runs that are found
            events = await recorded_events(session, records, run_id) if run_id not in here else []
            if not events:
                continue
            run = fold(events)
            if run_id in asked:
                about.append(run.identity)
                before = (
                    link for one in events if isinstance(one, RunStarted) for link in (one.resumes, one.rolls_back)
                )
                due += [link for link in before if link and link not in due]
            if desired(run) or run_id in asked or any(same_manifest(run.identity, one) for one in about):
                store.keep(events)
                kept += 1
            else:
                others.append(run_id)
    return Fetched(kept, tuple(others))


def _named(rows: Sequence[str], named: str) -> list[str]:
    """Return the IDs that begin with what was typed. A complete one may be older than the index."""
    found = [run_id for run_id in rows if named and run_id.startswith(named)][:_READ]
    return found or ([named] if _RUN_ID.fullmatch(named) else [])


def _around(rows: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return the runs that came soon after the requested ones: they may have resumed them, or rolled them back."""
    last = next((number for number, run_id in enumerate(rows) if run_id in asked), 0)
    return list(rows[max(0, last - _READ) : last])
