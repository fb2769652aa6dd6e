"""What has happened so far, folded from events. The displays, the summary and `show` read this, live or from a journal.

Any prefix of a run's events can be folded, and so can events with unknown kinds left out: a missing fact stays empty. A
run and all that resumed it are one chain: their events, one run after the other, fold into one state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import JournalError
from orchestrator.journal.events import Breached, Event, RunEnded, RunStarted
from orchestrator.journal.folded_units import OF_UNITS, FoldedUnits
from orchestrator.journal.identity import NOTHING_KNOWN, Identity, gone_on_with
from orchestrator.journal.rollout_events import GateEnded, GivenUp, RollbackBegun, RunPaused
from orchestrator.journal.runs import PAUSE, Link, RolloutState, RunSummary, link_of
from orchestrator.journal.taken_back import NOTHING_TAKEN_BACK, TakenBack, firsts_of, standing_rollbacks
from orchestrator.journal.unit_state import names_of
from orchestrator.model import Failed

ReadEvents = Callable[[str], Iterable[Event]]  # of a run, by its ID


@dataclass(slots=True)
class RunState(FoldedUnits):
    """A run, or a chain of runs, as its events show it. `run_id` and times are the last run's; the units are those of
    all.
    """

    run_id: str = ""
    verb: str = ""
    endpoint: str = ""
    manifest: str = ""
    program: str = ""
    resumes: str = ""  # the run that this one resumes
    identity: Identity = NOTHING_KNOWN  # of the chain's first run, with what was given again since: see `gone_on_with`
    chain: list[Link] = field(default_factory=list)
    rollout: RolloutState = field(default_factory=RolloutState)
    breach: str = ""  # why too many failures stopped it for good
    given_up: bool = False  # what is undone stays undone
    taken_back: TakenBack = NOTHING_TAKEN_BACK  # as far as the journal shows it
    total: int = 0  # units of the first run's plan
    disabled: int = 0  # functions that the first run left out because the manifest disables them
    left_out: int = 0  # enabled functions that the first run's selection left out
    started_at: float | None = None
    planned_s: float = 0.0  # before it started, builds included
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""  # why it stopped before its plan was done

    def apply(self, event: Event) -> None:
        """Apply one event, in constant time. Kinds that this program does not know change nothing."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def approve(self) -> None:
        """Let a paused chain continue. If it paused for a breach, the breach is over: earlier failures do not count any
        more.
        """
        if self.breach and self.rollout.then == PAUSE:
            self.breach = self.rollout.then = ""
            for unit in self.units.values():
                unit.excused = unit.excused or isinstance(unit.outcome, Failed)
        self.rollout.paused = None

    @property
    def owes_rollback(self) -> bool:
        """Whether a breach still has to roll it back."""
        is_over = self.given_up or self.taken_back.whole is not None
        return not is_over and self.rollout.owes_rollback(self.exit_code)

    def hear_taken_back(self, taken: TakenBack) -> None:
        """Record what people rolled back, besides the chain's own events. If it is all of the chain, it is not paused
        any more.
        """
        self.taken_back = taken
        if taken.whole is not None:
            self.rollout.paused = None


def fold(events: Iterable[Event]) -> RunState:
    """Fold events into the resulting state."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def ids_of_chain(runs: Sequence[RunSummary], run_id: str) -> tuple[str, ...]:
    """Return the IDs of the runs in a run's chain: it, all that it resumed, and all that resumed it."""
    by_id = {run.id: run for run in runs}
    while (first := by_id.get(run_id)) is not None and first.resumes in by_id:
        run_id = first.resumes
    found = [run_id]
    while (later := by_id[found[-1]].taken_up_by if found[-1] in by_id else "") and later not in found:
        found.append(later)
    return tuple(found)


def read_chain(runs: Sequence[RunSummary], run_id: str, events: ReadEvents) -> RunState:
    """Fold the chain that a run belongs to. `runs`: all, the newest first. Raises what `events` raises."""
    state = fold(event for one in ids_of_chain(runs, run_id) for event in events(one))
    state.hear_taken_back(_taken_back(runs, run_id, state, events))
    return state


def _taken_back(runs: Sequence[RunSummary], run_id: str, state: RunState, events: ReadEvents) -> TakenBack:
    """Return what typed rollbacks have rolled back. A rollback that a breach started belongs to the chain: `resume`
    continues it. If a rollback of some functions cannot be read, it counts as a rollback of all.
    """
    first = firsts_of(runs)
    own, some, named = (
        first.get(state.rollout.rollback),
        dict[tuple[str, str], str](),
        list[tuple[str, tuple[str, ...]]](),
    )
    for back in standing_rollbacks(runs).get(first.get(run_id, run_id), ()):
        if first[back.id] == own:
            continue
        if back.identity.selection.is_whole:
            return TakenBack(back)
        try:
            of = read_chain(runs, back.id, events)
        except JournalError:
            return TakenBack(back)
        for unit in of.units.values():
            for name in names_of(unit):
                some.setdefault(name, "" if of.taken_back.by(unit) else back.id)
        named.append((back.id, back.identity.selection.patterns))
    return TakenBack(None, some, tuple(named))


def _run_started(state: RunState, event: RunStarted) -> None:
    if state.chain:  # this run resumes an earlier one
        state.take_up()
        state.ended_at, state.exit_code, state.reason = None, None, ""
        state.identity = gone_on_with(state.identity, event.identity)
    else:
        state.identity, state.total, state.rollout.canary = event.identity, event.units, event.canary
        state.disabled, state.left_out = event.disabled, event.left_out
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
