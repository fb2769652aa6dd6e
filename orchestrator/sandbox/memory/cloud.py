"""The cloud in memory: synchronous, without threads, on a given clock and a given chance.

Every method takes and returns JSON-shaped values exactly as the REST API does, and raises `Fault`. Server and memory
ports are two faces of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from orchestrator.sandbox.memory.builder import Objects
from orchestrator.sandbox.memory.core import Core, Settings
from orchestrator.sandbox.memory.directory import DirectoryService
from orchestrator.sandbox.memory.durations import Durations
from orchestrator.sandbox.memory.faults import Faults
from orchestrator.sandbox.memory.functions import FunctionService
from orchestrator.sandbox.memory.operations import OperationService
from orchestrator.sandbox.memory.quotas import ActiveOperations, Quotas
from orchestrator.sandbox.memory.seeds import Seeds
from orchestrator.sandbox.memory.state import State
from orchestrator.sandbox.memory.versions import VersionService


def _no_objects(_bucket: str, _key: str) -> None:
    return None


class MemoryCloud:
    """All services over one state. `clock`: seconds since the epoch; `objects`: what a bucket holds under a key."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        rng: random.Random | None = None,
        objects: Objects = _no_objects,
        durations: Durations | None = None,
        quotas: Quotas | None = None,
        settings: Settings | None = None,
        faults: Faults | None = None,
        seeds: Seeds | None = None,
        state: State | None = None,
    ) -> None:
        core = Core(
            state or State(),
            ActiveOperations(quotas or Quotas()),
            settings=settings or Settings(),
            objects=objects,
            clock=clock,
            rng=rng or random.Random(0),
            durations=durations or Durations(),
            faults=faults or Faults(),
            seeds=seeds or Seeds(),
        )
        self.clock = clock
        self.settings = core.settings
        self.state = core.state
        self.faults = core.faults
        self.seeds = core.seeds
        self.active = core.active
        self.functions = FunctionService(core)
        self.versions = VersionService(core)
        self.operations = OperationService(core)
        self.directory = DirectoryService(core)
        self._core = core

    def use(self, faults: Faults) -> None:
        """Meet with other trouble from now on."""
        self.faults = self._core.faults = faults

    def last(self, durations: Durations) -> None:
        """Let Operations take so long from now on."""
        self._core.durations = durations

    def settle(self) -> None:
        """Let everything happen that is due by now; every method does so by itself."""
        self._core.settle()
