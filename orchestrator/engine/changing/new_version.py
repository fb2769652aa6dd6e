"""How a Version is made: from what the plan was based on, or from a new decision if that has changed since."""

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

_MAX_DECISIONS = 5  # per unit: each follows a version made by someone else
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
    """Makes Versions. `again`: units that were decided again, in their new form."""

    attempts: Attempts
    again: dict[str, Unit]

    @property
    def calls(self) -> Calls:
        """The calls of the run."""
        return self.attempts.calls

    @property
    def live(self) -> LiveState:
        """What was live when the plan was made."""
        return self.attempts.live

    async def refuse(self, unit: Unit, function_id: str, error: TagMovedError | BaseChangedError) -> None:
        """Raise `SettledError` if the changes made since the plan leave no Version to be made. Raises `UnsettledError`
        if this run may have made them. Returns if the desired Version is already live.
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
        """Return what the Version is based on that this change of a unit makes."""
        held = unit.changes[at.change].before
        tags = {tag: str(held.get(tag, "")) for tag in unit.spec.settings.tags}
        known = unit.function_id is not None
        return Base(self.calls.world, function_id, unit.base_version_id or "", tags if known else {})

    async def make(self, unit: Unit, at: At, made: Made) -> Made:
        """Make a Version from what the plan was based on, or from a new decision if the base has changed."""
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
        raise SettledError(Blocked(f"changed {_MAX_DECISIONS} times while it waited: someone else is deploying it"))

    async def _decide_again(self, unit: Unit, at: At, function_id: str, latest: Version | None) -> Unit | Unchanged:
        """Return the unit to make instead. Unchanged: the desired state is live by now, and the changes after it
        (verification, tags) are still to be made. Raises `SettledError` if nothing is left to do.
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
            # An attempt of this run may have made it: its key must not be used with another base.
            if isinstance(found, Unchanged):
                raise SettledError(Deployed(found.version_id))
            raise UnsettledError(found.reason)
        raise SettledError(found)

    async def _author(self, function_id: str, latest: Version | None) -> str:
        """Return who made a Version, "" if it is not known."""
        world = self.calls.world
        with suppress(CloudError):
            for operation in await world.read(partial(world.functions.list_operations, function_id)):
                if latest is not None and operation.makes_version and operation.version_id == latest.id:
                    return operation.created_by
        return ""

    async def _version_of(self, unit: Unit, at: At, made: Made) -> Made:
        world, function_id = self.calls.world, made.function_id
        if unit.fingerprint is None:
            raise AssertionError(unit)  # a plan sets one for every unit that makes a version
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
            """Return whether it failed before, or its version was deleted since."""
            if not self.attempts.ended_before(operation):
                return False
            return operation.error is not None or not await self._exists(_made_version(operation))

        try:
            operation = await self.attempts.done(call, is_replay, Step.TRACK, "failed attempts", found)
        except StepFailedError as error:
            raise StepFailedError(error.step, _of_unknown(unit, error.failure)) from error
        return replace(made, version_id=_made_version(operation))  # whether it is live is read back at the end

    async def _exists(self, version_id: str) -> bool:
        """Return whether a version that was made before still exists. One that cannot be read counts as existing."""
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
    """Return the unit whose Version someone else has made, with the ring tag that this Version got, if any."""
    ring = ring_of(latest.tags) if latest is not None else ""
    tags = (*without_rings(unit.spec.settings.tags), *([ring] if ring else []))
    spec = replace(unit.spec, settings=replace(unit.spec.settings, tags=tags))
    return replace(unit, spec=spec, action=Action.VERIFY, base_version_id=version_id)


def kind_of(unit: Unit) -> Kind:
    """Return the kind of work that takes about as long as making this unit's version."""
    if isinstance(unit.spec.code, VersionCopy):
        return Kind.COPY
    return Kind.BUILD if unit.tree is not None and not INSTALLS.isdisjoint(unit.tree.paths) else Kind.PLAIN


def _of_unknown(unit: Unit, refused: Failure) -> Failure:
    """Add to a refusal which settings were sent that this program does not know."""
    if not unit.as_it_is or refused.kind != Code.INVALID_ARGUMENT.name:
        return refused
    advice = (
        f"it was sent with settings that this program does not know ({', '.join(unit.as_it_is)}): if these are"
        f" refused, roll back without them: --lossy {quoted(unit.key)}"
    )
    return replace(refused, advice=advice)


def kinds_of(unit: Unit) -> tuple[Kind, ...]:
    """Return for each change of a unit the kind of work that takes about as long."""
    return tuple(_KINDS.get(change.kind) or kind_of(unit) for change in unit.changes)


def _made_version(operation: Operation) -> str:
    return operation.made_id or operation.version_id
