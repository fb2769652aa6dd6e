"""Converts merged, checked tables to the frozen values of `orchestrator.model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.errors import Mistake
from orchestrator.manifest.as_live_rules import is_code_only, left_as_live, that_count
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.rollout.rollout_values import verified_by
from orchestrator.manifest.tables import AsyncTargetTable, MountTable, SecretTable, StorageMountTable
from orchestrator.model import (
    LATEST,
    AsyncInvocation,
    AsyncTarget,
    BucketPackage,
    Build,
    Code,
    Connectivity,
    FunctionSpec,
    LogOptions,
    MetadataOptions,
    Mount,
    Place,
    Scaling,
    Secret,
    Settings,
    SourceCode,
    StorageMount,
    Verify,
    VersionCopy,
)
from orchestrator.version.fields import FIELDS, TAGS

DEFAULT_TIMEOUT_S = 10.0  # always sent: older servers call executionTimeout required (cloud-api#fields)


def function_spec(draft: Draft, folder_id: str, is_folder: bool) -> FunctionSpec:
    """Return the value of a function without mistakes. `is_folder`: whether its source is a folder."""
    values = that_count(draft.values)
    return FunctionSpec(
        key=draft.key,
        name=values.get("name", draft.key),
        folder_id=folder_id,
        settings=settings_from(values),
        code=_code(draft, is_folder=is_folder),
        place=Place(draft.own.file.shown, draft.own.file.table_line(draft.own.path)),
        id=values.get("id"),
        create=values.get("create", False),
        enabled=values.get("enabled", True),
        labels=values.get("labels", {}),
        labels_exact=values.get("labels_exact", False),
        function_description=values.get("function_description"),
        scaling={tag: Scaling(**vars(policy)) for tag, policy in values.get("scaling", {}).items()},
        scaling_exact=values.get("scaling_exact", False),
        public=values.get("public"),
        verify=_verify(draft),
        promote=tuple(values.get("promote", ())),
        called_by=values.get("called_by", LATEST),
        as_live=left_as_live(values),
    )


def flawed_spec(draft: Draft, folder_id: str, mistakes: tuple[Mistake, ...], unstated: frozenset[str]) -> FunctionSpec:
    """Return the value of a function with mistakes: what selects and identifies it, and nothing to deploy."""
    values = draft.values
    return FunctionSpec(
        key=draft.key,
        name=values.get("name", draft.key),
        folder_id=folder_id,
        settings=Settings("", "", 0, environment=values.get("environment", {})),
        code=VersionCopy(""),
        place=Place(draft.own.file.shown, draft.own.file.table_line(draft.own.path)),
        id=values.get("id"),
        enabled=values.get("enabled", True),
        labels=values.get("labels", {}),
        mistakes=mistakes,
        unstated=unstated,
    )


def _verify(draft: Draft) -> Verify | None:
    """Return the value of `verify`. A command runs in the folder of the file that names it."""
    if "verify" not in draft.values:
        return None
    origin, _ = draft.origin(("verify", "command"))
    return verified_by(draft.values["verify"], Path(origin.file.folder))


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Return settings by the table of fields. Tables and lists become values of their own."""
    if is_code_only(values):
        return Settings("", "", 0, tags=tuple(values.get("tags", ())))
    given = {"timeout": DEFAULT_TIMEOUT_S, **values}
    settings = {
        row.setting: _MADE[row.key](given[row.key]) if row.key in _MADE else given[row.key]
        for row in (*FIELDS, TAGS)
        if row.key in given
    }
    return Settings(**settings, service_account=values.get("service_account"))


def _secret(table: SecretTable) -> Secret:
    return Secret(table.environment_variable, table.key, table.id, table.name, table.version_id)


def _mount(table: MountTable) -> Mount:
    return Mount(table.name, table.mode, table.bucket, table.prefix, table.disk_size, table.block_size)


def _storage_mount(table: StorageMountTable) -> StorageMount:
    return StorageMount(table.name, table.bucket, table.prefix, table.read_only)


def _async_invocation(values: Mapping[str, Any]) -> AsyncInvocation:
    return AsyncInvocation(
        values.get("retries"),
        values.get("service_account_id"),
        _async_target(values.get("success")),
        _async_target(values.get("failure")),
    )


def _async_target(table: AsyncTargetTable | None) -> AsyncTarget:
    return AsyncTarget(table.queue_arn, table.service_account_id) if table else AsyncTarget()


def _connectivity(values: Mapping[str, Any]) -> Connectivity | None:
    return Connectivity(values.get("network_id"), tuple(values.get("subnet_ids", ()))) if values else None


# Keys that are converted.
_MADE: Mapping[str, Callable[[Any], Any]] = {
    "secrets": lambda tables: tuple(map(_secret, tables)),
    "tags": tuple,
    "connectivity": _connectivity,
    "log": lambda values: LogOptions(**values) if values else None,
    "mounts": lambda tables: tuple(map(_mount, tables)),
    "storage_mounts": lambda tables: tuple(map(_storage_mount, tables)),
    "async_invocation": _async_invocation,
    "metadata": lambda values: MetadataOptions(**values) if values else None,
}


def _code(draft: Draft, *, is_folder: bool) -> Code:
    values = draft.values
    if "package" in values:
        return BucketPackage(**values["package"])
    if "version_id" in values:
        return VersionCopy(values["version_id"])
    source = Path(values["source"])
    build = values.get("build")
    return SourceCode(
        source=source,
        root=draft.own.file.root,
        into=PurePosixPath(values["into"]).as_posix() if "into" in values else "",
        build=_build(build, source, is_folder=is_folder) if build else None,
        include=tuple(values.get("include", ())),
        exclude=tuple(values.get("exclude", ())),
        files=tuple(sorted((inside, Path(local)) for inside, local in values.get("files", {}).items())),
    )


def _build(build: Mapping[str, Any], source: Path, *, is_folder: bool) -> Build:
    folder = _build_folder(build, source, is_folder=is_folder)
    return Build(build["command"], folder, tuple(build.get("inputs", ())))


def _build_folder(build: Mapping[str, Any], source: Path, *, is_folder: bool) -> Path:
    if "folder" in build:
        return Path(build["folder"])
    if is_folder:
        return source
    return next((folder for folder in source.parents if folder.is_dir()), source.parent)


def frozen(value: Any) -> Any:
    """Return lists as tuples, at any depth. Tables stay plain dicts."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return value
