"""What plans keep to of the rollbacks that are known here: one that has not come to its end is gone on with before
anything else, and a tag that one has moved was moved by nobody's hand. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from shlex import quote as quoted

from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Change, ChangeKind, Failure, Plan, Unit

UNENDED = "rollback not ended"  # the kind of failure
_APART_S = 60.0  # clocks
_NAMED_MAX = 5  # functions that an option names one by one


@dataclass(frozen=True, slots=True)
class TagMove:
    """A move of a tag that a rollback has asked for. `holder`: the id of the Version that has it since, "" for none;
    `since_s`, `until_s`: of the clock here; `by`: which rollback, for people.
    """

    function_id: str
    tag: str
    holder: str
    since_s: float
    until_s: float
    by: str


@dataclass(frozen=True, slots=True)
class KnownRollbacks:
    """`moves`: of tags. `unended`: what rollbacks that have not come to their end have left, by a folder's id and a
    Function's id or name: why nothing else may change it, and what to type.
    """

    moves: tuple[TagMove, ...] = ()
    unended: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def mover(self, unit: Unit, change: Change, at: datetime) -> str:
        """Say which rollback has moved a tag at that time to where a unit would take it from, "" where none has."""
        ((tag, holder),) = change.before.items()
        found = (
            move.by
            for move in self.moves
            if (move.function_id, move.tag, move.holder) == (unit.function_id, tag, str(holder or ""))
            and move.since_s - _APART_S <= at.timestamp() <= move.until_s + _APART_S
        )
        return next(found, "")


NO_ROLLBACKS = KnownRollbacks()


def moves_of(units: Iterable[UnitState], by: str) -> Iterator[TagMove]:
    """Give the moves of tags that a rollback has asked for, of which none is known to have been refused."""
    for unit in units:
        for state in unit.changes:
            events = (*state.requests, *state.operations.values(), *state.done.values())
            times = [one.at for one in events]
            if state.change.kind is ChangeKind.TAG and times:
                for tag, holder in state.change.after.items():
                    yield TagMove(unit.function_id or "", tag, str(holder or ""), min(times), max(times), by)


def not_over_rollbacks(plan: Plan, known: KnownRollbacks, *, again: Container[str] = ()) -> Plan:
    """Block what a rollback has left undone. `again`: keys or names of functions of which somebody says that they are
    to be deployed all the same.

    | the function                           | would be changed | becomes                      |
    | ---                                    | ---              | ---                          |
    | is left by a rollback that has not     | yes              | blocked, until it is `again` |
    | come to its end                        | no               | what it is                   |
    | any other                              | either           | what it is                   |
    """
    left = {unit.key: why for unit in plan.units if (why := _why(unit, known, again)) is not None}
    alike: dict[tuple[str, str], list[str]] = {}
    for key, why in left.items():
        alike.setdefault(why, []).append(key)
    options = {why: again_option(keys, left.keys() - set(keys)) for why, keys in alike.items()}
    return Plan(tuple(_blocked(unit, *left[unit.key], options) if unit.key in left else unit for unit in plan.units))


def _why(unit: Unit, known: KnownRollbacks, again: Container[str]) -> tuple[str, str] | None:
    return _left_by(unit, known, again) if unit.changes else None


def _left_by(unit: Unit, known: KnownRollbacks, again: Container[str]) -> tuple[str, str] | None:
    if unit.key in again or unit.spec.name in again:
        return None
    names = [name for name in (unit.function_id, unit.spec.name) if name]
    found = (known.unended.get((unit.spec.folder_id, name)) for name in names)
    return next((why for why in found if why is not None), None)


def _blocked(unit: Unit, message: str, advice: str, options: Mapping[tuple[str, str], str]) -> Unit:
    advice = f"{advice}, or deploy it all the same with {options[message, advice]}"
    failure = Failure(message, kind=UNENDED, advice=advice)
    return replace(unit, action=Action.BLOCKED, reason=message, failure=failure, changes=())


def unended(plan: Plan, known: KnownRollbacks, *, again: Container[str] = ()) -> tuple[str, ...]:
    """Say which rollbacks are to be gone on with first, and how many functions of a plan each has left: what is live of
    them is not to stay, also where the plan would not change it.
    """
    counts = Counter(why for unit in plan.units if (why := _left_by(unit, known, again)) is not None)
    return tuple(
        f"{message}: {goes_on}; functions of this plan that it has left: {count}"
        for (message, goes_on), count in counts.items()
    )


def again_option(keys: Sequence[str], others: Iterable[str] = ()) -> str:
    """Write the option that deploys functions though they were rolled back: by their names, or where these are many by
    a pattern that fits none of the `others`, which are rolled back too.
    """
    if len(keys) > _NAMED_MAX:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(keys), max(keys), strict=False))
        begin = "".join(one for one, _ in alike)
        pattern = f"{begin[: begin.rfind('-') + 1]}*"
        if not any(fnmatchcase(other, pattern) for other in others):
            return f"--again {quoted(pattern)}"
    return f"--again {quoted(','.join(keys))}"
