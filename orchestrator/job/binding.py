"""A job bound to its parameters: what `run NAME` runs, and `jobs` lists."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.errors import ManifestError, NotHereError, OrchestratorError, UsageError
from orchestrator.job.contract import COMMON, Job, Parameter, flag, table, text, texts
from orchestrator.job.files import (
    FileJob,
    builtin_jobs,
    find_job,
    known_jobs,
    parameters,
    perhaps,
    rollout_of,
    wrong_parameters,
)
from orchestrator.manifest.environments.near import env_options
from orchestrator.manifest.schema import json_schema
from orchestrator.manifest.sections import JobCheck
from orchestrator.model import FunctionSpec, JobSpec, Manifest, Place
from orchestrator.model.live_state import LiveState
from orchestrator.planning.selection import expanded
from orchestrator.version.adoption import NOTHING, Adoption, adoption_of
from orchestrator.version.as_live import with_parts
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import differences

DEFAULT_TIMEZONE = "UTC"


def part_of(manifest: Manifest, spec: JobSpec) -> Manifest:
    """Return the part of a manifest that a job is about: all of it, or the functions of the file that declares the job.

    For such a file, only the folders of its own functions are included, not that of the main file.
    """
    if spec.functions is None:
        return manifest
    functions = {key: one for key, one in manifest.functions.items() if key in spec.functions}
    theirs = functions and all(one.folder_id for one in functions.values())
    cloud = replace(manifest.cloud, folder_id=None) if theirs else manifest.cloud
    return replace(manifest, functions=functions, cloud=cloud)


def live_part_of(live: LiveState, manifest: Manifest, spec: JobSpec) -> LiveState:
    """Return the live state of that part: if several files share a folder, a job of one of them sees only its own
    functions.
    """
    if spec.functions is None:
        return live
    own = part_of(manifest, spec).functions.values()
    names = {(one.folder_id, one.name) for one in own if one.id is None}
    ids = {one.id for one in own if one.id is not None}
    by_id = {key: one for key, one in live.by_id.items() if key in ids or (one.folder_id, one.name) in names}
    return replace(live, by_id=by_id, by_name={(one.folder_id, one.name): one for one in by_id.values()})


@dataclass(frozen=True, slots=True)
class Binding:
    """One [jobs.NAME] with its job loaded. `given`: as passed to `Job`."""

    name: str
    spec: JobSpec
    job: Job
    given: Mapping[str, Any]
    adopt: Adoption = NOTHING


def timezone_of(spec: JobSpec) -> str:
    """Return the time zone of a job's schedule, and of its "today"."""
    return str(spec.parameters.get("timezone") or DEFAULT_TIMEZONE)


def bind(
    manifest: Manifest, name: str, typed: Mapping[str, str], now: datetime, *, board_only: bool = False
) -> Binding:
    """Load the job of [jobs.NAME]. A job without such a table only has parameters from `--param` (`typed`).

    `board_only`: it only shows its board. Texts that begin with @ in a list parameter are files of names. Raises
    `ManifestError`, `UsageError`, `JobError`.
    """
    project = manifest.path.absolute().parent
    spec = manifest.jobs.get(name)
    if spec is None:
        if name in manifest.jobs_elsewhere:
            raise _not_here(manifest, name)
        if name not in known_jobs(project):
            raise _unknown(manifest, name)
        spec = JobSpec(name, name, {}, Place(manifest.path.name, 0))
    if spec.mistakes:
        raise ManifestError(spec.mistakes)
    job = find_job(spec.run, project)
    given = {
        key: _expanded(key, value, project, spec) if key not in typed else _expanded(key, value, Path(), None)
        for key, value in parameters(job, spec, typed).items()
    }
    given["today"] = now.astimezone(ZoneInfo(timezone_of(spec))).date()
    given["rollout"] = rollout_of(spec, manifest)
    given["board_only"] = board_only
    return Binding(name, spec, job, given, adoption_of(spec.parameters.get("adopt") or ()))


