"""`validate`: checks the manifest and the files that it names, offline."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestrator.app.session.on_disk import look
from orchestrator.app.session.options import ANY_FOLDER, RunOptions, state_dir_of
from orchestrator.errors import Exit, ManifestError, Mistake, OrchestratorError
from orchestrator.job.binding import bind, job_check, part_of
from orchestrator.manifest.environments.choosing import folder_advice
from orchestrator.manifest.load import Looks, declared_environments, survey
from orchestrator.model import Manifest
from orchestrator.package.digests import DIGESTS, PACKAGES, Digests
from orchestrator.planning.selection import canary_mistakes, lost_canary, two_phase_mistakes
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, FindingsView


def validate_command(config: Path, **chosen: Any) -> CommandResult:
    """Return the mistakes, or the warnings, of the manifest. Where it has environments and none is chosen, checks each
    of them. Raises `UsageError` for an unknown environment.
    """
    options = RunOptions("validate", config, **chosen)
    looks = Looks()
    environments = () if options.environment else declared_environments(config, looks)
    # Digests are kept in the state folder of an earlier plan. A check creates no state folder.
    digests, homeless = Digests(state_dir_of(config, None) / PACKAGES / DIGESTS), Counter[str]()
    found = {name: _look(replace(options, environment=name), looks, digests, homeless) for name in environments}
    view = _together(config, found) if found else _look(options, looks, digests, homeless)
    digests.save()
    if not view.mistakes and homeless.total():
        view = replace(view, warnings=(*view.warnings, _without_folder(homeless)))
    return CommandResult(Exit.USAGE if view.mistakes else Exit.DONE, view)


def _without_folder(homeless: Mapping[str, int]) -> str:
    """Return a warning about functions without a folder. `homeless`: their number by environment, "" for none."""
    chosen = [name for name, count in homeless.items() if name and count]
    those = ", ".join(f"{counted(homeless[name], 'function')} in {name}" for name in chosen)
    those = those or counted(homeless[""], "function")
    return f"no folder is set for {those}: {folder_advice(chosen, ())} before you deploy"


def _look(options: RunOptions, looks: Looks, digests: Digests, homeless: Counter[str]) -> FindingsView:
    """Return the findings of one environment. `digests`: known digests of files; `homeless`: counts the functions
    without a folder.
    """
    config = options.config
    try:
        environ = {"YC_FOLDER_ID": ANY_FOLDER, **os.environ}
        found = survey(config, environ, job_check(config.absolute().parent), choice=options.choice, looks=looks)
    except ManifestError as error:
        return FindingsView(config, mistakes=error.mistakes)
    manifest = found.manifest
    of_sources, doubts = look(manifest, state_dir_of(config, None), digests)
    of_jobs, warnings = _check_jobs(manifest, datetime.now(UTC))
    mistakes = sorted(
        [*found.mistakes, *of_sources, *canary_mistakes(manifest), *two_phase_mistakes(manifest), *of_jobs]
    )
    if mistakes:
        return FindingsView(config, mistakes=tuple(mistakes))
    warnings = [*manifest.warnings, *doubts, *warnings]
    homeless[manifest.environment] += sum(spec.folder_id == ANY_FOLDER for spec in manifest.functions.values())
    return FindingsView(
        config,
        functions=tuple(sorted(manifest.functions)),
        disabled=sum(not spec.enabled for spec in manifest.functions.values()),
        jobs=tuple(sorted(manifest.jobs)),
        warnings=tuple(warnings),
        environments=(manifest.environment,) if manifest.environment else (),
    )


def _together(config: Path, looks: Mapping[str, FindingsView]) -> FindingsView:
    """Report once what several environments share, and name the environments where it is not all of them."""
    if any(view.mistakes for view in looks.values()):
        where: dict[Mistake, list[str]] = {}
        for name, view in looks.items():
            for mistake in view.mistakes:
                where.setdefault(mistake, []).append(name)
        mistakes = (
            replace(mistake, rule=f"{mistake.rule}{_only_in(names, looks, mistake.key)}")
            for mistake, names in where.items()
        )
        return FindingsView(config, mistakes=tuple(sorted(mistakes)))
    said: dict[str, list[str]] = {}
    for name, view in looks.items():
        for warning in view.warnings:
            said.setdefault(warning, []).append(name)
    functions = {key for view in looks.values() for key in view.functions}
    return FindingsView(
        config,
        functions=tuple(sorted(functions)),
        disabled=max(view.disabled for view in looks.values()),
        jobs=tuple(sorted({key for view in looks.values() for key in view.jobs})),
        warnings=tuple(f"{warning}{_only_in(names, looks)}" for warning, names in said.items()),
        environments=tuple(looks),
    )


def _only_in(names: list[str], looks: Mapping[str, FindingsView], key: str = "") -> str:
    """Return in which environments something holds; "" where it is all of them, or its place says so."""
    if len(names) == len(looks) or key.startswith(f"environments.{names[0]}."):
        return ""
    return f" (in {', '.join(names)})"


def _check_jobs(manifest: Manifest, now: datetime) -> tuple[list[Mistake], list[str]]:
    """Load each job and bind its parameters. Return the mistakes of those that cannot be bound, and warnings."""
    mistakes, warnings = list[Mistake](), list[str]()
    for spec in manifest.jobs.values():
        if spec.mistakes:  # reported already
            continue
        try:
            bound = bind(manifest, spec.name, {}, now)
            bound.job.offline(part_of(manifest, spec), bound.given)
        except OrchestratorError as error:
            rule = f"{error.message}; {error.advice}" if error.advice else error.message
            mistakes.append(Mistake(spec.place.file, spec.place.line, f"jobs.{spec.name}", rule))
            continue
        canary = (spec.parameters.get("rollout") or {}).get("canary", ())
        if lost := lost_canary(manifest, canary):
            warnings.append(
                f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}.rollout.canary: {lost}; live functions are"
                " searched when the job runs"
            )
        for row in bound.given.get("skip") or ():
            until = row.get("until") if isinstance(row, Mapping) else None
            if isinstance(until, date) and not isinstance(until, datetime) and until < bound.given["today"]:
                warnings.append(
                    f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}: the exception for {row.get('function')}"
                    f" (owner {row.get('owner')}) expired on {until}: the job will not run"
                )
    return mistakes, warnings
