"""`runs`: lists the runs that the journal has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.known_run import known_runs
from orchestrator.app.session.options import read_place
from orchestrator.errors import Exit
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, RunsView


def runs_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """List the runs, newest first; with --env those of that environment. Raises `JournalError`, and with --all as
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
            return CommandResult(
                Exit.DONE, RunsView(tuple(run for run in found if run.identity.is_in(options.environment)))
            )

        return invoke(options, messages, main)
    if not runs:
        from orchestrator.app.session.records.fetching import fetch_for  # noqa: PLC0415 - heavy, and seldom needed

        fetched = fetch_for(options, messages)
        runs = known_runs(options)
        if not runs and fetched.said:
            messages.say(fetched.said)
    return CommandResult(Exit.DONE, RunsView(runs))
