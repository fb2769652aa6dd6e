"""What a function waits for in a run that is in progress, from the events in its journal or record so far. Pure.

The journal stores no step that has only begun, and writes some events together with the next one. So the answer is true
as of its last event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.journal.condition_events import LimitChanged, OutageBegan, OutageEnded
from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    Event,
    RunStarted,
    StepFinished,
    StepRetried,
)
from orchestrator.journal.functions.unit_marks import marks_of
from orchestrator.journal.rollout_events import GateBegan, GateEnded, PauseBegan, WaveStarted
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import ChangeKind, Step
from orchestrator.model.units import as_duration
from orchestrator.planning.rollout import wave_ends
from orchestrator.planning.why.facts import WaitingFor, WaitsFor
from orchestrator.planning.why.past_runs import utc
from orchestrator.planning.why.standings import Standings


@dataclass(slots=True)
class LiveRun:
    """A run in progress: the events about itself and some units, and how far all others are.

    Call `apply` with each event of its chain. Or call `hear` with those about itself and some units, in order, and
    `standings` with the marks of all.
    """

    run: RunState = field(default_factory=RunState)
    standings: Standings = field(default_factory=Standings)
    wave: WaveStarted | None = None
    pause: PauseBegan | None = None
    gate: GateBegan | None = None
    outage: OutageBegan | None = None
    limits: dict[str, LimitChanged] = field(default_factory=dict)  # "folder ID", "cloud ID"
    retried: dict[str, StepRetried] = field(default_factory=dict)  # by unit: the last retry, until the next step
    # by unit: packages made, including when the plan reads the source
    packed: dict[str, int] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Apply one event, about any unit."""
        self.hear(event)
        if isinstance(event, RunStarted):
            self.standings.begin_run()
        for mark in marks_of(event):
            self.standings.apply(mark)

    def hear(self, event: Event) -> None:
        """Apply an event about the run, or about one of the units in question."""
        self.run.apply(event)
        self._between_waves(event)
        match event:
            case RunStarted():
                self.outage = None
                self.packed.clear()
            case OutageBegan():
                self.outage = event
            case OutageEnded():
                self.outage = None
            case LimitChanged():
                self.limits[event.what] = event
            case StepRetried():
                self.retried[event.key] = event
            case StepFinished(step=Step.PACKAGE):
                self.packed[event.key] = self.packed.get(event.key, 0) + 1

    def _between_waves(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.wave = self.pause = self.gate = None
            case WaveStarted():
                self.wave, self.pause, self.gate = event, None, None
            case PauseBegan():
                self.pause = event
            case GateBegan():
                self.pause, self.gate = None, event
            case GateEnded():
                self.pause = self.gate = None


def live_run(events: Iterable[Event]) -> LiveRun:
    """Fold the events of a chain of runs, whose last is in progress."""
    found = LiveRun()
    for event in events:
        found.apply(event)
    return found


def what_it_waits_for(live: LiveRun, key: str, *, packs: bool, now_s: float = 0.0, who: str = "") -> WaitingFor | None:
    """Return what a unit waits for, None if the run has no such unit. `packs`: its code is a source that is packed.
    `now_s`: the time, in epoch seconds.

    The first that applies:

    | the run, or the unit                             | it waits for                                        |
    | ---                                              | ---                                                 |
    | the unit has ended                               | the end of the run, to read the live state back     |
    | the cloud does not respond                        | the cloud                                           |
    | an Operation was accepted, its end is not known  | the Operation                                       |
    | a call was refused, and is tried again           | the next attempt; after its wait, an Operation slot |
    | a call has no answer yet                         | the answer                                          |
    | its Version exists, and is verified              | the verification                                    |
    | its Version exists, its tags are not requested   | its tags: the second phase                          |
    | too many failures                                | nothing: it does not start; or the rollback         |
    | its wave is not the running one: a pause, a gate | the pause, the gate                                 |
    | its wave is a later one                          | the wave                                            |
    | it packs, and no package is made yet             | its package                                         |
    | otherwise                                        | an Operation slot                                   |
    """
    run = live.run
    unit = run.units.get(key)
    if unit is None:
        return None
    found = _of_unit(live, unit, now_s) or _of_run(live) or _before_it_begins(live, unit, packs=packs)
    kind, words, since_s, until_s, operation_id = found
    return WaitingFor(run.run_id, kind, words, utc(since_s), utc(until_s), "", operation_id, who)


_Found = tuple[WaitsFor, str, float, float, str]  # words, since, until, ID of an Operation


def _of_unit(live: LiveRun, unit: UnitState, now_s: float) -> _Found | None:
    """Return what a unit waits for that has ended, or has sent a request."""
    if unit.outcome is not None:
        words = f"it has ended: {outcome_name(unit.outcome)}; its live state is read back at the end of the run"
        return WaitsFor.END, words, unit.ended_at or 0.0, 0.0, ""
    if live.outage is not None:
        return WaitsFor.CLOUD, f"the cloud does not respond: {live.outage.reason}", live.outage.at, 0.0, ""
    if not unit.requests and not unit.operations:
        return None
    return _asked_for(live, unit, now_s) or _after_its_version(live, unit)


def _asked_for(live: LiveRun, unit: UnitState, now_s: float) -> _Found | None:
    """Return the call in progress: its Operation, its answer, its next attempt."""
    for one in reversed(unit.operations.values()):
        if one.operation_id not in unit.done:
            words = f"Operation {one.operation_id} ({one.call})"
            return WaitsFor.OPERATION, words, one.at, 0.0, one.operation_id
    last = max((request.at for request in unit.requests), default=0.0)
    if not _is_asked(unit):
        return None
    retried = live.retried.get(unit.key)
    if retried is None or retried.at < last:
        return WaitsFor.ANSWER, f"the response to {unit.call}", last, 0.0, ""
    if now_s > retried.at + retried.wait_s:  # it is in the queue again
        return _slot(live, unit)
    words = f"the next attempt of {unit.call} (attempt {retried.attempt + 1}), after: {retried.reason}"
    return WaitsFor.RETRY, words, retried.at, retried.at + retried.wait_s, ""


def _after_its_version(live: LiveRun, unit: UnitState) -> _Found | None:
    """Return the next change, if those before it are made."""
    done_at = max((one.at for one in unit.done.values()), default=0.0)
    left = [change.change for change in unit.planned if change.outcome == "not begun"]
    if left and left[0].kind is ChangeKind.VERIFY:
        return WaitsFor.VERIFICATION, f"the verification of version {unit.version_id}", done_at, 0.0, ""
    if left and all(change.kind is ChangeKind.TAG for change in left):
        tags = ", ".join(tag for change in left for tag in change.after)
        return WaitsFor.TAGS, f"its tags: {tags}", done_at, 0.0, ""
    return _slot(live, unit)


def _of_run(live: LiveRun) -> _Found | None:
    """Return what stops a whole run."""
    run = live.run
    if run.breach and run.rollout.then == "rollback":
        return WaitsFor.ROLLBACK, f"the rollback of the run: {run.breach}", 0.0, 0.0, ""
    if run.breach:
        return WaitsFor.NOTHING, f"the run starts nothing more: {run.breach}", 0.0, 0.0, ""
    return None


def _before_it_begins(live: LiveRun, unit: UnitState, *, packs: bool) -> _Found:
    run, wave, standings = live.run, live.wave, live.standings
    ends = wave_ends(standings.turns, run.rollout.waves, run.rollout.canary) if run.rollout.waves else ()
    turn = standings.turn_of(unit.folder_id, unit.name)
    number = bisect_left(ends, turn) + 1 if ends and turn else 1
    if len(ends) > 1 and (wave is None or wave.number < number):
        before = f"its wave ({number} of {len(ends)})"
        if live.pause is not None:
            until_s = live.pause.at + live.pause.seconds
            words = f"the pause of {as_duration(live.pause.seconds)} after wave {live.pause.wave}; then {before}"
            return WaitsFor.PAUSE, words, live.pause.at, until_s, ""
        if live.gate is not None:
            return WaitsFor.GATE, f"the gate after wave {live.gate.wave}; then {before}", live.gate.at, 0.0, ""
        if wave is not None:
            ended, members = standings.ended_in(wave.number, ends)
            now = f"; wave {wave.number} is in progress, {ended} of {members} functions have ended"
        else:
            now = ""
        return WaitsFor.WAVE, f"{before}{now}", wave.at if wave is not None else 0.0, 0.0, ""
    # The plan has already read the source once. A stored package is reported only with the next event.
    if packs and unit.package is None and live.packed.get(unit.key, 0) < 2:
        retried = live.retried.get(unit.key)
        why = f", after: {retried.reason}" if retried is not None else ""
        return WaitsFor.PACKAGE, f"its package, which is being made and stored{why}", run.started_at or 0.0, 0.0, ""
    return _slot(live, unit)


def _slot(live: LiveRun, unit: UnitState) -> _Found:
    """Return how full the quota of unfinished Operations is, as far as the run knows."""
    run, busy = live.run, live.standings.busy()
    waiting = live.standings.not_asked_for(unit.folder_id)
    taken, limit = busy[unit.folder_id], live.limits.get(f"folder {unit.folder_id}")
    of = f" of {limit.allowed:g}" if limit is not None else ""
    cloud = "; ".join(
        f"{what}: {busy.total()} of {one.allowed:g}" for what, one in live.limits.items() if what.startswith("cloud")
    )
    more = f"; {cloud}" if cloud else ""
    words = f"an Operation slot: folder {unit.folder_id} has {taken}{of} in flight{more}; not requested yet: {waiting}"
    return WaitsFor.SLOT, words, unit.started_at or run.started_at or 0.0, 0.0, ""


def _is_asked(unit: UnitState) -> bool:
    answered = max((one.at for one in unit.operations.values()), default=0.0)
    return any(request.at > answered for request in unit.requests)
