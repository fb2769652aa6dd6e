"""What runs say about Functions: which Versions the last runs found or made, and how these runs ended. Pure.

| the last run of the function, with all its resumptions             | its versions             |
| ---                                                                | ---                      |
| is paused, has not ended, or owes a rollback, and was not given up | stay: it may be resumed  |
| has left it undone, or not reached it, and was not given up        | stay: it may be resumed  |
| has sent a request whose result is unknown, even if given up       | stay                     |
| has failed at it, or could not verify it                           | stay                     |
| has found it blocked                                               | stay                     |
| was stopped by too many failures, and not rolled back              | stay                     |
| was given up before it reached it                                  | may go: nothing was done |
| has done it, found it unchanged, or was rolled back                | may go                   |

A prune does not count as such a run. A blocked function gets no new Versions, so keeping them costs nothing, and an old
one may be needed to unblock it. A run that failed only at others, and was not stopped, has done this one.

What the last K runs need stays, and what the last K good ones need: runs that failed, were rolled back, or rolled
others back do not push out what was good before them. A run may or may not have changed something if it was killed or
its record is behind. What it needs stays too, but it does not count as one of the K.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.errors import Exit
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Blocked, Cancelled, ChangeKind, Deployed, Failed, Inconclusive, Outcome, Unknown
from orchestrator.planning.back.touched import touched_by

_HEARSAY_S = 0.001
_TAKES_BACK = "rollback"  # the verb
_OF_VERSIONS = (ChangeKind.VERSION, ChangeKind.TAG, ChangeKind.VERIFY)  # kinds of change that concern Versions


@dataclass(frozen=True, slots=True)
class _Touched:
    """A run that has touched a Function, or may have (not `sure`). `began`: epoch seconds. `found`: IDs of the Versions
    that it found or made. `span`: its base and the Version that it made, None if it made none. `good`: it deployed what
    was desired, and did not roll it back itself.
    """

    began: float
    found: frozenset[str]
    span: tuple[str, str] | None
    sure: bool
    good: bool


@dataclass(slots=True)
class _FunctionPast:
    """What one source has said about a Function so far. `runs`: how many have touched it since the last gap. `last`:
    the newest ones that have, later ones that may have, and the newest good ones. `at`: when the latest run of the
    Function began.
    """

    runs: int = 0
    last: list[_Touched] = field(default_factory=list)
    at: float | None = None
    left_alone: str = ""

    @property
    def needed(self) -> frozenset[str]:
        """IDs of the Versions that the last runs found or made."""
        return frozenset[str]().union(*(one.found for one in self.last))

    @property
    def spans(self) -> frozenset[tuple[str, str]]:
        """IDs of base and made Version of each of the last runs: any between them was overwritten unseen."""
        return frozenset(one.span for one in self.last if one.span is not None)

    @property
    def sure(self) -> int:
        """How many of the last runs are known to have touched it."""
        return sum(one.sure for one in self.last)

    @property
    def good(self) -> int:
        """How many of the last runs are good."""
        return sum(one.good for one in self.last)

    def take(self, run: _Touched, runs: int) -> None:
        """Add a run. Keep the last `runs` that are sure, and as many good ones."""
        kept, sure, good = list[_Touched](), 0, 0
        for one in sorted([*self.last, run], key=lambda one: one.began, reverse=True):
            if sure < runs or (one.good and good < runs):
                kept.append(one)
            sure, good = sure + one.sure, good + one.good
        self.last = kept


@dataclass(slots=True)
class Past:
    """What one source (the journal, or the bucket's records) says. `functions`: those to look up, (folder ID, name or
    ID) → ID. `versions`: the IDs of their Versions, so that no others are remembered.
    """

    runs: int  # of each Function, whose Versions are needed
    functions: Mapping[tuple[str, str], str]
    versions: Mapping[str, str]  # ID → the same string
    journal: bool = False  # true for the journal, which may have read a record before it was complete
    by_function: dict[str, _FunctionPast] = field(default_factory=dict)
    gap: bool = False  # a run is missing: older ones may not be the last any more

    def take(self, chain: RunState) -> None:
        """Add a run with all its resumptions. They are passed approximately newest first. A run that the journal has
        only from a record counts as older than the record, which may be more complete by now.
        """
        touched, began = touched_by(chain), chain.started_at or 0.0
        at = began - _HEARSAY_S * (self.journal and any(link.recorded for link in chain.chain))
        for key, unit in chain.units.items():
            function_id = self._function(unit)
            if not function_id or unit.action == Action.PRUNE:
                continue
            record = self.by_function.setdefault(function_id, _FunctionPast())
            why = unsettled(chain, unit)
            if record.at is None or at > record.at:
                record.at, record.left_alone = at, why
            if key in touched:
                sure = _is_sure(unit)
                record.runs += sure and not self.gap
                needs = frozenset(self.versions[one] for one in _speaks_of(unit) if one in self.versions)
                base, made = self.versions.get(unit.base_version_id), self.versions.get(unit.version_id)
                span = (base, made) if base and made else None
                good = sure and not why and _is_good(chain, unit)
                record.take(_Touched(began, needs, span, sure, good), self.runs)

    def is_known(self, function_id: str) -> bool:
        """Return whether older runs can add nothing about a Function."""
        record = self.by_function.get(function_id)
        return record is not None and record.at is not None and min(record.sure, record.good) >= self.runs

    def _function(self, unit: UnitState) -> str:
        found = self.functions.get((unit.folder_id, unit.function_id or unit.name), "")
        return found or ("" if unit.function_id else self.functions.get((unit.folder_id, unit.name), ""))


def _is_sure(unit: UnitState) -> bool:
    """Return whether a unit is known to have changed something: a request or a plan alone does not count."""
    asked = any(state.operations for state in unit.changes if state.change.kind is not ChangeKind.VERIFY)
    return asked or isinstance(unit.outcome, Deployed)


def _is_good(chain: RunState, unit: UnitState) -> bool:
    """Return whether a run has deployed what was desired, and has left it so."""
    forth = chain.verb != _TAKES_BACK and chain.exit_code != Exit.ROLLED_BACK
    return forth and isinstance(unit.outcome, Deployed)


def _speaks_of(unit: UnitState) -> Iterator[str]:
    """Yield the IDs of the Versions that a unit found or made: its base, those that it made, holders of tags, and those
    of others that it replaced unseen, which were its base in fact.
    """
    yield unit.base_version_id
    yield unit.version_id
    yield from unit.overwritten
    for state in unit.changes:
        if state.change.kind in _OF_VERSIONS:
            for held in (*state.change.before.values(), *state.change.after.values()):
                if isinstance(held, str):
                    yield held
            yield from (accepted.version_id for accepted in state.operations.values())


def unsettled(chain: RunState, unit: UnitState) -> str:
    """Return why the Versions of a function stay, according to the last run of it; "" if they may be deleted."""
    why = _not_seen_to_end(chain, unit)
    if not why and chain.breach and chain.exit_code != Exit.ROLLED_BACK:
        why = f"was stopped: {chain.breach}"
    return f"run {chain.run_id} {why}" if why else ""


def _not_seen_to_end(chain: RunState, unit: UnitState) -> str:
    """Return what is unfinished in a run, or how it ended badly for a function."""
    if not chain.given_up:
        if chain.rollout.paused is not None:
            return "is paused"
        if chain.rollout.owes_rollback(chain.exit_code):
            return "is to be rolled back"
        if chain.exit_code in (None, Exit.INTERRUPTED):
            return "has not ended"
        if unit.outcome is None or isinstance(unit.outcome, Cancelled | Unknown):
            return "left it undone"
    if unit.outcome is None:
        return "left it in doubt" if touched_by(chain, {unit.key: unit}) else ""
    return next((why for kind, why in _BAD.items() if isinstance(unit.outcome, kind)), "")


_BAD: Mapping[type[Outcome], str] = {
    Unknown: "left it in doubt",
    Failed: "failed at it",
    Inconclusive: "could not verify it",
    Blocked: "found it blocked",
}
