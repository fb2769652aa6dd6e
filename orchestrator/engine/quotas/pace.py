"""A request rate: a bucket of tokens that answers "how long?"; the caller sleeps. Refusals slow it, calm speeds it
up.
"""

from __future__ import annotations

import anyio

_SLOWER = 0.7
_FASTER = 1.02  # per call that had to wait for its turn and was not refused
_CALM_S = 5.0  # without a refusal, before it speeds up
_NEAR = 0.95  # share of the last refused rate up to which it speeds up at once
_PROBE_S = 30.0  # without a refusal, before a slightly higher rate is tried
_ONCE_S = 1.0  # a burst of refusals within this time slows it once
_LEAST = 0.5  # per second


class Pace:
    """At most `per_second` turns a second on average, `burst` at once. `most`: the highest rate."""

    def __init__(self, per_second: float, burst: float | None = None, *, most: float | None = None) -> None:
        self.per_second = per_second
        self._most = per_second if most is None else most
        self._burst = burst
        self._due_at = 0.0  # when the bucket would be full again (the GCRA's theoretical arrival time)
        self._refused_at = -_PROBE_S
        self._ceiling: float | None = None  # the rate that was refused last
        self._waited = False
        self._turns = anyio.Lock()

    def reserve(self, now: float) -> float:
        """Take the next turn. Returns how many seconds from `now` it comes."""
        wait_s = max(0.0, self._due_at - self._tolerance_s() - now)
        self._due_at = max(self._due_at, now) + 1.0 / self.per_second
        self._waited = wait_s > 0
        return wait_s

    def _tolerance_s(self) -> float:
        burst = max(1.0, self.per_second / 4 if self._burst is None else self._burst)
        return (burst - 1.0) / self.per_second

    async def turn(self) -> None:
        """Wait for a turn, in the order of calls. Turns are not fixed far ahead, because the rate may change."""
        async with self._turns:
            wait_s = self.reserve(anyio.current_time())
            if wait_s > 0:
                await anyio.sleep(wait_s)

    def accepted(self, now: float) -> None:
        """Record a call that was not refused."""
        if not self._waited or self.per_second >= self._most or now < self._refused_at + _CALM_S:
            return
        if self._ceiling is not None and self.per_second * _FASTER > _NEAR * self._ceiling:
            if now < self._refused_at + _PROBE_S:
                return
            self._ceiling, self._refused_at = self._ceiling / _NEAR, now
        self.per_second = min(self._most, self.per_second * _FASTER)

    def refused(self, now: float, retry_after_s: float | None = None) -> None:
        """Record that calls come too fast."""
        if now >= self._refused_at + _ONCE_S:
            self._ceiling = self.per_second
            self.per_second = max(_LEAST, self.per_second * _SLOWER)
            self._refused_at = now
        wait_s = max(1.0 / self.per_second, retry_after_s or 0.0)  # unused turns are lost
        self._due_at = max(self._due_at, now + wait_s + self._tolerance_s())
