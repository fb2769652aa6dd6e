"""`run NAME` and `jobs`: the jobs of a manifest, run, shown on a board, listed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from orchestrator.app.commands.deploy import carry_out
from orchestrator.app.commands.validate import ANY_FOLDER
from orchestrator.app.session.command import run
from orchestrator.app.session.due import run_if_due, schedule_of
from orchestrator.app.session.options import RunOptions, read_options
from orchestrator.app.session.planning import job_desires, plan_job
from orchestrator.app.session.selecting import last_run
from orchestrator.app.session.session import Session, hold_lock, open_session, read_request
from orchestrator.errors import Exit
from orchestrator.job.binding import Binding, bind, timezone_of
from orchestrator.job.files import FileJob, find_job, known_jobs
from orchestrator.manifest.load import load
from orchestrator.manifest.schedule import next_due
from orchestrator.model import JobSpec
from orchestrator.report.board import board_json, board_text
from orchestrator.report.columns import aligned
from orchestrator.report.redact import Redactor
from orchestrator.report.stdout import data
from orchestrator.resilience.stop import Stop


def run_command(given: Mapping[str, Any]) -> int:
    """Run `run NAME` as typed. Raises `OrchestratorError` where it cannot start."""
    return run(read_options("run", given), _run)


async def _run(options: RunOptions, stack: AsyncExitStack, stop: Stop, redactor: Redactor) -> int:
    with stop.interruptible():
        request = read_request(options, os.environ)
        binding = bind(request.manifest, options.job, options.parameters, datetime.now(UTC))
        # A board can be looked at, and a due time asked for, while a run holds the lock; the sandbox has one user.
        if options.sandbox or not (options.status or options.due):
            await hold_lock(stack, request)
        session = await open_session(stack, request, stop, redactor)
        if options.status:
            return await _show_board(session, binding)

    async def work(run_key: str = "") -> int:
        with stop.interruptible():
            if options.due and not options.sandbox:
                await hold_lock(stack, request)
        return await carry_out(session, partial(plan_job, session, binding, run_key=run_key))

    return await (run_if_due(session, binding, work) if options.due else work())


async def _show_board(session: Session, binding: Binding) -> int:
    options = session.request.options
    _, desired = await job_desires(session, binding)
    last = last_run(session.request.state_dir, session.endpoint, verb=options.verb)
    if options.output == "json":
        data(orjson.dumps(board_json(desired.board, last), option=orjson.OPT_INDENT_2).decode())
    else:
        data(board_text(desired.board, last, width=_width()))
    return Exit.DONE


def jobs_command(config: Path, output: str, echo: Callable[[str], None]) -> int:
    """List the jobs of the manifest with their next due time, then those that it can bind. Raises `UsageError`."""
    manifest = load(config, {"YC_FOLDER_ID": ANY_FOLDER, **os.environ})
    project = manifest.path.absolute().parent
    now = datetime.now(UTC)
    known = {name: find_job(name, project) for name in known_jobs(project)}
    bound = [
        {
            "job": spec.name,
            "run": spec.run,
            "schedule": spec.parameters.get("schedule"),
            "timezone": timezone_of(spec),
            "next_due": _next_due(spec, now),
            "place": f"{spec.place.file}:{spec.place.line}",
        }
        for spec in manifest.jobs.values()
    ]
    if output == "json":
        described = {name: {"about": job.about, "parameters": _parameters(job)} for name, job in known.items()}
        echo(orjson.dumps({"jobs": bound, "known": described}, option=orjson.OPT_INDENT_2).decode())
        return Exit.DONE
    if bound:
        rows = [[str(row[key] or "-") for key in ("job", "run", "schedule", "next_due", "place")] for row in bound]
        echo(aligned(("job", "runs", "schedule", "next due", "at"), rows, width=_width()))
    else:
        echo(f"{config} binds no job yet: add a table [jobs.NAME] with `run` and the parameters of one of these")
    for name, job in known.items():
        echo(f"\n{name}: {job.about}")
        for key, one in _parameters(job).items():
            echo(f"  {key}{' (required)' if one['required'] else ''}: {one['description']}")
    return Exit.DONE


def _next_due(spec: JobSpec, now: datetime) -> str | None:
    """Give the next due time in the job's own time zone."""
    schedule = schedule_of(spec)
    at = next_due(schedule, now) if schedule is not None else None
    return at.astimezone(ZoneInfo(timezone_of(spec))).isoformat(timespec="minutes") if at is not None else None


def _parameters(job: FileJob) -> dict[str, dict[str, Any]]:
    return {
        name: {"description": one.description, "required": one.required, "default": one.default}
        for name, one in job.PARAMETERS.items()
    }


def _width() -> int:
    return shutil.get_terminal_size((160, 24)).columns
