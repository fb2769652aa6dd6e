"""Operation slots: how many unfinished Operations there may be per function, folder and cloud.

A slot is held from the call until its Operation is seen `done`. Grants are decided synchronously. Among the folders
with room, the one with the most work left per slot comes first, and within it the longest work. A full folder never
delays another.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from orchestrator.engine.quotas.limit import Limit
from orchestrator.model import Limits


class QuotaScope(NamedTuple):
    """The three levels that an Operation counts against."""

    function: str  # ID, or folder/name while it is being created
    folder: str
    cloud: str


class LimitKey(NamedTuple):
    """A folder or a cloud; in a refusal also a function."""

    kind: str  # "folder" | "cloud" | "function"
    id: str


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """What is held and what waits, for tests and people."""

    held: int
    asked: int  # of these: not known to be accepted yet
    waiting: int
    per_folder: dict[str, int]
    per_cloud: dict[str, int]


@dataclass(eq=False, slots=True)
class Slot:
    """One held slot. Only the first of `release` and `refused` counts."""

    _slots: Slots
    scope: QuotaScope
    granted_at: float
    _held: bool = True
    _asked: bool = True  # not known to be accepted yet

    def accepted(self) -> None:
        """Record that the cloud accepted the call. Only the first time counts."""
        if self._asked:
            self._asked = False
            self._slots._accepted(self.scope)  # noqa: SLF001 - the other half of the same mechanism

    def refused(self, metric: str, retry_after_s: float | None) -> float:
        """Release the slot: the cloud has no room. Returns how many seconds to wait before the next attempt."""
        if not self._held:
            return 0.0
        self._held = False
        return self._slots._refused(self, metric, retry_after_s)  # noqa: SLF001

    def release(self) -> None:
        """Release the slot."""
        if self._held:
            self._held = False
            self._slots._free(self.scope, asked=self._asked)  # noqa: SLF001


_SELDOM_S, _OFTEN_S = 2.0, 0.5  # between two slots that become free in a folder
_WEIGHT = 0.2  # the weight of the newest interval in the moving average


@dataclass(eq=False, slots=True)
class _Waiter:
    scope: QuotaScope
    # Work that waits for all other work comes last; then the longest first, then in order of arrival.
    order: tuple[bool, float, int]
    granted: anyio.Event = field(default_factory=anyio.Event)
    near: anyio.Event = field(default_factory=anyio.Event)  # about to be granted, or granted
    granted_at: float = 0.0
    gone: bool = False

    def __lt__(self, other: _Waiter) -> bool:
        return self.order < other.order


class Slots:
    """Counts held slots against the known quotas. `changed` is called for each limit that changes, with the reason.
    `refused` is called for each refusal, with its limit and how many others were held there.
    """

    def __init__(
        self,
        limits: Limits,
        found: Mapping[LimitKey, Limit] | None = None,
        rng: random.Random | None = None,
        changed: Callable[[LimitKey, int, str], None] = lambda _scope, _allowed, _reason: None,
        refused: Callable[[LimitKey, int], None] = lambda _scope, _held: None,
    ) -> None:
        self._limits = limits
        self._per_function = limits.operations_per_function
        self._rng = rng or random.Random()
        self._changed = changed
        self._refusal = refused
        self._of: dict[LimitKey, Limit] = dict(found or {})
        self._functions: Counter[str] = Counter()
        self._held: Counter[LimitKey] = Counter()
        self._asked: Counter[LimitKey] = Counter()  # of these: not known to be accepted yet
        self._waiting: dict[tuple[str, str], list[_Waiter]] = {}  # (folder, cloud): a heap
        # When a slot was last granted, and the recent interval between grants. Zero at first, while all slots are free.
        self._every_s: defaultdict[tuple[str, str], tuple[float, float]] = defaultdict(
            lambda: (anyio.current_time(), 0.0)
        )
        self._count_waiting = 0
        self._number = 0
        self.left_s: defaultdict[str, float] = defaultdict(float)  # by folder: expected seconds of the remaining work

    def limit_of(self, key: LimitKey) -> Limit:
        """Return what is known about a quota; documented defaults if nothing is."""
        if key not in self._of:
            per_folder = key.kind == "folder"
            assumed = self._limits.operations_per_folder if per_folder else self._limits.operations_per_cloud
            self._of[key] = Limit(assumed, reserve=self._limits.reserve)
        return self._of[key]

    @property
    def limits(self) -> Mapping[LimitKey, Limit]:
        """All quotas seen so far."""
        return self._of

    async def acquire(
        self,
        scope: QuotaScope,
        expected_s: float = 0.0,
        look: Callable[[], Awaitable[None]] | None = None,
        *,
        last: bool = False,
    ) -> Slot:
        """Wait for a slot. `expected_s`: how long the work will take. `look`: awaited when the slot is about to be
        free, so that no slot is held for it; an error from it ends the wait. `last`: after all other work, in every
        folder. Cancelling leaves nothing held.
        """
        self._number += 1
        waiter = _Waiter(scope, (last, -expected_s, self._number))
        heapq.heappush(self._waiting.setdefault((scope.folder, scope.cloud), []), waiter)
        self._count_waiting += 1
        self._grant()
        try:
            if look is not None:
                await waiter.near.wait()
                await look()
            await waiter.granted.wait()
        except BaseException:
            if waiter.granted.is_set():
                self._free(scope, asked=True)
            else:
                waiter.gone = True
                self._count_waiting -= 1
            raise
        return Slot(self, scope, waiter.granted_at)

    def has_waiters(self) -> bool:
        """Return whether a slot that becomes free is taken at once."""
        return self._count_waiting > 0

    def statistics(self) -> SlotStatistics:
        """Return the current numbers."""
        held = +self._held
        per_cloud = {key.id: count for key, count in held.items() if key.kind == "cloud"}
        return SlotStatistics(
            held=sum(per_cloud.values()),
            asked=sum(count for key, count in self._asked.items() if key.kind == "cloud"),
            waiting=self._count_waiting,
            per_folder={key.id: count for key, count in held.items() if key.kind == "folder"},
            per_cloud=per_cloud,
        )

    # --- granting ---------------------------------------------------------------------------------------------------

    def _grant(self) -> None:
        now = anyio.current_time()
        while True:
            best, most = None, (False, -1.0)
            for (folder, cloud), heap in self._waiting.items():
                urgency = self._urgency(folder, cloud, now)
                if heap and urgency >= 0.0 and (True, urgency) > most:
                    waiter = self._first(heap)
                    if waiter is not None and (not waiter.order[0], urgency) > most:
                        best, most = waiter, (not waiter.order[0], urgency)
            if best is None:
                self._notify_near()
                return
            place = (best.scope.folder, best.scope.cloud)
            last_at, every_s = self._every_s[place]
            self._every_s[place] = now, every_s + _WEIGHT * (now - last_at - every_s)
            heap = self._waiting[place]
            if heap[0] is best:
                heapq.heappop(heap)
            else:
                heap.remove(best)
                heapq.heapify(heap)
            self._count_waiting -= 1
            self._count(best.scope, 1, asked=1)
            best.granted_at = now
            best.granted.set()
            best.near.set()

    def _notify_near(self) -> None:
        """Notify the first waiters of each folder: as many as are granted within about a second. None if slots become
        free so rarely that a check would expire before.
        """
        for place, heap in self._waiting.items():
            every_s = self._every_s[place][1]
            for waiter in heap[
                : 0 if every_s > _SELDOM_S else 1 if every_s > _OFTEN_S else 3
            ]:  # the first ones of a heap
                waiter.near.set()

    def _urgency(self, folder: str, cloud: str, now: float) -> float:
        """Return how much work is left per slot of a folder, -1 if there is no room."""
        for key in (LimitKey("folder", folder), LimitKey("cloud", cloud)):
            limit = self.limit_of(key)
            if self._held[key] >= limit.allowed or now < limit.closed_until:
                return -1.0
        return max(0.0, self.left_s[folder]) / self.limit_of(LimitKey("folder", folder)).allowed

    def _first(self, heap: list[_Waiter]) -> _Waiter | None:
        """Return the first waiter whose function has room."""
        while heap and heap[0].gone:
            heapq.heappop(heap)
        if heap and self._functions[heap[0].scope.function] < self._per_function:
            return heap[0]
        fitting = (one for one in heap if not one.gone and self._functions[one.scope.function] < self._per_function)
        return min(fitting, default=None)

    # --- after the grant ----------------------------------------------------------------------------------------------

    def _accepted(self, scope: QuotaScope) -> None:
        self._count(scope, 0, asked=-1)
        for key in _keys_of(scope):
            limit, running = self.limit_of(key), self._held[key] - self._asked[key]
            before = limit.allowed
            limit.accepted(self._held[key], running, anyio.current_time())
            if limit.allowed != before:
                self._changed(key, limit.allowed, "calm")
        self._grant()

    def _refused(self, slot: Slot, metric: str, retry_after_s: float | None) -> float:
        """Lower the limit that was too high. If the cloud does not name it, choose the one with the least room."""
        scope = slot.scope
        self._count(scope, -1, asked=-1)
        now = anyio.current_time()
        named = metric.rsplit(".", 1)[-1].lower()
        keys = [key for key in _keys_of(scope) if key.kind in named] or sorted(
            _keys_of(scope), key=lambda key: self.limit_of(key).allowed - self._held[key]
        )
        if "function" in named and not any(key.kind in named for key in keys):
            self._refusal(LimitKey("function", scope.function), self._functions[scope.function])
            return retry_after_s or 1.0  # another call is in progress on this function
        limit = self.limit_of(keys[0])
        self._refusal(keys[0], self._held[keys[0]])
        before = limit.allowed
        limit.refused(self._held[keys[0]], slot.granted_at, now, self._rng, retry_after_s)
        if limit.allowed != before:
            self._changed(keys[0], limit.allowed, "others use it" if limit.shared else "refused")
        self._grant()
        return max(0.0, limit.closed_until - now)

    def _free(self, scope: QuotaScope, *, asked: bool) -> None:
        self._count(scope, -1, asked=-int(asked))
        self._grant()

    def _count(self, scope: QuotaScope, change: int, *, asked: int) -> None:
        self._functions[scope.function] += change
        if not self._functions[scope.function]:
            del self._functions[scope.function]  # 50,000 functions pass through: keep only those that hold a slot
        for key in _keys_of(scope):
            self._held[key] += change
            self._asked[key] += asked


def _keys_of(scope: QuotaScope) -> tuple[LimitKey, LimitKey]:
    return LimitKey("folder", scope.folder), LimitKey("cloud", scope.cloud)
