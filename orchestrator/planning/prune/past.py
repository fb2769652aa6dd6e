"""What runs tell of Functions: which Versions the last ones have found or left, and how these runs ended. Pure.

| the last run that was about the function, with all that took it up          | its versions             |
| ---                                                                         | ---                      |
| is paused, was not seen to end, owes a rollback: and was not given up       | stay: it is gone on with |
| has left it undone, or not come to it: and was not given up                 | stay: it is gone on with |
| has asked for something whose end nobody has seen, even where given up      | stay                     |
| has failed at it, or could not verify it                                    | stay                     |
| has found it blocked                                                        | stay                     |
| was stopped by too many failures, and not rolled back                       | stay                     |
| was given up before it came to it                                           | may go: nothing was done |
| has done it, found it as wanted, or was rolled back                         | may go                   |

A prune is no such run. A function that is blocked gets no new Versions, so that keeping them costs nothing, and the way
out of it may be an old one. A run that has failed at others alone, and was not stopped, has done this one.

What the last K runs need stays, and what the last K good ones need: those that have failed, were rolled back, or took
others back do not push out what was good before them. What a run needs that may have changed something, since it died
or its record is behind, stays; it is none of the last K, each of which is sure to have.
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
_OF_VERSIONS = (ChangeKind.VERSION, ChangeKind.TAG, ChangeKind.VERIFY)  # kinds of change that speak of Versions


@dataclass(frozen=True, slots=True)
class _Touched:
    """A run that has touched a Function, or may have (not `sure`). `began`: seconds since the epoch; `found`: ids of
    the Versions that it has found or left; `span`: of its base and of the one that it made, None where it made none.
    `good`: it has deployed what was wanted, and that was not rolled back by the same run.
    """

    began: float
    found: frozenset[str]
    span: tuple[str, str] | None
    sure: bool
    good: bool


@dataclass(slots=True)
class _Told:
    """What one source tells of a Function so far. `runs`: how many have touched it since the last gap; `last`: the
    newest that have, those since then that may have, and the newest good ones. `at`: when the last one began that was
    about it.
    """

    runs: int = 0
    last: list[_Touched] = field(default_factory=list)
    at: float | None = None
    left_alone: str = ""

    @property
    def needed(self) -> frozenset[str]:
        """Ids of the Versions that the last runs have found or left."""
        return frozenset[str]().union(*(one.found for one in self.last))

    @property
    def spans(self) -> frozenset[tuple[str, str]]:
        """Ids of base and made Version of each of the last runs: what lies between was overwritten unseen."""
        return frozenset(one.span for one in self.last if one.span is not None)

    @property
    def sure(self) -> int:
        """How many of the last runs are sure to have touched it."""
        return sum(one.sure for one in self.last)

    @property
    def good(self) -> int:
        """How many of the last runs are good ones."""
        return sum(one.good for one in self.last)

    def take(self, run: _Touched, runs: int) -> None:
        """Take in a run. Of those that are sure so many `runs` are kept, and of the good ones as many."""
        kept, sure, good = list[_Touched](), 0, 0
        for one in sorted([*self.last, run], key=lambda one: one.began, reverse=True):
            if sure < runs or (one.good and good < runs):
                kept.append(one)
            sure, good = sure + one.sure, good + one.good
        self.last = kept


@dataclass(slots=True)
class Past:
    """What one source (the journal, or the bucket's records) tells. `functions`: those that are asked about, by folder
    and name as well as by folder and id: → id. `versions`: ids of theirs, so that no others are remembered.
    """

    runs: int  # of each Function, whose Versions are needed
    functions: Mapping[tuple[str, str], str]
    versions: Mapping[str, str]  # id → the same id
    journal: bool = False  # it is the journal, which may have read a record before it was whole
    told: dict[str, _Told] = field(default_factory=dict)
    gap: bool = False  # one of the runs is missing: older ones may not be the last any more

    def take(self, chain: RunState) -> None:
        """Take in a run with all that took it up. They come about the newest first. What the journal knows by a record
        alone counts as older than that record, which may tell more by now.
        """
        touched, began = touched_by(chain), chain.started_at or 0.0
        at = began - _HEARSAY_S * (self.journal and any(link.recorded for link in chain.chain))
        for key, unit in chain.units.items():
            function_id = self._function(unit)
            if not function_id or unit.action == Action.PRUNE:
                continue
            told = self.told.setdefault(function_id, _Told())
            why = unsettled(chain, unit)
            if told.at is None or at > told.at:
                told.at, told.left_alone = at, why
            if key in touched:
                sure = _is_sure(unit)
                told.runs += sure and not self.gap
                needs = frozenset(self.versions[one] for one in _speaks_of(unit) if one in self.versions)
                base, made = self.versions.get(unit.base_version_id), self.versions.get(unit.version_id)
                span = (base, made) if base and made else None
                good = sure and not why and _is_good(chain, unit)
                told.take(_Touched(began, needs, span, sure, good), self.runs)

    def is_known(self, function_id: str) -> bool:
        """Say whether nothing older can tell more of a Function."""
        told = self.told.get(function_id)
        return told is not None and told.at is not None and min(told.sure, told.good) >= self.runs

    def _function(self, unit: UnitState) -> str:
        found = self.functions.get((unit.folder_id, unit.function_id or unit.name), "")
        return found or ("" if unit.function_id else self.functions.get((unit.folder_id, unit.name), ""))


def _is_sure(unit: UnitState) -> bool:
    """Say whether a unit is known to have changed something, not only to have asked for it, or to have planned it."""
    asked = any(state.operations for state in unit.changes if state.change.kind is not ChangeKind.VERIFY)
    return asked or isinstance(unit.outcome, Deployed)


def _is_good(chain: RunState, unit: UnitState) -> bool:
    """Say whether a run has deployed what was wanted, and has left it so."""
    forth = chain.verb != _TAKES_BACK and chain.exit_code != Exit.ROLLED_BACK
    return forth and isinstance(unit.outcome, Deployed)


def _speaks_of(unit: UnitState) -> Iterator[str]:
    """Give the ids of the Versions that a unit has found or left: its base, those that it has made, holders of tags,
    and those of others that it has replaced unseen: its base in fact.
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
    """Say why the Versions of a function stay, by the last run that was about it; "" where they may go."""
    why = _not_seen_to_end(chain, unit)
    if not why and chain.breach and chain.exit_code != Exit.ROLLED_BACK:
        why = f"was stopped: {chain.breach}"
    return f"run {chain.run_id} {why}" if why else ""


def _not_seen_to_end(chain: RunState, unit: UnitState) -> str:
    """Say what is left of a run, or how it has ended badly for a function."""
    if not chain.given_up:
        if chain.rollout.paused is not None:
            return "is paused"
        if chain.rollout.owes_rollback(chain.exit_code):
            return "is to be rolled back"
        if chain.exit_code in (None, Exit.INTERRUPTED):
            return "was not seen to end"
        if unit.outcome is None or isinstance(unit.outcome, Cancelled | Unknown):
            return "has left it undone"
    if unit.outcome is None:
        return "has left it in doubt" if touched_by(chain, {unit.key: unit}) else ""
    return next((why for kind, why in _BAD.items() if isinstance(unit.outcome, kind)), "")


_BAD: Mapping[type[Outcome], str] = {
    Unknown: "has left it in doubt",
    Failed: "has failed at it",
    Inconclusive: "could not verify it",
    Blocked: "has found it blocked",
}
