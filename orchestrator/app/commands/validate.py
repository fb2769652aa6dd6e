"""`validate` and `schema`: the manifest alone, offline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import orjson

from orchestrator.errors import Exit, ManifestError, Mistake, OrchestratorError
from orchestrator.job.binding import bind
from orchestrator.manifest.load import json_schema, load
from orchestrator.model import Manifest
from orchestrator.report.stdout import counted

ANY_FOLDER = "unknown-folder"


def validate_command(config: Path, output: str, echo: Callable[[str], None]) -> int:
    """Say whether the manifest is good. Raises `ManifestError` (text), or prints its mistakes as JSON."""
    # Where the functions live may well be known only where they are deployed from.
    environ = {"YC_FOLDER_ID": ANY_FOLDER, **os.environ}
    try:
        manifest = load(config, environ)
        job_warnings = _check_jobs(manifest, datetime.now(UTC))
    except ManifestError as error:
        if output == "text":
            raise
        rows = [{"file": m.file, "line": m.line, "key": m.key, "rule": m.rule} for m in error.mistakes]
        echo(orjson.dumps({"valid": False, "mistakes": rows}, option=orjson.OPT_INDENT_2).decode())
        return Exit.USAGE
    warnings = [*manifest.warnings, *job_warnings]
    homeless = sum(spec.folder_id == ANY_FOLDER for spec in manifest.functions.values())
    if homeless:
        warnings.append(f"no folder is known for {counted(homeless, 'function')}: set YC_FOLDER_ID before you deploy")
    if output == "json":
        data = {
            "valid": True,
            "functions": sorted(manifest.functions),
            "jobs": sorted(manifest.jobs),
            "warnings": warnings,
        }
        echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
        return Exit.DONE
    for warning in warnings:
        echo(f"warning: {warning}")
    disabled = sum(not spec.enabled for spec in manifest.functions.values())
    extra = f" ({disabled} disabled)" if disabled else ""
    jobs = f", {counted(len(manifest.jobs), 'job')}" if manifest.jobs else ""
    echo(f"{config} is valid: {counted(len(manifest.functions), 'function')}{extra}{jobs}")
    return Exit.DONE


def _check_jobs(manifest: Manifest, now: datetime) -> list[str]:
    """Load each job and give it its parameters. Gives warnings; raises `ManifestError` for what cannot be bound."""
    mistakes, warnings = [], []
    for spec in manifest.jobs.values():
        try:
            bound = bind(manifest, spec.name, {}, now)
        except OrchestratorError as error:
            rule = f"{error.message}; {error.advice}" if error.advice else error.message
            mistakes.append(Mistake(spec.place.file, spec.place.line, f"jobs.{spec.name}", rule))
            continue
        for row in bound.given.get("skip") or ():
            until = row.get("until") if isinstance(row, Mapping) else None
            if isinstance(until, date) and not isinstance(until, datetime) and until < bound.given["today"]:
                warnings.append(
                    f"{spec.place.file}:{spec.place.line}: jobs.{spec.name}: the exception of {row.get('function')}"
                    f" (owner {row.get('owner')}) expired on {until}: the job will not run"
                )
    if mistakes:
        raise ManifestError(tuple(sorted(mistakes)))
    return warnings


def schema_command(echo: Callable[[str], None]) -> int:
    """Print the JSON Schema of deploy.toml."""
    echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())
    return Exit.DONE
