"""`show`: one run as the journal knows it, with all that took it up."""

from __future__ import annotations

from pathlib import Path

from orchestrator.app.session.options import state_dir_of
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import Exit
from orchestrator.journal.store import open_store
from orchestrator.report.views import CommandResult, ResultView


def show_command(run: str, config: Path, state: Path | None, everything: bool) -> CommandResult:
    """Show the chain of a run: what became of each function, and every failure in full.

    Raises `JournalError`, `UsageError`.
    """
    state_dir = state_dir_of(config, state)
    with open_store(state_dir, read_only=True) as store:
        chain = store.chain_state(store.find(run))
    alive = (chain.started_at or 0.0) >= alive_since(state_dir)
    return CommandResult(Exit.DONE, ResultView(chain, everything, history=True, alive=alive))
