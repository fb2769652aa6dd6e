"""Redeploys a selection, with the job's changes to environment and secrets: functions of the manifest as declared,
others as copies of the live ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import NotHereError
from orchestrator.job.contract import Desired, Given, JobError, Parameter, flag, rows, table, texts
from orchestrator.job.inventory import (
    LiveFunction,
    copy_of,
    empty_folders,
    folders_of,
    inventory,
    left_to_others,
    listed,
    matching_live,
    sentence,
)
from orchestrator.model import Failure, FunctionSpec, Manifest, Secret, Settings
from orchestrator.model.live_state import LiveState
from orchestrator.planning.selection import select
from orchestrator.version.as_live import as_it_is_live, with_parts

SECRET_KEYS = ("environment_variable", "id", "name", "version_id", "key")


def read_secrets(given: Given, parameter: str) -> tuple[Mapping[str, Any], ...]:
    """Read rows of secrets. Raises `JobError`."""
    secrets = rows(given, parameter, SECRET_KEYS)
    for row in secrets:
        for key, value in row.items():
            if not isinstance(value, str) or not value:
                raise JobError(f"`{key}` of a row of `secrets` must be a string", advice="put its value in quotes")
        if "id" in row and "name" in row:
            raise JobError("a row of `secrets` has both id and name", advice="leave one of them out")
        if "environment_variable" not in row and ("id" not in row or "key" in row):
            raise JobError(
                "a row of `secrets` has no environment_variable",
                advice="add it; or set only `id` and `version_id`, for every variable with this secret",
            )
    return secrets


PARAMETERS = {
    "select": Parameter(
        'functions of the manifest: names, globs, "label:KEY=VALUE"; default: all, or none if `functions` is set',
        default=(),
        read=texts,
        selects=True,
    ),
    "functions": Parameter(
        'live functions of `folders`, in the manifest or not: names, globs, "label:KEY=VALUE"; their code is copied',
        default=(),
        read=texts,
        selects=True,
    ),
    "folders": Parameter(
        "folders of `functions`; default: every folder of the manifest",
        default=(),
        read=texts,
        selects=True,
        needs="functions",
    ),
    "force": Parameter("make new versions of unchanged functions too", default=False, read=flag),
    "environment": Parameter("variables to add or change", default={}, read=table),
    "remove_environment": Parameter("names of variables to remove, including secrets in them", default=(), read=texts),
    "secrets": Parameter(
        'secrets to add or change: environment_variable, id or name, version_id (default "latest"), key',
        default=(),
        read=read_secrets,
        keys=SECRET_KEYS,
    ),
    "from_source": Parameter("false: copy the live code of functions of the manifest too", default=True, read=flag),
}


def folders(manifest: Manifest, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders of all functions that may be concerned."""
    of_chosen = [spec.folder_id for spec in _chosen(manifest, given).values() if spec.folder_id]
    return tuple(dict.fromkeys([*of_chosen, *(folders_of(manifest, given) if texts(given, "functions") else ())]))


