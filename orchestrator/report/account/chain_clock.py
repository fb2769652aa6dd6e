"""The times of a chain: when each of its runs was under way, and what the run itself waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.journal.condition_events import OutageBegan, OutageEnded
from orchestrator.journal.events import Breached, Event, RunEnded, RunStarted
from orchestrator.journal.rollout_events import GateBegan, GateEnded, PauseBegan, RollbackBegun, RunPaused, WaveStarted

_INFINITE = float("inf")


@dataclass(slots=True)
class Waited:
    """A time in which the run itself waited, see `values.RunStop`. Seconds since the epoch."""

    kind: str
    wave: int
    since: float
    to: float | None = None
    reason: str = ""
    verdict: str = ""
    detail: str = ""


@dataclass(slots=True)
class RunClock:
    """One run: when it began, when its last event was, and when it ended (None: it has not)."""

    started: RunStarted
    last_at: float
    worked_at: float  # the end of the last work before the live state was read back
    ended: RunEnded | None = None
    rollback_at: float | None = None  # when another run began to roll it back


@dataclass(slots=True)
class WaveClock:
    """A wave, from its beginning until the next wave or stop."""

    event: WaveStarted
    to: float | None = None
    followed_to: float | None = None  # until when another wave was to come after it; None: until `to`

    @property
    def is_followed(self) -> bool:
        """Whether another wave comes after it in the same run."""
        return self.event.number < self.event.waves


@dataclass(slots=True)
class ChainClock:
    """All runs of a chain."""

    runs: list[RunClock] = field(default_factory=list)
    waves: list[WaveClock] = field(default_factory=list)
    stops: list[Waited] = field(default_factory=list)

    def handle(self, event: Event, *, works: bool) -> None:
        """Handle any event. `works`: the event is about work."""
        if isinstance(event, RunStarted):
            self._close(self.runs[-1].last_at if self.runs else event.at)
            self.end("approval", event.at)
            self.runs.append(RunClock(event, event.at, event.at))
            return
        if not self.runs:
            return
        run = self.runs[-1]
        run.last_at = max(run.last_at, event.at)
        if works:
            run.worked_at = max(run.worked_at, event.at)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    @property
    def wave(self) -> int:
        """The wave that is under way, or the last one; 0 for none."""
        return self.waves[-1].event.number if self.waves else 0

    @property
    def functions_begun(self) -> int | None:
        """How many functions the waves so far have. None: there are no waves, or several runs, whose waves overlap."""
        return sum(one.event.units for one in self.waves) if self.waves and len(self.runs) == 1 else None

    def end_of(self, number: int, now: float, *, alive: bool) -> float:
        """Return when a run ended. A run that was killed ended at its last event."""
        run = self.runs[number]
        if run.ended is not None:
            return run.ended.at
        return max(now, run.last_at) if alive and number == len(self.runs) - 1 else run.last_at

    def wave_started(self, event: WaveStarted) -> None:
        """Handle the beginning of a wave."""
        self._close(event.at)
        self.waves.append(WaveClock(event))

    def waits(self, kind: str, event: PauseBegan | GateBegan | RunPaused, seconds: float | None, reason: str) -> None:
        """Handle the beginning of a wait of so many seconds. None: the end is not known."""
        self._between(event.at)
        self.stops.append(Waited(kind, event.wave, event.at, None if seconds is None else event.at + seconds, reason))

    def run_ended(self, event: RunEnded) -> None:
        """Handle the end of the run."""
        self.runs[-1].ended = event
        self._close(event.at)

    def breached(self, event: Breached) -> None:
        """Handle a breach: no wave comes after this one."""
        self.stops.append(Waited("breach", self.wave, event.at, event.at, event.reason))
        if self.waves:
            self.waves[-1].followed_to = event.at

    def rollback_begun(self, event: RollbackBegun) -> None:
        """Note that from here on another run works, which rolls this one back."""
        self.runs[-1].rollback_at = event.at

    def gate_ended(self, event: GateEnded) -> None:
        """Handle a gate's verdict."""
        open_ = [one for one in self.stops if one.kind == "gate" and one.to is None]
        one = open_[-1] if open_ else Waited("gate", event.wave, event.at - event.seconds)
        if not open_:
            self.stops.append(one)
        one.to, one.verdict, one.detail = event.at, str(event.verdict), event.output
        if event.exit_code is not None and event.exit_code:
            one.reason = f"exit {event.exit_code}"

    def _between(self, at: float) -> None:
        if self.waves and self.waves[-1].to is None:
            self.waves[-1].to = at

    def end(self, kind: str, at: float) -> None:
        """Handle the end of a wait of this kind."""
        for one in self.stops:
            if one.kind == kind and one.to is None:
                one.to = at

    def _close(self, at: float) -> None:
        """End what was under way: another wave begins, or the run is over. A pause that was cut short ends there. A run
        that waits for approval continues to wait.
        """
        self._between(at)
        for one in self.stops:
            if one.kind != "approval":
                one.to = min(one.to if one.to is not None else _INFINITE, max(at, one.since))


def works(event: Any) -> bool:
    """Return whether an event is about work rather than its result."""
    return not isinstance(event, RunEnded | RunStarted) and event.kind not in ("unit_ended", "units_unchanged")


_HANDLERS: Mapping[type[Event], Callable[[ChainClock, Any], None]] = {
    WaveStarted: ChainClock.wave_started,
    PauseBegan: lambda chain, event: chain.waits("pause", event, event.seconds, ""),
    GateBegan: lambda chain, event: chain.waits("gate", event, None, ""),
    GateEnded: ChainClock.gate_ended,
    RunPaused: lambda chain, event: chain.waits("approval", event, None, event.reason),
    OutageBegan: lambda chain, event: chain.stops.append(Waited("outage", chain.wave, event.at, None, event.reason)),
    OutageEnded: lambda chain, event: chain.end("outage", event.at),
    Breached: ChainClock.breached,
    RollbackBegun: ChainClock.rollback_begun,
    RunEnded: ChainClock.run_ended,
}
