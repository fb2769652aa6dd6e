"""Everything that the engine of one run works with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.model import Limits, Storage
from orchestrator.pipeline.outage import Outage
from orchestrator.ports import Clock, Directory, Functions, ObjectStore, Operations, Packager


@dataclass(frozen=True, slots=True)
class World:
    """The ports, and what comes from outside besides: time, chance, limits."""

    functions: Functions
    operations: Operations
    directory: Directory
    store: ObjectStore | None  # None: there is no bucket, packages go inline
    packager: Packager
    clock: Clock
    server_time: Callable[[], datetime | None]  # the cloud's clock, as it last told
    rng: random.Random
    storage: Storage
    limits: Limits
    cloud_id: str | None = None  # of all folders; None: asked for each
    outage: Outage = field(default_factory=Outage)
