"""`show`: one run as the journal knows it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.app.session.options import state_dir_of
from orchestrator.errors import Exit
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.report.views import CommandResult, ResultView


def show_command(run: str, config: Path, state: Path | None, everything: bool) -> CommandResult:
    """Show one run: what became of each function, and every failure in full. Raises `JournalError`, `UsageError`."""
    with open_store(state_dir_of(config, state), read_only=True) as store:
        return CommandResult(Exit.DONE, ResultView(fold(store.events(store.find(run))), everything))
