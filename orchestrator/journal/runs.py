"""One run in a line: in a list, and in its chain of resumed runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import Exit
from orchestrator.journal.events import Breached, Event, RunStarted
from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.journal.rollout_events import GateEnded, RollbackBegun, RunPaused


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of `runs`. `outcomes`: units by the outcome's name. `ended_at`, `exit_code` None: not ended.

    `resumes`: the run that it resumed. `taken_up_by`: the run that resumed it. `alive`: it may still be running.
    `rolled_back_by`: the rollback of it, or of a part of it. `after_rollback`: its state after that, "" if unaffected.
    `superseded_by`: for a paused run, the later run that has done, or will do when it continues, all that it had left.
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
    paused: bool = False  # it waits until someone lets it continue
    given_up: bool = False  # it gives up what its chain left undone
    rolls_back: str = ""  # the run that it rolls back
    rolled_back_by: str = ""
    after_rollback: str = ""
    superseded_by: str = ""
    elsewhere: bool = False  # known only from its record in the bucket


PAUSE = "pause"  # what a breach leads to if someone must decide


@dataclass(slots=True)
class Link:
    """One run of a chain. `ended_at`, `exit_code` None: it was killed, or is still running."""

    run_id: str
    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    by: str = ""  # who started it: user@host
    approves: str = ""  # the paused run that it lets continue
    skips: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()  # live versions that it lets lose settings: NAME@VERSION_ID, or all of them
    recorded: bool = False  # known only from its record


def link_of(event: RunStarted) -> Link:
    """Return the link for a run that starts."""
    by = "@".join(part for part in (event.identity.user, event.identity.host) if part)
    return Link(
        event.run_id, event.at, by=by, approves=event.approves, skips=tuple(event.skips), adopt=tuple(event.adopt),
        recorded=event.recorded,
    )  # fmt: skip


@dataclass(slots=True)
class RolloutState:
    """The rollout state of a chain of runs. `paused`: it waits until someone lets it continue. `then`: what its breach
    leads to; "" without one. `rollback`: the ID of the run that rolls it back, "" if none has started.

    A breach that pauses counts as a pause from the moment it is written, even if the run was killed right then.
    """

    paused: RunPaused | None = None
    then: str = ""
    rollback: str = ""
    rolls_back: str = ""  # the ID of the run that this one rolls back
    approves: str = ""  # of the last run of the chain: the paused run that it lets continue
    skips: tuple[str, ...] = ()
    canary: int = 0  # size of the canary wave of the chain's first run
    gates: list[GateEnded] = field(default_factory=list)
    waves: tuple[int | str, ...] = ()  # as given to the first run of the chain; () if not known
    max_failures: int | str | None = ""  # the same; "" if not known

    def owes_rollback(self, exit_code: int | None) -> bool:
        """Return whether a breach still has to roll back a run that ended with this exit code (None: it has not
        ended).
        """
        return self.then == "rollback" and exit_code in (None, Exit.INTERRUPTED)

    def apply(self, event: Event) -> None:
        """Apply one event. Kinds that do not concern it change nothing."""
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
