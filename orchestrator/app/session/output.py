"""What a person sees of a deployment: data on stdout, everything else on stderr."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict

import anyio
import orjson
import structlog

from orchestrator.app.session.options import LogOptions, RunOptions
from orchestrator.engine.bus import Listener
from orchestrator.errors import CloudError, InterruptedRunError, ManifestError, OrchestratorError, UsageError
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Plan, Prediction
from orchestrator.report import summary
from orchestrator.report.console import progress
from orchestrator.report.logs import LogListener, configure
from orchestrator.report.ndjson import EventFile
from orchestrator.report.prediction import prediction_text
from orchestrator.report.redact import Redactor
from orchestrator.report.stdout import data
from orchestrator.report.stream import is_terminal

_SHOWN_MAX = 20  # planned changes listed before a run; `plan` lists all
_UNCHANGED_MAX = 60  # functions up to which a plan names the unchanged ones too
_PROGRESS_S = 10.0
_logs_only: ContextVar[bool] = ContextVar("logs_only", default=False)  # --log-format json: programs read stderr
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)  # --log-level warning or error
_log = structlog.get_logger()


def say(text: str) -> None:
    """Tell the person something, on stderr."""
    if _logs_only.get():
        _log.info(text)
        return
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def mention(text: str) -> None:
    """Tell what is good to know, and nothing that is worth a mail from cron: not with --log-level warning."""
    if not _quiet.get():
        say(text)


def warn(text: str) -> None:
    """Warn the person."""
    if _logs_only.get():
        _log.warning(text)
        return
    say(f"warning: {text}")


def configure_logs(log: LogOptions, redactor: Redactor) -> None:
    """Set the logs up. Under a live display they start at warning, so that they do not bury it.

    As JSON they are all that stands on stderr, so that each of its lines can be read.
    """
    _logs_only.set(log.format == "json")
    _quiet.set(log.level in ("warning", "error"))
    live = is_terminal(sys.stderr) and not _logs_only.get()
    level = ("warning" if live else "info") if log.level == "auto" else log.level
    configure(level, log.format, sys.stderr, redactor)


def log_error(error: OrchestratorError) -> None:
    """Log what ends the command, with everything that `cli` would write of it as text."""
    facts = {"advice": error.advice} if error.advice else {}
    for mistake in error.mistakes if isinstance(error, ManifestError) else ():
        _log.error(mistake.rule, file=mistake.file, line=mistake.line, key=mistake.key)
    _log.error(error.message, exit_code=int(error.exit), **facts)


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


def show_plan(plan: Plan, *, whole: bool, as_json: bool, prediction: Prediction | None = None) -> None:
    """Show what will be done and why: all of it as data for a dry run, else the beginning on stderr."""
    if whole and as_json:
        rows = [
            {
                "function": unit.key,
                "action": unit.action,
                "reason": unit.reason,
                "folder_id": unit.spec.folder_id,
                "function_id": unit.function_id,
                "base_version_id": unit.base_version_id,
                "advice": unit.failure.advice if unit.failure is not None else "",
            }
            for unit in plan.units
        ]
        simulated = {"simulation": asdict(prediction)} if prediction is not None else {}
        data(orjson.dumps({"units": rows, "counts": _counts(plan), **simulated}, option=orjson.OPT_INDENT_2).decode())
        return
    counts = _counts(plan)
    if _logs_only.get() and not whole:
        _log.info("plan", **{action.replace(" ", "_"): count for action, count in counts.items()})
        return
    changes = [unit for unit in plan.units if unit.action is not Action.UNCHANGED]
    if whole and len(plan.units) <= _UNCHANGED_MAX:
        changes = list(plan.units)
    shown = changes if whole else changes[:_SHOWN_MAX]
    width = max((len(unit.key) for unit in shown), default=0)
    tell = data if whole else say
    for unit in shown:
        advice = f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""
        tell(f"  {unit.key:<{width}}  {unit.action:<11}  {unit.reason}{advice}")
    if len(changes) > len(shown):
        tell(f"  … and {len(changes) - len(shown)} more")
    told = ", ".join(f"{count} {action}" for action, count in counts.items())
    tell(f"plan: {told or 'nothing to do'}")
    if prediction is not None:
        tell(prediction_text(prediction))


def _counts(plan: Plan) -> dict[str, int]:
    counts = Counter(unit.action for unit in plan.units)
    return {str(action): counts[action] for action in Action if counts[action]}


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
async def displays(
    run_id: str, units: int, state: RunState, options: RunOptions, redactor: Redactor
) -> AsyncIterator[list[Listener]]:
    """Show progress, write logs and the event file for the length of a run."""
    display = progress(sys.stderr, total=units, state=state)
    listeners: list[Listener] = [LogListener(run_id), display]
    if options.events is not None:
        listeners.append(EventFile(options.events, run_id, redactor))
    async with anyio.create_task_group() as group:
        if _logs_only.get():
            group.start_soon(_log_progress, state, units)
        else:
            group.start_soon(display.run)
        try:
            yield listeners
        finally:
            group.cancel_scope.cancel()


async def _log_progress(state: RunState, units: int) -> None:
    while True:
        await anyio.sleep(_PROGRESS_S)
        _log.info("progress", ended=state.ended, functions=units, outcomes=dict(state.outcomes))


def show_result(state: RunState, *, as_json: bool) -> None:
    """Show what became of every function."""
    if as_json:
        data(orjson.dumps(summary.to_json(state), option=orjson.OPT_INDENT_2).decode())
        return
    width = shutil.get_terminal_size((110, 24)).columns
    parts = [summary.table(state, width=width), summary.failures(state), summary.headline(state)]
    data("\n\n".join(part for part in parts if part))
