"""A job bound to its parameters: what `run NAME` runs, and `jobs` lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.errors import ManifestError, UsageError
from orchestrator.job.contract import Job
from orchestrator.job.files import find_job, known_jobs, parameters, perhaps, rollout_of
from orchestrator.model import JobSpec, Manifest, Place
from orchestrator.planning.selection import expanded

DEFAULT_TIMEZONE = "UTC"


@dataclass(frozen=True, slots=True)
class Binding:
    """One [jobs.NAME] with its job loaded. `given`: as `Job` takes it."""

    name: str
    spec: JobSpec
    job: Job
    given: Mapping[str, Any]


def timezone_of(spec: JobSpec) -> str:
    """Give the time zone that a job's schedule, and its "today", are in."""
    return str(spec.parameters.get("timezone") or DEFAULT_TIMEZONE)


def bind(manifest: Manifest, name: str, typed: Mapping[str, str], now: datetime) -> Binding:
    """Load the job of [jobs.NAME]; one without a table there runs on `--param` (`typed`) alone.

    Texts that begin with @ in a list parameter are files of names. Raises `ManifestError`, `UsageError`, `JobError`.
    """
    project = manifest.path.absolute().parent
    spec = manifest.jobs.get(name)
    if spec is None:
        if name not in known_jobs(project):
            raise _unknown(manifest, name)
        spec = JobSpec(name, name, {}, Place(manifest.path.name, 0))
    if spec.mistakes:
        raise ManifestError(spec.mistakes)
    job = find_job(spec.run, project)
    given = {
        key: expanded(value) if isinstance(value, tuple) and all(isinstance(item, str) for item in value) else value
        for key, value in parameters(job, spec, typed).items()
    }
    given["today"] = now.astimezone(ZoneInfo(timezone_of(spec))).date()
    given["rollout"] = rollout_of(spec, manifest)
    return Binding(name, spec, job, given)


def _unknown(manifest: Manifest, name: str) -> UsageError:
    known = [*manifest.jobs, *known_jobs(manifest.path.absolute().parent)]
    bound = ", ".join(sorted(manifest.jobs)) or "none"
    return UsageError(
        f'{manifest.path.name} has no job "{name}"',
        advice=f"{perhaps(name, known)}[jobs.*] there: {bound}; see `orchestrator jobs`",
    )
