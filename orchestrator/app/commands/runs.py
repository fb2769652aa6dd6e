"""`runs` and `show`: what the journal knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson

from orchestrator.app.session.options import state_dir_of
from orchestrator.errors import Exit
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.report import summary


def runs_command(config: Path, state: Path | None, output: str, echo: Callable[[str], None]) -> int:
    """List the runs, the newest first."""
    with open_store(state_dir_of(config, state), read_only=True) as store:
        runs = store.runs()
    if output == "json":
        echo(orjson.dumps(summary.runs_json(runs), option=orjson.OPT_INDENT_2).decode())
    else:
        echo(summary.runs_table(runs) if runs else "no runs yet")
    return Exit.DONE


def show_command(
    run: str, config: Path, state: Path | None, output: str, everything: bool, echo: Callable[[str], None]
) -> int:
    """Show one run: what became of each function, and every failure in full."""
    with open_store(state_dir_of(config, state), read_only=True) as store:
        folded = fold(store.events(store.find(run)))
    if output == "json":
        echo(orjson.dumps(summary.to_json(folded), option=orjson.OPT_INDENT_2).decode())
        return Exit.DONE
    width = shutil.get_terminal_size((110, 24)).columns
    parts = [summary.table(folded, width=width, everything=everything), summary.failures(folded)]
    echo("\n\n".join([*(part for part in parts if part), summary.headline(folded)]))
    return Exit.DONE
