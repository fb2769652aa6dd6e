"""Which live Function a declared one means, and which Version it copies."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import Failure, Function, FunctionSpec, VersionCopy
from orchestrator.model.live_state import LiveState


def find(spec: FunctionSpec, live: LiveState) -> Function | Failure | None:
    """Find the Function that is meant; None where it is to be made."""
    if spec.id is not None:
        pinned = live.by_id.get(spec.id)
        pinned = pinned if pinned is not None and pinned.folder_id == spec.folder_id else None
        return pinned or Failure(
            f"there is no function with the id {spec.id} in folder {spec.folder_id}", kind="no such function"
        )
    found = live.by_name.get((spec.folder_id, spec.name))
    if found is None and not spec.create:
        return Failure(
            f'there is no function named "{spec.name}" in folder {spec.folder_id}',
            kind="no such function",
            advice="set `create = true` to have it made, or correct `name` or `folder_id`",
        )
    return found


def resolve_copy(spec: FunctionSpec, live: LiveState, found: Function | None) -> FunctionSpec | None:
    """Turn "$latest" or a tag into the id of the Version that it stands for now."""
    if not isinstance(spec.code, VersionCopy) or found is None:
        return None
    version = live.tagged.get((found.id, spec.code.version_id))
    return replace(spec, code=VersionCopy(version.id)) if version else None


def no_such_version(spec: FunctionSpec, code: VersionCopy) -> Failure:
    """Say that the Version to copy from is not there."""
    return Failure(
        f"there is no version {code.version_id} to copy the code from in folder {spec.folder_id}",
        kind="no such version",
        advice='`version_id` takes the id of a version in the same folder, "$latest", or a tag of this function',
    )
