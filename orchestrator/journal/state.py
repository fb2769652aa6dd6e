"""What has happened so far, folded from events: the displays, the summary and `show` read this, live or from a journal.

Any prefix of a run's events folds, and so does one with unknown kinds left out: a fact that is missing stays empty.
A run and all that took it up are one chain: their events, one run after the other, fold into one state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.journal.events import Breached, Event, RunEnded, RunStarted
from orchestrator.journal.folded_units import OF_UNITS, FoldedUnits
from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.journal.rollout_events import GateEnded, GivenUp, RollbackBegun, RunPaused
from orchestrator.journal.runs import PAUSE, Link, RolloutState, link_of
from orchestrator.model import Failed


@dataclass(slots=True)
class RunState(FoldedUnits):
    """A run, or a chain of runs, as far as its events tell: `run_id` and times are the last run's, the units all."""

    run_id: str = ""
    verb: str = ""
    endpoint: str = ""
    manifest: str = ""
    program: str = ""
    resumes: str = ""  # the run that this one takes up
    identity: Identity = NOTHING_KNOWN  # of the chain's first run
    chain: list[Link] = field(default_factory=list)
    rollout: RolloutState = field(default_factory=RolloutState)
    breach: str = ""  # why too many failures have stopped it, for good
    given_up: bool = False  # what is undone stays so
    total: int = 0  # units of the plan, of the first run's
    started_at: float | None = None
    planned_s: float = 0.0  # before it started, builds included
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""  # why it stopped before its plan was done

    def apply(self, event: Event) -> None:
        """Take one event in, in constant time. Kinds that this program does not know change nothing."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def approve(self) -> None:
        """Let a paused chain go on. A breach that it paused for is past then: what has failed by now counts no more."""
        if self.breach and self.rollout.then == PAUSE:
            self.breach = self.rollout.then = ""
            for unit in self.units.values():
                unit.excused = unit.excused or isinstance(unit.outcome, Failed)
        self.rollout.paused = None


def fold(events: Iterable[Event]) -> RunState:
    """Fold events into the state that they lead to."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def _run_started(state: RunState, event: RunStarted) -> None:
    if state.chain:  # a run before it, which this one takes up
        state.take_up()
        state.ended_at, state.exit_code, state.reason = None, None, ""
    else:
        state.identity, state.total, state.rollout.canary = event.identity, event.units, event.canary
    if event.approves:
        state.approve()
    state.run_id, state.verb, state.endpoint = event.run_id, event.verb, event.endpoint
    state.manifest, state.program, state.resumes = event.manifest, event.program, event.resumes
    state.rollout.apply(event)
    state.started_at, state.planned_s = event.at, event.planned_s
    state.chain.append(link_of(event))


def _run_ended(state: RunState, event: RunEnded) -> None:
    state.ended_at, state.exit_code, state.reason = event.at, event.exit_code, event.reason
    if state.chain:
        link = state.chain[-1]
        link.ended_at, link.exit_code, link.reason = event.at, event.exit_code, event.reason


def _breached(state: RunState, event: Breached) -> None:
    state.breach = state.breach or event.reason
    state.rollout.apply(event)


def _given_up(state: RunState, _event: GivenUp) -> None:
    state.given_up = True


_HANDLERS: Mapping[type[Event], Callable[[RunState, Any], None]] = {
    **OF_UNITS,
    RunStarted: _run_started,
    RunEnded: _run_ended,
    Breached: _breached,
    GivenUp: _given_up,
    GateEnded: lambda state, event: state.rollout.apply(event),
    RunPaused: lambda state, event: state.rollout.apply(event),
    RollbackBegun: lambda state, event: state.rollout.apply(event),
}
