"""`runs`: the runs that the journal knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.app.session.options import state_dir_of
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import Exit
from orchestrator.journal.store import open_store
from orchestrator.report.views import CommandResult, RunsView


def runs_command(config: Path, state: Path | None) -> CommandResult:
    """List the runs, the newest first. Raises `JournalError`."""
    state_dir = state_dir_of(config, state)
    since = alive_since(state_dir)
    with open_store(state_dir, read_only=True) as store:
        runs = tuple(replace(run, alive=run.started_at >= since) for run in store.runs())
    return CommandResult(Exit.DONE, RunsView(runs))
