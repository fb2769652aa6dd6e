"""Following Operations to their end. A unit awaits `finished`; how the tracker learns of it is its own affair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import anyio

from orchestrator import policy
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.model import Operation
from orchestrator.pipeline.failure import unless_token
from orchestrator.pipeline.quotas.pace import Pace
from orchestrator.pipeline.retry import heard
from orchestrator.pipeline.world import World

_FIRST_POLL_S = 0.5
_GROWTH = 1.25
_LONGEST_POLL_S = 5.0
_EARLY_NOT_FOUND = 5  # replicas may not know a new Operation yet; the Go SDK forgives 3 (cloud-api §3)


@dataclass(frozen=True, slots=True)
class Tracked:
    """The Operation as last seen; where it is not `done`, `reason` says why we stopped asking. `refused`: because we
    cannot.
    """

    operation: Operation
    reason: str = ""
    refused: bool = False


class Tracker:
    """Polls each Operation on its own, more and more rarely, within one common rate."""

    def __init__(self, world: World) -> None:
        self._operations = world.operations
        self._outage = world.outage
        self._pace = Pace(world.limits.polls_per_second)
        self._deadline_s = world.limits.operation_deadline_s
        self._rng = world.rng

    async def finished(self, operation: Operation) -> Tracked:
        """Wait until the Operation is `done`, or its deadline has passed.

        `error` before `done` means that the cloud is still undoing, so it waits. A poll that fails is never the
        Operation's failure, and time lost to an outage does not count. Raises `InterruptedRunError` where the token is
        not accepted any more, or an outage lasts too long.
        """
        deadline_at = anyio.current_time() + self._deadline_s - self._outage.lost_s()
        interval_s, failures, unknown = _FIRST_POLL_S, 0, 0
        while not operation.done:
            wait_s = max(operation.poll_after_s or 0.0, interval_s * self._rng.uniform(0.9, 1.1))
            left_s = deadline_at + self._outage.lost_s() - anyio.current_time()
            if left_s <= 0:
                return Tracked(operation, f"not done after {self._deadline_s:.0f} s")
            await anyio.sleep(min(wait_s, left_s))
            interval_s = min(_LONGEST_POLL_S, interval_s * _GROWTH)
            await self._pace.turn()
            try:
                operation = await heard(partial(self._operations.get, operation.id), self._outage)
                failures = unknown = 0
            except CloudError as error:
                unless_token(error)
                if error.code is Code.PERMISSION_DENIED:  # of all of them: the run would see nothing end
                    message = f"Operations may not be read: {error.message}"
                    raise InterruptedRunError(message, advice=error.advice) from error
                unknown += error.code is Code.NOT_FOUND
                early = error.code is Code.NOT_FOUND and unknown <= _EARLY_NOT_FOUND
                if policy.judge(error) is policy.Verdict.PERMANENT and not early:
                    return Tracked(operation, f"cannot be polled: {error.message}", refused=True)
                failures += 1
                interval_s = max(interval_s, policy.backoff_s(failures, self._rng, error.retry_after_s))
        return Tracked(operation)
