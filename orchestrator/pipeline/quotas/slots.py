"""Operation slots: how many unfinished Operations we may have per function, folder and cloud.

A slot is held from the call until its Operation is seen `done`. Granting is decided synchronously, in the order of
asking, passing over whoever cannot be served yet, so that one full folder never holds up another.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from orchestrator.model import Limits


class Domain(NamedTuple):
    """The three things that an Operation counts against."""

    function: str  # id, or folder/name of one that is being created
    folder: str
    cloud: str


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """What is held and who waits, for tests and people."""

    held: int
    waiting: int
    per_folder: dict[str, int]
    per_cloud: dict[str, int]


@dataclass(eq=False, slots=True)
class Slot:
    """One held slot. `release` may be called more than once; only the first counts."""

    _slots: Slots
    domain: Domain
    _held: bool = True

    def release(self) -> None:
        if self._held:
            self._held = False
            self._slots._free(self.domain)  # noqa: SLF001 - the other half of the same mechanism


@dataclass(eq=False, slots=True)
class _Waiter:
    domain: Domain
    granted: anyio.Event = field(default_factory=anyio.Event)


class Slots:
    """Counts of held slots against fixed limits."""

    def __init__(self, limits: Limits) -> None:
        self._per_function = limits.operations_per_function
        self._per_folder = limits.operations_per_folder - limits.reserve
        self._per_cloud = limits.operations_per_cloud - limits.reserve
        self._functions: Counter[str] = Counter()
        self._folders: Counter[str] = Counter()
        self._clouds: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()

    async def acquire(self, domain: Domain) -> Slot:
        """Wait for a slot. Cancelling while waiting leaves nothing held."""
        waiter = _Waiter(domain)
        self._waiting.append(waiter)
        self._grant()
        try:
            await waiter.granted.wait()
        except BaseException:
            if waiter.granted.is_set():
                self._free(domain)
            else:
                self._waiting.remove(waiter)
            raise
        return Slot(self, domain)

    def anybody_waits(self) -> bool:
        """Say whether a slot that becomes free is taken at once."""
        return bool(self._waiting)

    def statistics(self) -> SlotStatistics:
        """Take a reading."""
        return SlotStatistics(
            held=self._clouds.total(),
            waiting=len(self._waiting),
            per_folder=dict(+self._folders),
            per_cloud=dict(+self._clouds),
        )

    def _fits(self, domain: Domain) -> bool:
        return (
            self._functions[domain.function] < self._per_function
            and self._folders[domain.folder] < self._per_folder
            and self._clouds[domain.cloud] < self._per_cloud
        )

    def _grant(self) -> None:
        for waiter in list(self._servable()):
            self._waiting.remove(waiter)
            waiter.granted.set()

    def _servable(self) -> Iterator[_Waiter]:
        for waiter in self._waiting:
            if self._fits(waiter.domain):
                self._count(waiter.domain, 1)
                yield waiter

    def _free(self, domain: Domain) -> None:
        self._count(domain, -1)
        self._grant()

    def _count(self, domain: Domain, change: int) -> None:
        self._functions[domain.function] += change
        if not self._functions[domain.function]:
            del self._functions[domain.function]  # 50,000 functions pass through: keep those that hold something
        self._folders[domain.folder] += change
        self._clouds[domain.cloud] += change
