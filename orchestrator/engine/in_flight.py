"""A look before a version is asked for: an Operation of a run that was killed may be making it, its key forgotten."""

from __future__ import annotations

from functools import partial

from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.model import Operation, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.version.stamp import read_stamp


async def in_flight(
    world: World, live: LiveState, unit: Unit, function_id: str, *, asked_for: bool = False
) -> Operation | None:
    """Find the Operation that makes just this version. None where there is none, or none can be told to.

    `asked_for`: we have asked for it ourselves since `live` was read, and do not know what became of that.

    A folder that was read whole shows the versions that are being made (where the cloud lists them: unverified), so
    nothing is asked there unless one of them is ours. Of few functions each is asked for its Operations.
    """
    pending = {version.id for version in live.creating.get(function_id, ()) if _same(version.description, unit)}
    if not asked_for and not pending and unit.spec.folder_id in live.whole:
        return None
    try:
        operations = await world.read(partial(world.functions.list_operations, function_id))
        for operation in operations:
            version_id = operation.version_id
            if not operation.makes_version or not version_id:
                continue
            if version_id in pending or (
                _is_news(operation, live)
                and version_id not in live.versions
                and await _is_ours(world, version_id, unit)
            ):
                return operation
    except CloudError:
        return None  # the Idempotency-Key is what protects; this look is for where it was forgotten
    return None


def _is_news(operation: Operation, live: LiveState) -> bool:
    """Say whether what is live, as it was read, may not show what became of it."""
    if not operation.done or operation.modified_at is None or live.read_at is None:
        return not operation.done
    return operation.modified_at >= live.read_at


async def _is_ours(world: World, version_id: str, unit: Unit) -> bool:
    try:
        version = await world.read(partial(world.functions.get_version, version_id))
    except CloudError as error:
        if error.code is Code.NOT_FOUND:  # it is not shown while it is made
            return False
        raise
    return _same(version.description, unit)


def _same(description: str, unit: Unit) -> bool:
    found = read_stamp(description)
    return found is not None and found == unit.fingerprint and found.forced == unit.fingerprint.forced
