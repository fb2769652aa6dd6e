"""Deletes old Versions: several of a Function at once, each with its own call. One failure does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from orchestrator.engine.attempts import Attempts
from orchestrator.engine.calls import Call, InFlight, StepFailedError, UnsettledError
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.verdicts import cut_off
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.model import (
    Blocked,
    ChangeKind,
    Failed,
    Failure,
    Operation,
    Outcome,
    Pruned,
    Step,
    Unit,
    Unknown,
)
from orchestrator.resilience import failure
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import StoppedError
from orchestrator.version import body, stamp

_NAMED_MAX = 20  # versions that were not deleted, each listed with its reason


async def deleted(attempts: Attempts, unit: Unit) -> Outcome:
    """Delete all Versions that a unit is to delete. A failure is a value. Raises `InterruptedRunError`."""
    calls = attempts.calls
    try:
        with calls.stop.interruptible(unit.key):
            busy = await _under_way(attempts, unit)
    except StoppedError as error:
        return cut_off(InFlight(), str(error))
    except CloudError as error:
        failure.unless_token(error)
        return Failed(Step.DELETE, failure.of_call(error))
    if busy is not None:
        return Blocked(
            f"Operation {busy.id} ({busy.description or 'of someone else'}) started after the plan was made and"
            " may need one of its versions; prune again when it is done"
        )
    at_once = min(len(unit.changes), calls.world.limits.operations_per_function)
    work = _Deletions(attempts, unit, iter(range(len(unit.changes))))
    with ungrouped(InterruptedRunError):
        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(work.go)
    return work.outcome()


async def _under_way(attempts: Attempts, unit: Unit) -> Operation | None:
    """Return an unfinished Operation of the Function that may need a Version to delete. Deletions need none."""
    world = attempts.calls.world
    try:
        operations = await world.read(partial(world.functions.list_operations, unit.function_id or ""))
    except CloudError as error:
        if error.code is Code.NOT_FOUND:  # the Function is gone, and its Versions with it
            return None
        raise
    return next((one for one in operations if not one.done and not one.deletes_version), None)


@dataclass(slots=True)
class _Deletions:
    """The deletions of one unit and their results so far. `left`: indices of changes."""

    attempts: Attempts
    unit: Unit
    left: Iterator[int]
    done: int = 0
    refused: dict[str, Failure] = field(default_factory=dict)  # by the Version's id
    unknown: Unknown | None = None
    stopped: str = ""

    async def go(self) -> None:
        """Delete one Version after the other until none is left."""
        for number in self.left:
            if self.stopped or any(one.kind == Code.PERMISSION_DENIED.name for one in self.refused.values()):
                return
            await self._delete(number)

    async def _delete(self, number: int) -> None:
        own = replace(self.attempts, calls=self.attempts.calls.apart())
        key, version_id = self.unit.key, _version_of(self.unit, number)
        try:
            await delete_version(own, self.unit, At(key, number))
            self.done += 1
        except StepFailedError as error:
            self.refused[version_id] = error.failure
        except UnsettledError as error:
            self._not_seen(own.calls.take(key), error.reason)
        except StoppedError as error:
            self.stopped = self.stopped or str(error)
            self._not_seen(own.calls.take(key), str(error))
        except BaseException:  # the run is broken off or left at once: what is in flight belongs to the unit
            if left := own.calls.take(key):
                self.attempts.calls.in_flight[key] = left
            raise

    def _not_seen(self, left: InFlight, reason: str) -> None:
        if left and self.unknown is None:
            self.unknown = Unknown(f"its end was not seen: {reason}", left.operation_id, left.version_id)

    def outcome(self) -> Outcome:
        """Return the outcome of the unit.

        | its deletions                            | the unit                      |
        | ---                                      | ---                           |
        | the end of one was not seen              | unknown: `resume` finds out   |
        | some were refused                        | failed, and names them        |
        | the run was stopped before all were sent | cancelled: `resume` continues |
        | all were done                            | pruned                        |
        """
        if self.unknown is not None:
            return self.unknown
        if self.refused:
            return Failed(Step.DELETE, self._failure())
        if self.done < len(self.unit.changes):
            return cut_off(InFlight(), f"{self.stopped}; {self.done} of {len(self.unit.changes)} versions were deleted")
        return Pruned(self.done)

    def _failure(self) -> Failure:
        first = next(iter(self.refused.items()))
        entries = [f"{version_id}: {one.message}" for version_id, one in self.refused.items()]
        more = len(entries) - _NAMED_MAX
        untried = len(self.unit.changes) - self.done - len(self.refused)
        lines = [
            *entries[:_NAMED_MAX],
            *([f"and {more} more"] if more > 0 else []),
            *([f"not tried: {untried} more"] if untried else []),
        ]
        return replace(
            first[1],
            message=f"not deleted: {first[1].message.replace(first[0], '…')}",
            detail="\n".join(lines),
            advice=first[1].advice or "the others were deleted; the next prune tries this one again",
        )


def _version_of(unit: Unit, number: int) -> str:
    (version_id,) = unit.changes[number].before
    return version_id


async def delete_version(attempts: Attempts, unit: Unit, at: At) -> None:
    """Delete one Version. If it is already gone, that is not a failure. Raises what `Calls.run` raises."""
    function_id, version_id = unit.function_id or "", _version_of(unit, at.change)
    request = body.delete_version_request(version_id)

    def call(attempt: int) -> Call:
        key = stamp.delete_key(function_id, version_id, attempt)
        scope = attempts.scope(unit, function_id)
        return Call(at, ChangeKind.DELETE, function_id, scope, key, attempt, request, (Kind.DELETE,))

    async def is_replay(operation: Operation) -> bool:
        return attempts.ended_before(operation) and operation.error is not None  # a deleted Version stays deleted

    try:
        await attempts.done(call, is_replay, Step.DELETE, f"deletions of version {version_id}")
    except StepFailedError as error:
        if error.failure.kind != Code.NOT_FOUND.name:
            raise
