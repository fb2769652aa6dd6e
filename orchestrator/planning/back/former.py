"""What a rollback reads first: what is live now, the Versions that were live before, and who has deployed or moved tags
since, and when.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, FunctionSpec, Operation, Place, Settings, TagHeld, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.rollback import Former, as_found, deployed_since, moved_since
from orchestrator.planning.back.touched import Touched
from orchestrator.planning.live import read_live
from orchestrator.planning.own import planned_kinds, with_own
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each

_AT_ONCE = 8
_CLOSE = timedelta(seconds=5)  # between the end of an Operation and its row in the tag history


async def read_touched(reading: Reading, touched: Iterable[Touched]) -> LiveState:
    """Return the live state of the Functions that a run has touched, with all the Versions that were live before.
    Raises `CloudError`.
    """
    touched = list(touched)
    bases = frozenset(one.base_version_id for one in touched)
    live = await read_live(reading, [spec_of(one) for one in touched], fresh=True, kept=bases)
    return await with_own(reading, live, {one.function_id: planned_kinds(one.own) for one in touched})


async def read_former(
    reading: Reading,
    touched: Iterable[Touched],
    live: LiveState,
    *,
    lossy: Container[str] = (),
    wider: Container[str] = (),
) -> Former:
    """Return each Version that was live before; a deleted one is left out. For what is left alone, look up who changed
    it; this is left out where the cloud does not say. Raises `CloudError`.
    """
    reader = _Reader(reading, live)
    await each([as_found(one, live) for one in touched], reader.look, at_once=_AT_ONCE)
    return Former(reader.versions, reader.deployed, reader.moved, lossy, wider)


async def read_histories(reading: Reading, function_ids: Iterable[str]) -> dict[str, tuple[TagHeld, ...]]:
    """Return the tag history of each Function, by its ID. Raises `CloudError`."""
    found: dict[str, tuple[TagHeld, ...]] = {}

    async def read(function_id: str) -> None:
        found[function_id] = await reading.read(partial(reading.functions.tag_history, function_id))

    await each(function_ids, read, at_once=_AT_ONCE)
    return found


def spec_of(touched: Touched) -> FunctionSpec:
    """Return a spec that identifies the Function and desires nothing."""
    nothing, place, known = Settings("", "", 0), Place("", 0), touched.function_id or None
    return FunctionSpec(touched.key, touched.name, touched.folder_id, nothing, VersionCopy(LATEST), place, id=known)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Collects what was read. The attributes are named as in `Former`."""

    reading: Reading
    live: LiveState
    versions: dict[str, Version] = field(default_factory=dict)
    deployed: dict[str, str] = field(default_factory=dict)
    moved: dict[tuple[str, str], str] = field(default_factory=dict)

    async def look(self, touched: Touched) -> None:
        """Read what is needed for one Function, usually nothing."""
        latest = self.live.latest(touched.function_id)
        if latest is not None and latest.id in touched.made and touched.base_version_id:
            await self._former(touched.base_version_id)
        deployed, tags = deployed_since(touched, self.live), moved_since(touched, self.live)
        if deployed is None and not tags:
            return
        operations = await self._operations(touched.function_id)
        if deployed is not None:
            made = next((one for one in operations if one.makes_version and one.version_id == deployed.id), None)
            self.deployed[deployed.id] = _said(deployed.created_at, made.created_by if made is not None else "")
        history = await self._history(touched.function_id) if tags else ()
        for tag, version_id in tags.items():
            self.moved[touched.function_id, tag] = _of_move(tag, version_id, history, operations)

    async def _former(self, version_id: str) -> None:
        """Return a Version whole: from the listing, or read by itself."""
        found = self.live.versions.get(version_id)
        if found is None or "id" not in found.raw:
            try:
                found = await self.reading.read(partial(self.reading.functions.get_version, version_id))
            except CloudError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                return
        self.versions[version_id] = found

    async def _operations(self, function_id: str) -> tuple[Operation, ...]:
        try:
            return await self.reading.read(partial(self.reading.functions.list_operations, function_id))
        except CloudError as error:
            failure.unless_token(error)
            return ()

    async def _history(self, function_id: str) -> tuple[TagHeld, ...]:
        try:
            return await self.reading.read(partial(self.reading.functions.tag_history, function_id))
        except CloudError as error:
            failure.unless_token(error)
            return ()


def _of_move(tag: str, version_id: str, history: Sequence[TagHeld], operations: Iterable[Operation]) -> str:
    """Return when a tag was moved to where it is now ("": it was removed), and who requested it."""
    if version_id:
        moves = [(held.from_at, version_id) for held in history if (held.tag, held.version_id) == (tag, version_id)]
    else:
        moves = [(held.to_at, held.version_id) for held in history if held.tag == tag and held.to_at is not None]
    if not moves:
        return ""
    at, about = max(moves)
    ends = [
        (abs(one.modified_at - at), one.created_by)
        for one in operations
        if one.version_id == about and one.modified_at is not None
    ]
    away, by = min(ends, default=(_CLOSE, ""))
    return _said(at, by if away < _CLOSE else "")


def _said(when: datetime | None, by: str) -> str:
    at = f" at {when:%Y-%m-%d %H:%M:%S} UTC" if when is not None else ""
    return f"{at}{f' by {by}' if by else ''}"
