"""A request rate: a bucket of tokens that answers "how long?"; the caller sleeps."""

from __future__ import annotations

import anyio


class Pace:
    """At most `per_second` turns a second on average, `burst` at once."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._interval_s = 1.0 / per_second
        self._tolerance_s = (max(1.0, per_second / 4 if burst is None else burst) - 1.0) * self._interval_s
        self._due_at = 0.0  # when the bucket would be full again (the GCRA's theoretical arrival time)

    def reserve(self, now: float) -> float:
        """Take the next turn and say how many seconds from `now` it comes."""
        wait_s = max(0.0, self._due_at - self._tolerance_s - now)
        self._due_at = max(self._due_at, now) + self._interval_s
        return wait_s

    async def turn(self) -> None:
        """Wait for a turn."""
        wait_s = self.reserve(anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)
