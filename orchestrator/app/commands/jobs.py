"""`jobs`: lists the jobs of a manifest with their next due times, and the jobs that a manifest can use."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.app.session.due.due_place import in_environment, schedule_of
from orchestrator.app.session.options import ANY_FOLDER, RunOptions, state_dir_of
from orchestrator.coordination.due_files import known_stop
from orchestrator.errors import Exit
from orchestrator.job.binding import timezone_of
from orchestrator.job.files import find_job, known_jobs
from orchestrator.manifest.load import load_for_run
from orchestrator.manifest.schedule import next_due
from orchestrator.model import JobSpec, Manifest
from orchestrator.report.views import BoundJob, CommandResult, JobsView, KnownJob, OpenDue


def jobs_command(config: Path, *, verbose: bool = False, **chosen: Any) -> CommandResult:
    """List the jobs of the manifest with their next due times, then the jobs that it can use. Lists them for each
    environment where the manifest has some and none is chosen. Raises `UsageError`.
    """
    options = RunOptions("jobs", config, **chosen)
    first = _manifest(options)
    manifests = [first]
    if first.environments and not options.environment:
        manifests = [_manifest(replace(options, environment=name)) for name in first.environments]
    project = first.path.absolute().parent
    now = datetime.now(UTC)
    known = {name: find_job(name, project) for name in known_jobs(project)}
    state_dir = state_dir_of(config, None)
    bound = tuple(_bound(spec, now, one, state_dir) for one in manifests for spec in one.jobs.values())
    described = {name: KnownJob(job.about, job.PARAMETERS) for name, job in known.items()}
    environment = first.environment if manifests == [first] else ""
    return CommandResult(Exit.DONE, JobsView(config, bound, described, environment, verbose))


def _manifest(options: RunOptions) -> Manifest:
    return load_for_run(options.config, {"YC_FOLDER_ID": ANY_FOLDER, **os.environ}, choice=options.choice)


def _bound(spec: JobSpec, now: datetime, manifest: Manifest, state_dir: Path) -> BoundJob:
    schedule, timezone = schedule_of(spec), timezone_of(spec)
    at = next_due(schedule, now) if schedule is not None else None
    return BoundJob(
        spec.name,
        spec.run,
        spec.parameters.get("schedule"),
        timezone,
        at.astimezone(ZoneInfo(timezone)).isoformat(timespec="minutes") if at is not None else None,
        f"{spec.place.file}:{spec.place.line}",
        _open(in_environment(manifest, spec.name), state_dir),
        manifest.environment,
    )


def _open(job: str, state_dir: Path) -> OpenDue | None:
    """Return the due time that a breach left undone, as far as this machine knows."""
    breach = known_stop(state_dir, job)
    return OpenDue(breach.due_at, breach.run_id, breach.why) if breach is not None else None
