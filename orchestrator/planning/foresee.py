"""Finds what would fail during the run and can be known before. It asks only about what is new in a plan, and changes
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.errors import CloudError, Code, PackageError
from orchestrator.manifest.findings import did_you_mean
from orchestrator.model import (
    Action,
    ChangeKind,
    Failure,
    Limits,
    Plan,
    Quota,
    Secret,
    SecretVersion,
    SourceCode,
    Step,
    Tree,
    Unit,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import NO_ROLLBACKS, KnownRollbacks
from orchestrator.planning.room import (
    blocked,
    more_provisioned,
    tags_of,
    without_functions,
    without_provisioned,
    without_tags,
)
from orchestrator.planning.verifying import moved_by_hand
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each
from orchestrator.version.adoption import NOTHING, Adoption
from orchestrator.version.body import INLINE_MAX_BYTES, too_large

_AT_ONCE = 8
_ZIP_MAX_BYTES = 128 << 20
_ENTRY_BYTES = 256  # size of a zip beside an entry's content and twice its name, at most
_PATH_MAX = 4096  # bytes


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A plan in which what cannot succeed is blocked, and warnings about what may fail."""

    plan: Plan
    warnings: tuple[str, ...] = ()


async def foresee(
    world: Reading,
    plan: Plan,
    live: LiveState,
    limits: Limits,
    *,
    inline: bool,
    adopt: Adoption = NOTHING,
    known: KnownRollbacks = NO_ROLLBACKS,
    again: Container[str] = (),
) -> Foreseen:
    """Check a plan against what the cloud says. `inline`: packages are sent without a bucket. `adopt`: Versions that
    others have given a tag which may be taken from them. `known`, `again`: see `moved_by_hand`.

    Quotas, permissions and runtimes that cannot be read are not guessed. A missing permission is named.
    """
    looking = _Looking(world, live)
    looking.found(await moved_by_hand(world, plan.units, adopt, known, again))
    await looking.at_secrets(plan.units)
    await looking.at_packages(plan.units, inline=inline)
    await looking.at_runtimes(plan.units)
    await looking.at_quotas([looking.blocked(unit) for unit in plan.units], limits)  # blocked units take no quota
    units = [looking.blocked(unit) for unit in plan.units]
    return Foreseen(replace(plan, units=tuple(units)), tuple(looking.warnings))


class _Looking:
    """What was found, unit by unit."""

    def __init__(self, world: Reading, live: LiveState) -> None:
        self._world = world
        self._live = live
        self._failures: dict[str, Failure] = {}
        self._steps: dict[str, Step] = {}
        self.warnings: list[str] = []

    def blocked(self, unit: Unit) -> Unit:
        found = self._failures.get(unit.key)
        if found is None:
            return unit
        return replace(blocked(unit, found), failed_step=self._steps.get(unit.key))

    def found(self, failures: Mapping[str, Failure]) -> None:
        """Add failures that were found elsewhere, by unit."""
        self._failures |= failures

    async def at_quotas(self, units: Iterable[Unit], limits: Limits) -> None:
        """Check whether there is room for what is new, and whether the limits of the manifest are the real ones."""
        changing = [unit for unit in units if unit.changes]
        new = [unit for unit in changing if unit.action is Action.CREATE or tags_of(unit) or more_provisioned(unit) > 0]
        declared = limits_declared(limits)
        asked = {self._live.clouds.get(unit.spec.folder_id, "") for unit in (changing if declared else new)}
        by_cloud = {cloud_id: await self._quotas(cloud_id, new) for cloud_id in sorted(asked - {""})}
        self._failures |= without_functions(changing, self._live, by_cloud)
        self._failures |= without_provisioned(changing, self._live, by_cloud)
        failures, warnings = without_tags(changing, self._live, by_cloud)
        self._failures |= failures
        self.warnings += warnings
        for cloud_id, quotas in by_cloud.items():
            self.warnings += [
                f"[limits] {name} is {value}, but the quota of cloud {cloud_id} is {quota.limit:g}: the quota applies"
                for name, value in declared.items()
                for quota in quotas
                if is_quota_of(quota, name) and quota.limit != value
            ]

    async def _quotas(self, cloud_id: str, new: list[Unit]) -> tuple[Quota, ...]:
        try:
            return await self._world.directory.quotas(cloud_id)
        except CloudError as error:
            count = sum(unit.action is Action.CREATE for unit in new)
            if error.code is Code.PERMISSION_DENIED and count:
                self.warnings.append(
                    f"cannot check whether cloud {cloud_id} has room for new functions ({count} in this plan): give"
                    " the account the role quota-manager.viewer"
                )
            return ()

    async def at_secrets(self, units: Iterable[Unit]) -> None:
        """Check whether secrets have the requested versions and keys. What is live already has them."""
        desired: defaultdict[str, list[tuple[Unit, Secret]]] = defaultdict(list)
        for unit in units:
            if any(change.kind is ChangeKind.VERSION for change in unit.changes):
                live = self._live_secrets(unit)
                for secret in unit.spec.settings.secrets:
                    if (secret.id, secret.version_id, secret.key) not in live:
                        desired[secret.id or ""].append((unit, secret))

        async def look(secret_id: str) -> None:
            first = desired[secret_id][0][0]
            try:
                versions = await self._world.read(partial(self._world.directory.secret_versions, secret_id))
            except CloudError as error:
                if error.code is Code.UNAUTHENTICATED:
                    failure.unless_token(error)
                others = f" and {len(desired[secret_id]) - 1} more" if len(desired[secret_id]) > 1 else ""
                self.warnings.append(
                    f"cannot check the keys of secret {secret_id}, which {first.key}{others} would use:"
                    f" {error.message}; {'check its ID; ' if error.code is Code.NOT_FOUND else ''}the role"
                    " lockbox.viewer is needed to see them"
                )
                return
            for unit, secret in desired[secret_id]:
                missing = missing_key(secret, {version.id: version for version in versions})
                if missing is not None:
                    self._failures.setdefault(unit.key, missing)

        await each(sorted(desired.keys() - {""}), look, at_once=_AT_ONCE)

    def _live_secrets(self, unit: Unit) -> set[tuple[Any, Any, Any]]:
        base = self._live.versions.get(unit.base_version_id or "")
        rows = base.raw.get("secrets", ()) if base is not None else ()
        rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list | tuple) else []
        return {(row.get("id"), row.get("versionId"), row.get("key")) for row in rows}

    async def at_packages(self, units: Iterable[Unit], *, inline: bool) -> None:
        """Build packages that may be too large to send: only then is their size known. The run does not build them
        again.
        """
        largest = INLINE_MAX_BYTES if inline else _ZIP_MAX_BYTES
        codes: defaultdict[SourceCode, list[Unit]] = defaultdict(list)
        for unit in units:
            if unit.changes and isinstance(unit.spec.code, SourceCode) and may_exceed(unit.tree, largest):
                codes[unit.spec.code].append(unit)

        async def pack(code: SourceCode) -> None:
            try:
                package = await self._world.packager.pack(code)
                found = too_large(package.size_bytes) if inline else None
            except PackageError as error:
                found = failure.of_package(error, "package")
            for unit in codes[code]:
                if found is not None:
                    self._failures[unit.key] = found
                    self._steps[unit.key] = Step.PACKAGE

        await each(codes, pack, at_once=_AT_ONCE)

    async def at_runtimes(self, units: Iterable[Unit]) -> None:
        """Warn about runtimes that the cloud does not list. It is asked only if some are not live yet."""
        live = {version.runtime for version in self._live.versions.values()}
        new: defaultdict[str, list[Unit]] = defaultdict(list)
        for unit in units:
            makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
            if makes and unit.spec.settings.runtime not in live:
                new[unit.spec.settings.runtime].append(unit)
        known = self._live.runtimes
        if new and not known:
            with suppress(CloudError):  # the deployment itself will show it
                known = await self._world.read(self._world.functions.list_runtimes)
        for runtime, those in new.items():
            if known and runtime not in known:
                place, count = those[0].spec.place, len(those) - 1
                more = f" and {count} other{'s' if count > 1 else ''}" if count else ""
                self.warnings.append(
                    f"{place.file}:{place.line}: the cloud does not list runtime {runtime}, which"
                    f" {those[0].key}{more} would get{did_you_mean(runtime, known)}"
                )


