"""Writing live settings into the manifest, for example after edits in the console."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import chain, count
from pathlib import Path
from typing import Any

from orchestrator.app.session.importing.entries import KnownNames, named_secret
from orchestrator.app.session.importing.variables import SecretValue
from orchestrator.errors import StartError
from orchestrator.function.fields import FUNCTION_FIELDS, desired_of
from orchestrator.job.inventory import LiveFunction
from orchestrator.manifest.load import Survey
from orchestrator.manifest.toml_files import shown
from orchestrator.manifest.writing.changes import (
    Environment,
    KeyChange,
    LeftAlone,
    changes_of,
    slot_differences,
)
from orchestrator.manifest.writing.compact import Slot
from orchestrator.manifest.writing.editing import REMOVED, Edit, UneditableError, edited
from orchestrator.manifest.writing.manifest_file import write_manifest
from orchestrator.manifest.writing.sayable import what_can_be_said
from orchestrator.manifest.writing.shared_tables import edits_by_file
from orchestrator.manifest.writing.spelling import own_value, rank_of_key, spelled
from orchestrator.manifest.writing.toml_text import Variable, literal
from orchestrator.model import Function, FunctionSpec, Scaling, Settings, Version, VersionCopy
from orchestrator.redaction.patterns import is_secret_variable
from orchestrator.version.adoption import lost_fields
from orchestrator.version.as_live import as_it_is_live
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of
from orchestrator.version.fields import FIELDS, FilledIn


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of the manifest, before and after."""

    path: str
    shown: str
    before: str
    after: str


@dataclass(slots=True)
class Rewriting:
    """What must be written. `left`: keys that are skipped, and why; `variables`: name → what it is used for."""

    survey: Survey
    texts: dict[str, str]  # file → its text when it was read
    tables: dict[str, dict[str, Any]]
    changes: list[KeyChange] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def rewriting(survey: Survey) -> Rewriting:
    """Return an empty rewriting."""
    files = {survey.main.path: survey.main}
    files |= {one.file.path: one.file for draft in survey.drafts.values() for one in draft.layers}
    texts = {path: file.text for path, file in files.items()}
    return Rewriting(survey, texts, {path: tomllib.loads(text) for path, text in texts.items()})


def live_slots(spec: FunctionSpec, one: LiveFunction) -> tuple[dict[Slot, Any], list[LeftAlone]]:
    """Return where the live settings of a function differ from the declared ones, with names in place of IDs. `spec`:
    resolved.
    """
    spec = as_it_is_live(spec, one.latest)
    differ = _differing_rows(spec, one.latest)
    live = spelled(settings_of(one.latest))
    before = {key: value for key, value in spelled(spec.settings).items() if key in differ}
    after = {key: value for key, value in live.items() if key in differ}
    own_before, own_after = own_settings(spec, one.function)
    left = []
    if spec.settings.storage_mounts and "mounts" in differ:
        left.append(LeftAlone(spec.key, ("mounts",), "the manifest has storage_mounts, which are now mounts"))
        before.pop("mounts", None)
        after.pop("mounts", None)
    said = what_can_be_said({spec.key: {**live, **own_after}}, {spec.key: one.latest.raw})[spec.key]
    left += [LeftAlone(spec.key, tuple(rule.split(" ", 1)[0].split(".")), rule) for rule in said.refused]
    found = slot_differences({**before, **own_before}, {**after, **own_after})
    return {slot: value for slot, value in found.items() if value is REMOVED or slot[0] in said.values}, left


def _differing_rows(spec: FunctionSpec, latest: Version) -> set[str]:
    """Return the keys of the settings that differ, except defaults that the cloud fills in. A function that copies its
    live version gets these too, since only then does a plan have no changes.
    """
    found = differences(spec.settings, latest.raw)
    lost = lost_fields(spec.settings, latest, spec.folder_id)
    declared = spelled(spec.settings)
    exact = isinstance(spec.code, VersionCopy)
    return {
        row.key
        for row in FIELDS
        if row.api in found and (exact or row.api in lost or row.filled_in is not FilledIn.ALL or row.key in declared)
    }


def own_settings(spec: FunctionSpec, function: Function) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the differing settings of the Function itself as keys of the manifest: as declared, and as live. Settings
    that are not declared or were not read are skipped.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for row in FUNCTION_FIELDS:
        declared, live = getattr(spec, row.setting), own_value(row, getattr(function, row.live))
        exact = bool(row.exact) and getattr(spec, row.exact)
        if not row.updated or live is None or declared is None or (row.exact and not (declared or exact)):
            continue
        before[row.setting], after[row.setting] = declared, live
        if isinstance(live, Mapping):
            desired, found = desired_of(row, spec, function), getattr(function, row.live)
            before[row.setting] = said = {name: _said(value) for name, value in declared.items()}
            made = {name for name in said if desired[name] == found.get(name)}
            others = {*said, *(live if exact else ())} & live.keys() - made
            after[row.setting] = {
                name: said[name] if name in made else _as_said(said.get(name), live[name])
                for name in sorted(made | others)
            }
    differ = {key for key in before if before[key] != after[key]}
    return {key: before[key] for key in differ}, {key: after[key] for key in differ if after[key] != {}}