def _expanded(key: str, value: Any, folder: Path, spec: JobSpec | None) -> Any:
    """Return a list with its files of names expanded. Those of the manifest (`spec`) are relative to its folder."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        return value
    try:
        return expanded(value, folder)
    except UsageError as error:
        if spec is None:
            raise
        place = f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}.{key}"
        raise UsageError(f"{place}: {error.message}", advice=error.advice) from error


def job_check(project: Path, *, only: str | None = None, typed: Collection[str] = ()) -> JobCheck:
    """Return the check that finds wrong parameters while a manifest is read. `project`: its folder. `only`: the one job
    that is to run, with `typed` from --param.
    """

    def check(spec: JobSpec) -> Iterator[tuple[str, str]]:
        if only is not None and spec.name != only:
            return
        try:
            job = find_job(spec.run, project)
        except OrchestratorError as error:
            yield "run", f"{error.message}; {error.advice}"
        else:
            yield from wrong_parameters(job, spec, typed)

    return check


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of deploy.toml with the parameters of the built-in jobs. A project's own jobs take any
    parameters.
    """
    schema = json_schema()
    jobs = (FileJob(name, path) for name, path in builtin_jobs().items())
    schema["$defs"]["JobTable"]["allOf"] = [_schema_of(job, schema["$defs"]["JobTable"]) for job in jobs]
    return schema


def _schema_of(job: FileJob, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a [jobs.NAME] that runs this job. Keys that every such table may have are
    described there.
    """
    properties: dict[str, Any] = dict.fromkeys(COMMON, True)
    for name, parameter in job.PARAMETERS.items():
        known = name in table["properties"]
        properties[name] = {"description": parameter.description, **({} if known else _values(parameter))}
        if parameter.selects:
            properties[name]["minItems"] = 1
    then = {"properties": properties, "additionalProperties": False}
    required = [name for name, parameter in job.PARAMETERS.items() if parameter.required]
    if required:
        then["required"] = required
    return {"if": {"properties": {"run": {"const": job.name}}, "required": ["run"]}, "then": then}


_TEXT = {"type": "string"}
_BY_READER: Mapping[Any, dict[str, Any]] = {
    text: _TEXT,
    texts: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    flag: {"type": "boolean"},
    table: {"type": "object", "additionalProperties": _TEXT},
}


def _values(parameter: Parameter) -> dict[str, Any]:
    if parameter.keys:
        row = {"type": "object", "properties": dict.fromkeys(parameter.keys, True), "additionalProperties": False}
        return {"type": "array", "items": row}
    return _BY_READER.get(parameter.read, {})


def marked(name: str, manifest: Manifest, specs: Mapping[str, FunctionSpec]) -> dict[str, str]:
    """Return the job's name for each function that it makes different from deploy.toml, by key. Its changes are guarded
    when deploy.toml is deployed over them.
    """

    def as_declared(spec: FunctionSpec) -> bool:
        declared = manifest.functions.get(spec.key)
        desired = settings_fields(spec.settings, spec.settings.description)
        if declared is None:
            return False
        settings = with_parts(declared.settings, spec.settings, declared.as_live)
        return not differences(settings, desired, filled_in=True)

    return {key: name for key, spec in specs.items() if not as_declared(spec)}


def _not_here(manifest: Manifest, name: str) -> NotHereError:
    where = manifest.jobs_elsewhere[name]
    return NotHereError(
        name,
        f'job "{name}" does not exist here: its `environments` are {", ".join(where)}',
        advice=f"choose its environment, {env_options(where)}",
    )


def _unknown(manifest: Manifest, name: str) -> UsageError:
    known = [*manifest.jobs, *manifest.jobs_elsewhere, *known_jobs(manifest.path.absolute().parent)]
    own = f"it has {', '.join(sorted(manifest.jobs))}" if manifest.jobs else "it has no [jobs.NAME] table"
    return UsageError(
        f'{manifest.path.name} has no job "{name}"',
        advice=f"{perhaps(name, known)}{own}; `orchestrator jobs` lists the built-in ones too",
    )
