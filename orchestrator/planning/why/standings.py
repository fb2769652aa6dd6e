"""How far all functions of a chain of runs are, to compare one function with. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.journal.events import (
    OperationAccepted,
    OperationDone,
    Requested,
    StepRetried,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.functions.unit_marks import UnitMark
from orchestrator.model import Action


@dataclass(slots=True)
class Standing:
    """How far one function is. `turn`: its place in the waves, from 1; 0: none. `is_asked`: a call has no answer yet.
    `in_flight`: IDs of its unfinished Operations.
    """

    folder_id: str
    turn: int = 0
    does_something: bool = False
    is_ended: bool = False
    was_asked: bool = False
    is_asked: bool = False
    in_flight: tuple[str, ...] = ()


@dataclass(slots=True)
class Standings:
    """How far each function is, by folder and name. Call `begin_run` where a run of the chain begins, then `apply`."""

    functions: dict[tuple[str, str], Standing] = field(default_factory=dict)
    turns: int = 0  # functions that the chain's first run changes
    _called: dict[str, Standing] = field(default_factory=dict)  # by key in the latest plan
    _runs: int = 0

    def begin_run(self) -> None:
        """Begin a run of the chain. The waves have the units that the first run changes."""
        self._runs += 1

    def apply(self, mark: UnitMark) -> None:
        """Record that a function has made one more step."""
        if mark.kind == UnitPlanned.kind:
            self._plan(mark)
            return
        one = self._called.get(mark.key)
        if one is None:
            return
        if mark.kind == Requested.kind:
            one.was_asked = one.is_asked = True
        elif mark.kind == StepRetried.kind:  # it was refused
            one.is_asked = False
        elif mark.kind == OperationAccepted.kind:
            one.is_asked, one.in_flight = False, (*one.in_flight, mark.operation_id)
        elif mark.kind == OperationDone.kind:
            one.in_flight = tuple(known for known in one.in_flight if known != mark.operation_id)
        elif mark.kind == UnitEnded.kind:
            one.is_ended = True

    def _plan(self, mark: UnitMark) -> None:
        one = self.functions.setdefault((mark.folder_id, mark.name), Standing(mark.folder_id))
        self._called[mark.key] = one
        one.does_something = mark.action not in (Action.UNCHANGED, Action.BLOCKED)
        one.is_ended = False
        if self._runs <= 1 and not one.turn and one.does_something:
            self.turns += 1
            one.turn = self.turns

    def turn_of(self, folder_id: str, name: str) -> int:
        """Return the place of a function in the waves, 0 for none."""
        found = self.functions.get((folder_id, name))
        return found.turn if found is not None else 0

    def ended_in(self, wave: int, ends: Sequence[int]) -> tuple[int, int]:
        """Return how many functions of a wave (from 1) have ended, and how many it has. `ends`: see `wave_ends`."""
        first = ends[wave - 2] if wave > 1 else 0
        members = [one for one in self.functions.values() if first < one.turn <= ends[wave - 1]]
        return sum(one.is_ended for one in members), len(members)

    def busy(self) -> Counter[str]:
        """Return how many functions have something in flight, by folder."""
        return Counter(
            one.folder_id for one in self.functions.values() if not one.is_ended and (one.in_flight or one.is_asked)
        )

    def not_asked_for(self, folder_id: str) -> int:
        """Return how many functions of a folder have changes to make, but no request yet."""
        return sum(
            one.folder_id == folder_id and one.does_something and not one.was_asked and not one.is_ended
            for one in self.functions.values()
        )
