"""Stops calls that would only be refused: calls of one kind in one folder that all fail for the same reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from orchestrator.errors import Code
from orchestrator.journal.events import Event, StepFinished, StepStarted
from orchestrator.model import ChangeKind, Failed, Outcome, SourceCode, Step, Unit

ALIKE = 5  # refusals in a row
# Steps in which a call is refused at once. A later failure concerns one function only.
_CALLS = frozenset((Step.UPLOAD, *(kind.step for kind in ChangeKind)))
_OWN = {"description", "entrypoint", "environment", "tags"}  # settings that differ between functions of one fleet


class Refusal(NamedTuple):
    """A call that was refused. `words`: its message without the function's own names, for comparison."""

    kind: str  # a gRPC code's name
    words: str


class Lane(NamedTuple):
    """Calls that one cause can refuse together: missing rights, a quota, the content of a folder."""

    folder_id: str
    step: Step


@dataclass(frozen=True, slots=True)
class Opened:
    """The units that are not tried any more, and why."""

    lane: Lane
    cause: str  # a sentence
    units: tuple[Unit, ...]


@dataclass(slots=True)
class _Calls:
    """The results of a lane's calls so far."""

    accepted: bool = False
    asked: dict[str, int] = field(default_factory=dict)  # units that wait for an answer → the order in which they asked
    refused: deque[tuple[Refusal | None, int, Unit]] = field(default_factory=lambda: deque(maxlen=ALIKE))


@dataclass(slots=True)
class Breaker:
    """Watches every call and every unit's end.

    | in one folder, of one kind of call                          | opens                                    |
    | ---                                                         | ---                                      |
    | five in a row refused with the same code and the same words | yes                                      |
    | the same, but one was accepted before                       | no: not every such call is refused there |
    | the same, but an earlier call still waits for its answer    | not yet                                  |
    | the same, but in two folders, or of two kinds of call       | no                                       |
    | refusals of different codes or words; RESOURCE_EXHAUSTED    | no                                       |
    | Operations that fail                                        | no: they were accepted                   |
    | any, where `max_failures` is declared (`on` is False)       | no: that is the limit to use             |

    It stops no more than the five refusals justify: units of that folder that still have that kind of call to make, and
    that share every setting that the five have in common. Five refusals with one runtime say nothing about another
    runtime.
    """

    folders: Mapping[str, str]  # unit → folder id
    on: bool = True
    _lanes: dict[Lane, _Calls] = field(default_factory=dict)
    _order: int = 0  # counts calls and answers
    # Units that it has stopped; their end may not have been reported yet.
    _closed: set[str] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        """Record a call that was made or answered."""
        if not isinstance(event, StepStarted | StepFinished) or event.step not in _CALLS:
            return
        if not self.on or event.key not in self.folders:
            return
        calls = self._lane(Lane(self.folders[event.key], event.step))
        self._order += 1
        if isinstance(event, StepStarted):
            calls.asked[event.key] = self._order
        else:
            calls.asked.pop(event.key, None)
            calls.accepted = calls.accepted or event.ok

    def ended(self, unit: Unit, outcome: Outcome, left: Iterable[Unit]) -> Opened | None:
        """Record a unit's end. `left`: the units that have not ended. Returns what the breaker stops because of it."""
        if not self.on or not isinstance(outcome, Failed) or outcome.step not in _CALLS:
            return None
        lane = Lane(unit.spec.folder_id, outcome.step)
        calls = self._lane(lane)
        calls.refused.append((refusal(unit, outcome), self._order, unit))
        found = alike([one for one, _, _ in calls.refused])
        if found is None or calls.accepted or any(at <= calls.refused[0][1] for at in calls.asked.values()):
            return None
        common = frozenset[tuple[str, str]].intersection(*(_traits(one) for _, _, one in calls.refused))
        ahead = [one for one in left if one.spec.folder_id == lane.folder_id and _asks(one, lane.step)]
        passed_over = calls.asked.keys() | self._closed
        units = tuple(one for one in ahead if common <= _traits(one) and one.key not in passed_over)
        calls.refused.clear()
        if not units:
            return None
        self._closed.update(one.key for one in units)
        differs = sorted({name for one in ahead for name, _ in common - _traits(one)})
        shared = f" with the same {', '.join(differs)}" if differs else ""
        cause = f"{ALIKE} functions in a row{shared} were refused for the same reason"
        where = f"in folder {lane.folder_id}, step {lane.step}"
        return Opened(lane, f"{cause} {where}: {found.kind}: {found.words}", units)

    def _lane(self, lane: Lane) -> _Calls:
        return self._lanes.setdefault(lane, _Calls())


def alike(refusals: list[Refusal | None]) -> Refusal | None:
    """Return the refusal that the last five calls share, None if they do not.

    | the last five                             | same? |
    | ---                                       | ---   |
    | the same code and the same words, each    | yes   |
    | one failed in another way (None)          | no    |
    | different codes or words                  | no    |
    | fewer than five                           | no    |
    """
    last = refusals[-ALIKE:]
    return last[0] if len(last) == ALIKE and len(set(last)) == 1 else None


def refusal(unit: Unit, failed: Failed) -> Refusal | None:
    """Return a unit's refusal, None if it says nothing about other units."""
    failure = failed.failure
    # A quota of new functions, for example: existing functions are not affected.
    if failure.kind == Code.RESOURCE_EXHAUSTED.name:
        return None
    words = failure.message
    for own in (unit.function_id, unit.spec.name, unit.base_version_id):
        words = words.replace(own, "…") if own else words
    return Refusal(failure.kind, words)


def _traits(unit: Unit) -> frozenset[tuple[str, str]]:
    """Return what a cloud may refuse a unit for and other units may share, as (setting, value)."""
    settings = unit.spec.settings
    named = {(one.name, repr(getattr(settings, one.name))) for one in fields(settings) if one.name not in _OWN}
    return frozenset(named | {("code", type(unit.spec.code).__name__)})


def _asks(unit: Unit, step: Step) -> bool:
    if step is Step.UPLOAD:
        return isinstance(unit.spec.code, SourceCode)
    return any(change.kind.step is step for change in unit.changes)
