"""One call that returns an Operation, from the intent to the end of the Operation, holding a slot all the while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
import structlog
from anyio.abc import TaskGroup

from orchestrator.engine.base import Looked
from orchestrator.engine.bus import Emit
from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import QuotaScope, Slot, Slots
from orchestrator.engine.steps import At, Steps
from orchestrator.engine.tracking.durations import Kind
from orchestrator.engine.tracking.tracker import Sent, Tracked, Tracker
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import OperationAccepted, OperationDone, Requested
from orchestrator.model import ApiRequest, ChangeKind, Failure, Operation, Step
from orchestrator.resilience import failure, policy
from orchestrator.resilience.stop import Stop, StoppedError


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


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a unit has asked of the cloud and not seen the end of: what is unknown if it must stop right now.

    `unsure`: a request may have been acted on, and no Operation is known.
    """

    unsure: bool = False
    operation_id: str = ""
    version_id: str = ""

    def __bool__(self) -> bool:
        return self.unsure or bool(self.operation_id)


NOTHING = InFlight()


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be made."""

    at: At
    kind: ChangeKind
    function_id: str
    scope: QuotaScope
    idempotency_key: str
    attempt: int
    request: ApiRequest
    kinds: tuple[Kind, ...]  # of this call, and of what its unit does after it
    look: Callable[[], Awaitable[Operation | None]] | None = None  # for what an unsure try has begun
    base: Looked | None = None  # what it is based on, and must still be there


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls under the slots and the request rate, and follows their Operations."""

    world: World
    emit: Emit
    stop: Stop
    slots: Slots
    pace: Pace
    tracker: Tracker
    background: TaskGroup  # of the run: ends with its last unit
    steps: Steps
    used_up: dict[tuple[ChangeKind, str], Failure] = field(default_factory=dict)  # (…, cloud or folder): a static quota
    retries: Counter[policy.ErrorClass] = field(default_factory=Counter)  # of the whole run, by class
    sent: Counter[ChangeKind] = field(default_factory=Counter)  # calls that were sent for the first time
    in_flight: dict[str, InFlight] = field(default_factory=dict)  # by unit
    first_sent: dict[str, Sent] = field(default_factory=dict)  # by unit: its call, since the last refusal
    replayed: set[str] = field(default_factory=set)  # Operations that were over (or perhaps) before their call was sent

    def apart(self) -> Calls:
        """Give the same for one of several changes that a unit makes at once: what it has in flight is its own."""
        return replace(self, in_flight={}, first_sent={})

    async def run(self, call: Call, found: Operation | None = None) -> Operation:
        """Return the `done` Operation, with its response or its error. `found`: it is there, nothing is sent.

        Raises `StepFailedError` where the cloud refuses, `UnsettledError` where the outcome is unknown,
        `StoppedError` where the run stops before anything was asked for, `InterruptedRunError` with a dead token.
        """
        if found is not None:
            with self.steps.step(call.at, Step.QUEUE), self.stop.interruptible(call.at.unit):
                slot, operation = await self._slot(replace(call, base=None)), found
        else:
            slot, operation = await self._accepted(call)
        slot.accepted()
        # No clock is fine enough to tell a failure of a moment ago, answered for its key, from one that was this quick.
        doubted = call.attempt == 1 and operation.done and operation.error is not None
        self.in_flight[call.at.unit] = InFlight(operation_id=operation.id, version_id=operation.version_id)
        self.emit(
            OperationAccepted(
                self.world.clock(), call.at.unit, call.kind, operation.id, call.function_id or operation.function_id,
                operation.version_id, operation.request_id, call.at.change,
            )
        )  # fmt: skip
        with self.steps.step(call.at, Step.TRACK), structlog.contextvars.bound_contextvars(operation_id=operation.id):
            sent = self.first_sent.pop(call.at.unit, None)
            tracked = await self.tracker.finished(operation, call.kinds[0], call.scope.folder, sent)
            if not tracked.operation.done:
                self.background.start_soon(self._keep, slot, call.at, tracked.operation)
                raise UnsettledError(tracked.reason)
        slot.release()
        self.in_flight[call.at.unit] = NOTHING
        self.emit(operation_done(self.world.clock(), call.at, tracked))
        if tracked.replayed or doubted:
            self.replayed.add(operation.id)
        return tracked.operation

    async def _keep(self, slot: Slot, at: At, operation: Operation) -> None:
        """Keep the slot of an Operation whose end was not seen until it is: it counts in the cloud all the while."""
        with suppress(InterruptedRunError):  # which the run hears of by other calls
            tracked = await self.tracker.finished(operation)
            if tracked.operation.done:
                slot.release()
                self.emit(operation_done(self.world.clock(), at, tracked))
            elif self.slots.statistics().waiting:
                self.stop.request(f"Operation {operation.id} still is {tracked.reason}, and others wait for its slot")

    async def _accepted(self, call: Call) -> tuple[Slot, Operation]:
        """Send until the cloud takes it. Waits hold no slot; an unsure try is repeated with the very same key."""
        tries = Counter[policy.ErrorClass]()  # many refusals are no reason not to repeat one lost answer
        self.sent[call.kind] += 1
        self.first_sent.pop(call.at.unit, None)
        while True:
            with self.steps.step(call.at, Step.QUEUE), self.stop.interruptible(call.at.unit):
                slot = await self._slot(call)
                await self._turn(slot)
            used_up = self.used_up.get((call.kind, call.scope.cloud or call.scope.folder))
            if used_up is not None and not self._unsure(call):
                slot.release()
                raise StepFailedError(call.kind.step, used_up)
            try:
                with self.steps.step(call.at, call.kind.step):
                    # The cloud may have forgotten the key of a try that was long ago, but not what came of it.
                    found = await call.look() if self._unsure(call) and call.look is not None else None
                    if found is None and call.base is not None:
                        await call.base.look()
                        self._still_wanted(call)
                    return slot, found or await self._send(call)
            except CloudError as error:
                await self._again(call, error, tries, self._give_back(slot, error))
            except BaseException:
                slot.release()
                raise

    def _still_wanted(self, call: Call) -> None:
        """Send nothing that a stop came before, while something was looked at. What may have been sent is found out."""
        why = self.stop.why(call.at.unit)
        if why and not self._unsure(call):
            raise StoppedError(why)

    async def _slot(self, call: Call) -> Slot:
        learned = self.tracker.learned
        look = self._looks(call) if call.base is not None and not self._unsure(call) else None
        expected_s = sum(learned.of(kind).mean_s for kind in call.kinds)
        return await self.slots.acquire(call.scope, expected_s, look, last=call.kind is ChangeKind.DELETE)

    def _looks(self, call: Call) -> Callable[[], Awaitable[None]]:
        """Look at the base before the slot is there; what cannot be seen now is looked at once more, with it."""

        async def look() -> None:
            with suppress(CloudError):
                if call.base is not None:
                    await call.base.look()

        return look

    def _give_back(self, slot: Slot, error: CloudError) -> float:
        """Give a slot back, and let quotas and pace learn from a refusal. Says how long to wait at least."""
        if error.code is not Code.RESOURCE_EXHAUSTED or policy.judge(error) is policy.ErrorClass.QUOTA:
            slot.release()
            return 0.0
        if policy.is_rate(error):
            slot.release()
            self.pace.refused(anyio.current_time(), error.retry_after_s)
            self.emit(LimitChanged(self.world.clock(), "requests per second", self.pace.per_second, "refused"))
            return 0.0
        return slot.refused(error.quota, error.retry_after_s)

    async def _turn(self, slot: Slot) -> None:
        """Wait until it may be sent. Other waits may come before it is, so the guard is awaited again by `send`."""
        try:
            await self.pace.turn()
            await self.world.outage.gate()
            await self.world.guard()  # a stop ends this one, however long it takes to find out
        except BaseException:
            slot.release()
            raise

    def take(self, unit: str) -> InFlight:
        """Say what a unit that has come to its end leaves in flight, and forget it."""
        return self.in_flight.pop(unit, NOTHING)

    def is_unsure(self, unit: str) -> bool:
        """Say whether one of a unit's tries may have been acted on, and no Operation is known."""
        return self.in_flight.get(unit, NOTHING).unsure

    def _unsure(self, call: Call) -> bool:
        return self.is_unsure(call.at.unit)

    def _is_unsure(self, call: Call, *, unsure: bool) -> None:
        self.in_flight[call.at.unit] = replace(self.in_flight.get(call.at.unit, NOTHING), unsure=unsure)

    async def _send(self, call: Call) -> Operation:
        self.emit(
            Requested(
                self.world.clock(), call.at.unit, call.kind, call.function_id, call.idempotency_key, call.attempt,
                call.at.change,
            )
        )  # fmt: skip
        before = self._unsure(call)
        self._is_unsure(call, unsure=True)
        sent_at = anyio.current_time()
        self.first_sent.setdefault(call.at.unit, Sent(sent_at, self.world.server_time()))
        try:
            operation = await self.world.functions.send(
                call.request, idempotency_key=call.idempotency_key, guard=self.world.guard
            )
        except StoppedError:  # by the guard: it was not sent
            self._is_unsure(call, unsure=before)
            raise
        except CloudError as error:
            self.world.outage.failed(error)
            # A refusal says nothing of an earlier try whose answer was lost.
            unsure = before or policy.judge(error) is policy.ErrorClass.UNSURE
            self._is_unsure(call, unsure=unsure)
            if not unsure:  # nothing can have begun by then: an Operation's age is that of the next try
                self.first_sent.pop(call.at.unit, None)
            raise
        self.world.outage.answered()
        self.pace.accepted(anyio.current_time())
        self.world.knowledge.answered(anyio.current_time() - sent_at)
        return operation

    async def _again(self, call: Call, error: CloudError, tries: Counter[policy.ErrorClass], closed_s: float) -> None:
        """Wait before the next try, or raise what this error means for the unit."""
        failure.unless_token(error)
        verdict = policy.judge(error)
        lost = self.world.outage.on  # then it counts as no try
        tries[verdict] += not lost
        if not lost and not policy.worth_retrying(error, tries[verdict]):
            if self._unsure(call) and error.code is not Code.ALREADY_EXISTS:  # that tells what became of it
                raise UnsettledError(f"no usable answer to {call.kind}: {error.message}") from error
            failed = failure.of_call(error)
            if verdict is policy.ErrorClass.QUOTA and not call.function_id:  # of the cloud, not of one function
                self.used_up[call.kind, call.scope.cloud or call.scope.folder] = failed
            raise StepFailedError(call.kind.step, failed) from error
        wait_s = 0.0 if lost else policy.backoff_s(tries[verdict], self.world.rng, error.retry_after_s)
        if error.code is Code.RESOURCE_EXHAUSTED:
            wait_s = closed_s  # it goes back to the queue, which knows by now for how many there is room
        if not self.stop.reason:  # else nothing is waited for any more
            self.world.outage.endure(max(wait_s, 0.0 if lost else error.retry_after_s or 0.0), error.message)
        self.steps.retrying(call.at, call.kind.step)(tries.total(), wait_s, error)
        self.retries[verdict] += not lost
        spent = policy.spent(verdict, self.retries[verdict], self.sent.total())
        if spent:
            self.stop.request(f"{spent}: {error.message}")
        with self.stop.interruptible(call.at.unit):
            await anyio.sleep(wait_s)


def operation_done(clock_s: float, at: At, tracked: Tracked) -> OperationDone:
    """Tell of a unit's Operation that is `done`. Its seconds are -1.0 where they are not known."""
    operation, seconds = tracked.operation, -1.0 if tracked.length_s is None else tracked.length_s
    error = operation.error.message if operation.error is not None else ""
    return OperationDone(clock_s, at.unit, operation.id, seconds, error, at.change)
