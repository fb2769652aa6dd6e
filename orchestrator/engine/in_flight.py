"""Operations that a run left behind when it was cut off. What the cloud accepted is never requested again.

Before a version is requested, this looks for an Operation that already makes it: the cloud may have forgotten the key.
Before a resume, the journal's Operations are followed to their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import anyio

from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import operation_done
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.tracker import Tracker
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.journal.events import OperationAccepted
from orchestrator.model import ChangeKind, Failed, Operation, Outcome, Step, Unit, Unknown
from orchestrator.model.live_state import LiveState
from orchestrator.resilience import failure
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError
from orchestrator.version.stamp import is_same, read_stamp


async def in_flight(
    world: World, live: LiveState, unit: Unit, function_id: str, *, asked_for: bool = False
) -> Operation | None:
    """Return the Operation that makes exactly this version. None if there is none, or none can be recognized.

    `asked_for`: this run has requested the version since `live` was read, and does not know the result.

    A folder that was listed completely shows the versions that are being made (if the cloud lists them: unverified).
    There, nothing is read unless one of them is ours. For a few functions, the Operations of each are read.
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
        return None  # only an extra check: the Idempotency-Key prevents duplicates unless the cloud has forgotten it
    return None


def _is_news(operation: Operation, live: LiveState) -> bool:
    """Return whether the live state, as read, may not show this Operation's result."""
    if not operation.done or operation.modified_at is None or live.read_at is None:
        return not operation.done
    return operation.modified_at >= live.read_at


async def _is_ours(world: World, version_id: str, unit: Unit) -> bool:
    try:
        version = await world.read(partial(world.functions.get_version, version_id))
    except CloudError as error:
        if error.code is Code.NOT_FOUND:  # a version is not shown while it is being made
            return False
        raise
    return _same(version.description, unit)


def _same(description: str, unit: Unit) -> bool:
    return unit.fingerprint is not None and is_same(read_stamp(description), unit.fingerprint)


async def settle(
    world: World, emit: Emit, stop: Stop, accepted: Mapping[str, tuple[OperationAccepted, ...]]
) -> dict[str, Outcome]:
    """Follow the Operations of each unit (by its key). Returns the outcomes that are certain by then: an Operation that
    failed, or whose end is still not seen. The live state decides about the others.

    Raises `InterruptedRunError` if the token or the network fails, `StoppedError` if the run is stopped.
    """
    tracker = Tracker(world)
    outcomes: dict[str, Outcome] = {}

    async def follow(key: str, known: OperationAccepted) -> None:
        outcome = await _outcome(world, emit, tracker, key, known)
        if outcome is not None:
            outcomes[key] = outcome

    with ungrouped(InterruptedRunError), ungrouped(StoppedError), stop.whole_run:
        async with anyio.create_task_group() as group:
            for key, operations in accepted.items():
                for known in operations:
                    group.start_soon(follow, key, known)
    if stop.reason:
        raise StoppedError(stop.reason)
    return outcomes


async def _outcome(world: World, emit: Emit, tracker: Tracker, key: str, known: OperationAccepted) -> Outcome | None:
    tracked = await tracker.finished(Operation(known.operation_id, done=False))
    if not tracked.operation.done:
        if tracked.refused:  # for example, too old to be known: the live state decides
            return None
        return Unknown(tracked.reason, known.operation_id, known.version_id)
    emit(operation_done(world.clock(), At(key, known.change), tracked))
    if tracked.operation.error is None:
        return None
    step = Step.FUNCTION if known.call == ChangeKind.FUNCTION else Step.TRACK
    return Failed(step, failure.of_operation(tracked.operation))
