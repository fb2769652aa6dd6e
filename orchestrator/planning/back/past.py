"""What a rollback is based on when no run is named: one Version of a Function, or a time. For a time, only the
cloud has the data:

| to a time, by the cloud             | what is known                                                            |
| ---                                 | ---                                                                      |
| `$latest`, tags                     | who held them then, by the tag history                                   |
| the Versions made since             | those of this tool, by their stamps; all others were made by other means |
| labels, description of the Function | nothing: they stay as they are                                           |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.model import LATEST, FunctionSpec, TagHeld, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.touched import Touched
from orchestrator.version.stamp import read_back_mark, read_stamp


def of_function(spec: FunctionSpec, live: LiveState) -> Touched | None:
    """Return a Function to which nothing was done, None if it does not exist."""
    by_name = live.by_name.get((spec.folder_id, spec.name))
    function = live.by_id.get(spec.id) if spec.id is not None else by_name
    return Touched(spec.key, function.name, function.folder_id, function.id) if function is not None else None


def back_to(touched: Touched, version_id: str, live: LiveState) -> Touched:
    """Return a Function whose `$latest` goes back to this Version, whatever it is now. Tags do not move."""
    latest = live.latest(touched.function_id)
    if latest is None or latest.id == version_id:
        return touched
    made = (latest.id,)
    return replace(
        touched, made=made, base_version_id=version_id, fingerprint=str(read_stamp(latest.description) or "")
    )


def back_to_time(touched: Touched, at: datetime, history: Sequence[TagHeld], live: LiveState) -> Touched:
    """Return what was done to a Function since a time, from its Versions and its tag history."""
    then = _held_at(history, at)
    made = [version for version in _of(touched, live) if version.created_at is not None and version.created_at > at]
    ours = [one for one in made if read_stamp(one.description) is not None and not read_back_mark(one.description)]
    if not ours:
        return touched
    moved = {held.tag for held in history if held.tag != LATEST and (held.from_at > at or (held.to_at or at) > at)}
    return replace(
        touched,
        made=tuple(one.id for one in ours),
        base_version_id=then.get(LATEST, ""),
        fingerprint=str(read_stamp(ours[-1].description)),
        tags={tag: then.get(tag, "") for tag in sorted(moved)},
        created=LATEST not in then,
    )


def _held_at(history: Iterable[TagHeld], at: datetime) -> dict[str, str]:
    """Return which Version held each tag at a time."""
    return {
        held.tag: held.version_id
        for held in sorted(history, key=lambda one: one.from_at)
        if held.from_at <= at and (held.to_at is None or held.to_at > at)
    }


def _of(touched: Touched, live: LiveState) -> list[Version]:
    """Return the Versions of a Function, the newest last."""
    own = [version for version in live.versions.values() if version.function_id == touched.function_id]
    return sorted(own, key=lambda one: one.created_at.timestamp() if one.created_at is not None else 0.0)
