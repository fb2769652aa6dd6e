"""The runs of the journal, and a named run with its account: from the journal, or else from the bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orchestrator.app.session.options import RunOptions, state_dir_of
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import UsageError
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.store import Store, open_store
from orchestrator.report.messages import Messages

if TYPE_CHECKING:
    from orchestrator.report.account.values import Account

T = TypeVar("T")


def known_runs(options: RunOptions) -> tuple[RunSummary, ...]:
    """Return the runs of the journal, newest first. Raises `JournalError`."""
    state_dir = state_dir_of(options.config, options.state_dir)
    since = alive_since(state_dir)
    with open_store(state_dir, read_only=True) as store:
        runs = [
            replace(run, alive=run.started_at >= since)
            for run in store.runs()
            if run.identity.is_in(options.environment)
        ]
        if any(run.paused for run in runs):
            from orchestrator.app.session.chains.paused import superseded_by  # noqa: PLC0415 - heavy, and seldom needed

            runs = [
                replace(run, superseded_by=superseded_by(store, run.id, state_dir)) if run.paused else run
                for run in runs
            ]
    return tuple(runs)


def known_run(options: RunOptions, messages: Messages, named: str, find: Callable[[Store], T]) -> T:
    """Find data of a run in the journal. A run that is not there is searched in the bucket's records, and stored.

    Raises `UsageError` as `find` does, and `JournalError`.
    """
    state_dir = state_dir_of(options.config, options.state_dir)
    try:
        with open_store(state_dir, read_only=True) as store:
            return find(store)
    except UsageError:
        from orchestrator.app.session.chains.finding import found_after  # noqa: PLC0415 - heavy, and seldom needed
        from orchestrator.app.session.records.fetching import fetch_for  # noqa: PLC0415

        return found_after(state_dir, fetch_for(options, messages, named), find)


def known_account(options: RunOptions, messages: Messages, named: str) -> Account:
    """Return the account of the chain of a run. Raises as `known_run` does."""
    state_dir = state_dir_of(options.config, options.state_dir)
    return known_run(
        options, messages, named, lambda store: read_account(store, store.find(named, options.environment), state_dir)
    )


def read_account(store: Store, run_id: str, state_dir: Path) -> Account:
    """Return the account of the chain of a run, as far as the journal has it now. Raises `JournalError`."""
    from orchestrator.app.session.chains.next_lines import next_lines  # noqa: PLC0415 - the same
    from orchestrator.report.account.accounting import Accounting  # noqa: PLC0415 - `show` does not need it
    from orchestrator.report.account.accounts import account_of  # noqa: PLC0415

    found = Accounting()
    for one in store.chain(run_id):
        for event in store.events(one):
            found(event)
    alive = (found.state.started_at or 0.0) >= alive_since(state_dir)
    back = store.taken_back_by(found.state)
    lines = next_lines(found.state, back, alive=alive)
    return account_of(found, time.time(), alive=alive, back=back, next_lines=lines)
