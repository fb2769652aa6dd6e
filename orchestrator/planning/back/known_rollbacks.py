"""What the rollbacks that are known on this machine mean for a plan: an unfinished one is resumed before anything else,
and a tag that one has moved was not moved by hand. Pure.
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
_NAMED_MAX = 5  # functions that an option lists by name


@dataclass(frozen=True, slots=True)
class TagMove:
    """A tag move that a rollback requested. `holder`: the ID of the Version that has held the tag since, "" for none.
    `since_s`, `until_s`: times of the local clock. `by`: the rollback, in words.
    """

    function_id: str
    tag: str
    holder: str
    since_s: float
    until_s: float
    by: str


@dataclass(frozen=True, slots=True)
class KnownRollbacks:
    """`moves`: of tags. `unended`: what unfinished rollbacks have left, by folder ID and by a Function's ID or name:
    why nothing else may change it, and the command to type.
    """

    moves: tuple[TagMove, ...] = ()
    unended: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def mover(self, unit: Unit, change: Change, at: datetime) -> str:
        """Return the rollback that moved a tag at that time to its present holder, "" for none."""
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
    """Yield the tag moves that a rollback requested, except those known to be refused."""
    for unit in units:
        for state in unit.changes:
            events = (*state.requests, *state.operations.values(), *state.done.values())
            times = [one.at for one in events]
            if state.change.kind is ChangeKind.TAG and times:
                for tag, holder in state.change.after.items():
                    yield TagMove(unit.function_id or "", tag, str(holder or ""), min(times), max(times), by)


def not_over_rollbacks(plan: Plan, known: KnownRollbacks, *, again: Container[str] = ()) -> Plan:
    """Block the functions that an unfinished rollback has left. `again`: keys or names of functions to deploy anyway.

    | the function                      | would be changed | becomes                       |
    | ---                               | ---              | ---                           |
    | is left by an unfinished rollback | yes              | blocked, unless it is `again` |
    | is left by an unfinished rollback | no               | as planned                    |
    | any other                         | either           | as planned                    |
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
    advice = f"{advice}, or deploy it anyway with {options[message, advice]}"
    failure = Failure(message, kind=UNENDED, advice=advice)
    return replace(unit, action=Action.BLOCKED, reason=message, failure=failure, changes=())


def unended(plan: Plan, known: KnownRollbacks, *, again: Container[str] = ()) -> tuple[str, ...]:
    """Return the rollbacks to resume first, each with the number of functions of the plan that it has left. Their live
    state will not stay, even where the plan does not change it.
    """
    counts = Counter(why for unit in plan.units if (why := _left_by(unit, known, again)) is not None)
    return tuple(
        f"{message}: {goes_on}; functions of this plan to roll back: {count}"
        for (message, goes_on), count in counts.items()
    )


def again_option(keys: Sequence[str], others: Iterable[str] = ()) -> str:
    """Return the option that deploys functions although they were rolled back. It lists their names, or if there are
    many, has a pattern that matches none of the `others`, which are rolled back too.
    """
    if len(keys) > _NAMED_MAX:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(keys), max(keys), strict=False))
        begin = "".join(one for one, _ in alike)
        pattern = f"{begin[: begin.rfind('-') + 1]}*"
        if not any(fnmatchcase(other, pattern) for other in others):
            return f"--again {quoted(pattern)}"
    return f"--again {quoted(','.join(keys))}"
