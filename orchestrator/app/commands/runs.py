"""`runs`: the runs that the journal knows."""

from __future__ import annotations

from pathlib import Path

from orchestrator.app.session.options import state_dir_of
from orchestrator.errors import Exit
from orchestrator.journal.store import open_store
from orchestrator.report.views import CommandResult, RunsView


def runs_command(config: Path, state: Path | None) -> CommandResult:
    """List the runs, the newest first. Raises `JournalError`."""
    with open_store(state_dir_of(config, state), read_only=True) as store:
        return CommandResult(Exit.DONE, RunsView(tuple(store.runs())))
