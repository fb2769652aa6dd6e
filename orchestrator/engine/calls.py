"""One call that returns an Operation, from its intent to the end of the Operation. It holds a slot all the time."""

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
    """A unit cannot continue."""

    def __init__(self, step: Step, failure: Failure) -> None:
        super().__init__(failure.message)
        self.step = step
        self.failure = failure


class UnsettledError(Exception):
    """A call was made, but its outcome is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a unit has in flight: what is unknown if the unit must stop right now.

    `unsure`: a request may have taken effect, and no Operation is known.
    """

    unsure: bool = False
    operation_id: str = ""
    version_id: str = ""

    def __bool__(self) -> bool:
        return self.unsure or bool(self.operation_id)


NOTHING = InFlight()


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make."""

    at: At
    kind: ChangeKind
    function_id: str
    scope: QuotaScope
    idempotency_key: str
    attempt: int
    request: ApiRequest
    kinds: tuple[Kind, ...]  # of this call, and of what its unit does after it
    look: Callable[[], Awaitable[Operation | None]] | None = None  # finds what an unsure attempt has started
    base: Looked | None = None  # what the call is based on; checked before it is sent


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls within the slots and the request rate, and follows their Operations."""

    world: World
    emit: Emit
    stop: Stop
    slots: Slots
    pace: Pace
    tracker: Tracker
    background: TaskGroup  # the run's; ends with its last unit
    steps: Steps
    used_up: dict[tuple[ChangeKind, str], Failure] = field(default_factory=dict)  # static quotas, by cloud or folder
    retries: Counter[policy.ErrorClass] = field(default_factory=Counter)  # of the whole run, by class
    sent: Counter[ChangeKind] = field(default_factory=Counter)  # calls, not counting retries
    in_flight: dict[str, InFlight] = field(default_factory=dict)  # by unit
    first_sent: dict[str, Sent] = field(default_factory=dict)  # by unit: its call, since the last refusal
    replayed: set[str] = field(default_factory=set)  # Operations that were (or may have been) done before their call

    def apart(self) -> Calls:
        """Return a copy for one of several changes that a unit makes at once. What it has in flight is its own."""
        return replace(self, in_flight={}, first_sent={})

    async def run(self, call: Call, found: Operation | None = None) -> Operation:
        """Return the `done` Operation, with its response or its error. `found`: an existing Operation; nothing is sent.

        Raises `StepFailedError` if the cloud refuses, `UnsettledError` if the outcome is unknown, `StoppedError` if the
        run stops before the call is sent, and `InterruptedRunError` if the token is not accepted.
        """
        if found is not None:
            with self.steps.step(call.at, Step.QUEUE), self.stop.interruptible(call.at.unit):
                slot, operation = await self._slot(replace(call, base=None)), found
        else:
            slot, operation = await self._accepted(call)
        slot.accepted()
        # No clock can separate a replayed failure of a moment ago from a new one that came this quickly.
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
        """Hold the slot of an Operation until its end is seen: the cloud counts it until then."""
        with suppress(InterruptedRunError):  # other calls report it to the run
            tracked = await self.tracker.finished(operation)
            if tracked.operation.done:
                slot.release()
                self.emit(operation_done(self.world.clock(), at, tracked))
            elif self.slots.statistics().waiting:
                self.stop.request(f"Operation {operation.id} is still {tracked.reason}, and others wait for its slot")

    async def _accepted(self, call: Call) -> tuple[Slot, Operation]:
        """Send until the cloud accepts the call. Waits hold no slot. An unsure attempt is sent again with its key."""
        tries = Counter[policy.ErrorClass]()  # many refusals must not prevent the retry of one lost answer
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
                    # The cloud may have forgotten the key of an old attempt, but not its result.
                    found = await call.look() if self._unsure(call) and call.look is not None else None
                    if found is None and call.base is not None:
                        await call.base.look()
                        self._check_stop(call)
                    return slot, found or await self._send(call)
            except CloudError as error:
                await self._again(call, error, tries, self._give_back(slot, error))
            except BaseException:
                slot.release()
                raise

    def _check_stop(self, call: Call) -> None:
        """Raise `StoppedError` if the run was stopped during the checks and nothing can have been sent."""
        why = self.stop.why(call.at.unit)
        if why and not self._unsure(call):
            raise StoppedError(why)

    async def _slot(self, call: Call) -> Slot:
        learned = self.tracker.learned
        look = self._looks(call) if call.base is not None and not self._unsure(call) else None
        expected_s = sum(learned.of(kind).mean_s for kind in call.kinds)
        return await self.slots.acquire(call.scope, expected_s, look, last=call.kind is ChangeKind.DELETE)

    def _looks(self, call: Call) -> Callable[[], Awaitable[None]]:
        """Check the base while waiting for the slot. If it cannot be read now, it is checked again with the slot."""

        async def look() -> None:
            with suppress(CloudError):
                if call.base is not None:
                    await call.base.look()

        return look

    def _give_back(self, slot: Slot, error: CloudError) -> float:
        """Release a slot, and let quotas and pace learn from a refusal. Returns the minimum wait in seconds."""
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
        """Wait until the call may be sent. Other waits may follow, so `send` awaits the guard again."""
        try:
            await self.pace.turn()
            await self.world.outage.gate()
            await self.world.guard()  # a stop ends this wait, however long it takes
        except BaseException:
            slot.release()
            raise

    def take(self, unit: str) -> InFlight:
        """Return what an ended unit leaves in flight, and forget it."""
        return self.in_flight.pop(unit, NOTHING)

    def is_unsure(self, unit: str) -> bool:
        """Return whether an attempt of a unit may have taken effect while no Operation is known."""
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
        except StoppedError:  # raised by the guard: nothing was sent
            self._is_unsure(call, unsure=before)
            raise
        except CloudError as error:
            self.world.outage.failed(error)
            # A refusal says nothing about an earlier attempt whose answer was lost.
            unsure = before or policy.judge(error) is policy.ErrorClass.UNSURE
            self._is_unsure(call, unsure=unsure)
            if not unsure:  # nothing can have started yet: an Operation's age counts from the next attempt
                self.first_sent.pop(call.at.unit, None)
            raise
        self.world.outage.answered()
        self.pace.accepted(anyio.current_time())
        self.world.knowledge.answered(anyio.current_time() - sent_at)
        return operation

    async def _again(self, call: Call, error: CloudError, tries: Counter[policy.ErrorClass], closed_s: float) -> None:
        """Wait before the next attempt, or raise what this error means for the unit."""
        failure.unless_token(error)
        verdict = policy.judge(error)
        lost = self.world.outage.on  # during an outage, an attempt does not count
        tries[verdict] += not lost
        if not lost and not policy.worth_retrying(error, tries[verdict]):
            if self._unsure(call) and error.code is not Code.ALREADY_EXISTS:  # ALREADY_EXISTS shows the result
                raise UnsettledError(f"no usable answer to {call.kind}: {error.message}") from error
            failed = failure.of_call(error)
            if verdict is policy.ErrorClass.QUOTA and not call.function_id:  # the cloud's quota, not a function's
                self.used_up[call.kind, call.scope.cloud or call.scope.folder] = failed
            raise StepFailedError(call.kind.step, failed) from error
        wait_s = 0.0 if lost else policy.backoff_s(tries[verdict], self.world.rng, error.retry_after_s)
        if error.code is Code.RESOURCE_EXHAUSTED:
            wait_s = closed_s  # the queue knows by now how many calls there is room for
        if not self.stop.reason:  # after a stop, nothing waits any more
            self.world.outage.endure(max(wait_s, 0.0 if lost else error.retry_after_s or 0.0), error.message)
        self.steps.retrying(call.at, call.kind.step)(tries.total(), wait_s, error)
        self.retries[verdict] += not lost
        spent = policy.spent(verdict, self.retries[verdict], self.sent.total())
        if spent:
            self.stop.request(f"{spent}: {error.message}")
        with self.stop.interruptible(call.at.unit):
            await anyio.sleep(wait_s)


def operation_done(clock_s: float, at: At, tracked: Tracked) -> OperationDone:
    """Return the event for a unit's Operation that is `done`. Its seconds are -1.0 if they are not known."""
    operation, seconds = tracked.operation, -1.0 if tracked.length_s is None else tracked.length_s
    error = operation.error.message if operation.error is not None else ""
    return OperationDone(clock_s, at.unit, operation.id, seconds, error, at.change, tracked.polls)
