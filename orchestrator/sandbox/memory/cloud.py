"""The cloud in memory: synchronous, without threads, with a given clock and a given source of randomness.

Every method takes and returns JSON-shaped values exactly like the REST API, and raises `Fault`. Server and memory ports
are two interfaces to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.sandbox.invocation.service import InvocationService
from orchestrator.sandbox.memory.builder import Objects
from orchestrator.sandbox.memory.cloud_state import Record, State
from orchestrator.sandbox.memory.core import CloudSettings, Core, Keep
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.function_service import FunctionService
from orchestrator.sandbox.memory.lookups import DirectoryService, OperationService
from orchestrator.sandbox.memory.own_services import AccessService, ScalingService
from orchestrator.sandbox.memory.quotas import ActiveOperations, Quotas
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.sandbox.memory.version_service import VersionService


def _keep_nothing(_sha256: str, _source: Record) -> None:
    """Used where nothing runs handlers."""


def _no_objects(_bucket: str, _key: str) -> None:
    return None


class MemoryCloud:
    """All services over one state. `clock`: seconds since the epoch. `objects`: returns what a bucket has under a key.
    `keep`: stores the packages of versions, for running them.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        rng: random.Random | None = None,
        objects: Objects = _no_objects,
        durations: Distribution | None = None,
        quotas: Quotas | None = None,
        settings: CloudSettings | None = None,
        faults: Faults | None = None,
        seeds: Seeds | None = None,
        state: State | None = None,
        keep: Keep = _keep_nothing,
    ) -> None:
        core = Core(
            state or State(),
            ActiveOperations(quotas or Quotas()),
            settings=settings or CloudSettings(),
            objects=objects,
            clock=clock,
            rng=rng or random.Random(0),
            durations=durations or Distribution(),
            faults=faults or Faults(),
            seeds=seeds or Seeds(),
            keep=keep,
        )
        self.clock = clock
        self.settings = core.settings
        self.state = core.state
        self.faults = core.faults
        self.seeds = core.seeds
        self.active = core.active
        self.functions = FunctionService(core)
        self.versions = VersionService(core)
        self.scaling = ScalingService(core)
        self.access = AccessService(core)
        self.operations = OperationService(core)
        self.directory = DirectoryService(core)
        self.invocations = InvocationService(core)
        self._core = core

    @contextmanager
    def called_by(self, subject: str) -> Iterator[None]:
        """Attribute calls to an account, which becomes the author of their Operations."""
        before, self._core.caller = self._core.caller, subject
        try:
            yield
        finally:
            self._core.caller = before

    @contextmanager
    def past(self) -> Iterator[None]:
        """Make calls that happened long ago: they take no time, and nothing had been retired, destroyed or deleted
        yet.
        """
        durations, self._core.past = self._core.durations, True
        self.last(Distribution.parse("fixed:0"))
        try:
            yield
        finally:
            self.last(durations)
            self._core.past = False

    def use(self, faults: Faults) -> None:
        """Use other faults from now on."""
        self.faults = self._core.faults = faults

    def serve_calls_at(self, url: str) -> None:
        """Set the URL below which Functions are called."""
        self._core.invoke_url = url

    def last(self, durations: Distribution) -> None:
        """Set how long Operations take from now on."""
        self._core.durations = durations

    def settle(self) -> None:
        """Carry out everything that is due by now. Every method does this itself."""
        self._core.settle()
