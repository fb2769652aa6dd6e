"""Follows Operations to their end. A unit awaits `finished`; how the tracker finds out is its own business."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.tracking.creating import CREATING, DELETING, Creating, Watched
from orchestrator.engine.tracking.durations import Kind, next_poll_s
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.model import Operation
from orchestrator.model.units import as_duration
from orchestrator.resilience import policy
from orchestrator.resilience.failure import unless_token
from orchestrator.resilience.retry import heard

_EARLY_NOT_FOUND = 5  # replicas may not have a new Operation yet; the Go SDK forgives 3 (cloud-api#operations)
_PRICE = 0.0065  # of a call, as a share of the time that a slot is held: about 8 polls per Operation, 4 % of it wasted
_IDLE = 2.0  # factor while no call waits for the slot
_LISTED = 400.0  # factor while listings work: a poll then only checks for the case that they are wrong
_LEAST_S = 0.05
_MOST_S = 30.0
CLOCK_S = 2.0  # possible difference between the cloud's clock and what we see, in whole seconds


class Sent(NamedTuple):
    """When a call was first sent: on the event loop's clock, and on the cloud's (None: not known)."""

    at: float
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class Tracked:
    """The Operation as last seen. If it is not `done`, `reason` is why we stopped polling. `refused`: because polling
    is refused. `length_s`: how long it took, None if that is not reported or not credible. `replayed`: it was done
    before our call was sent. `polls`: how often it was polled.
    """

    operation: Operation
    reason: str = ""
    refused: bool = False
    length_s: float | None = None
    replayed: bool = False
    polls: int = 0


@dataclass(slots=True)
class _Followed:
    """An Operation that is followed. Times of the event loop."""

    operation: Operation
    kind: Kind
    asked_at: float  # when it was last polled
    sent: Sent | None  # None: not sent by this run, as far as is known
    known_at: float  # when we first saw it
    ran_at: float | None = None  # when it was last polled and still running
    looked: bool = False
    polls: int = 0
    creating: Creating | None = None
    watched: Watched | None = None
    failures: int = 0
    unknown: int = 0
    back_off_s: float = 0.0

    @property
    def since(self) -> float:
        """The earliest time at which it can have started, if it started for us."""
        return self.known_at if self.sent is None else self.sent.at

    @property
    def seems_older(self) -> bool:
        """Whether, by the cloud's clocks, it was made before its call was sent. Clocks may differ, so it is polled."""
        created_at, server_time = self.operation.created_at, self.sent.server_time if self.sent is not None else None
        return created_at is not None and server_time is not None and created_at < server_time


