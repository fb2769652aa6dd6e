"""What a change is based on, looked at again right before it is asked for: `$latest`, or a Function's own settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, Function, Version

VALID_S = 5.0  # how long a look counts: what is waited for after it is the pace, and a slot that is about to be free
SETTINGS_VALID_S = 1.0  # the same of a Function's own settings: what is lost between cannot be seen afterwards


class BaseChangedError(Exception):
    """`$latest` is not what the plan was based on. `latest`: what it is now, None where no Version has it."""

    def __init__(self, latest: Version | None) -> None:
        super().__init__(latest.id if latest is not None else "none")
        self.latest = latest


class Looked(Protocol):
    """Something that a call is based on. `look` raises where it is not as it was any more."""

    async def look(self) -> None: ...


@dataclass(slots=True)
class Base:
    """The Version that a plan found as `$latest` of a Function, "" for none."""

    world: World
    function_id: str
    version_id: str
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> None:
        """See that it still is `$latest`; a look of the last 5 s counts. Raises `BaseChangedError` where it is not,
        `CloudError` where that cannot be seen.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < VALID_S:
            return
        by_tag = partial(self.world.functions.version_by_tag, self.function_id, LATEST)
        latest: Version | None = None
        try:
            latest = await self.world.read(by_tag)
        except CloudError as error:
            if error.code is not Code.NOT_FOUND:
                raise
        if (latest.id if latest is not None else "") != self.version_id:
            raise BaseChangedError(latest)
        self._looked_at = began_at


class FunctionChangedError(Exception):
    """A Function's own settings are not what an update was made of. `function`: as it is now."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.id)
        self.function = function


@dataclass(slots=True)
class OwnSettings:
    """A Function as it was read at a time (of the event loop's clock): an update replaces a map of its as a whole."""

    world: World
    function: Function
    _looked_at: float

    async def look(self) -> None:
        """See that it still is as it was; a look of the last second counts. Raises `FunctionChangedError`,
        `CloudError` where that cannot be seen.
        """
        began_at = anyio.current_time()
        if began_at - self._looked_at < SETTINGS_VALID_S:
            return
        found = await self.world.read(partial(self.world.functions.get_function, self.function.id))
        if (found.labels, found.description) != (self.function.labels, self.function.description):
            raise FunctionChangedError(found)
        self._looked_at = began_at
