"""What a new Version is based on: `$latest`, looked at again right before the Version is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import anyio

from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, Version

VALID_S = 5.0  # how long a look counts: what is waited for after it is the pace, and a slot that is about to be free


class BaseChangedError(Exception):
    """`$latest` is not what the plan was based on. `latest`: what it is now, None where no Version has it."""

    def __init__(self, latest: Version | None) -> None:
        super().__init__(latest.id if latest is not None else "none")
        self.latest = latest


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
