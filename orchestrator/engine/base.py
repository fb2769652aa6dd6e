"""What a call is based on, checked again right before the call: `$latest` and the tags that a Version takes, the holder
of a tag, a Function's own settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.function.fields import is_alike
from orchestrator.model import LATEST, ChangeKind, Function, Version
from orchestrator.planning.own import read_own

# How long a check is valid. After it, the call waits only for the pace and for a slot that is about to be free.
VALID_S = 5.0
SETTINGS_VALID_S = 1.0  # the same for a Function's own settings and for a tag: a lost update cannot be seen afterwards


class BaseChangedError(Exception):
    """`$latest` is not the Version that the plan was based on. `latest`: the Version that it is now, None if there is
    none.
    """

    def __init__(self, latest: Version | None) -> None:
        super().__init__(latest.id if latest is not None else "none")
        self.latest = latest


class TagMovedError(Exception):
    """A tag is not where the plan found it. `holder_id`: the Version that has it now, "" for none. `former_id`: the
    Version that had it in the plan.
    """

    def __init__(self, tag: str, holder_id: str, former_id: str) -> None:
        super().__init__(tag)
        self.tag, self.holder_id, self.former_id = tag, holder_id, former_id


class Looked(Protocol):
    """Something that a call is based on. `look` raises if it has changed."""

    async def look(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Several:
    """Several bases of one call, checked in order."""

    of: Sequence[Looked]

    async def look(self) -> None:
        """Check all of them. Raises what the first one that has changed raises."""
        for one in self.of:
            await one.look()


@dataclass(slots=True)
class Base:
    """The Version that the plan found as `$latest` of a Function ("" for none), and the holders of the tags that a new
    Version takes.
    """

    world: World
    function_id: str
    version_id: str
    tags: Mapping[str, str] = field(default_factory=dict)  # by tag, "" for none
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> None:
        """Check that it is still `$latest` and that no tag was moved. A check of the last 5 s counts. Raises
        `BaseChangedError`, `TagMovedError`, or `CloudError` if it cannot be read.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < VALID_S:
            return
        latest = await _holder(self.world, self.function_id, LATEST)
        if _id(latest) != self.version_id:
            raise BaseChangedError(latest)
        for tag, version_id in self.tags.items():
            if latest is not None and version_id == latest.id and tag in latest.tags:
                continue  # the usual case: no call is needed
            found = _id(await _holder(self.world, self.function_id, tag))
            if found != version_id:
                raise TagMovedError(tag, found, version_id)
        self._looked_at = began_at


@dataclass(slots=True)
class TagHolder:
    """The Version that the plan found a tag at, "" for none."""

    world: World
    function_id: str
    tag: str
    version_id: str
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> None:
        """Check that it still has the tag. A check of the last second counts. Raises `TagMovedError`, or `CloudError`
        if it cannot be read.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < SETTINGS_VALID_S:
            return
        found = _id(await _holder(self.world, self.function_id, self.tag))
        if found != self.version_id:
            raise TagMovedError(self.tag, found, self.version_id)
        self._looked_at = began_at


async def _holder(world: World, function_id: str, tag: str) -> Version | None:
    """Return the Version that has a tag, None if no Version has it."""
    try:
        return await world.read(partial(world.functions.version_by_tag, function_id, tag))
    except CloudError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None


def _id(version: Version | None) -> str:
    return version.id if version is not None else ""


class FunctionChangedError(Exception):
    """A Function's own settings are not those that a change was computed from. `function`: as it is now."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.id)
        self.function = function


@dataclass(slots=True)
class OwnSettings:
    """A Function as it was read at one time (of the event loop's clock) for one kind of change. An update replaces a
    whole map, and a policy replaces the existing one.
    """

    world: World
    function: Function
    kind: ChangeKind
    _looked_at: float

    async def look(self) -> None:
        """Check that it has not changed. A check of the last second counts. Raises `FunctionChangedError`, or
        `CloudError` if it cannot be read.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < SETTINGS_VALID_S:
            return
        found = await read_own(self.world, self.function.id, self.kind)
        if not is_alike(found, self.function, self.kind):
            raise FunctionChangedError(found)
        self._looked_at = began_at
