"""Want × have → Plan: for each function what is done, and why, in words. Pure; printing it is the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest

from orchestrator.differences import differences
from orchestrator.entrypoint import missing_entry
from orchestrator.have import Have
from orchestrator.model import (
    Action,
    Failure,
    Fingerprint,
    Function,
    FunctionSpec,
    Plan,
    SourceCode,
    Step,
    Tree,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.stamp import code_digest, fingerprint, read_stamp

Prepared = Tree | tuple[Step, Failure] | None  # the tree of a source, what went wrong with it, None: has no source


def build(
    wants: Mapping[str, FunctionSpec],
    have: Have,
    prepared: Mapping[str, Prepared],
    unresolved: Mapping[str, Failure],
    *,
    force: bool = False,
) -> Plan:
    """Plan every wanted function. `unresolved`: those whose named secrets or accounts could not be found."""
    units = [_unit(spec, have, prepared.get(key), unresolved.get(key), force=force) for key, spec in wants.items()]
    return Plan(_interleaved(units))


def _interleaved(units: list[Unit]) -> tuple[Unit, ...]:
    """Take turns between folders, so that no folder's quota idles while another's queue is long."""
    folders: dict[str, list[Unit]] = {}
    for unit in units:
        folders.setdefault(unit.spec.folder_id, []).append(unit)
    return tuple(unit for turn in zip_longest(*folders.values()) for unit in turn if unit is not None)


def _unit(spec: FunctionSpec, have: Have, prepared: Prepared, unresolved: Failure | None, *, force: bool) -> Unit:
    if isinstance(prepared, tuple):
        step, failure = prepared
        return Unit(spec.key, spec, Action.BLOCKED, failure.message, failure=failure, failed_step=step)
    if unresolved is not None:
        return _blocked(spec, unresolved)
    if isinstance(spec.code, SourceCode) and prepared is not None:
        finding = missing_entry(spec.settings.runtime, spec.settings.entrypoint, prepared.paths)
        if finding is not None and finding[0] == "error":
            failure = Failure(finding[1], kind="entry point")
            return Unit(spec.key, spec, Action.BLOCKED, finding[1], failure=failure, failed_step=Step.PACKAGE)
    found = _find(spec, have)
    if isinstance(found, Failure):
        return _blocked(spec, found)
    spec = _resolve_copy(spec, have, found) or spec
    if isinstance(spec.code, VersionCopy) and spec.code.version_id not in have.versions:
        return _blocked(spec, _no_such_version(spec, spec.code))
    copied = have.versions.get(spec.code.version_id) if isinstance(spec.code, VersionCopy) else None
    digest = fingerprint(spec.settings, code_digest(spec.code, prepared, copied))
    unit = Unit(spec.key, spec, Action.CREATE, "the folder has no such function", digest, prepared)
    if found is None:
        return unit
    latest = have.latest(found.id)
    unit = replace(unit, function_id=found.id, base_version_id=latest.id if latest else None)
    action, reason = _compare(spec, latest, digest, force=force)
    tags = _missing_tags(spec, latest) if action is Action.RETAG and latest is not None else ()
    return replace(unit, action=action, reason=reason, tags=tags)


def _blocked(spec: FunctionSpec, failure: Failure) -> Unit:
    return Unit(spec.key, spec, Action.BLOCKED, failure.message, failure=failure)


def _find(spec: FunctionSpec, have: Have) -> Function | Failure | None:
    if spec.id is not None:
        pinned = have.by_id.get(spec.id)
        return pinned or Failure(
            f"there is no function with the id {spec.id} in folder {spec.folder_id}", kind="no such function"
        )
    found = have.by_name.get((spec.folder_id, spec.name))
    if found is None and not spec.create:
        return Failure(
            f'there is no function named "{spec.name}" in folder {spec.folder_id}',
            kind="no such function",
            advice="set `create = true` to have it made, or correct `name` or `folder_id`",
        )
    return found


def _resolve_copy(spec: FunctionSpec, have: Have, found: Function | None) -> FunctionSpec | None:
    """Turn "$latest" or a tag into the id of the Version that it stands for now."""
    if not isinstance(spec.code, VersionCopy) or found is None:
        return None
    version = have.tagged.get((found.id, spec.code.version_id))
    return replace(spec, code=VersionCopy(version.id)) if version else None


def _no_such_version(spec: FunctionSpec, code: VersionCopy) -> Failure:
    return Failure(
        f"there is no version {code.version_id} to copy the code from in folder {spec.folder_id}",
        kind="no such version",
        advice='`version_id` takes the id of a version in the same folder, "$latest", or a tag of this function',
    )


def _compare(spec: FunctionSpec, latest: Version | None, digest: Fingerprint, *, force: bool) -> tuple[Action, str]:
    change = Action.COPY if isinstance(spec.code, VersionCopy) else Action.VERSION
    if latest is None:
        return change, "the function has no version yet"
    if force:
        return change, "forced"
    live = read_stamp(latest.description)
    if live is None:
        return change, "the live version was not made by this tool"
    if live != digest:
        return change, _reason(spec, latest, live, digest)
    if latest.status != "ACTIVE":
        return change, f"the live version is {latest.status}"
    missing = _missing_tags(spec, latest)
    if missing:
        return Action.RETAG, f"the live version lacks the tag{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    return Action.UNCHANGED, "what is live is what is wanted"


def _missing_tags(spec: FunctionSpec, latest: Version) -> tuple[str, ...]:
    return tuple(sorted(set(spec.settings.tags) - set(latest.tags)))


def _reason(spec: FunctionSpec, latest: Version, live: Fingerprint, digest: Fingerprint) -> str:
    found = [f"package {live.code[:4]}… → {digest.code[:4]}…"] if live.code != digest.code else []
    if live.settings != digest.settings:
        found += differences(spec.settings, latest.raw).values() or ["settings changed"]
    return "; ".join(found)