def missing_key(secret: Secret, versions: Mapping[str, SecretVersion]) -> Failure | None:
    """Return what a secret lacks of what is requested. `versions`: those that are listed, by their IDs.

    | version            | its keys | key | lacks       |
    | ---                | ---      | --- | ---         |
    | not listed         |          |     | the version |
    | listed, not ACTIVE |          |     | the version |
    | listed             | unknown  | any | nothing     |
    | listed             | a, b     | a   | nothing     |
    | listed             | a, b     | c   | the key     |
    """
    version_id = secret.version_id or ""
    version = versions.get(version_id)
    if version is None or not version.is_active:
        return Failure(
            f"secret {secret.id} has no version {version_id}"
            if version is None
            else f"version {version_id} of secret {secret.id} is {version.status}",
            kind="secret",
            advice=f"correct the `version_id` of {secret.environment_variable}, or remove it for the newest version",
        )
    keys = version.keys
    if not keys or secret.key in keys:
        return None
    return Failure(
        f'version {version_id} of secret {secret.id} has no key "{secret.key}": it has {", ".join(sorted(keys))}'
        f"{did_you_mean(secret.key, keys)}",
        kind="secret",
        advice=f"correct the `key` of {secret.environment_variable}, or add it to the secret",
    )


def may_exceed(tree: Tree | None, largest: int) -> bool:
    """Return whether the zip of a tree may have more than `largest` bytes."""
    if tree is None or zip_at_most(tree.size_bytes, len(tree.paths), len(tree.paths) * _PATH_MAX) <= largest:
        return False
    return zip_at_most(tree.size_bytes, len(tree.paths), sum(len(path.encode()) for path in tree.paths)) > largest


def zip_at_most(size_bytes: int, files: int, names_bytes: int) -> int:
    """Return the largest possible size of a zip, from the total size of its files and of their names in bytes."""
    # Content that cannot be compressed is stored in blocks of 16 KB with 5 bytes each.
    return size_bytes + size_bytes // 1000 + files * _ENTRY_BYTES + 2 * names_bytes


def limits_declared(limits: Limits) -> dict[str, int]:
    """Return the Operation quotas that differ from the documented ones, by their name in [limits]."""
    default, names = Limits(), ("operations_per_folder", "operations_per_cloud")
    return {name: getattr(limits, name) for name in names if getattr(limits, name) != getattr(default, name)}


def is_quota_of(quota: Quota, name: str) -> bool:
    """Return whether a quota of Operations is the one that [limits] calls by this name."""
    kind, spelled = name.rpartition("_")[2], quota.id.rsplit(".", 1)[-1].lower()
    return kind in spelled and "operation" in spelled
