"""How a Version is made: of what the plan was based on, or what is decided where that has changed since."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from shlex import quote as quoted

from orchestrator.engine.attempts import Attempts, Made, SettledError
from orchestrator.engine.base import Base, BaseChangedError, TagMovedError
from orchestrator.engine.calls import Call, Calls, StepFailedError, UnsettledError
from orchestrator.engine.in_flight import in_flight
from orchestrator.engine.steps import At
from orchestrator.engine.tracking.durations import Kind
from orchestrator.errors import CloudError, Code
from orchestrator.journal.events import unit_planned
from orchestrator.model import (
    Action,
    Blocked,
    ChangeKind,
    Deployed,
    Failure,
    Operation,
    Step,
    Unchanged,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState, remembered
from orchestrator.planning.entrypoint import INSTALLS
from orchestrator.planning.meanwhile.decide_again import decided_again
from orchestrator.resilience import failure
from orchestrator.version import body, stamp
from orchestrator.version.history import history_of
from orchestrator.version.rings import ring_of, without_rings

_MAX_DECISIONS = 5  # of one unit, each after somebody else has made another version
_KINDS = {
    ChangeKind.FUNCTION: Kind.FUNCTION,
    ChangeKind.UPDATE: Kind.FUNCTION,
    ChangeKind.TAG: Kind.TAG,
    ChangeKind.SCALING: Kind.FUNCTION,
    ChangeKind.ACCESS: Kind.FUNCTION,
    ChangeKind.DELETE: Kind.DELETE,
    ChangeKind.VERIFY: Kind.VERIFY,
}


@dataclass(frozen=True, slots=True)
class NewVersions:
    """Makes Versions. `again`: units that were decided again, as they are now."""

    attempts: Attempts
    again: dict[str, Unit]

    @property
    def calls(self) -> Calls:
        """The calls of the run."""
        return self.attempts.calls

    @property
    def live(self) -> LiveState:
        """What was live as the plan was made."""
        return self.attempts.live

    async def refuse(self, unit: Unit, function_id: str, error: TagMovedError | BaseChangedError) -> None:
        """Raise `SettledError` where what somebody has changed since the plan leaves no Version to be made, and
        none is there already; `UnsettledError` where that was ourselves, perhaps.
        """
        if isinstance(error, TagMovedError):
            raise await self.attempts.moved_by_hand(unit, function_id, error) from None
        found = await self._decided(unit, function_id, error.latest)
        if isinstance(found, Blocked):
            raise self.attempts.overtaken(unit, found.reason)

    async def _decided(self, unit: Unit, function_id: str, latest: Version | None) -> Unit | Unchanged | Blocked:
        base = self.live.versions.get(unit.base_version_id or "")
        history = history_of(self.live.of_function(function_id), base, self.live.replaced.get(function_id))
        return decided_again(unit, base, latest, await self._author(function_id, latest), history)

    def base(self, unit: Unit, at: At, function_id: str) -> Base:
        """Give what a Version is based on that a unit makes by one of its changes."""
        held = unit.changes[at.change].before
        tags = {tag: str(held.get(tag, "")) for tag in unit.spec.settings.tags}
        known = unit.function_id is not None
        return Base(self.calls.world, function_id, unit.base_version_id or "", tags if known else {})

    async def make(self, unit: Unit, at: At, made: Made) -> Made:
        """Make a Version of what the plan was based on, or what is decided about another base."""
        for _ in range(_MAX_DECISIONS):
            try:
                return await self._version_of(unit, at, made)
            except TagMovedError as error:
                raise await self.attempts.moved_by_hand(unit, made.function_id, error) from None
            except BaseChangedError as error:
                found = await self._decide_again(unit, at, made.function_id, error.latest)
                if isinstance(found, Unchanged):
                    return replace(made, version_id=found.version_id)
                unit = found
        raise SettledError(Blocked(f"changed {_MAX_DECISIONS} times while it was waited for: somebody else deploys it"))

    async def _decide_again(self, unit: Unit, at: At, function_id: str, latest: Version | None) -> Unit | Unchanged:
        """Give the unit that is made instead; Unchanged: what is desired is live by now, and what comes after it (its
        verification, its tags) is still to be made. Raises `SettledError` where nothing is.
        """
        world, calls = self.calls.world, self.calls
        found = await self._decided(unit, function_id, latest)
        if isinstance(found, Unit):
            self.again[unit.key] = found
            calls.emit(unit_planned(world.clock(), found, remembered(latest) if latest is not None else {}))
            return found
        if isinstance(found, Unchanged) and at.change + 1 < len(unit.changes):
            self.again[unit.key] = _found_live(unit, found.version_id, latest)
            return found
        if calls.is_unsure(unit.key):
            # One of our own tries may have made it: its key is not to be used for another base.
            if isinstance(found, Unchanged):
                raise SettledError(Deployed(found.version_id))
            raise UnsettledError(found.reason)
        raise SettledError(found)

    async def _author(self, function_id: str, latest: Version | None) -> str:
        """Find who made a Version, "" where nobody tells."""
        world = self.calls.world
        with suppress(CloudError):
            for operation in await world.read(partial(world.functions.list_operations, function_id)):
                if latest is not None and operation.makes_version and operation.version_id == latest.id:
                    return operation.created_by
        return ""

    async def _version_of(self, unit: Unit, at: At, made: Made) -> Made:
        world, function_id = self.calls.world, made.function_id
        if unit.fingerprint is None:
            raise AssertionError(unit)  # a plan gives one to every unit that makes a version
        description = unit.description
        if description is None:
            description = stamp.stamped(unit.spec.settings.description, unit.fingerprint)
        code = body.copy_of(unit.spec.code) if isinstance(unit.spec.code, VersionCopy) else dict(made.code)
        sent = body.body(function_id, unit.spec.settings, code, description, unit.as_it_is)
        base = self.base(unit, at, function_id)
        with self.calls.stop.interruptible(unit.key):
            found = await in_flight(world, self.live, unit, function_id) if unit.function_id is not None else None

        def call(attempt: int) -> Call:
            key = stamp.version_key(sent, unit.base_version_id, attempt)
            look = partial(in_flight, world, self.live, unit, function_id, asked_for=True)
            scope = self.attempts.scope(unit, function_id)
            request = body.version_request(sent)
            return Call(at, ChangeKind.VERSION, function_id, scope, key, attempt, request, (kind_of(unit),), look, base)

        async def is_replay(operation: Operation) -> bool:
            """Say whether it had failed before, or its version was deleted since."""
            if not self.attempts.ended_before(operation):
                return False
            return operation.error is not None or not await self._exists(_made_version(operation))

        try:
            operation = await self.attempts.done(call, is_replay, Step.TRACK, "attempts, all failed,", found)
        except StepFailedError as error:
            raise StepFailedError(error.step, _of_unknown(unit, error.failure)) from error
        return replace(made, version_id=_made_version(operation))  # whether it is live is read back at the end

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


def _found_live(unit: Unit, version_id: str, latest: Version | None) -> Unit:
    """Give the unit whose Version somebody else has made: it has the ring tag that it got there, or none."""
    ring = ring_of(latest.tags) if latest is not None else ""
    tags = (*without_rings(unit.spec.settings.tags), *([ring] if ring else []))
    spec = replace(unit.spec, settings=replace(unit.spec.settings, tags=tags))
    return replace(unit, spec=spec, action=Action.VERIFY, base_version_id=version_id)


def kind_of(unit: Unit) -> Kind:
    """Say what takes about as long as making this unit's version."""
    if isinstance(unit.spec.code, VersionCopy):
        return Kind.COPY
    return Kind.BUILD if unit.tree is not None and not INSTALLS.isdisjoint(unit.tree.paths) else Kind.PLAIN


def _of_unknown(unit: Unit, refused: Failure) -> Failure:
    """Say of a refusal what was sent that this program does not know."""
    if not unit.as_it_is or refused.kind != Code.INVALID_ARGUMENT.name:
        return refused
    advice = (
        f"it was sent with settings that this program does not know ({', '.join(unit.as_it_is)}): where these are"
        f" refused, roll it back without them, with --lossy {quoted(unit.key)}"
    )
    return replace(refused, advice=advice)


def kinds_of(unit: Unit) -> tuple[Kind, ...]:
    """Say of each change of a unit what takes about as long."""
    return tuple(_KINDS.get(change.kind) or kind_of(unit) for change in unit.changes)


def _made_version(operation: Operation) -> str:
    return operation.made_id or operation.version_id