def _said(value: Any) -> Any:
    """Return the declared value of one entry: of a scaling policy the counts that it has."""
    if isinstance(value, Scaling):
        return {one.name: count for one in fields(value) if (count := getattr(value, one.name)) is not None}
    return value


def _as_said(said: Any, live: Any) -> Any:
    """Return the live value of the declared parts of an entry."""
    return {name: live.get(name, 0) for name in said} if isinstance(said, Mapping) else live


def write_slots(
    made: Rewriting,
    key: str,
    slots: Mapping[Slot, Any],
    declared: FunctionSpec,
    names: KnownNames,
    looks_secret: Callable[[str], bool],
) -> None:
    """Add the changes of one function: names in place of IDs, variables in place of values that look like secrets."""
    written: dict[Slot, Any] = {}
    slots = {slot: value for slot, value in slots.items() if not _is_left(declared, slot)}
    for slot, value in sorted(slots.items(), key=lambda pair: rank_of_key(pair[0][0])):
        if value is REMOVED:
            written[slot] = REMOVED
        elif slot[0] == "environment" and (is_secret_variable(slot[1]) or looks_secret(str(value))) and value:
            written[slot] = _as_variable(made, SecretValue(key, slot, str(value)))
        elif looks_secret(repr(value)):
            made.left.append(LeftAlone(key, slot, "its value looks like a secret"))
        elif slot == ("service_account_id",) and (name := names.accounts.get((declared.folder_id, str(value)))):
            written["service_account",] = literal(name)
        elif slot[0] == "secrets":
            written[slot] = literal(named_secret(declared.folder_id, value, names))
        else:
            written[slot] = literal(value)
    name, main = made.survey.manifest.environment, made.survey.main.path
    environment = Environment(name, main) if name else None
    found = changes_of(made.survey.drafts[key], written, made.tables, environment)
    made.changes += found.changes
    made.left += found.left


_SETTINGS = {row.key: row.setting for row in FIELDS}


def _is_left(spec: FunctionSpec, slot: Slot) -> bool:
    """Return whether a key keeps its live value whatever the manifest declares (`ignore`)."""
    setting = _SETTINGS.get(slot[0], slot[0])
    return spec.as_live.has(setting, *slot[1:])


def _as_variable(made: Rewriting, secret: SecretValue) -> Variable:
    """Return a variable for the value, with a name that no text of the manifest uses yet."""
    whose = "_".join(re.split(r"[^A-Za-z0-9]+", secret.function)).upper()
    own = (f"{whose}_{secret.desired}{number}" for number in chain([""], (f"_{n}" for n in count(2))))
    texts = {draft.own.file.text for draft in made.survey.drafts.values()}
    name = next(
        one for one in chain([secret.desired], own)
        if one not in made.variables and not any(f"${{{one}}}" in text for text in texts)
    )  # fmt: skip
    made.variables[name] = f"{'.'.join(map(str, secret.path))} of {secret.function}"
    return Variable(f"${{{name}}}")


def job_slots(declared: Settings, base: Settings, desired: Settings) -> dict[Slot, Any]:
    """Return the changes of a job that are declared differently. `base`: the settings before, `desired`: the settings
    after.
    """
    before, after = spelled(base), spelled(desired)
    now = slot_differences(spelled(declared), after)
    return {slot: value for slot, value in slot_differences(before, after).items() if slot in now and slot != ("tags",)}


def changed_files(made: Rewriting, *, shared: bool, only: Iterable[str] | None = None) -> list[FileChange]:
    """Return the files to write. `shared`: a value of [defaults] or a template that changes the same way for all of its
    users is changed there. `only`: changes of these functions. Raises `StartError`.
    """
    keys = None if only is None else set(only)
    changes = [change for change in made.changes if keys is None or change.function in keys]
    edits = edits_by_file(changes, made.survey.drafts if shared else {})
    found = [_file_change(path, some, made.texts[path]) for path, some in edits.items() if some]
    return [one for one in found if one.before != one.after]


def _file_change(path: str, edits: list[Edit], read: str) -> FileChange:
    try:
        before = Path(path).read_bytes().decode()
        if before.removeprefix("\ufeff").replace("\r\n", "\n") != read:
            raise _changed(shown(path))
        mark = "\ufeff" if before.startswith("\ufeff") else ""
        return FileChange(path, shown(path), before, mark + edited(before.removeprefix("\ufeff"), edits))
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{shown(path)} cannot be read: {error}", advice="nothing was written") from error
    except UneditableError as error:
        keys = ", ".join(sorted({".".join(map(str, edit.path)) for edit in edits})[:5])
        raise StartError(
            f"{shown(path)}: {error}", advice=f"edit it by hand ({keys}), or select other functions"
        ) from error


def write_all(changes: Iterable[FileChange]) -> None:
    """Write the files, each completely or not at all. Raises `StartError` where one was changed in the meantime."""
    for one in changes:
        if Path(one.path).read_bytes().decode() != one.before:
            raise _changed(one.shown)
        write_manifest(Path(one.path), one.after)


def _changed(name: str) -> StartError:
    return StartError(f"{name} was changed in the meantime: it was not written", advice="run the command again")
