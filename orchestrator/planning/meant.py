"""Which live Function a declared one refers to, and which Version it copies."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import Failure, Function, FunctionSpec, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.version.as_live import LEFT_KIND, as_it_is_live


def find(spec: FunctionSpec, live: LiveState) -> Function | Failure | None:
    """Return the live Function, None if it is to be created."""
    if spec.id is not None:
        pinned = live.by_id.get(spec.id)
        pinned = pinned if pinned is not None and pinned.folder_id == spec.folder_id else None
        return pinned or Failure(
            f"folder {spec.folder_id} has no function with the ID {spec.id}", kind="no such function"
        )
    found = live.by_name.get((spec.folder_id, spec.name))
    if found is None and not spec.create:
        return Failure(
            f'folder {spec.folder_id} has no function named "{spec.name}"',
            kind="no such function",
            advice="set `create = true` to create it, or correct `name` or `folder_id`",
        )
    return found


def carrying_on(spec: FunctionSpec, live: LiveState) -> FunctionSpec | Failure:
    """Return the spec with the live values of what is left as it is live. A Failure if nothing is declared and nothing
    is live.
    """
    found = find(spec, live) if spec.as_live else None
    latest = live.latest(found.id) if isinstance(found, Function) else None
    if latest is not None or not spec.as_live.whole:
        return as_it_is_live(spec, latest)
    if isinstance(found, Failure) and spec.id is not None:
        return found
    lacks = "the function has no version yet" if isinstance(found, Function) else "the function does not exist yet"
    return Failure(
        f'{lacks}, and with `settings = "live"` it has no settings of its own',
        kind=LEFT_KIND,
        advice="declare its settings for its first version, or create that by other means",
    )


def resolve_copy(spec: FunctionSpec, live: LiveState, found: Function | None) -> FunctionSpec | None:
    """Replace "$latest" or a tag by the ID of the Version that it points to now."""
    if not isinstance(spec.code, VersionCopy) or found is None:
        return None
    version = live.tagged.get((found.id, spec.code.version_id))
    return replace(spec, code=VersionCopy(version.id)) if version else None


def no_such_version(spec: FunctionSpec, code: VersionCopy) -> Failure:
    """Return the failure for a Version to copy from that does not exist."""
    return Failure(
        f"folder {spec.folder_id} has no version {code.version_id} to copy the code from",
        kind="no such version",
        advice='`version_id` takes the ID of a version in the same folder, "$latest", or a tag of this function',
    )
