"""deploy.toml and its includes → Manifest, or all its mistakes at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import ManifestError, Mistake
from orchestrator.manifest import sections
from orchestrator.manifest.disk import Disk
from orchestrator.manifest.environments.choosing import (
    NO_CHOICE,
    ManifestChoice,
    chosen_environment,
    environments_of,
)
from orchestrator.manifest.environments.overlay import Overlay, Section
from orchestrator.manifest.environments.twins import Identities, report_twins
from orchestrator.manifest.file_tables import CloudTable, LimitsTable, StorageTable
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.function_tables import FunctionTables
from orchestrator.manifest.includes.files import CheckedFile, Files
from orchestrator.manifest.includes.scope import Scope
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Folder
from orchestrator.manifest.notify.notify_values import hooks
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.rollout.rollout_values import rollout
from orchestrator.manifest.sections import JobCheck, job_specs
from orchestrator.manifest.toml_files import SourceFile, TomlFiles, included, shown
from orchestrator.model import CloudAddress, JobSpec, Manifest


@dataclass(frozen=True, slots=True)
class Survey:
    """A manifest with all its mistakes. `general`: those that stop every run. Other mistakes belong to functions or
    jobs, which carry them, or to none: a template that no function uses. `main`: the file that includes the others;
    `drafts`: the functions with their merged tables. `variables`: those that are declared, as written, used or not.
    """

    manifest: Manifest
    mistakes: tuple[Mistake, ...]
    general: tuple[Mistake, ...]
    main: SourceFile
    drafts: Mapping[str, Draft] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Looks:
    """What is shared when one manifest is read for several environments: files are read and parsed once, and what
    identifies the functions of each environment is computed once. Use it for one command only: files may change later.
    """

    files: TomlFiles = field(default_factory=TomlFiles)
    identities: Identities = field(default_factory=Identities)


def load(path: Path, environ: Mapping[str, str], choice: ManifestChoice = NO_CHOICE) -> Manifest:
    """Read a manifest completely. `environ`: the variables of `${NAME}`, and YC_FOLDER_ID, YC_CLOUD_ID. `choice`: its
    environment, and variables that override those.

    Raises `ManifestError` with every mistake of all files, `UsageError` for an environment or variable that it does not
    have. Only the manifest's files are read; for sources it is only checked that they exist.
    """
    found = survey(path, environ, choice=choice)
    if found.mistakes:
        raise ManifestError(found.mistakes)
    return found.manifest


def load_for_run(
    path: Path,
    environ: Mapping[str, str],
    job_check: JobCheck | None = None,
    *,
    has_sources: bool = True,
    choice: ManifestChoice = NO_CHOICE,
) -> Manifest:
    """Read a manifest for a run that may be about a part of it: functions and jobs with mistakes carry them, and
    `findings.require_sound` raises once it is known what the run is about. Raises `ManifestError` as `load` does for
    other mistakes. `has_sources`: the sources of functions exist here; otherwise they are not checked.
    """
    return survey_for_run(path, environ, job_check, has_sources=has_sources, choice=choice).manifest


def survey_for_run(
    path: Path,
    environ: Mapping[str, str],
    job_check: JobCheck | None = None,
    *,
    has_sources: bool = True,
    choice: ManifestChoice = NO_CHOICE,
    looks: Looks | None = None,
) -> Survey:
    """Read a manifest as `load_for_run` does, and keep the origins of its values. Raises `ManifestError` too."""
    found = survey(path, environ, job_check, has_sources=has_sources, choice=choice, looks=looks)
    if found.general:
        raise ManifestError(found.mistakes)
    return found


def survey(
    path: Path,
    environ: Mapping[str, str],
    job_check: JobCheck | None = None,
    *,
    has_sources: bool = True,
    choice: ManifestChoice = NO_CHOICE,
    looks: Looks | None = None,
) -> Survey:
    """Read a manifest with all its mistakes. Raises `ManifestError` if the file itself cannot be read. `looks`: shared
    by callers that read it several times.
    """
    try:
        with _uncollected():
            return _survey(path, environ, job_check, Disk(has_sources=has_sources), choice, looks or Looks())
    except RecursionError:
        mistake = Mistake(shown(os.path.abspath(path)), 0, "", "lists or tables are nested too deeply")  # noqa: PTH100
        raise ManifestError((mistake,)) from None


def declared_environments(path: Path, looks: Looks) -> tuple[str, ...]:
    """Return the names of the environments that a manifest declares; none if it cannot be read."""
    main = _main_of(path, looks)
    return tuple(environments_of(main)) if main is not None else ()


def default_environment(path: Path) -> str:
    """Return the name of the default environment; "" if there is none, or the file is broken."""
    main = _main_of(path, Looks())
    return chosen_environment(main, NO_CHOICE, Findings()) if main is not None else ""


def _main_of(path: Path, looks: Looks) -> SourceFile | None:
    try:
        return looks.files.read(os.path.abspath(path), Findings())  # noqa: PTH100 - does not follow links
    except RecursionError:
        return None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Turn the garbage collector off: nearly all objects stay alive, and looking through them again and again takes
    half of the time (30,000 functions: 2.6 s with it, 1.4 s without).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _survey(
    path: Path,
    environ: Mapping[str, str],
    job_check: JobCheck | None,
    disk: Disk,
    choice: ManifestChoice,
    looks: Looks,
) -> Survey:
    findings = Findings()
    main = looks.files.read(os.path.abspath(path), findings)  # noqa: PTH100 - does not follow links
    if main is None:
        raise ManifestError(findings.mistakes())
    environment = chosen_environment(main, choice, findings)
    files = Files(environ, replace(choice, environment=environment), findings)
    first = files.check_main(main)
    overlay = Overlay(main, first.check, environment, tuple(environments_of(main)))
    cloud, folder = _cloud(first, overlay, environ, findings)
    scope = Scope(main, first.check, folder, overlay)
    functions = FunctionTables(overlay, disk, findings)
    of_files = _Included(files, functions, overlay, findings, looks.files, {main.path: main.shown})
    of_files.add(first, scope)
    functions.compare()
    of_others = report_twins(tuple(of_files.keys), environment, functions.drafts, findings, looks.identities)
    files.report_wrong_variables()
    of_rollout = overlay.section(RolloutTable)
    storage = sections.storage(overlay.section(StorageTable).table)
    limits = sections.limits(main, overlay.section(LimitsTable), findings)
    sections.check_rollout(main, of_rollout, disk, findings)
    jobs = _jobs(of_files.keys, of_rollout, disk, job_check, findings, overlay.names)
    notify, of_jobs = hooks(main, first, overlay, disk, findings), _unset(of_files.keys, jobs)
    specs = functions.specs()
    if not (specs or functions.elsewhere or jobs or files.jobs_elsewhere or findings.mistakes()):
        findings.mistake(main, (), "declares no function and no job; add a [functions.NAME] table", line=0)
    manifest = Manifest(
        path=Path(main.path),
        cloud=cloud,
        storage=storage,
        limits=limits,
        rollout=rollout(of_rollout.table, Path(main.folder)),
        functions=specs,
        jobs=jobs,
        warnings=findings.warnings(),
        files=files.paths,
        environment=environment,
        elsewhere=functions.elsewhere,
        environments=overlay.names,
        protected=overlay.protected,
        of_others=of_others,
        jobs_elsewhere=files.jobs_elsewhere,
        notify=notify,
    )
    general = (
        mistake
        for path, mistake in findings.placed()
        if (mistake.file, path) not in of_jobs and not functions.owns(path, mistake)
    )
    return Survey(manifest, findings.mistakes(), tuple(general), main, functions.drafts, files.declared)


def _jobs(
    files: Mapping[CheckedFile, list[str]],
    of_rollout: Section[RolloutTable],
    disk: Disk,
    job_check: JobCheck | None,
    findings: Findings,
    environments: tuple[str, ...],
) -> dict[str, JobSpec]:
    """Return the jobs of all files, the first one of each name. `files`: with the keys of their functions."""
    jobs: dict[str, JobSpec] = {}
    for one, keys in files.items():
        sections.check_job_rollouts(one.file, one.check, of_rollout, disk, findings)
        own = frozenset(keys) if one.outer is not None else None
        made = job_specs(one.file, one.check, findings, job_check, own, environments)
        for name in made.keys() & jobs.keys():
            place = jobs[name].place
            rule = f"this job is already defined in {place.file}:{place.line}"
            findings.mistake(one.file, ("jobs", name), rule)
        jobs = made | jobs
    return jobs


def _unset(files: Iterable[CheckedFile], jobs: Mapping[str, JobSpec]) -> set[tuple[str, KeyPath]]:
    """Return where variables are not set that only jobs or notifications need: file and key."""
    places = ((one.file.shown, path) for one in files for path in one.unset)
    return {(file, path) for file, path in places if path[0] == "notify" or (path[0] == "jobs" and path[1] in jobs)}


def _cloud(
    first: CheckedFile, overlay: Overlay, environ: Mapping[str, str], findings: Findings
) -> tuple[CloudAddress, Folder]:
    """Return the cloud and folder, and where the main file sets the folder. The environment's folder overrides both."""
    main, folder_id, of_cloud = first.file, first.check.tables.folder_id, overlay.section(CloudTable)
    own = first.check.tables.cloud
    if folder_id is not None and own is not None and own.folder_id is not None:
        findings.mistake(main, ("folder_id",), "[cloud] folder_id is set too; set only one of the two")
    folder_id = None if "folder_id" in of_cloud.own else folder_id
    cloud = sections.cloud(of_cloud.table, environ, folder_id)
    at = ("folder_id",) if folder_id is not None else of_cloud.at("folder_id")
    broken = of_cloud.is_broken("folder_id") or first.check.is_broken(("folder_id",))
    return cloud, Folder(cloud.folder_id, main, at, broken)


class _Included:
    """Adds the functions of a file, and of those that it includes. `read`: see `included`. `keys`: by file, those of
    its functions, and of the files that it includes.
    """

    def __init__(
        self,
        files: Files,
        functions: FunctionTables,
        overlay: Overlay,
        findings: Findings,
        toml: TomlFiles,
        read: dict[str, str],
    ) -> None:
        self._files = files
        self._functions = functions
        self._overlay = overlay
        self._findings = findings
        self._toml = toml
        self._read = read
        self.keys: dict[CheckedFile, list[str]] = {}

    def add(self, one: CheckedFile, scope: Scope) -> list[str]:
        """Add the functions, and return the keys of all of them."""
        keys = self.keys[one] = [*self._functions.add(scope, self._files.generated(one))]
        for file in included(one.file, one.check.tables.include or [], self._findings, self._read, self._toml):
            inner = self._files.check_included(file, one)
            folder_id, broken = inner.check.tables.folder_id, inner.check.is_broken(("folder_id",))
            own = folder_id is not None or broken
            folder = Folder(folder_id, file, ("folder_id",), broken) if own else scope.folder
            keys += self.add(inner, Scope(file, inner.check, folder, self._overlay, scope))
        return keys
