"""Operations of a run that was cut off, followed to their end: what was accepted is never asked for again."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from orchestrator.engine.bus import Emit
from orchestrator.engine.calls import operation_done
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.tracker import Tracker
from orchestrator.engine.world import World
from orchestrator.errors import InterruptedRunError
from orchestrator.journal.events import OperationAccepted
from orchestrator.model import ChangeKind, Failed, Operation, Outcome, Step, Unknown
from orchestrator.resilience import failure
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError


async def settle(
    world: World, emit: Emit, stop: Stop, accepted: Mapping[str, tuple[OperationAccepted, ...]]
) -> dict[str, Outcome]:
    """Follow the Operations of each unit (by its key). Gives the outcomes that are plain by then: an Operation that
    failed, or whose end is still not seen. Of the others what is live will tell.

    Raises `InterruptedRunError` where the token or the network is gone, `StoppedError` where the run is stopped.
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
        if tracked.refused:  # too old to be known, say: what is live will tell
            return None
        return Unknown(tracked.reason, known.operation_id, known.version_id)
    emit(operation_done(world.clock(), At(key, known.change), tracked.operation))
    if tracked.operation.error is None:
        return None
    step = Step.FUNCTION if known.call == ChangeKind.FUNCTION else Step.TRACK
    return Failed(step, failure.of_operation(tracked.operation))
