"""[cloud], [storage], [limits] and [jobs.*]: tables that only the main file may have, converted to values."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from orchestrator.manifest.check import Check, keys_of
from orchestrator.manifest.disk import Disk
from orchestrator.manifest.environments.overlay import Section
from orchestrator.manifest.file_tables import CloudTable, JobTable, LimitsTable, StorageTable
from orchestrator.manifest.findings import Findings, closest, did_you_mean
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.rollout.rollout_rules import rollout_breaches
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.manifest.values import frozen
from orchestrator.model import CloudAddress, JobSpec, Limits, Place, Storage
from orchestrator.version.adoption import adoption_of

CLOUD_ID = "YC_CLOUD_ID"
_CRON_FIELDS = 5

_OURS = ("run", "environments")  # keys of a job that are not parameters
_NO_SLIPS = ("runs", "environment")  # parameters of built-in jobs that look like a mistyped key


def cloud(table: CloudTable | None, environ: Mapping[str, str], folder_id: str | None = None) -> CloudAddress:
    """Return the cloud and folder. IDs in the file override YC_FOLDER_ID and YC_CLOUD_ID. `folder_id`: of the main
    file.
    """
    table = table or CloudTable()
    default, by_variable = CloudAddress(), environ.get(CLOUD_ID)
    return CloudAddress(
        endpoint=(table.endpoint or default.endpoint).rstrip("/"),
        folder_id=folder_id or table.folder_id or environ.get("YC_FOLDER_ID") or None,
        cloud_id=table.cloud_id or by_variable or None,
        invoke_endpoint=table.invoke_endpoint.rstrip("/") if table.invoke_endpoint else None,
        cloud_id_from=CLOUD_ID if by_variable and not table.cloud_id else "",
    )


def storage(table: StorageTable | None) -> Storage:
    """Return where packages are stored."""
    return Storage(bucket=table.bucket, prefix=table.prefix or "") if table else Storage()


def limits(file: SourceFile, section: Section[LimitsTable], findings: Findings) -> Limits:
    """Return the limits: the file's figures over the documented defaults."""
    if section.table is None:
        return Limits()
    given = {key: value for key, value in section.table.__dict__.items() if value is not None}
    if "operation_deadline" in given:
        given["operation_deadline_s"] = given.pop("operation_deadline")
    made = Limits(**given)
    for name in ("operations_per_folder", "operations_per_cloud"):
        quota = getattr(made, name)
        if made.reserve >= quota:
            rule = f"leaves no slot: it must be smaller than {name}, which is {quota}"
            findings.mistake(file, section.at("reserve"), rule)
            break
    return made


def check_rollout(file: SourceFile, whole: Section[RolloutTable], disk: Disk, findings: Findings) -> None:
    """Check [rollout] against the rules."""
    if whole.table is not None:
        for key, rule, others in rollout_breaches(whole.table, None, file.folder, disk):
            if not any(whole.is_broken(*other) for other in others):
                findings.mistake(file, whole.at(*key), rule)


def check_job_rollouts(
    file: SourceFile, check: Check, whole: Section[RolloutTable], disk: Disk, findings: Findings
) -> None:
    """Check the `rollout` of a file's jobs, which is merged over [rollout], against the rules."""
    for name, job in (check.tables.jobs or {}).items():
        if job.rollout is None:
            continue
        path = ("jobs", name, "rollout")
        for key, rule, others in rollout_breaches(job.rollout, whole.table, file.folder, disk):
            if not any(check.is_broken((*path, *other)) or whole.is_broken(*other) for other in others):
                findings.mistake(file, (*path, *key), rule)


# Returns what is wrong with a job's parameters, which this package does not know: the key, "" for its table, and why.
JobCheck = Callable[[JobSpec], Iterable[tuple[str, str]]]


def job_specs(
    file: SourceFile,
    check: Check,
    findings: Findings,
    job_check: JobCheck | None,
    functions: frozenset[str] | None = None,
    environments: Collection[str] = (),
) -> dict[str, JobSpec]:
    """Return the jobs of a manifest: `run`, and the parameters as written. Those in the schema are checked here, the
    others by `job_check`. `functions`: see `JobSpec`; `environments`: those that a job may name.
    """
    made, raw = {}, check.raw.get("jobs", {})
    for name, table in (check.tables.jobs or {}).items():
        path = ("jobs", name)
        if not name.strip():
            findings.mistake(file, path, "a job needs a name")
        for wrong, rule in _breaches(table, environments):
            findings.mistake(file, (*path, *wrong), rule)
        for key in () if job_check else table.model_extra or ():
            meant = closest(key, keys_of(JobTable), likeness=0.8)
            if meant and key not in _NO_SLIPS:
                findings.warning(file, (*path, key), f'is passed to the job as a parameter; did you mean "{meant}"?')
        parameters = {key: frozen(value) for key, value in raw[name].items() if key not in _OURS}
        place = Place(file.shown, file.table_line(path))
        spec = made[name] = JobSpec(name, table.run, parameters, place, functions=functions)
        for key, rule in job_check(spec) if job_check else ():
            if key or not any(check.is_broken((*path, other)) for other in keys_of(JobTable)):
                findings.mistake(file, (*path, key) if key else path, rule)
    for at, mistake in tuple(findings.placed()):
        if at[:1] == ("jobs",) and len(at) > 1 and at[1] in made and mistake.file == file.shown:
            name = str(at[1])
            made[name] = replace(made[name], mistakes=(*made[name].mistakes, mistake))
    return made


def _breaches(table: JobTable, environments: Collection[str]) -> Iterator[tuple[KeyPath, str]]:
    for number, one in enumerate(table.environments or ()):
        if one not in environments:
            yield ("environments", number), f"there is no [environments.{one}]{did_you_mean(one, environments)}"
    yield from (((key,), rule) for key, rule in _wrong_values(table))


def _wrong_values(table: JobTable) -> Iterator[tuple[str, str]]:
    if table.schedule is not None:
        rule = 'must be five cron fields: minute, hour, day, month, day of the week, as in "0 3 * * 1-5"'
        if len(table.schedule.split()) != _CRON_FIELDS:
            yield "schedule", rule
        else:
            from orchestrator.manifest.schedule import mistake  # noqa: PLC0415 - most manifests have no schedule

            wrong = mistake(table.schedule)
            if wrong:
                yield "schedule", f"{rule} ({wrong})"
    try:
        adopted = adoption_of(table.adopt or ())
    except ValueError as error:
        yield "adopt", f"{error}; write it as plans print it"
    else:
        if adopted.everything:
            yield "adopt", "needs the live versions: NAME@VERSION_ID; only the option `--adopt` can accept all of a run"
    if table.timezone is not None and not _is_timezone(table.timezone):
        hint = did_you_mean(table.timezone, zoneinfo.available_timezones())
        yield "timezone", f'"{table.timezone}" is not a time zone such as Europe/Moscow{hint}'


def _is_timezone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # a system without time zones has none; that is not a mistake in the manifest
        return not zoneinfo.available_timezones()
    return True
