"""What all kinds of change share: repeated attempts until an Operation belongs to this run, and the quotas it counts
against.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.engine.base import TagMovedError
from orchestrator.engine.calls import Call, Calls, StepFailedError, UnsettledError
from orchestrator.engine.quotas.slots import QuotaScope
from orchestrator.errors import CloudError
from orchestrator.model import (
    Blocked,
    Operation,
    Outcome,
    Step,
    Unit,
)
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.resilience import failure

# Limit on replays of Operations that failed before this run. Each attempt has its own key and is cheap.
_MAX_REPLAYS = 1000
_LOOKED_FROM = 2  # the attempt before which the Function's Operations are listed, once for all later attempts


@dataclass(frozen=True, slots=True)
class Made:
    """The state of a unit between two of its changes. `code`: the code part of a Version's body, once it is ready."""

    function_id: str
    version_id: str
    code: Mapping[str, Any]


class SettledError(Exception):
    """A unit ends here: nothing more is to be done."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes the calls of a change. Raises what `Calls.run` raises."""

    calls: Calls
    live: LiveState

    async def done(
        self,
        call: Callable[[int], Call],
        is_replay: Callable[[Operation], Awaitable[bool]],
        failed: Step,
        what: str,
        found: Operation | None = None,
    ) -> Operation:
        """Make a call until its Operation is a new one, and not the replay of an earlier one that failed.

        `call` makes the call with the key of the n-th attempt. `failed` is the step that an Operation's error is
        reported for. For the first attempt, clocks decide, and a doubtful Operation counts as a replay. Later attempts
        consult no clock, so a wrong clock cannot keep this loop running.
        """
        known: frozenset[str] | None = None
        for attempt in range(1, _MAX_REPLAYS + 1):
            made = call(attempt)
            if attempt == _LOOKED_FROM:
                known = await self._known(made)
            operation, found = await self.calls.run(made, found), None
            if known is not None:
                (self.calls.replayed.add if operation.id in known else self.calls.replayed.discard)(operation.id)
            if await is_replay(operation):
                continue
            if operation.error is not None:
                raise StepFailedError(failed, failure.of_operation(operation))
            return operation
        raise UnsettledError(f"{_MAX_REPLAYS} earlier {what} were returned instead of a new one")

    async def _known(self, call: Call) -> frozenset[str] | None:
        """Return the Operations that exist before a call is made. None: they cannot be read."""
        if not call.function_id:
            return None
        world = self.calls.world
        try:
            with self.calls.stop.interruptible(call.at.unit):
                found = await world.read(partial(world.functions.list_operations, call.function_id))
        except CloudError as error:
            failure.unless_token(error)
            return None
        return frozenset(operation.id for operation in found)

    def scope(self, unit: Unit, function: str) -> QuotaScope:
        folder_id = unit.spec.folder_id
        return QuotaScope(function, folder_id, self.live.clouds.get(folder_id, UNKNOWN_CLOUD))

    async def moved_by_hand(self, unit: Unit, function_id: str, moved: TagMovedError) -> SettledError | UnsettledError:
        """Return the end of a unit that would move a tag which was moved by other means since the plan."""
        who = await self._author(function_id, moved)
        where = f"moved to version {moved.holder_id}" if moved.holder_id else "removed"
        reason = f"changed since the plan: the tag {moved.tag} was {where}{who}; check it, then plan again"
        return self.overtaken(unit, reason)

    def overtaken(self, unit: Unit, reason: str) -> SettledError | UnsettledError:
        """Return the end of a unit whose target was changed by other means since the plan, unless this run changed
        it.
        """
        return UnsettledError(reason) if self.calls.is_unsure(unit.key) else SettledError(Blocked(reason))

    async def _author(self, function_id: str, moved: TagMovedError) -> str:
        """Return when and by whom, if the Function's Operations show it."""
        world, version_id = self.calls.world, moved.holder_id or moved.former_id
        try:
            operations = await world.read(partial(world.functions.list_operations, function_id))
        except CloudError:
            return ""
        about = [(one.created_at, one.created_by) for one in operations if one.version_id == version_id]
        known = [(at, by) for at, by in about if at is not None]
        if not known:
            return ""
        at, by = max(known)
        return f" at {at:%Y-%m-%d %H:%M:%S} UTC{f' by {by}' if by else ''}"

    def ended_before(self, operation: Operation) -> bool:
        """Return whether this Operation is a replay: it was done before this call was sent."""
        return operation.id in self.calls.replayed
