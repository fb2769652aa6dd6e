"""One call that returns an Operation, from the intent to the end of the Operation, holding a slot all the while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup

from orchestrator.engine.bus import Emit
from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import QuotaScope, Slot, Slots
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.tracking.tracker import Tracker
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.journal.events import (
    LimitChanged,
    OperationAccepted,
    OperationDone,
    Requested,
    StepFinished,
    StepRetried,
    StepStarted,
)
from orchestrator.model import Failure, Operation, Step
from orchestrator.resilience import failure, policy
from orchestrator.resilience.stop import Stop

_CODE_NAMES = {int(code): code.name for code in Code}


class StepFailedError(Exception):
    """A unit cannot go on."""

    def __init__(self, step: Step, failure: Failure) -> None:
        super().__init__(failure.message)
        self.step = step
        self.failure = failure


class UnsettledError(Exception):
    """Asked for, but how it ended is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class InFlight:
    """What a unit has asked of the cloud so far: enough to say what is unknown if it must stop right now."""

    key: str
    unsure: bool = False  # a request may have been acted on, and no Operation is known
    operation_id: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be made. `send` takes the Idempotency-Key."""

    name: str  # as the API spells it
    step: Step
    function_id: str
    domain: QuotaScope
    idempotency_key: str
    attempt: int
    send: Callable[[str], Awaitable[Operation]]
    kinds: tuple[Kind, ...]  # of this call, and of what its unit does after it
    look: Callable[[], Awaitable[Operation | None]] | None = None  # for what an unsure try has begun


@dataclass(frozen=True, slots=True)
class Operator:
    """Makes calls under the slots and the request rate, and follows their Operations."""

    world: World
    emit: Emit
    stop: Stop
    slots: Slots
    pace: Pace
    tracker: Tracker
    background: TaskGroup  # of the run: ends with its last unit
    used_up: dict[tuple[str, str], Failure] = field(default_factory=dict)  # (call, cloud or folder): a static quota
    retries: Counter[policy.Verdict] = field(default_factory=Counter)  # of the whole run, by class
    calls: Counter[str] = field(default_factory=Counter)  # sent for the first time, by name

    @contextmanager
    def step(self, key: str, step: Step) -> Iterator[None]:
        """Say when a unit enters and leaves a step, however it leaves."""
        started_at, ok = anyio.current_time(), False
        self.emit(StepStarted(self.world.clock(), key, step))
        try:
            with structlog.contextvars.bound_contextvars(step=str(step)):
                yield
            ok = True
        finally:
            seconds = anyio.current_time() - started_at
            self.emit(StepFinished(self.world.clock(), key, step, seconds, ok))

    def retrying(self, key: str, step: Step) -> Callable[[int, float, CloudError], None]:
        """Make the listener that reports a unit's retries."""

        def report(attempt: int, wait_s: float, error: CloudError) -> None:
            self.emit(StepRetried(self.world.clock(), key, step, attempt, wait_s, error.message, error.request_id))

        return report

    async def run(self, call: Call, attempt: InFlight, in_flight: Operation | None = None) -> Operation:
        """Return the `done` Operation, with its response or its error. `under_way`: it is there, nothing is sent.

        Raises `StepFailedError` where the cloud refuses, `UnsettledError` where the outcome is unknown,
        `StoppedError` where the run stops before anything was asked for, `InterruptedRunError` with a dead token.
        """
        if in_flight is not None:
            with self.step(attempt.key, Step.QUEUE), self.stop.interruptible():
                slot, operation = await self._slot(call), in_flight
        else:
            slot, operation = await self._accepted(call, attempt)
        slot.accepted()
        attempt.operation_id = operation.id
        metadata = operation.metadata
        attempt.version_id = str(metadata.get("functionVersionId", ""))
        function_id = call.function_id or str(metadata.get("functionId", ""))
        self.emit(
            OperationAccepted(
                self.world.clock(), attempt.key, call.name, operation.id, function_id, attempt.version_id,
                operation.request_id,
            )
        )  # fmt: skip
        attempt.unsure = False
        with self.step(attempt.key, Step.TRACK), structlog.contextvars.bound_contextvars(operation_id=operation.id):
            tracked = await self.tracker.finished(operation, call.kinds[0], call.domain.folder)
            if not tracked.operation.done:
                self.background.start_soon(self._keep, slot, attempt.key, tracked.operation)
                raise UnsettledError(tracked.reason)
        slot.release()
        attempt.operation_id = ""  # settled: nothing is unknown about it any more
        self.emit(operation_done(self.world.clock(), attempt.key, tracked.operation))
        return tracked.operation

    async def _keep(self, slot: Slot, key: str, operation: Operation) -> None:
        """Keep the slot of an Operation whose end was not seen until it is: it counts in the cloud all the while."""
        with suppress(InterruptedRunError):  # which the run hears of by other calls
            tracked = await self.tracker.finished(operation)
            if tracked.operation.done:
                slot.release()
                self.emit(operation_done(self.world.clock(), key, tracked.operation))
            elif self.slots.statistics().waiting:
                self.stop.request(f"Operation {operation.id} still is {tracked.reason}, and others wait for its slot")

    async def _accepted(self, call: Call, attempt: InFlight) -> tuple[Slot, Operation]:
        """Send until the cloud takes it. Waits hold no slot; an unsure try is repeated with the very same key."""
        tries = Counter[policy.Verdict]()  # many refusals are no reason not to repeat one lost answer
        self.calls[call.name] += 1
        while True:
            with self.step(attempt.key, Step.QUEUE), self.stop.interruptible():
                slot = await self._slot(call)
                await self._on_its_way(slot)
            used_up = self.used_up.get((call.name, call.domain.cloud or call.domain.folder))
            if used_up is not None and not attempt.unsure:
                slot.release()
                raise StepFailedError(call.step, used_up)
            try:
                with self.step(attempt.key, call.step):
                    # The cloud may have forgotten the key of a try that was long ago, but not what came of it.
                    found = await call.look() if attempt.unsure and call.look is not None else None
                    return slot, found or await self._send(call, attempt)
            except CloudError as error:
                await self._again(call, attempt, error, tries, self._give_back(slot, error))
            except BaseException:
                slot.release()
                raise

    async def _slot(self, call: Call) -> Slot:
        learned = self.tracker.learned
        return await self.slots.acquire(call.domain, sum(learned.of(kind).mean_s for kind in call.kinds))

    def _give_back(self, slot: Slot, error: CloudError) -> float:
        """Give a slot back, and let quotas and pace learn from a refusal. Says how long to wait at least."""
        if error.code is not Code.RESOURCE_EXHAUSTED or policy.judge(error) is policy.Verdict.QUOTA:
            slot.release()
            return 0.0
        if policy.is_rate(error):
            slot.release()
            self.pace.refused(anyio.current_time(), error.retry_after_s)
            self.emit(LimitChanged(self.world.clock(), "requests per second", self.pace.per_second, "refused"))
            return 0.0
        return slot.refused(error.quota, error.retry_after_s)

    async def _on_its_way(self, slot: Slot) -> None:
        try:
            await self.pace.turn()
            await self.world.outage.gate()
            await self.world.guard()
        except BaseException:
            slot.release()
            raise

    async def _send(self, call: Call, attempt: InFlight) -> Operation:
        self.emit(
            Requested(
                self.world.clock(), attempt.key, call.name, call.function_id, call.idempotency_key, call.attempt
            )
        )  # fmt: skip
        before, attempt.unsure = attempt.unsure, True
        sent_at = anyio.current_time()
        try:
            operation = await call.send(call.idempotency_key)
        except CloudError as error:
            self.world.outage.failed(error)
            # A refusal says nothing of an earlier try whose answer was lost.
            attempt.unsure = before or policy.judge(error) is policy.Verdict.UNSURE
            raise
        self.world.outage.answered()
        self.pace.accepted(anyio.current_time())
        self.world.knowledge.answered(anyio.current_time() - sent_at)
        return operation

    async def _again(
        self, call: Call, attempt: InFlight, error: CloudError, tries: Counter[policy.Verdict], closed_s: float
    ) -> None:
        """Wait before the next try, or raise what this error means for the unit."""
        failure.unless_token(error)
        verdict = policy.judge(error)
        lost = self.world.outage.on  # then it counts as no try
        tries[verdict] += not lost
        if not lost and not policy.worth_retrying(error, tries[verdict]):
            if attempt.unsure and error.code is not Code.ALREADY_EXISTS:  # that tells what became of it
                raise UnsettledError(f"no usable answer to {call.name}: {error.message}") from error
            failed = failure.of_call(error)
            if verdict is policy.Verdict.QUOTA and not call.function_id:  # of the cloud, not of one function
                self.used_up[call.name, call.domain.cloud or call.domain.folder] = failed
            raise StepFailedError(call.step, failed) from error
        wait_s = 0.0 if lost else policy.backoff_s(tries[verdict], self.world.rng, error.retry_after_s)
        if error.code is Code.RESOURCE_EXHAUSTED:
            wait_s = closed_s  # it goes back to the queue, which knows by now for how many there is room
        self.retrying(attempt.key, call.step)(tries.total(), wait_s, error)
        self.retries[verdict] += not lost
        spent = policy.spent(verdict, self.retries[verdict], self.calls.total())
        if spent:
            self.stop.request(f"{spent}: {error.message}")
        with self.stop.interruptible():
            await anyio.sleep(wait_s)


def operation_done(at: float, key: str, operation: Operation) -> OperationDone:
    """Tell of a unit's Operation that is `done`. Its seconds are by the cloud's own times, -1.0 where it tells none."""
    seconds = -1.0
    if operation.created_at is not None and operation.modified_at is not None:
        seconds = (operation.modified_at - operation.created_at).total_seconds()
    error = operation.error.message if operation.error is not None else ""
    return OperationDone(at, key, operation.id, seconds, error)


def operation_failure(operation: Operation) -> Failure:
    """Say why an Operation that is `done` failed."""
    return failure.of_operation(operation, _CODE_NAMES)
