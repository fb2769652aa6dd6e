"""Which live Function a declared one means, and which Version it copies."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import Failure, Function, FunctionSpec, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.version.as_live import LEFT_KIND, as_it_is_live


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


def carrying_on(spec: FunctionSpec, live: LiveState) -> FunctionSpec | Failure:
    """Want what is left as it is live just so; a Failure where nothing is declared, and nothing is live."""
    found = find(spec, live) if spec.as_live else None
    latest = live.latest(found.id) if isinstance(found, Function) else None
    if latest is not None or not spec.as_live.whole:
        return as_it_is_live(spec, latest)
    if isinstance(found, Failure) and spec.id is not None:
        return found
    lacks = "the function has no version yet" if isinstance(found, Function) else "there is no such function yet"
    return Failure(
        f'{lacks}, and with `settings = "live"` it has no settings of its own',
        kind=LEFT_KIND,
        advice="declare its settings for its first version, or make that by other means",
    )


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
