"""`runs`: the runs that the journal knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.options import RunOptions, read_place, state_dir_of
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import Exit
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.store import open_store
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, RunsView


def runs_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """List the runs, the newest first; with --env those in that environment. Raises `JournalError`, and with --all as
    `list_all` does.

    | the journal | without --all                                   | with --all                                       |
    | ---         | ---                                             | ---                                              |
    | has runs    | all of them, of whatever manifest               | and those that only the bucket's records know    |
    | has none    | those of this manifest in the bucket's records, | all that the bucket has records of; nothing is   |
    |             | which are kept; how many others there are       | kept                                             |
    """
    options = read_place("runs", given)
    runs = known_runs(options)
    if given["everything"]:
        from orchestrator.app.session.records.listing import list_all  # noqa: PLC0415 - heavy, and seldom needed

        async def main(invocation: Invocation) -> CommandResult:
            found = await list_all(invocation, runs)
            return CommandResult(Exit.DONE, RunsView(tuple(run for run in found if _is_in(options, run))))

        return invoke(options, messages, main)
    if not runs:
        from orchestrator.app.session.records.fetching import fetch_for  # noqa: PLC0415 - heavy, and seldom needed

        fetched = fetch_for(options, messages)
        runs = known_runs(options)
        if not runs and fetched.said:
            messages.say(fetched.said)
    return CommandResult(Exit.DONE, RunsView(runs))


def known_runs(options: RunOptions) -> tuple[RunSummary, ...]:
    """List the runs of the journal, the newest first. Raises `JournalError`."""
    state_dir = state_dir_of(options.config, options.state_dir)
    since = alive_since(state_dir)
    with open_store(state_dir, read_only=True) as store:
        runs = [replace(run, alive=run.started_at >= since) for run in store.runs() if _is_in(options, run)]
        if any(run.paused for run in runs):
            from orchestrator.app.session.chains.paused import superseded_by  # noqa: PLC0415 - heavy, and seldom needed

            runs = [
                replace(run, superseded_by=superseded_by(store, run.id, state_dir)) if run.paused else run
                for run in runs
            ]
    return tuple(runs)


def _is_in(options: RunOptions, run: RunSummary) -> bool:
    return run.identity.is_in(options.environment)
