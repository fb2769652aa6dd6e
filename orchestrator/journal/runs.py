"""One run in a line: among others, and in the chain of runs that took each other up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import Exit
from orchestrator.journal.events import Breached, Event, RunStarted
from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.journal.rollout_events import GateEnded, RollbackBegun, RunPaused


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of `runs`. `outcomes`: units by the outcome's name; `ended_at`, `exit_code` None: not ended.

    `resumes`: the run that it took up; `taken_up_by`: the one that took it up; `alive`: it may still be under way.
    `rolled_back_by`: the rollback that took it back, or some of it; `after_rollback`: what it has come to by
    that, "" where that says nothing. `superseded_by`: of one that is paused, the later run that has done, or is to do
    once it goes on, all that it had left.
    """

    id: str
    verb: str
    endpoint: str
    started_at: float
    ended_at: float | None
    exit_code: int | None
    units: int
    program: str
    outcomes: Mapping[str, int]
    manifest: str = ""
    resumes: str = ""
    taken_up_by: str = ""
    alive: bool = False
    identity: Identity = NOTHING_KNOWN
    paused: bool = False  # it waits until somebody lets it go on
    given_up: bool = False  # it gives up what its chain has left undone
    rolls_back: str = ""  # the run that it takes back
    rolled_back_by: str = ""
    after_rollback: str = ""
    superseded_by: str = ""
    elsewhere: bool = False  # known by its record in the bucket alone


PAUSE = "pause"  # what a breach leads to where somebody is to be asked


@dataclass(slots=True)
class Link:
    """One run of a chain. `ended_at`, `exit_code` None: it was killed, or is under way."""

    run_id: str
    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    by: str = ""  # who began it: user@host
    approves: str = ""  # the paused run that it lets go on
    skips: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()  # live versions that it lets lose settings: NAME@VERSION_ID, or all of them
    recorded: bool = False  # it is known by its record alone


def link_of(event: RunStarted) -> Link:
    """Begin a link."""
    by = "@".join(part for part in (event.identity.user, event.identity.host) if part)
    return Link(
        event.run_id, event.at, by=by, approves=event.approves, skips=tuple(event.skips), adopt=tuple(event.adopt),
        recorded=event.recorded,
    )  # fmt: skip


@dataclass(slots=True)
class RolloutState:
    """Of a chain of runs. `paused`: it waits until somebody lets it go on. `then`: what its breach leads to; "" for no
    breach. `rollback`: the id of the run that takes it back, "" where none has begun.

    A breach that pauses is a pause from the moment on in which it is written, even where the run was killed then.
    """

    paused: RunPaused | None = None
    then: str = ""
    rollback: str = ""
    rolls_back: str = ""  # the id of the run that this one takes back
    approves: str = ""  # of the last run of the chain: the paused run that it lets go on
    skips: tuple[str, ...] = ()
    canary: int = 0  # units of the canary wave of the chain's first run
    gates: list[GateEnded] = field(default_factory=list)
    waves: tuple[int | str, ...] = ()  # as the first run of the chain was told them; () where that is not known
    max_failures: int | str | None = ""  # likewise; "" where that is not known

    def owes_rollback(self, exit_code: int | None) -> bool:
        """Say whether a breach is to take a run back that has ended so (None: it has not), and that is not done."""
        return self.then == "rollback" and exit_code in (None, Exit.INTERRUPTED)

    def apply(self, event: Event) -> None:
        """Take one event in. Kinds that say nothing of it change nothing."""
        match event:
            case RunStarted():
                self.rolls_back = self.rolls_back or event.rolls_back
                if not self.waves:
                    self.waves, self.max_failures = tuple(event.waves), event.max_failures
                self.approves, self.skips = event.approves, tuple(event.skips)
            case RunPaused():
                self.paused = event
            case Breached():
                self.then = self.then or event.then
                if event.then == PAUSE:
                    self.paused = self.paused or RunPaused(event.at, event.reason)
            case RollbackBegun():
                self.rollback = event.run_id
            case GateEnded():
                self.gates.append(event)
