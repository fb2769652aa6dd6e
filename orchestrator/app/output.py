"""What a person sees of a deployment: data on stdout, everything else on stderr."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import orjson

from orchestrator.app.options import DeployOptions, LogOptions
from orchestrator.app.stdout import data
from orchestrator.errors import CloudError, InterruptedRunError, UsageError
from orchestrator.model import Action, Plan
from orchestrator.pipeline.bus import Listener
from orchestrator.report import summary
from orchestrator.report.console import progress
from orchestrator.report.logs import LogListener, configure
from orchestrator.report.ndjson import EventFile
from orchestrator.state import RunState

_SHOWN_MAX = 20  # planned changes listed before a run; `--dry-run` lists all


def say(text: str) -> None:
    """Tell the person something, on stderr."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """Warn the person."""
    say(f"warning: {text}")


def configure_logs(log: LogOptions) -> None:
    """Set the logs up. Under a live display they start at warning, so that they do not bury it."""
    level = ("warning" if sys.stderr.isatty() else "info") if log.level == "auto" else log.level
    configure(level, log.format, sys.stderr)


def with_facts(error: CloudError) -> str:
    """Write an error with everything that support would ask for."""
    facts = {
        "call": error.call,
        "HTTP": error.http_status,
        "request id": error.request_id,
        "server trace id": error.server_trace_id,
        "client request id": error.client_request_id,
    }
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    return f"{error.message} ({told})"


def show_plan(plan: Plan, *, whole: bool, as_json: bool) -> None:
    """Show what will be done and why: all of it as data for a dry run, else the beginning on stderr."""
    if whole and as_json:
        rows = [
            {"function": unit.key, "action": unit.action, "reason": unit.reason, "folder_id": unit.spec.folder_id}
            for unit in plan.units
        ]
        data(orjson.dumps({"units": rows}, option=orjson.OPT_INDENT_2).decode())
        return
    changes = [unit for unit in plan.units if whole or unit.action is not Action.UNCHANGED]
    shown = changes if whole else changes[:_SHOWN_MAX]
    width = max((len(unit.key) for unit in shown), default=0)
    tell = data if whole else say
    for unit in shown:
        tell(f"  {unit.key:<{width}}  {unit.action:<11}  {unit.reason}")
    if len(changes) > len(shown):
        tell(f"  … and {len(changes) - len(shown)} more")
    counts = Counter(unit.action for unit in plan.units)
    tell("plan: " + ", ".join(f"{counts[action]} {action}" for action in Action if counts[action]))


async def confirm(*, yes: bool) -> None:
    """Ask whether to go on. Raises `UsageError` where nobody can be asked, `InterruptedRunError` for a no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this changes functions, and there is no terminal to ask on", advice="add --yes")
    sys.stderr.write("Deploy? [y/N] ")
    sys.stderr.flush()
    await anyio.wait_readable(sys.stdin)  # a thread that reads could not be interrupted
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InterruptedRunError("not deployed: nothing was sent")


@asynccontextmanager
async def displays(run_id: str, units: int, state: RunState, options: DeployOptions) -> AsyncIterator[list[Listener]]:
    """Show progress, write logs and the event file for the length of a run."""
    display = progress(sys.stderr, total=units, state=state)
    listeners: list[Listener] = [LogListener(run_id), display]
    if options.events is not None:
        listeners.append(EventFile(options.events, run_id))
    async with anyio.create_task_group() as group:
        group.start_soon(display.run)
        try:
            yield listeners
        finally:
            group.cancel_scope.cancel()


def show_result(state: RunState, *, as_json: bool) -> None:
    """Show what became of every function."""
    if as_json:
        data(orjson.dumps(summary.to_json(state), option=orjson.OPT_INDENT_2).decode())
        return
    width = shutil.get_terminal_size((110, 24)).columns
    parts = [summary.table(state, width=width), summary.failures(state), summary.headline(state)]
    data("\n\n".join(part for part in parts if part))
