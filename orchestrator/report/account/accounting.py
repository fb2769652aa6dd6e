"""Builds the account of a chain from its events: from a journal, or live as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.journal.condition_events import LimitChanged, LongWait, SlotRefused
from orchestrator.journal.events import (
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    RunStarted,
    StepFinished,
    StepRetried,
    UnitEnded,
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Failed, Step, Unknown
from orchestrator.report.account.chain_clock import ChainClock, works
from orchestrator.report.account.spent import Spell
from orchestrator.report.account.tracks import Track
from orchestrator.report.account.usage import HeldSlot, KnownLimits

_SPELLS = {Step.BUILD: "preparing", Step.PACKAGE: "preparing", Step.UPLOAD: "preparing", Step.VERIFY: "verifying"}


@dataclass(slots=True)
class Accounting:
    """Call it with each event of a chain in order, run by run. Each call takes constant time.

    `state`: the state that the same events are folded into.
    """

    state: RunState = field(default_factory=RunState)
    clock: ChainClock = field(default_factory=ChainClock)
    limits: KnownLimits = field(default_factory=KnownLimits)
    tracks: dict[int, Track] = field(default_factory=dict)  # by the id() of the unit's state: its key may change
    failed_at: dict[int, float] = field(default_factory=dict)  # by the same id: when the unit's failure was reported
    no_room: str = ""  # the scope whose limit had no room at the latest refusal

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted) and self.clock.runs:
            self._let_go(self.clock.runs[-1].last_at)
        self.state.apply(event)
        self.clock.handle(event, works=works(event))
        if isinstance(event, LimitChanged | SlotRefused):
            self.limits.handle(event)
        if isinstance(event, StepRetried):
            self._track(event).retried(event, self.no_room)
        elif (handler := _OF_UNITS.get(type(event))) is not None:
            self._handle(event, handler)
        # The unit that was refused is known from the next event, which is its retry.
        if isinstance(event, SlotRefused):
            self.no_room = event.what
        elif not isinstance(event, LimitChanged | LongWait):
            self.no_room = ""

    def _track(self, event: Any) -> Track:
        unit = self.state.unit(event.key)
        track = self.tracks.get(id(unit))
        if track is None:
            track = self.tracks[id(unit)] = Track(unit)
        track.is_recorded = bool(self.clock.runs) and self.clock.runs[-1].started.recorded
        if not isinstance(event, UnitEnded):
            track.wave = self.clock.wave or track.wave
        return track

    def _handle(self, event: Any, handler: Callable[[Track, Any], None]) -> None:
        track = self._track(event)
        if isinstance(event, UnitEnded):
            if isinstance(event.outcome, Failed):
                self.failed_at.setdefault(id(track.unit), event.at)
            else:
                self.failed_at.pop(id(track.unit), None)
        handler(track, event)

    def _let_go(self, at: float) -> None:
        for track in self.tracks.values():
            track.let_go(at)

    def track_of(self, unit: object) -> Track | None:
        """Return what is known about a unit's timing, None where nothing is."""
        return self.tracks.get(id(unit))

    def held(self, now: float) -> Iterable[HeldSlot]:
        """Return every slot that was held. Slots that are still held last until now."""
        for track in self.tracks.values():
            folder_id = track.unit.folder_id
            for hold in track.holds:
                yield HeldSlot(hold.since, hold.to if hold.to is not None else max(now, hold.since), folder_id)

    def spells(self, ends: Mapping[int, float]) -> Iterable[Spell]:
        """Return what was in progress when. `ends`: of the runs, by their number."""
        yield from self._of_runs(ends)
        for track in self.tracks.values():
            folder_id = track.unit.folder_id
            for step in track.steps:
                if step.step is Step.QUEUE:
                    yield Spell(step.at - step.seconds, step.at, "waits", folder_id)
                elif (kind := _SPELLS.get(step.step)) is not None:
                    yield Spell(step.at - step.seconds, step.at, kind)
        yield from self._not_begun(ends)

    def _of_runs(self, ends: Mapping[int, float]) -> Iterable[Spell]:
        """Return what concerns whole runs: the runs, their stops, and the waves after which another one comes."""
        for number, run in enumerate(self.clock.runs):
            yield Spell(run.started.at, ends[number], "run")
            yield Spell(run.worked_at, ends[number], "reading back")
            if run.rollback_at is not None:
                yield Spell(run.rollback_at, ends[number], "rolling back")
        last_end = ends[len(ends) - 1] if ends else 0.0
        for stop in self.clock.stops:
            if stop.kind in ("pause", "gate", "outage"):
                yield Spell(stop.since, stop.to if stop.to is not None else last_end, stop.kind)
        for wave in self.clock.waves:
            if wave.is_followed:
                ends_at = wave.to if wave.to is not None else last_end
                yield Spell(wave.event.at, min(ends_at, wave.followed_to or ends_at), "wave")

    def _not_begun(self, ends: Mapping[int, float]) -> Iterable[Spell]:
        """Return the waits that no event reports, since they are not over: the run is under way, or was killed. A
        function waits if it is to be changed, holds no slot and is not being prepared. Its wait starts at its last
        event. Functions of later waves wait for no slot.
        """
        if not ends or self.state.ended_at is not None:
            return
        run, end, begun = self.clock.runs[-1], ends[len(ends) - 1], self.clock.functions_begun
        for unit in self.state.units.values():
            if unit.outcome is not None or unit.action in (Action.UNCHANGED, Action.BLOCKED):
                continue
            if begun is not None and unit.turn > begun:
                continue
            track = self.tracks.get(id(unit))
            if track is not None and (track.holds_any or unit.step in (Step.PACKAGE, Step.UPLOAD)):
                continue
            starts = (step.at for step in track.steps) if track is not None else ()
            yield Spell(max([run.started.at, *starts]), end, "waits", unit.folder_id)


def _ended(track: Track, event: UnitEnded) -> None:
    if not isinstance(event.outcome, Unknown):
        track.let_go(event.at)


def _verified(track: Track, event: VersionVerified) -> None:
    track.verified.append(event)


_OF_UNITS: Mapping[type[Event], Callable[[Track, Any], None]] = {
    StepFinished: Track.step,
    Requested: Track.requested,
    OperationAccepted: Track.accepted,
    OperationDone: Track.done,
    VersionVerified: _verified,
    UnitEnded: _ended,
}