class Tracker:
    """Polls Operations when they can be done, by learned durations, within one common rate of calls.

    `background`: where listings of versions in creation may run. None: each Operation is polled on its own. `waiting`:
    whether a call waits for a slot.
    """

    def __init__(
        self,
        world: World,
        *,
        background: TaskGroup | None = None,
        waiting: Callable[[], bool] = lambda: True,
    ) -> None:
        self._world = world
        self._operations = world.operations
        self._outage = world.outage
        self._pace = Pace(world.limits.polls_per_second)
        self._deadline_s = world.limits.operation_deadline_s
        self._background = background
        self._waiting = waiting
        self._creating: dict[tuple[str, str], Creating] = {}  # by folder and filter
        self.learned = world.knowledge.durations

    async def finished(
        self, operation: Operation, kind: Kind = Kind.PLAIN, folder_id: str = "", sent: Sent | None = None
    ) -> Tracked:
        """Wait until the Operation is `done`, or its deadline has passed. `folder_id`: of its Version. `sent`: when its
        call was first sent, None if the Operation was found.

        `error` before `done` means that the cloud is still undoing, so this waits. A failed poll is never the
        Operation's failure, and time lost to an outage does not count. Raises `InterruptedRunError` if the token is not
        accepted any more, or if an outage lasts too long.
        """
        version_id = operation.version_id
        now = anyio.current_time()
        followed = _Followed(operation, kind, now, sent, now)
        # A tag move names a Version too, but no listing of versions in creation ever shows it.
        listed = version_id and folder_id and kind is not Kind.TAG
        if not listed or operation.done or self._background is None:
            return await self._follow(followed)
        followed.creating = creating = self._listings(folder_id, kind, self._background)
        followed.watched = watched = Watched(version_id, self.learned.of(kind), followed.since)
        creating.add(watched)
        try:
            return await self._follow(followed)
        finally:
            creating.remove(watched)

    def _listings(self, folder_id: str, kind: Kind, background: TaskGroup) -> Creating:
        shown = DELETING if kind is Kind.DELETE else CREATING
        if (folder_id, shown) not in self._creating:
            found = Creating(self._world, folder_id, self._pace, self._price_s, shown)
            self._creating[folder_id, shown] = found
            background.start_soon(found.keep_looking)
        return self._creating[folder_id, shown]

    def _price_s(self) -> float:
        """Return how much slot time may be wasted to save a call."""
        return _PRICE * self.learned.mean_s * (1.0 if self._waiting() else _IDLE)

    async def _follow(self, one: _Followed) -> Tracked:
        began_at = anyio.current_time()
        lost_before_s = self._outage.lost_s()
        self._endure_wish(one)
        while not one.operation.done:
            now = anyio.current_time()
            deadline_at = began_at + self._deadline_s + self._outage.lost_s() - lost_before_s
            if one.asked_at >= deadline_at:
                return Tracked(one.operation, f"not done after {as_duration(self._deadline_s)}")
            due_at = min(self._due_at(one), deadline_at)  # one last poll then
            if due_at > now:
                await _sleep(due_at - now, one.watched)
                continue  # by now, listings may show more, or other Operations may have taught more
            await self._pace.turn()
            one.asked_at, one.looked, one.polls = anyio.current_time(), True, one.polls + 1
            try:
                one.operation = await heard(partial(self._operations.get, one.operation.id), self._outage)
            except CloudError as error:
                if self._refuses(error, one):
                    return Tracked(one.operation, f"cannot be polled: {error.message}", refused=True)
            else:
                self._seen(one)
        replayed = one.ran_at is None and one.seems_older
        return Tracked(one.operation, length_s=self._learn(one), replayed=replayed, polls=one.polls)

    def _due_at(self, one: _Followed) -> float:
        """Return when to poll next, by the event loop's clock. The server's wish always counts."""
        earliest_at = one.asked_at + max(one.operation.poll_after_s or 0.0, one.back_off_s)
        unknown = not one.looked and (one.sent is None or one.seems_older)
        if unknown or (one.watched is not None and one.watched.gone):
            return earliest_at  # it may be done already
        price_s, works = self._price_s(), one.creating is not None and one.creating.works
        if works and one.watched is not None and one.watched.listed_at is not None:
            price_s *= _LISTED
        durations, age_s = self.learned.of(one.kind), one.asked_at - one.since
        wait_s = next_poll_s(durations, age_s, price_s, least_s=_LEAST_S, most_s=_MOST_S)
        return max(earliest_at, one.asked_at + wait_s)

    def _endure_wish(self, one: _Followed) -> None:
        if not one.operation.done:
            self._outage.endure(one.operation.poll_after_s or 0.0, f"Operation {one.operation.id} is still running")

    def _seen(self, one: _Followed) -> None:
        one.failures, one.unknown, one.back_off_s = 0, 0, 0.0
        if one.operation.done:
            return
        one.ran_at = one.asked_at
        self._endure_wish(one)
        if one.creating is not None and one.watched is not None:
            one.creating.seen_running(one.watched)

    def _refuses(self, error: CloudError, one: _Followed) -> bool:
        """Return whether a failed poll is the last one. Raises `InterruptedRunError` if all polls would fail like
        this.
        """
        unless_token(error)
        if error.code is Code.PERMISSION_DENIED:  # true of all Operations: the run would see none end
            message = f"no permission to read Operations: {error.message}"
            raise InterruptedRunError(message, advice=error.advice) from error
        one.unknown += error.code is Code.NOT_FOUND
        early = error.code is Code.NOT_FOUND and one.unknown <= _EARLY_NOT_FOUND
        if policy.judge(error) is policy.ErrorClass.PERMANENT and not early:
            return True
        one.failures += 1
        one.back_off_s = policy.backoff_s(one.failures, self._world.rng, error.retry_after_s)
        self._outage.endure(error.retry_after_s or 0.0, error.message)
        return False

    def _learn(self, one: _Followed) -> float | None:
        """Learn and return how long it took: by the cloud's times, if they fit what we have seen."""
        length_s = length_of(one.operation, self._world.rng)
        if length_s is not None:
            least_s = (one.ran_at if one.ran_at is not None else one.known_at) - one.known_at - CLOCK_S
            most_s = self._deadline_s if one.sent is None else anyio.current_time() - one.since + CLOCK_S
            length_s = length_s if least_s <= length_s <= most_s else None
        if one.creating is not None and one.watched is not None:
            one.creating.seen_done(one.watched, length_s)
        if length_s is not None and one.operation.error is None and one.sent is not None:
            self.learned.add(one.kind, length_s)
        return length_s


def length_of(operation: Operation, rng: random.Random) -> float | None:
    """Return how many seconds a `done` Operation took, by the cloud's own times. None if they show nothing."""
    if operation.created_at is None or operation.modified_at is None or operation.modified_at < operation.created_at:
        return None
    length_s = (operation.modified_at - operation.created_at).total_seconds()
    if not operation.created_at.microsecond and not operation.modified_at.microsecond:
        length_s += rng.random() - rng.random()  # only whole seconds were reported: the rest may be anything
    return max(0.01, length_s)


async def _sleep(seconds: float, watched: Watched | None) -> None:
    if watched is None:
        await anyio.sleep(seconds)
        return
    with anyio.move_on_after(seconds):
        await watched.changed.wait()
