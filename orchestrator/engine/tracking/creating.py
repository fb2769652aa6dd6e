"""One listing of a folder's versions that are being made or deleted, instead of a poll of each Operation.

Whether the cloud shows versions while it makes or deletes them is unverified. So a listing is believed only about a
Version that it has shown before. That a Version left the listing is believed only after a poll has seen its Operation
`done`. Listings are checked against Operations whose state is known from polls. If the listings of a folder are wrong,
its Operations are polled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio

from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.tracking.durations import Durations, next_look_s
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.resilience import policy
from orchestrator.resilience.retry import heard

CREATING, DELETING = 'status="CREATING"', 'status="DELETING"'  # filters
_ENOUGH = 3  # Operations of a folder at once, from which a listing is cheaper than polls
_LEAST_S = 0.03
_MOST_S = 10.0
_MISTAKES = 4  # mistakes of a listing, from which they count against it
_SLACK_S = 0.3  # how long a listing may lag behind Operations


@dataclass(eq=False, slots=True)
class Watched:
    """A Version that is being made or deleted, as listings show it. Times of the event loop."""

    version_id: str
    durations: Durations
    since: float  # when its Operation was created
    listed_at: float | None = None  # when the last listing that showed it was requested
    missed_at: float | None = None  # when the first listing that should have shown it but did not was requested
    gone: bool = False  # it was listed, and is not any more
    changed: anyio.Event = field(default_factory=anyio.Event)  # set when there is something to do, then replaced

    def wake(self) -> None:
        """Let the waiting task look."""
        self.changed.set()
        self.changed = anyio.Event()


class Creating:
    """The versions of one folder that are being made, or deleted, by `filter`. Listings are requested while there are
    enough of them.
    """

    def __init__(
        self, world: World, folder_id: str, pace: Pace, price_s: Callable[[], float], filter: str = CREATING
    ) -> None:
        self._world = world
        self._folder_id = folder_id
        self._filter = filter
        self._pace = pace
        self._price_s = price_s
        self._watched: dict[str, Watched] = {}
        self._right = 0
        self._mistakes = 0
        self._believed = True
        self._shown = False  # whether listings have ever shown any
        self._more = anyio.Event()
        self._due_at = math.inf  # when the next listing is due

    @property
    def works(self) -> bool:
        """Whether listings are being requested now, and have been right so far."""
        return self._believed and len(self._watched) >= _ENOUGH

    def add(self, watched: Watched) -> None:
        """Watch another one."""
        self._watched[watched.version_id] = watched
        if anyio.current_time() + watched.durations.earliest_s < self._due_at:
            self._more.set()  # it may end before the next listing

    def remove(self, watched: Watched) -> None:
        """Stop watching it."""
        worked = self.works
        self._watched.pop(watched.version_id, None)
        if worked and not self.works:
            self._wake_all()

    def seen_running(self, watched: Watched) -> None:
        """Record a poll that showed the Operation not done."""
        if watched.gone:  # the listing was wrong, or ahead
            watched.gone, watched.listed_at = False, None
            self._mistaken()

    def seen_done(self, watched: Watched, length_s: float | None) -> None:
        """Record the Operation's end."""
        ended_at = watched.since + length_s if length_s is not None else math.inf
        if not self._shown and watched.missed_at is not None and watched.missed_at < ended_at - _SLACK_S:
            self._mistaken()  # the listing does not show what exists; if it showed others, it may only be late
        elif watched.listed_at is not None and watched.listed_at > ended_at + _SLACK_S:
            self._mistaken()  # the listing still shows what ended long ago
        elif watched.gone:
            self._right += 1

    def _mistaken(self) -> None:
        self._mistakes += 1
        if self._mistakes >= _MISTAKES and self._mistakes > self._right / 4:
            self._stop_believing()

    def _stop_believing(self) -> None:
        self._believed = False
        self._more.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for watched in self._watched.values():
            watched.wake()

    async def keep_looking(self) -> None:
        """Request listings until cancelled, or until they are not believed any more."""
        failures, asked_at = 0, anyio.current_time()
        while self._believed:
            self._more = anyio.Event()
            self._due_at = asked_at + self._wait_s(asked_at) if len(self._watched) >= _ENOUGH else math.inf
            with anyio.move_on_after(self._due_at - anyio.current_time()):
                await self._more.wait()
                continue  # with another one, it may be due earlier
            if len(self._watched) < _ENOUGH:
                continue
            await self._pace.turn()
            asked_at = anyio.current_time()
            listing = partial(self._world.functions.list_versions, self._folder_id, filter=self._filter)
            try:
                found = {version.id for version in await heard(listing, self._world.outage)}
            except CloudError as error:
                failures += 1
                if policy.judge(error) is policy.ErrorClass.PERMANENT:
                    self._stop_believing()
                wait_s = policy.backoff_s(failures, self._world.rng, error.retry_after_s)
                if not await self._waited(wait_s, error.message):
                    self._stop_believing()  # polls still work
            except InterruptedRunError:
                return  # the polls report it
            else:
                failures = 0
                self._compare(found, asked_at)

    async def _waited(self, wait_s: float, why: str) -> bool:
        try:
            return await self._world.outage.sleep(wait_s, why)
        except InterruptedRunError:
            return False

    def _wait_s(self, asked_at: float) -> float:
        """Return how long after the listing of `asked_at` the next one is due."""
        running = []
        for one in self._watched.values():
            if not one.gone:
                age_s = asked_at - one.since
                running.append((one.durations.hazard, age_s, one.durations.hazard(age_s)))

        def ends(wait_s: float) -> float:
            return sum(hazard(age_s + wait_s) - before for hazard, age_s, before in running)

        return next_look_s(ends, self._price_s(), least_s=_LEAST_S, most_s=_MOST_S)

    def _compare(self, found: set[str], asked_at: float) -> None:
        for watched in self._watched.values():
            if watched.version_id in found:
                watched.listed_at = asked_at
                watched.gone, self._shown = False, True
            elif watched.listed_at is not None and not watched.gone:
                watched.gone = True
                watched.wake()
            elif watched.listed_at is None and watched.missed_at is None and asked_at > watched.since + _SLACK_S:
                watched.missed_at = asked_at
