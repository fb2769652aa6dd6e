"""What the kinds of change have in common: attempts until an Operation is one of now, and what they count against."""

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

_MAX_REPLAYS = 1000  # of Operations that had failed before this run began: each attempt is a key of its own, and cheap
_LOOKED_FROM = 2  # the attempt before which the Operations of the function are listed, once for all that follow


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit stands at between two of its changes. `code`: what a Version is made of, once it is ready."""

    function_id: str
    version_id: str
    code: Mapping[str, Any]


class SettledError(Exception):
    """A unit ends here, with nothing more to be done."""

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
        """Make a call until its Operation is one of now, not the replay of one that came to nothing before.

        `call` makes it with the key of the n-th attempt, `failed` is the step that an Operation's error is told of.
        Of the first attempt clocks tell, and what is in doubt counts as a replay; after it no clock is asked, so no
        clock that is wrong makes this go on and on.
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
        raise UnsettledError(f"{_MAX_REPLAYS} earlier {what} were answered instead of this one")

    async def _known(self, call: Call) -> frozenset[str] | None:
        """List the Operations that are there before a call is made; None where that cannot be seen."""
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
        """Make the end of a unit that would take a tag from where somebody has put it since the plan."""
        who = await self._author(function_id, moved)
        where = f"moved to version {moved.holder_id}" if moved.holder_id else "taken away"
        reason = f"changed since the plan: the tag {moved.tag} was {where}{who}; look at it, and plan again"
        return self.overtaken(unit, reason)

    def overtaken(self, unit: Unit, reason: str) -> SettledError | UnsettledError:
        """Make the end of a unit that would change what somebody has changed since the plan, unless it was us."""
        return UnsettledError(reason) if self.calls.is_unsure(unit.key) else SettledError(Blocked(reason))

    async def _author(self, function_id: str, moved: TagMovedError) -> str:
        """Say when and by whom, as far as the Function's Operations tell."""
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
        """Say whether this Operation was answered for its key, and was over before we asked for it."""
        return operation.id in self.calls.replayed
