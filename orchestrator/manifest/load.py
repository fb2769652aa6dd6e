"""deploy.toml and its includes → Manifest, or all its mistakes at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
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
from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.file_tables import CloudTable, LimitsTable, StorageTable
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.function_tables import FunctionTables
from orchestrator.manifest.includes.files import Files
from orchestrator.manifest.includes.scope import Scope
from orchestrator.manifest.merge import Draft, Folder
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.rollout.rollout_values import rollout
from orchestrator.manifest.sections import JobCheck, job_specs
from orchestrator.manifest.toml_files import SourceFile, included, read_toml, shown
from orchestrator.model import Manifest


@dataclass(frozen=True, slots=True)
class Survey:
    """A manifest with everything that is wrong in it. `general`: what stops every run; other mistakes are of functions
    or jobs, which carry them, or of nobody: a template that no function uses. `main`: the file that names the others;
    `drafts`: the functions as their tables were laid over each other. `environments`: the names of all that are
    declared; `variables`: those that are, as they are written, whoever may use them.
    """

    manifest: Manifest
    mistakes: tuple[Mistake, ...]
    general: tuple[Mistake, ...]
    main: SourceFile
    drafts: Mapping[str, Draft] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def load(path: Path, environ: Mapping[str, str], choice: ManifestChoice = NO_CHOICE) -> Manifest:
    """Read a manifest whole. `environ`: the variables of `${NAME}`, and YC_FOLDER_ID, YC_CLOUD_ID. `choice`: its
    environment, and variables that win over those.

    Raises `ManifestError` with every mistake of all files, `UsageError` for a choice that it does not have. Nothing but
    the named files is read; sources are only looked at.
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
    `findings.require_sound` asks once it is known what the run is about. Raises `ManifestError` as `load` does where
    more is wrong than that. `has_sources`: what functions are made of is here; else nobody will ask for it.
    """
    return survey_for_run(path, environ, job_check, has_sources=has_sources, choice=choice).manifest


def survey_for_run(
    path: Path,
    environ: Mapping[str, str],
    job_check: JobCheck | None = None,
    *,
    has_sources: bool = True,
    choice: ManifestChoice = NO_CHOICE,
) -> Survey:
    """Read a manifest as `load_for_run` does, and keep where its values come from. Raises `ManifestError` likewise."""
    found = survey(path, environ, job_check, has_sources=has_sources, choice=choice)
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
) -> Survey:
    """Read a manifest, whatever is wrong in it. Raises `ManifestError` where the file itself cannot be read."""
    try:
        with _uncollected():
            return _survey(path, environ, job_check, Disk(has_sources=has_sources), choice)
    except RecursionError:
        mistake = Mistake(shown(os.path.abspath(path)), 0, "", "lists or tables are nested too deeply")  # noqa: PTH100
        raise ManifestError((mistake,)) from None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cyclic garbage meanwhile: nearly all that is made stays, and to look through it again and again takes
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
    path: Path, environ: Mapping[str, str], job_check: JobCheck | None, disk: Disk, choice: ManifestChoice
) -> Survey:
    findings = Findings()
    main = read_toml(os.path.abspath(path), findings)  # noqa: PTH100 - without following links
    if main is None:
        raise ManifestError(findings.mistakes())
    environment = chosen_environment(main, choice, findings)
    files = Files(environ, replace(choice, environment=environment), findings)
    first = files.check_main(main)
    checked = first.check
    overlay = Overlay(main, checked, environment, tuple(environments_of(main)))
    of_cloud = overlay.section(CloudTable)
    cloud = sections.cloud(of_cloud.table, environ)
    folder = Folder(cloud.folder_id, main, of_cloud.at("folder_id"), of_cloud.is_broken("folder_id"))
    scope = Scope(main, checked, folder, overlay)
    functions = FunctionTables(overlay, disk, findings)
    functions.add(scope)
    for file in included(main, checked.tables.include or [], findings):
        functions.add(Scope(file, files.check_included(file, first).check, folder, overlay, scope))
    functions.compare()
    files.tell_wrong_variables()
    of_rollout = overlay.section(RolloutTable)
    storage = sections.storage(overlay.section(StorageTable).table)
    limits = sections.limits(main, overlay.section(LimitsTable), findings)
    sections.check_rollouts(main, checked, of_rollout, disk, findings)
    jobs = job_specs(main, checked, findings, job_check)
    of_jobs = {path for path in first.unset if path[0] == "jobs" and path[1] in jobs}
    specs = functions.specs()
    if not (specs or functions.elsewhere or jobs or findings.mistakes()):
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
    )
    general = (
        mistake for path, mistake in findings.placed() if path not in of_jobs and not functions.owns(path, mistake)
    )
    return Survey(manifest, findings.mistakes(), tuple(general), main, functions.drafts, overlay.names, files.declared)
