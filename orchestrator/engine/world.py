"""Everything that the engine of one run works with."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from orchestrator.engine.knowledge import Knowledge
from orchestrator.model import Limits, Storage
from orchestrator.ports import (
    Clock,
    Commands,
    Directory,
    Functions,
    Guard,
    Invocations,
    ObjectStore,
    Operations,
    Packager,
    unguarded,
)
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.retry import retried

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """The ports, and the other inputs from outside: time, randomness, limits."""

    functions: Functions
    operations: Operations
    directory: Directory
    store: ObjectStore | None  # None: there is no bucket, packages are sent inline
    packager: Packager
    clock: Clock
    server_time: Callable[[], datetime | None]  # the cloud's clock, as last reported
    rng: random.Random
    storage: Storage
    limits: Limits
    cloud_id: str | None = None  # of all folders; None: looked up for each
    outage: Outage = field(default_factory=Outage)
    knowledge: Knowledge = field(default_factory=Knowledge)  # learns during the run
    invocations: Invocations | None = None  # None: Functions cannot be called
    commands: Commands | None = None
    outlet: Outlet = field(default_factory=lambda: Outlet(Redactor()))  # redacts what the user's commands are given
    run_id: str = ""
    reaching: tuple[str, ...] = ()  # the options that each suggested command line needs to find this run
    environment: str = ""  # the chosen environment of the manifest
    guard: Guard = unguarded  # awaited last, before each call that changes something

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that changes nothing, with retries as in `retried`. Raises what that raises."""
        return await retried(call, rng=self.rng, outage=self.outage)
