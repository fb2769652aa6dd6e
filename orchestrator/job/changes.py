"""Changes that one job makes to the environment and the secrets of many functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.job.contract import JobError
from orchestrator.job.given import rows, table, texts
from orchestrator.model import Failure, Secret, Settings

_KEYS = ("environment_variable", "id", "name", "version_id", "key")


@dataclass(frozen=True, slots=True)
class SettingChanges:
    """`environment`: values to add or change. `removed`: variables to take away, secrets in them too; done first.

    `secrets`: rows to add or change. A row with an `environment_variable` keeps what it leaves out as it is there; one
    without is about every variable that has the secret `id`. No `version_id` means the newest version.
    """

    environment: Mapping[str, str]
    removed: tuple[str, ...]
    secrets: tuple[Mapping[str, Any], ...]

    def __bool__(self) -> bool:
        return bool(self.environment or self.removed or self.secrets)


def read_changes(given: Mapping[str, Any]) -> SettingChanges:
    """Read the parameters `environment`, `remove_environment` and `secrets`. Raises `JobError`."""
    secrets = rows(given, "secrets", _KEYS)
    for row in secrets:
        for key, value in row.items():
            if not isinstance(value, str) or not value:
                raise JobError(f"`{key}` of a row of `secrets` must be a text", advice="put its value in quotes")
        if "id" in row and "name" in row:
            raise JobError("a row of `secrets` has both id and name", advice="leave one of them out")
        if "environment_variable" not in row and ("id" not in row or "key" in row):
            raise JobError(
                "a row of `secrets` names no environment_variable",
                advice="add it; or give `id` and `version_id` alone, for every variable that has this secret",
            )
    return SettingChanges(table(given, "environment"), texts(given, "remove_environment"), secrets)


def applied(changes: SettingChanges, settings: Settings) -> Settings | Failure:
    """Lay the changes over a function's settings; a Failure where they do not fit it."""
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
                advice="name it in `remove_environment` too, and the value takes the secret's place",
            )
    environment |= changes.environment
    for row in changes.secrets:
        for variable in _variables(row, secrets):
            secret = _secret(row, variable, secrets.get(variable))
            if secret is None:
                return Failure(
                    f"{variable} has no secret yet that the row of `secrets` could change",
                    kind="job",
                    advice="give the row `key`, and `id` or `name`",
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
    """Say which changes are about nothing that the functions have: most likely a slip of the keys."""
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
