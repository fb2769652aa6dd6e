"""`validate`: the manifest, and what it names on this machine; offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from orchestrator.app.session.on_disk import look
from orchestrator.app.session.options import ANY_FOLDER, state_dir_of
from orchestrator.errors import Exit, ManifestError, Mistake, OrchestratorError
from orchestrator.job.binding import bind, job_check
from orchestrator.manifest.load import survey
from orchestrator.model import Manifest
from orchestrator.planning.selection import canary_mistakes, lost_canary, two_phase_mistakes
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, FindingsView


def validate_command(config: Path) -> CommandResult:
    """Say whether the manifest is good: its mistakes, or its warnings."""
    try:
        environ = {"YC_FOLDER_ID": ANY_FOLDER, **os.environ}
        found = survey(config, environ, job_check(config.absolute().parent))
    except ManifestError as error:
        return CommandResult(Exit.USAGE, FindingsView(config, mistakes=error.mistakes))
    manifest = found.manifest
    of_sources, doubts = look(manifest, state_dir_of(config, None))
    of_jobs, warnings = _check_jobs(manifest, datetime.now(UTC))
    mistakes = sorted(
        [*found.mistakes, *of_sources, *canary_mistakes(manifest), *two_phase_mistakes(manifest), *of_jobs]
    )
    if mistakes:
        return CommandResult(Exit.USAGE, FindingsView(config, mistakes=tuple(mistakes)))
    warnings = [*manifest.warnings, *doubts, *warnings]
    homeless = sum(spec.folder_id == ANY_FOLDER for spec in manifest.functions.values())
    if homeless:
        warnings.append(f"no folder is known for {counted(homeless, 'function')}: set YC_FOLDER_ID before you deploy")
    findings = FindingsView(
        config,
        functions=tuple(sorted(manifest.functions)),
        disabled=sum(not spec.enabled for spec in manifest.functions.values()),
        jobs=tuple(sorted(manifest.jobs)),
        warnings=tuple(warnings),
    )
    return CommandResult(Exit.DONE, findings)


def _check_jobs(manifest: Manifest, now: datetime) -> tuple[list[Mistake], list[str]]:
    """Load each job and give it its parameters: the mistakes of those that cannot be bound, and warnings."""
    mistakes, warnings = list[Mistake](), list[str]()
    for spec in manifest.jobs.values():
        if spec.mistakes:  # found already
            continue
        try:
            bound = bind(manifest, spec.name, {}, now)
            bound.job.offline(manifest, bound.given)
        except OrchestratorError as error:
            rule = f"{error.message}; {error.advice}" if error.advice else error.message
            mistakes.append(Mistake(spec.place.file, spec.place.line, f"jobs.{spec.name}", rule))
            continue
        canary = (spec.parameters.get("rollout") or {}).get("canary", ())
        if lost := lost_canary(manifest, canary):
            warnings.append(
                f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}.rollout.canary: {lost}; what is only live is"
                " looked for when the job runs"
            )
        for row in bound.given.get("skip") or ():
            until = row.get("until") if isinstance(row, Mapping) else None
            if isinstance(until, date) and not isinstance(until, datetime) and until < bound.given["today"]:
                warnings.append(
                    f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}: the exception of {row.get('function')}"
                    f" (owner {row.get('owner')}) expired on {until}: the job will not run"
                )
    return mistakes, warnings
