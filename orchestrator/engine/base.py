"""What a change is based on, looked at again right before it is asked for: `$latest` and the tags that a Version is to
take, the holder of a tag, a Function's own settings.
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

VALID_S = 5.0  # how long a look counts: what is waited for after it is the pace, and a slot that is about to be free
SETTINGS_VALID_S = 1.0  # the same of a Function's own settings, and of a tag: what is lost cannot be seen afterwards


class BaseChangedError(Exception):
    """`$latest` is not what the plan was based on. `latest`: what it is now, None where no Version has it."""

    def __init__(self, latest: Version | None) -> None:
        super().__init__(latest.id if latest is not None else "none")
        self.latest = latest


class TagMovedError(Exception):
    """A tag is not where the plan found it. `holder_id`: the Version that has it now, "" for none; `former_id`: the
    same, then.
    """

    def __init__(self, tag: str, holder_id: str, former_id: str) -> None:
        super().__init__(tag)
        self.tag, self.holder_id, self.former_id = tag, holder_id, former_id


class Looked(Protocol):
    """Something that a call is based on. `look` raises where it is not as it was any more."""

    async def look(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Several:
    """Several things that one call is based on, looked at one after the other."""

    of: Sequence[Looked]

    async def look(self) -> None:
        """See that all are as they were. Raises what the first of them raises that is not."""
        for one in self.of:
            await one.look()


@dataclass(slots=True)
class Base:
    """The Version that a plan found as `$latest` of a Function, "" for none, and those that held the tags which a new
    one takes.
    """

    world: World
    function_id: str
    version_id: str
    tags: Mapping[str, str] = field(default_factory=dict)  # by tag, "" for none
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> None:
        """See that it still is `$latest`, and that no tag was moved; a look of the last 5 s counts. Raises
        `BaseChangedError` or `TagMovedError` where that is not so, `CloudError` where it cannot be seen.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < VALID_S:
            return
        latest = await _holder(self.world, self.function_id, LATEST)
        if _id(latest) != self.version_id:
            raise BaseChangedError(latest)
        for tag, version_id in self.tags.items():
            if latest is not None and version_id == latest.id and tag in latest.tags:
                continue  # as it mostly is: no call is needed to see it
            found = _id(await _holder(self.world, self.function_id, tag))
            if found != version_id:
                raise TagMovedError(tag, found, version_id)
        self._looked_at = began_at


@dataclass(slots=True)
class TagHolder:
    """The Version that a plan found a tag at, "" for none."""

    world: World
    function_id: str
    tag: str
    version_id: str
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> None:
        """See that it still has the tag; a look of the last second counts. Raises `TagMovedError` where it has not,
        `CloudError` where that cannot be seen.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < SETTINGS_VALID_S:
            return
        found = _id(await _holder(self.world, self.function_id, self.tag))
        if found != self.version_id:
            raise TagMovedError(self.tag, found, self.version_id)
        self._looked_at = began_at


async def _holder(world: World, function_id: str, tag: str) -> Version | None:
    """Find the Version that has a tag, None where none has."""
    try:
        return await world.read(partial(world.functions.version_by_tag, function_id, tag))
    except CloudError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None


def _id(version: Version | None) -> str:
    return version.id if version is not None else ""


class FunctionChangedError(Exception):
    """What a Function itself has is not what a change was made of. `function`: as it is now."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.id)
        self.function = function


@dataclass(slots=True)
class OwnSettings:
    """A Function as it was read at a time (of the event loop's clock) for a kind of change: an update replaces a map of
    its as a whole, and a policy takes the place of the one that is there.
    """

    world: World
    function: Function
    kind: ChangeKind
    _looked_at: float

    async def look(self) -> None:
        """See that it still is as it was; a look of the last second counts. Raises `FunctionChangedError`,
        `CloudError` where that cannot be seen.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < SETTINGS_VALID_S:
            return
        found = await read_own(self.world, self.function.id, self.kind)
        if not is_alike(found, self.function, self.kind):
            raise FunctionChangedError(found)
        self._looked_at = began_at
