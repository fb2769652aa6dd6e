"""`jobs`: the jobs of a manifest with their next due time, and those that it can bind."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestrator.app.session.due import schedule_of
from orchestrator.app.session.options import ANY_FOLDER
from orchestrator.errors import Exit
from orchestrator.job.binding import timezone_of
from orchestrator.job.files import find_job, known_jobs
from orchestrator.manifest.load import load_for_run
from orchestrator.manifest.schedule import next_due
from orchestrator.model import JobSpec
from orchestrator.report.views import BoundJob, CommandResult, JobsView, KnownJob


def jobs_command(config: Path) -> CommandResult:
    """List the jobs of the manifest with their next due time, then those that it can bind. Raises `UsageError`."""
    manifest = load_for_run(config, {"YC_FOLDER_ID": ANY_FOLDER, **os.environ})
    project = manifest.path.absolute().parent
    now = datetime.now(UTC)
    known = {name: find_job(name, project) for name in known_jobs(project)}
    bound = tuple(_bound(spec, now) for spec in manifest.jobs.values())
    described = {name: KnownJob(job.about, job.PARAMETERS) for name, job in known.items()}
    return CommandResult(Exit.DONE, JobsView(config, bound, described))


def _bound(spec: JobSpec, now: datetime) -> BoundJob:
    schedule, timezone = schedule_of(spec), timezone_of(spec)
    at = next_due(schedule, now) if schedule is not None else None
    return BoundJob(
        spec.name,
        spec.run,
        spec.parameters.get("schedule"),
        timezone,
        at.astimezone(ZoneInfo(timezone)).isoformat(timespec="minutes") if at is not None else None,
        f"{spec.place.file}:{spec.place.line}",
    )
