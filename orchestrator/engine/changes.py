"""How each kind of change is made. A change is one call with a key of its own, or several that were replayed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.engine.calls import Call, Calls, StepFailedError, UnsettledError
from orchestrator.engine.in_flight import in_flight
from orchestrator.engine.quotas.slots import QuotaScope
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.durations import Kind
from orchestrator.errors import CloudError, Code
from orchestrator.function.fields import function_key, function_request, update_key, update_request
from orchestrator.model import ChangeKind, Operation, Step, Unit, VersionCopy
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.resilience import failure
from orchestrator.resilience.policy import MAX_ATTEMPTS, backoff_s
from orchestrator.version import body, stamp

# What makes the cloud's builder install or compile something (cloud-api §1.4).
_INSTALLS = frozenset(("requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json", "build.gradle"))
_MAX_REPLAYS = 1000  # of Operations that had failed before this run began: each attempt is a key of its own, and cheap


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit stands at between two of its changes. `code`: what a Version is made of, once it is ready."""

    function_id: str
    version_id: str
    code: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Makes changes, by their kinds. Each of them raises what `Calls.run` raises."""

    calls: Calls
    live: LiveState

    async def make(self, unit: Unit, at: At, made: Made) -> Made:
        """Make one change of a unit; give what stands after it."""
        match unit.changes[at.change].kind:
            case ChangeKind.FUNCTION:
                return await self._create_function(unit, at, made)
            case ChangeKind.UPDATE:
                return await self._update_function(unit, at, made)
            case ChangeKind.VERSION:
                return await self._create_version(unit, at, made)
            case ChangeKind.TAG:
                return await self._move_tag(unit, at, made)

    async def _create_function(self, unit: Unit, at: At, made: Made) -> Made:
        spec = unit.spec
        request = function_request(spec.folder_id, spec.name, spec.labels, spec.function_description)

        def call(attempt: int) -> Call:
            key = function_key(spec.folder_id, spec.name, spec.labels, attempt, spec.function_description)
            scope = self._scope(unit, f"{spec.folder_id}/{spec.name}")
            kinds = (Kind.FUNCTION, kind_of(unit))
            return Call(at, ChangeKind.FUNCTION, "", scope, key, attempt, request, kinds)

        async def is_replay(operation: Operation) -> bool:
            return self._ended_before(operation)  # it had failed, or what it made is gone: the plan found none

        try:
            operation = await self._done(call, is_replay, Step.FUNCTION, "attempts to create the function")
        except StepFailedError as error:
            if error.failure.kind != Code.ALREADY_EXISTS.name:
                raise
            return replace(made, function_id=await self._find_function(unit, error))
        return replace(made, function_id=operation.made_id or operation.function_id)

    async def _find_function(self, unit: Unit, refused: StepFailedError) -> str:
        """Find the function that somebody else has made since the plan. Raises `refused` where there is none."""
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
            await world.outage.sleep(backoff_s(attempt, world.rng), f"{spec.name} is being created by somebody else")
        raise refused

    async def _update_function(self, unit: Unit, at: At, made: Made) -> Made:
        """Change a Function's own settings. It is read once more before: a map is replaced as a whole, and what
        somebody has added to it since the plan stays.
        """
        world, change = self.calls.world, unit.changes[at.change]
        try:
            with self.calls.stop.interruptible(unit.key):
                function = await world.read(partial(world.functions.get_function, made.function_id))
        except CloudError as error:
            failure.unless_token(error)
            raise StepFailedError(Step.UPDATE, failure.of_call(error)) from error
        request = update_request(function, change.after)
        if request is None:
            return made

        def call(attempt: int) -> Call:
            key = update_key(made.function_id, request, change.before, attempt)
            scope = self._scope(unit, made.function_id)
            return Call(at, ChangeKind.UPDATE, made.function_id, scope, key, attempt, request, (Kind.FUNCTION,))

        async def is_replay(operation: Operation) -> bool:
            return self._ended_before(operation)  # it was changed so, and has been changed since

        await self._done(call, is_replay, Step.UPDATE, "updates of the function")
        return made

    async def _create_version(self, unit: Unit, at: At, made: Made) -> Made:
        world, function_id = self.calls.world, made.function_id
        if unit.fingerprint is None:
            raise AssertionError(unit)  # a plan gives one to every unit that makes a version
        description = stamp.stamped(unit.spec.settings.description, unit.fingerprint)
        sent = body.body(function_id, unit.spec.settings, dict(made.code), description)
        with self.calls.stop.interruptible(unit.key):
            found = await in_flight(world, self.live, unit, function_id) if unit.function_id is not None else None

        def call(attempt: int) -> Call:
            key = stamp.version_key(sent, unit.base_version_id, attempt)
            look = partial(in_flight, world, self.live, unit, function_id, asked_for=True)
            scope = self._scope(unit, function_id)
            request = body.version_request(sent)
            return Call(at, ChangeKind.VERSION, function_id, scope, key, attempt, request, (kind_of(unit),), look)

        async def is_replay(operation: Operation) -> bool:
            """Say whether it had failed before, or its version was deleted since."""
            if not self._ended_before(operation):
                return False
            return operation.error is not None or not await self._exists(_made_version(operation))

        operation = await self._done(call, is_replay, Step.TRACK, "attempts, all failed,", found)
        return replace(made, version_id=_made_version(operation))  # whether it is live is read back at the end

    async def _move_tag(self, unit: Unit, at: At, made: Made) -> Made:
        """Move a tag to a Version (None: the one that the unit has made), or take it away where it is to have none."""
        ((tag, wanted),) = unit.changes[at.change].after.items()
        version_id = made.version_id if wanted is None else str(wanted)
        holder = self.live.tagged.get((made.function_id, tag))
        holder_id = holder.id if holder is not None else str(unit.changes[at.change].before.get(tag, ""))
        if not version_id and not holder_id:
            return made
        request = body.tag_request(version_id, holder_id, tag)

        def call(attempt: int) -> Call:
            key = stamp.tag_key(version_id, tag, holder_id, attempt)
            scope = self._scope(unit, made.function_id)
            return Call(at, ChangeKind.TAG, made.function_id, scope, key, attempt, request, (Kind.TAG,))

        async def is_replay(operation: Operation) -> bool:
            return self._ended_before(operation)  # the tag was moved, and has been moved away since

        await self._done(call, is_replay, Step.TAG, f"moves of the tag {tag}")
        return made

    async def _done(
        self,
        call: Callable[[int], Call],
        is_replay: Callable[[Operation], Awaitable[bool]],
        failed: Step,
        what: str,
        found: Operation | None = None,
    ) -> Operation:
        """Make a call until its Operation is one of now, not the replay of one that came to nothing before.

        `call` makes it with the key of the n-th attempt, `failed` is the step that an Operation's error is told of.
        """
        for attempt in range(1, _MAX_REPLAYS + 1):
            operation, found = await self.calls.run(call(attempt), found), None
            if await is_replay(operation):
                continue
            if operation.error is not None:
                raise StepFailedError(failed, failure.of_operation(operation))
            return operation
        raise UnsettledError(f"{_MAX_REPLAYS} earlier {what} were answered instead of this one")

    async def _exists(self, version_id: str) -> bool:
        """Say whether a version that was made before is still there. What cannot be read counts as there."""
        world = self.calls.world
        if version_id in self.live.versions:
            return True
        try:
            await world.read(partial(world.functions.get_version, version_id))
        except CloudError as error:
            failure.unless_token(error)
            return error.code is not Code.NOT_FOUND
        return True

    def _scope(self, unit: Unit, function: str) -> QuotaScope:
        folder_id = unit.spec.folder_id
        return QuotaScope(function, folder_id, self.live.clouds.get(folder_id, UNKNOWN_CLOUD))

    def _ended_before(self, operation: Operation) -> bool:
        """Say whether this Operation, replayed by its key, was over before we read what is live."""
        read_at = self.live.read_at
        return operation.modified_at is not None and read_at is not None and operation.modified_at < read_at


def kind_of(unit: Unit) -> Kind:
    """Say what takes about as long as making this unit's version."""
    if isinstance(unit.spec.code, VersionCopy):
        return Kind.COPY
    return Kind.BUILD if unit.tree is not None and not _INSTALLS.isdisjoint(unit.tree.paths) else Kind.PLAIN


def _made_version(operation: Operation) -> str:
    return operation.made_id or operation.version_id
