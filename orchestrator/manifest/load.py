"""deploy.toml and its includes → Manifest, or all its mistakes at once; and the JSON Schema that editors use."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import ManifestError, Mistake
from orchestrator.manifest import sections
from orchestrator.manifest.check import Check, check
from orchestrator.manifest.disk import Disk
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.function_tables import FunctionTables
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.rollout.rollout_values import rollout
from orchestrator.manifest.sections import JobCheck, job_specs
from orchestrator.manifest.tables import ManifestFile
from orchestrator.manifest.toml_files import SourceFile, included, interpolate, read_toml, shown
from orchestrator.model import Manifest


@dataclass(frozen=True, slots=True)
class Survey:
    """A manifest with everything that is wrong in it. `general`: what stops every run; other mistakes are of functions
    or jobs, which carry them, or of nobody: a template that no function uses. `main`: the file that names the others;
    `drafts`: the functions as their tables were laid over each other.
    """

    manifest: Manifest
    mistakes: tuple[Mistake, ...]
    general: tuple[Mistake, ...]
    main: SourceFile
    drafts: Mapping[str, Draft] = field(default_factory=dict)


def load(path: Path, environ: Mapping[str, str]) -> Manifest:
    """Read a manifest whole. `environ`: the variables of `${NAME}`, and YC_FOLDER_ID, YC_CLOUD_ID.

    Raises `ManifestError` with every mistake of all files. Nothing but the named files is read; sources are only
    looked at.
    """
    found = survey(path, environ)
    if found.mistakes:
        raise ManifestError(found.mistakes)
    return found.manifest


def load_for_run(
    path: Path, environ: Mapping[str, str], job_check: JobCheck | None = None, *, has_sources: bool = True
) -> Manifest:
    """Read a manifest for a run that may be about a part of it: functions and jobs with mistakes carry them, and
    `findings.require_sound` asks once it is known what the run is about. Raises `ManifestError` as `load` does where
    more is wrong than that. `has_sources`: what functions are made of is here; else nobody will ask for it.
    """
    return survey_for_run(path, environ, job_check, has_sources=has_sources).manifest


def survey_for_run(
    path: Path, environ: Mapping[str, str], job_check: JobCheck | None = None, *, has_sources: bool = True
) -> Survey:
    """Read a manifest as `load_for_run` does, and keep where its values come from. Raises `ManifestError` likewise."""
    found = survey(path, environ, job_check, has_sources=has_sources)
    if found.general:
        raise ManifestError(found.mistakes)
    return found


def survey(
    path: Path, environ: Mapping[str, str], job_check: JobCheck | None = None, *, has_sources: bool = True
) -> Survey:
    """Read a manifest, whatever is wrong in it. Raises `ManifestError` where the file itself cannot be read."""
    try:
        with _uncollected():
            return _survey(path, environ, job_check, Disk(has_sources=has_sources))
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


def _survey(path: Path, environ: Mapping[str, str], job_check: JobCheck | None, disk: Disk) -> Survey:
    findings = Findings()
    main = read_toml(os.path.abspath(path), findings)  # noqa: PTH100 - without following links
    if main is None:
        raise ManifestError(findings.mistakes())
    tables, checked, unset = _checked(main, main.raw, environ, findings)
    cloud = sections.cloud(checked.tables.cloud, environ)
    functions = FunctionTables(main, checked, cloud.folder_id, disk, findings)
    functions.add(main, checked)
    files = [Path(main.path)]
    for file in included(main, checked.tables.include or [], findings):
        _add_included(file, environ, functions, findings)
        files.append(Path(file.path))
    functions.compare()
    storage, limits = sections.storage(checked.tables), sections.limits(main, checked.tables.limits, findings)
    sections.check_rollouts(main, checked, disk, findings)
    jobs = job_specs(main, tables.get("jobs", {}), checked, findings, job_check)
    of_jobs = {path for path in unset if path[0] == "jobs" and path[1] in jobs}
    specs = functions.specs()
    if not (specs or jobs or findings.mistakes()):
        findings.mistake(main, (), "declares no function and no job; add a [functions.NAME] table", line=0)
    manifest = Manifest(
        path=Path(main.path),
        cloud=cloud,
        storage=storage,
        limits=limits,
        rollout=rollout(checked.tables.rollout, Path(main.folder)),
        functions=specs,
        jobs=jobs,
        warnings=findings.warnings(),
        files=tuple(files),
    )
    general = (
        mistake for path, mistake in findings.placed() if path not in of_jobs and not functions.owns(path, mistake)
    )
    return Survey(manifest, findings.mistakes(), tuple(general), main, functions.drafts)


def _checked(
    file: SourceFile, raw: dict[str, Any], environ: Mapping[str, str], findings: Findings
) -> tuple[dict[str, Any], Check, list[KeyPath]]:
    """The tables of a file with variables put in, their check, and where a variable is not set."""
    unusable: list[KeyPath] = []

    def complain(path: KeyPath, rule: str) -> None:
        unusable.append(path)
        findings.mistake(file, path, rule)

    tables = interpolate(raw, environ, complain) if "${" in file.text else raw
    return tables, check(file, tables, unusable, findings), unusable


def _add_included(file: SourceFile, environ: Mapping[str, str], functions: FunctionTables, findings: Findings) -> None:
    for key in file.raw:
        if key != "functions":
            rule = "only [functions.*] may stand in an included file; everything else belongs in the main file"
            findings.mistake(file, (key,), rule)
    raw = {"functions": file.raw["functions"]} if "functions" in file.raw else {}
    _, checked, _ = _checked(file, raw, environ, findings)
    functions.add(file, checked)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole file, for editors."""
    from orchestrator.manifest.load import editor_schema  # noqa: PLC0415 - rarely needed

    return editor_schema()


_VARIABLE = {"type": "string", "pattern": r"\$\{"}


def editor_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of the whole file."""
    schema = _tolerant(ManifestFile.model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "deploy.toml"}


def _tolerant(node: Any) -> Any:
    """A copy without pydantic's titles and null branches (TOML has no null), with variables in restricted strings."""
    if isinstance(node, list):
        return [_tolerant(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "properties" in node:
        properties = {name: _tolerant(property_) for name, property_ in node["properties"].items()}
        return {
            key: properties if key == "properties" else _tolerant(value)
            for key, value in node.items()
            if key != "title"
        }
    branches = [branch for branch in node.get("anyOf", ()) if branch != {"type": "null"}]
    if branches:
        described = {key: value for key, value in node.items() if key not in {"anyOf", "title", "default"}}
        return described | (_tolerant(branches[0]) if len(branches) == 1 else {"anyOf": _tolerant(branches)})
    copied = {key: _tolerant(value) for key, value in node.items() if key not in {"title", "default"}}
    if "const" in copied:
        copied["enum"] = [copied.pop("const")]
    if copied.get("type") == "string" and ("pattern" in copied or "enum" in copied):
        description = {key: copied.pop(key) for key in ("description",) if key in copied}
        return {**description, "anyOf": [copied, _VARIABLE]}
    if "patternProperties" in copied:  # keys with a pattern: others are mistakes
        copied["additionalProperties"] = False
    return copied
