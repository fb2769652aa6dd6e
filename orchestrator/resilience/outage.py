"""The network or the cloud is unreachable: calls wait at a gate instead of failing one after another.

An outage begins after a period of only silence and 503, and ends with the first answer. During it, one call every few
seconds is sent as a probe. Its failures do not count as attempts of any unit.

Every wait that a server asks for passes through here too (`endure`, `sleep`): no wait is longer than an outage may
last.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio

from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.model.units import as_duration
from orchestrator.resilience import policy

MAX_S = 1800.0
_FAILURES = 4  # failures in a row, of any calls
_SILENCE_S = 3.0
_PROBE_MIN_S = 1.0
_PROBE_MAX_S = 10.0
HURRY_S = 30.0


class Outage:
    """What all calls of a run know about the connection to the cloud. `changed` is called at the beginning (reason,
    0.0) and at the end ("", its length in seconds). `waits` is called for each wait over ten seconds, with its length
    and reason.

    `pauses` False: silence pauses nothing, each call fails by itself.
    """

    def __init__(self, max_s: float = MAX_S, *, pauses: bool = True) -> None:
        self._max_s = max_s
        self._pauses = pauses
        self._failures = 0
        self._silent_since: float | None = None  # the first failure after the last answer
        self._began_at: float | None = None
        self._lost_s = 0.0
        self._hurry_at: float | None = None
        self._hurried = anyio.Event()
        self._reported_until = -math.inf  # the end of the last wait that was reported
        self._probe_at = 0.0
        self._probe_s = _PROBE_MIN_S
        self._over = anyio.Event()
        self.reason = ""
        self.changed: Callable[[str, float], None] = lambda _why, _seconds: None
        self.waits: Callable[[float, str], None] = lambda _seconds, _why: None

    def hurry(self) -> None:
        """Stop waiting long: someone wants the run to stop."""
        self._hurry_at = anyio.current_time()
        self._hurried.set()

    def _until(self) -> float:
        began_at = self._began_at if self._began_at is not None else anyio.current_time()
        end_at = began_at + self._max_s
        return end_at if self._hurry_at is None else min(end_at, max(began_at, self._hurry_at) + HURRY_S)

    @property
    def on(self) -> bool:
        """Whether there is an outage now."""
        return self._began_at is not None

    def lost_s(self) -> float:
        """Return how many seconds outages have taken so far. Deadlines do not run meanwhile."""
        return self._lost_s + (anyio.current_time() - self._began_at if self._began_at is not None else 0.0)

    async def gate(self) -> None:
        """Wait until calls may be made. Raises `InterruptedRunError` if the outage lasts too long."""
        while self._began_at is not None:
            now = anyio.current_time()
            if now >= self._until():
                raise InterruptedRunError(
                    f"the cloud has not responded for {(now - self._began_at) / 60:.0f} min: {self.reason}",
                    advice="run the same command again when it can be reached (--max-outage waits longer)",
                )
            if now >= self._probe_at:
                self._probe_at = now + self._probe_s  # this call is the probe
                self._probe_s = min(_PROBE_MAX_S, self._probe_s * 1.5)
                return
            with anyio.move_on_after(min(self._probe_at, self._until()) - now):
                await self._over.wait()

    def endure(self, wait_s: float, why: str, *, since: float | None = None) -> None:
        """Begin a wait. `since`: when its cause first failed, on the event loop's clock.

        Raises `InterruptedRunError` if it is longer than the rest of the time that an outage may last.
        """
        now = anyio.current_time()
        first_at = min(now if one is None else one for one in (since, self._began_at))
        if now + wait_s > first_at + self._max_s:
            raise InterruptedRunError(
                f"the next attempt would be in {as_duration(round(wait_s))}, later than this run may wait: {why}",
                advice="run the same command again later (--max-outage waits longer)",
            )
        if wait_s > policy.SAID_WAIT_S and now + wait_s > self._reported_until + policy.SAID_WAIT_S:
            self._reported_until = now + wait_s
            self.waits(wait_s, why)

    async def sleep(self, wait_s: float, why: str, *, since: float | None = None) -> bool:
        """Wait. Returns False if the wait was cut short because the run is to stop and more than half a minute is left.

        Raises like `endure`.
        """
        self.endure(wait_s, why, since=since)
        end_at = anyio.current_time() + wait_s
        with anyio.move_on_after(wait_s):
            await self._hurried.wait()
        if end_at > anyio.current_time() + HURRY_S:
            return False
        await anyio.sleep_until(end_at)
        return True

    def failed(self, error: CloudError) -> None:
        """Record a call that ended with this error."""
        if not policy.is_silence(error):
            self.answered()
            return
        now = anyio.current_time()
        self._failures += 1
        if self._silent_since is None:
            self._silent_since = now
        if (
            self._pauses
            and self._began_at is None
            and self._failures >= _FAILURES
            and now - self._silent_since >= _SILENCE_S
        ):
            self._began_at, self._over, self.reason = self._silent_since, anyio.Event(), error.message
            self._probe_s, self._probe_at = _PROBE_MIN_S, now + _PROBE_MIN_S
            self.changed(self.reason, 0.0)

    def answered(self) -> None:
        """Record an answer of any kind."""
        self._failures, self._silent_since = 0, None
        if self._began_at is not None:
            seconds = anyio.current_time() - self._began_at
            self._lost_s += seconds
            self._began_at = None
            self._over.set()
            self.changed("", seconds)
