"""`validate` and `schema`: the manifest alone, offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import orjson

from orchestrator.errors import Exit, ManifestError
from orchestrator.manifest.load import json_schema, load


def validate_command(config: Path, output: str, echo: Callable[[str], None]) -> int:
    """Say whether the manifest is good. Raises `ManifestError` (text), or prints its mistakes as JSON."""
    try:
        manifest = load(config, os.environ)
    except ManifestError as error:
        if output == "text":
            raise
        rows = [{"file": m.file, "line": m.line, "key": m.key, "rule": m.rule} for m in error.mistakes]
        echo(orjson.dumps({"valid": False, "mistakes": rows}, option=orjson.OPT_INDENT_2).decode())
        return Exit.USAGE
    if output == "json":
        data = {
            "valid": True,
            "functions": sorted(manifest.functions),
            "jobs": sorted(manifest.jobs),
            "warnings": manifest.warnings,
        }
        echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
        return Exit.DONE
    for warning in manifest.warnings:
        echo(f"warning: {warning}")
    disabled = sum(not spec.enabled for spec in manifest.functions.values())
    extra = f" ({disabled} disabled)" if disabled else ""
    jobs = f", {len(manifest.jobs)} jobs" if manifest.jobs else ""
    echo(f"{config} is valid: {len(manifest.functions)} functions{extra}{jobs}")
    return Exit.DONE


def schema_command(echo: Callable[[str], None]) -> int:
    """Print the JSON Schema of deploy.toml."""
    echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())
    return Exit.DONE