def desired(manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired:
    """Return the selection with the changes applied. The planner finds out what of it is new."""
    chosen, changes, from_source = _chosen(manifest, given), read_changes(given), flag(given, "from_source")
    inside, named = folders(manifest, given), texts(given, "functions")
    functions = {one.key: one for one in inventory(manifest, live, inside, named)}
    copies = {one.key: one for one in _matching(functions.values(), manifest, given)}
    if not from_source:
        copies |= {key: functions[key] for key in chosen if key in functions}
    specs: dict[str, FunctionSpec] = {}
    failures: dict[str, str] = {}
    for key, spec in chosen.items():
        if from_source:
            specs[key] = as_it_is_live(spec, functions[key].latest if key in functions else None)
        elif key not in functions:
            specs[key], failures[key] = spec, "it has no live version to copy the code from"
    for key, one in copies.items():
        if key not in specs:
            specs[key] = copy_of(one, manifest, failures)
    others = left_to_others(manifest, live, inside, named) if named else []
    warnings = others + without_effect(changes, [spec.settings for spec in specs.values()])
    specs = {key: spec if key in failures else _changed(spec, changes, failures) for key, spec in specs.items()}
    if not specs:
        raise _nothing()
    warnings += _not_in_file(manifest, specs.keys() - failures.keys(), changes)
    warnings += empty_folders(folders_of(manifest, given) if texts(given, "functions") else (), live)
    return Desired(specs, given["rollout"], flag(given, "force"), tuple(warnings), failures=failures)


def offline(manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Refuse what is wrong whatever is live: a `select` that matches nothing, changes that do not fit a function."""
    chosen, failures = _chosen(manifest, given), dict[str, str]()
    if not chosen and not texts(given, "functions"):
        raise _nothing()
    if flag(given, "from_source"):
        for spec in chosen.values():
            if not (spec.mistakes or spec.as_live.whole):  # in this case the existing functions are not known yet
                _changed(spec, read_changes(given), failures)
    for key, why in failures.items():
        more = f" (and {len(failures) - 1} more functions cannot be changed this way)" if len(failures) > 1 else ""
        raise JobError(f"{key} cannot be changed this way: {why}{more}", advice="check the job's changes")


def _nothing() -> JobError:
    return JobError("the job selects no function", advice="correct `select` or `functions`")


def _chosen(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, FunctionSpec]:
    patterns = texts(given, "select")
    if not patterns:
        whole = {} if texts(given, "functions") else manifest.functions
        return {key: spec for key, spec in whole.items() if spec.enabled}
    try:
        return select(manifest, patterns)
    except NotHereError as error:
        where = ", ".join(f'"{one}"' for one in manifest.elsewhere[error.function])
        advice = f"remove it from `select`; or set where this job exists: environments = [{where}]"
        raise NotHereError(error.function, error.message, advice=advice) from error


def _matching(functions: Iterable[LiveFunction], manifest: Manifest, given: Mapping[str, Any]) -> list[LiveFunction]:
    """Return the live functions selected by the parameter `functions`."""
    patterns = texts(given, "functions")
    if not patterns:
        return []
    return matching_live(functions, patterns, folders_of(manifest, given))


def _changed(spec: FunctionSpec, changes: SettingChanges, failures: dict[str, str]) -> FunctionSpec:
    if not changes:
        return spec
    settings = applied(changes, spec.settings)
    if isinstance(settings, Failure):
        failures[spec.key] = sentence(settings)
        return spec
    let_go = {f"{field}.{name}" for field in ("environment", "secrets") for name in changes.removed}
    named = {f"{field}.{name}" for field in ("environment", "secrets") for name in _named(changes, spec.settings)}
    left = replace(spec.as_live, but=spec.as_live.but | named)
    return replace(spec, settings=settings, let_go=spec.let_go | let_go, as_live=left)


def _named(changes: SettingChanges, settings: Settings) -> set[str]:
    """Return the variables that the changes are about."""
    secrets = {secret.environment_variable: secret for secret in settings.secrets}
    of_rows = (name for row in changes.secrets for name in _variables(row, secrets))
    return {*changes.environment, *changes.removed, *of_rows}


def _not_in_file(manifest: Manifest, keys: Iterable[str], changes: SettingChanges) -> list[str]:
    """Return warnings about functions whose declaration differs from their state with the changes."""
    declared = [manifest.functions[key] for key in keys if key in manifest.functions]
    names = listed(spec.key for spec in declared if _says_otherwise(spec, changes))
    if not names:
        return []
    deploy = f"{manifest.path.name} does not have these changes: its next deploy"
    ways = "--update-manifest writes them there"
    return [f"{deploy} is blocked from reverting them in {names}; {ways}"]


def _says_otherwise(spec: FunctionSpec, changes: SettingChanges) -> bool:
    settings = applied(changes, spec.settings)
    return isinstance(settings, Failure) or with_parts(settings, spec.settings, spec.as_live) != spec.settings


@dataclass(frozen=True, slots=True)
class SettingChanges:
    """`environment`: values to add or change. `removed`: variables to remove first, including secrets in them.

    `secrets`: rows to add or change. A row with an `environment_variable` keeps the present values of keys that it
    leaves out. A row without one is about every variable that has the secret `id`. No `version_id` means the newest
    version.
    """

    environment: Mapping[str, str]
    removed: tuple[str, ...]
    secrets: tuple[Mapping[str, Any], ...]

    def __bool__(self) -> bool:
        return bool(self.environment or self.removed or self.secrets)


def read_changes(given: Mapping[str, Any]) -> SettingChanges:
    """Read the parameters `environment`, `remove_environment` and `secrets`. Raises `JobError`."""
    return SettingChanges(
        table(given, "environment"), texts(given, "remove_environment"), read_secrets(given, "secrets")
    )


def applied(changes: SettingChanges, settings: Settings) -> Settings | Failure:
    """Return a function's settings with the changes applied, a Failure if they do not fit."""
    environment = {name: value for name, value in settings.environment.items() if name not in changes.removed}
    secrets = {
        secret.environment_variable: secret
        for secret in settings.secrets
        if secret.environment_variable not in changes.removed
    }
    for name in changes.environment:
        if name in secrets:
            return Failure(
                f"{name} has a secret there, and `environment` gives it a value",
                kind="job",
                advice="add it to `remove_environment` too, and the value replaces the secret",
            )
    environment |= changes.environment
    for row in changes.secrets:
        for variable in _variables(row, secrets):
            secret = _secret(row, variable, secrets.get(variable))
            if secret is None:
                return Failure(
                    f"{variable} has no secret yet that the row of `secrets` could change",
                    kind="job",
                    advice="set `key` in the row, and `id` or `name`",
                )
            secrets[variable] = secret
            environment.pop(variable, None)
    return replace(settings, environment=environment, secrets=tuple(secrets.values()))


def _variables(row: Mapping[str, Any], secrets: Mapping[str, Secret]) -> tuple[str, ...]:
    if "environment_variable" in row:
        return (row["environment_variable"],)
    return tuple(variable for variable, secret in secrets.items() if secret.id == row["id"])


def _secret(row: Mapping[str, Any], variable: str, old: Secret | None) -> Secret | None:
    named = "id" in row or "name" in row
    key = row.get("key") or (old.key if old is not None else None)
    if key is None or (old is None and not named):
        return None
    version_id = row.get("version_id", "latest")
    if old is not None and not named:
        return Secret(variable, key, old.id, old.name, version_id)
    return Secret(variable, key, row.get("id"), row.get("name"), version_id)


def without_effect(changes: SettingChanges, settings: list[Settings]) -> list[str]:
    """Return warnings about changes of things that no function has, which are most likely typos."""
    variables = {name for one in settings for name in one.environment}
    variables |= {secret.environment_variable for one in settings for secret in one.secrets}
    ids = {secret.id for one in settings for secret in one.secrets}
    found = [
        f"`remove_environment` names {name}, which none of the functions has"
        for name in changes.removed
        if name not in variables
    ]
    found += [
        f"`secrets` names {row['id']}, which none of the functions has"
        for row in changes.secrets
        if "environment_variable" not in row and row["id"] not in ids
    ]
    return found
