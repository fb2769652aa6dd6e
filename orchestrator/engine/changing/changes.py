"""How each kind of change is made. A change is one call with its own key, or several if earlier ones were replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import anyio

from orchestrator.engine.attempts import Attempts, Made, SettledError
from orchestrator.engine.base import (
    BaseChangedError,
    FunctionChangedError,
    OwnSettings,
    Several,
    TagHolder,
    TagMovedError,
)
from orchestrator.engine.calls import Call, Calls, StepFailedError
from orchestrator.engine.changing.deletions import delete_version
from orchestrator.engine.changing.new_version import NewVersions, kind_of
from orchestrator.engine.changing.verify import Verifier
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.durations import Kind
from orchestrator.errors import CloudError, Code
from orchestrator.function.fields import changed_otherwise, function_key, function_request, own_key, own_request
from orchestrator.model import (
    Blocked,
    ChangeKind,
    Operation,
    Step,
    Unit,
)
from orchestrator.planning.own import read_own
from orchestrator.resilience import failure
from orchestrator.resilience.policy import MAX_ATTEMPTS, backoff_s
from orchestrator.version import body, stamp

_OWN = {
    ChangeKind.UPDATE: "its labels or its description were changed",
    ChangeKind.SCALING: "its scaling was changed",
    ChangeKind.ACCESS: "its access was changed",
}
_TRIES = {
    ChangeKind.UPDATE: "updates of the function",
    ChangeKind.SCALING: "changes of its scaling",
    ChangeKind.ACCESS: "changes of its access",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """Makes changes by their kind. Each raises what `Calls.run` raises."""

    attempts: Attempts
    versions: NewVersions
    verifier: Verifier

    @property
    def calls(self) -> Calls:
        """The calls of the run."""
        return self.attempts.calls

    async def make(self, unit: Unit, at: At, made: Made) -> Made:
        """Make one change of a unit, with any decision that replaced the plan's. Returns the state after it."""
        unit = self.versions.again.get(unit.key, unit)
        match unit.changes[at.change].kind:
            case ChangeKind.FUNCTION:
                return await self._create_function(unit, at, made)
            case ChangeKind.UPDATE | ChangeKind.SCALING | ChangeKind.ACCESS:
                return await self._change_own(unit, at, made)
            case ChangeKind.VERSION:
                return await self.versions.make(unit, at, made)
            case ChangeKind.TAG:
                return await self._move_tag(unit, at, made)
            case ChangeKind.DELETE:
                await delete_version(self.attempts, unit, at)
                return made
            case ChangeKind.VERIFY:
                return await self.verifier.verify(unit, at, made)

    async def _create_function(self, unit: Unit, at: At, made: Made) -> Made:
        spec = unit.spec
        request = function_request(spec.folder_id, spec.name, spec.labels, spec.function_description)

        def call(attempt: int) -> Call:
            key = function_key(spec.folder_id, spec.name, spec.labels, attempt, spec.function_description)
            scope = self.attempts.scope(unit, f"{spec.folder_id}/{spec.name}")
            kinds = (Kind.FUNCTION, kind_of(unit))
            return Call(at, ChangeKind.FUNCTION, "", scope, key, attempt, request, kinds)

        async def is_replay(operation: Operation) -> bool:
            # It failed before, or its function is gone: the plan found none.
            return self.attempts.ended_before(operation)

        try:
            operation = await self.attempts.done(call, is_replay, Step.FUNCTION, "attempts to create the function")
        except StepFailedError as error:
            if error.failure.kind != Code.ALREADY_EXISTS.name:
                raise
            return replace(made, function_id=await self._find_function(unit, error))
        return replace(made, function_id=operation.made_id or operation.function_id)

    async def _find_function(self, unit: Unit, refused: StepFailedError) -> str:
        """Return the ID of the function that was created by other means since the plan. Raises `refused` if there is
        none.
        """
        world, spec = self.calls.world, unit.spec
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                found = await world.read(partial(world.functions.find_function, spec.folder_id, spec.name))
            except CloudError as error:
                failure.unless_token(error)
                break
            if found is None:
                break
            if not found.is_creating:
                return found.id
            await world.outage.sleep(backoff_s(attempt, world.rng), f"{spec.name} is being created by someone else")
        raise refused

    async def _change_own(self, unit: Unit, at: At, made: Made) -> Made:
        """Change a Function's own settings. They are read again first: an update replaces a whole map, and what others
        have added since the plan must stay. If a Version follows, `$latest` is checked first, so that a blocked unit
        changes nothing.
        """
        world, kind = self.calls.world, unit.changes[at.change].kind
        try:
            with self.calls.stop.interruptible(unit.key):
                read_at = anyio.current_time()
                function = await read_own(world, made.function_id, kind)
        except CloudError as error:
            failure.unless_token(error)
            raise StepFailedError(Step.UPDATE, failure.of_call(error)) from error
        later = (n for n, one in enumerate(unit.changes) if n > at.change and one.kind is ChangeKind.VERSION)
        bases = [self.versions.base(unit, At(unit.key, number), function.id) for number in later]
        for _ in range(MAX_ATTEMPTS):
            others = changed_otherwise(function, unit.changes[at.change])
            if others:
                raise self.attempts.overtaken(unit, f"changed since the plan: {others}; check it, then plan again")
            try:
                own = OwnSettings(world, function, kind, read_at)
                await self._ask_for_own(unit, at, own, Several((*bases, own)))
            except FunctionChangedError as error:
                function, read_at = error.function, anyio.current_time()
            except (BaseChangedError, TagMovedError) as error:
                await self.versions.refuse(unit, function.id, error)
                bases = []
            else:
                return made
        raise SettledError(Blocked(f"{_OWN[kind]} repeatedly by someone else"))

    async def _ask_for_own(self, unit: Unit, at: At, own: OwnSettings, looked: Several) -> None:
        change, function_id = unit.changes[at.change], own.function.id
        request = own_request(own.function, change)
        if request is None:
            return

        def call(attempt: int) -> Call:
            key = own_key(function_id, request, change, attempt)
            scope = self.attempts.scope(unit, function_id)
            kinds = (Kind.FUNCTION,)
            return Call(at, change.kind, function_id, scope, key, attempt, request, kinds, None, looked)

        async def is_replay(operation: Operation) -> bool:
            return self.attempts.ended_before(operation)  # it was changed like this before, and was changed again since

        await self.attempts.done(call, is_replay, Step.UPDATE, _TRIES[change.kind])

    async def _move_tag(self, unit: Unit, at: At, made: Made) -> Made:
        """Move a tag to a Version (None: the one that the unit has made), or remove it if no Version is to have it."""
        ((tag, desired),) = unit.changes[at.change].after.items()
        version_id = made.version_id if desired is None else str(desired)
        holder_id = str(unit.changes[at.change].before.get(tag, ""))
        if not version_id and not holder_id:
            return made
        request = body.set_tag_request(version_id, tag) if version_id else body.remove_tag_request(holder_id, tag)

        holder = TagHolder(self.calls.world, made.function_id, tag, holder_id)

        def call(attempt: int) -> Call:
            key = stamp.tag_key(version_id, tag, holder_id, attempt)
            scope = self.attempts.scope(unit, made.function_id)
            return Call(at, ChangeKind.TAG, made.function_id, scope, key, attempt, request, (Kind.TAG,), None, holder)

        async def is_replay(operation: Operation) -> bool:
            return self.attempts.ended_before(operation)  # the tag was moved there before, and was moved away since

        try:
            await self.attempts.done(call, is_replay, Step.TAG, f"moves of the tag {tag}")
        except TagMovedError as error:
            if error.holder_id != version_id:
                raise await self.attempts.moved_by_hand(unit, made.function_id, error) from None
            self.calls.take(unit.key)  # already in place: moved by an attempt whose answer was lost, or by hand
        return made
