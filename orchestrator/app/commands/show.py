"""`show`: shows a run with its resumes, or a saved plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.app.session.known_run import known_run
from orchestrator.app.session.options import read_place, state_dir_of
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, ResultView


def show_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Show the chain of a run: the outcome of each function, and each failure in full. Runs that are not in the journal
    are searched in the bucket's records. The name of an existing file shows the plan in it.

    Raises `JournalError`, `UsageError`.
    """
    run, everything, timings = given["run"], given["everything"], given["timings"]
    options = read_place("show", given)
    state_dir = state_dir_of(options.config, options.state_dir)
    if Path(run).is_file():
        from orchestrator.app.session.saved.showing import saved_view  # noqa: PLC0415 - heavy, and seldom needed

        view = saved_view(Path(run), state_dir, messages)
        return CommandResult(Exit.DONE, replace(view, plan=replace(view.plan, verbose=everything)))
    if "/" in run or "." in run:  # no run ID has these
        what = " is a folder" if Path(run).is_dir() else ": no such file"
        raise UsageError(
            f"{run}{what}", advice="name the file of a saved plan, or a run: `orchestrator runs` lists them"
        )

    def find(store: Store) -> RunState:
        return store.chain_state(store.find(run, options.environment))

    chain = known_run(options, messages, run, find)
    alive = (chain.started_at or 0.0) >= alive_since(state_dir)
    with open_store(state_dir, read_only=True) as store:
        back = store.taken_back_by(chain)
    return CommandResult(Exit.DONE, ResultView(chain, everything, timings, history=True, alive=alive, back=back))
