"""Finding a named run in the journal, or else in the bucket's records, whatever its manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.options import RunOptions, state_dir_of
from orchestrator.app.session.records.fetching import Fetched, fetch
from orchestrator.errors import UsageError
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.report.messages import Messages

T = TypeVar("T")


async def find_run(invocation: Invocation, named: str, find: Callable[[Store], T]) -> T:
    """Find a run in the journal, or in the bucket's records where the journal has no match. `named`: as typed.

    Raises `UsageError` as `find` does, with a hint about other runs in the bucket.
    """
    state_dir = state_dir_of(invocation.options.config, invocation.options.state_dir)
    try:
        with open_store(state_dir, read_only=True) as store:
            return find(store)
    except UsageError:
        fetched = await fetch(invocation, named)
    return found_after(state_dir, fetched, find)


def found_after(state_dir: Path, fetched: Fetched, find: Callable[[Store], T]) -> T:
    """Search again after the bucket's records were read. Raises `UsageError` with a hint about other runs in the
    bucket.
    """
    try:
        with open_store(state_dir, read_only=True) as store:
            return find(store)
    except UsageError as error:
        raise with_others(error, fetched) from None


def with_others(error: UsageError, fetched: Fetched) -> UsageError:
    """Return the error with a hint about runs of other manifests."""
    if not fetched.others:
        return error
    return UsageError(error.message, advice=f"{error.advice}; {fetched.said}" if error.advice else fetched.said)


def say_where(messages: Messages, run: RunState, typed: RunOptions, options: RunOptions) -> None:
    """Report by which manifest a run continues, where that is not the one of this folder, or not the run's own."""
    then = run.identity.manifest
    if typed.config_given or not then:
        return
    if str(options.config.absolute()) != then:
        messages.say(f"run {run.run_id} used {then}, which is not on this machine: using {options.config} instead")
    elif str(typed.config.absolute()) != then and typed.config.exists():
        messages.say(f"run {run.run_id} used {then}: using it instead of {typed.config}")
