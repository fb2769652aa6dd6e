"""Compares a saved plan with a plan that was made just now, from the same manifest and the present live state. Pure.

What is desired must be the same, or nothing is done at all. The live state is judged for each function by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from orchestrator.model import LATEST, Action, Blocked, Change, ChangeKind, Failure, Outcome, Plan, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.withdrawn import WITHDRAWN
from orchestrator.planning.meanwhile.rebased import on_former_bases
from orchestrator.planning.planner import Prepared
from orchestrator.planning.saved.document import (
    Facts,
    SavedPlan,
    SavedUnit,
    change_mark,
    fingerprint_text,
    marked_facts,
    units_by_key,
)
from orchestrator.planning.saved.facts import SOURCE_FILES
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.version.stamp import read_stamp

CHANGED = "changed since the plan"  # the kind of failure
_ADVICE = "check it, then plan again"
_SINCE = "changed since the plan was made: "


def differing(
    saved: SavedPlan,
    key: PlanKey,
    run: Facts,
    functions: Mapping[str, Facts],
    prepared: Mapping[str, Prepared],
    absent: Mapping[str, str],
) -> dict[str, list[str]]:
    """Return the names of the desired facts that differ from the plan, never their values, each with the functions
    concerned (none: the run as a whole). `run`, `functions`: the present facts. `prepared`: the content of the sources,
    or why they cannot be read. `absent`: why functions of the plan are not among the present ones.
    """
    then, found = {unit.key: unit for unit in saved.units}, dict[str, list[str]]()
    for words in (_words(name, *pair) for name, pair in _unlike(saved.facts, marked_facts(key, "", run))):
        found[words] = []
    for one in sorted(then.keys() ^ functions.keys()):
        words = "selected, but not in the plan" if one in functions else absent[one]
        found.setdefault(words, []).append(one)
    for unit in saved.units:
        if unit.key not in functions:
            continue
        was, now = dict(unit.facts), marked_facts(key, unit.key, functions[unit.key])
        if SOURCE_FILES not in was:  # they could not be read when the plan was made, so nothing is done with them
            now.pop(SOURCE_FILES, None)
        lost = prepared.get(unit.key)
        for name, pair in _unlike(was, now):
            why = f": {lost[1].message}" if name == SOURCE_FILES and isinstance(lost, tuple) else ""
            found.setdefault(_words(name, *pair) + why, []).append(unit.key)
    return found


def _unlike(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, tuple[bool, bool]]]:
    """Yield the names of marks that differ, each with whether it existed then and exists now."""
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield name, (name in then, name in now)


def _words(name: str, was: bool, now: bool) -> str:
    return f"{name} {'changed' if was and now else 'added' if now else 'removed'}"


def new_bases(saved: SavedPlan, plan: Plan, live: LiveState, key: PlanKey) -> dict[str, Version]:
    """Return the live Versions that came after the plan, by the keys of their functions."""
    units, found = units_by_key(plan), dict[str, Version]()
    for then in saved.units:
        unit = units[then.key]
        latest = live.latest(unit.function_id) if unit.function_id is not None else None
        if latest is not None and latest.id != then.base_version_id and not _is_as_planned(then, latest, key):
            found[then.key] = latest
    return found


@dataclass(frozen=True, slots=True)
class Today:
    """What a saved plan is compared with. `resolved`: what names stand for, by function. `authors`: who made the
    Versions that came after the plan, by ID, if known.
    """

    live: LiveState
    key: PlanKey
    resolved: Mapping[str, Facts]
    authors: Mapping[str, str]


def held(saved: SavedPlan, plan: Plan, now: Today) -> Plan:
    """Return the plan to carry out: for each function what the saved one says, or nothing.

    | saved     | planned now                                 | becomes                                 |
    | ---       | ---                                         | ---                                     |
    | no change | no change                                   | as planned now                          |
    | no change | the same live Version is to be verified     | unchanged: it was known to be good then |
    | no change | any other change                            | blocked: changed since                  |
    | changes   | none, since all is live                     | unchanged: already live as planned      |
    | changes   | the same, or the last of them               | that, and it is not decided again       |
    | changes   | the same, except what is left as it is live | that                                    |
    | changes   | blocked, for the same live Version          | blocked as planned now                  |
    | changes   | anything else                               | blocked: changed since                  |
    """
    units = units_by_key(plan)
    then = {unit.key: unit for unit in saved.units}
    return Plan(tuple(_held(then[one], unit, now) if one in then else unit for one, unit in units.items()))


def _held(then: SavedUnit, unit: Unit, now: Today) -> Unit:
    latest = now.live.latest(unit.function_id) if unit.function_id is not None else None
    same_base = (latest.id if latest is not None else "") == then.base_version_id
    former = None if same_base else _on_base_of(then, unit, now)
    same_base = same_base or former is not None
    if unit.action is Action.BLOCKED:
        return unit if same_base or not then.changes else changed_since(unit, _since(then, unit, latest, now))
    if not unit.changes:
        as_planned = replace(unit, reason="already live as planned") if then.changes else unit
        return as_planned if unit.action is Action.UNCHANGED else changed_since(unit, _since(then, unit, latest, now))
    if not then.changes:
        if same_base and {change.kind for change in unit.changes} == {ChangeKind.VERIFY}:
            return replace(unit, action=Action.UNCHANGED, reason="up to date", changes=())
        return changed_since(unit, _since(then, unit, latest, now))
    if _is_left(then, former or unit, latest, now.key):
        return replace(unit, exact=True)
    return changed_since(unit, _since(then, unit, latest, now))


def _on_base_of(then: SavedUnit, unit: Unit, now: Today) -> Unit | None:
    """Return the unit on its former base, if others have since changed only what is left as it is live."""
    return next((one for one in on_former_bases(unit, now.live) if one.base_version_id == then.base_version_id), None)


def _is_left(then: SavedUnit, unit: Unit, latest: Version | None, key: PlanKey) -> bool:
    """Return whether the present changes are the last of the planned ones, in that order, for the same reason: the same
    Version on the same base, with the same way back.
    """
    at = 0
    for change in unit.changes:
        marks = {change_mark(key, unit.key, change)}
        if latest is not None and _is_as_planned(then, latest, key):
            marks.add(change_mark(key, unit.key, _of_new_version(change, latest.id)))
        found = next((number for number in range(at, len(then.marks)) if then.marks[number] in marks), None)
        if found is None:
            return False
        at = found + 1
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    if makes and fingerprint_text(key, unit.key, unit.fingerprint) != then.fingerprint:
        return False
    if then.function_id and unit.function_id != then.function_id:
        return False
    way = unit.way_back
    whole = len(unit.changes) == len(then.changes)
    return not whole or (way.kind if way is not None else "", way is not None and way.is_whole) == (
        then.way_back,
        then.is_back_whole,
    )


def _is_as_planned(then: SavedUnit, latest: Version, key: PlanKey) -> bool:
    """Return whether the live Version is the one that the plan was to make, by any maker."""
    stamp = read_stamp(latest.description)
    if stamp is None or not any(one.kind is ChangeKind.VERSION for one in then.changes):
        return False
    return fingerprint_text(key, then.key, stamp, marks=False) == then.fingerprint.split(";")[0]


def _of_new_version(change: Change, version_id: str) -> Change:
    """Return a change as it was planned before its Version existed."""
    after = {name: None if value == version_id else value for name, value in change.after.items()}
    return replace(change, after=after)


def _since(then: SavedUnit, unit: Unit, latest: Version | None, now: Today) -> str:
    """Return what has changed in the live state, as far as it is known."""
    if then.function_id and unit.function_id != then.function_id:
        again = f" and created again as {unit.function_id}" if unit.function_id is not None else ""
        return f"the function, {then.function_id}, was deleted{again}"
    if (latest.id if latest is not None else "") != then.base_version_id:
        if latest is None:
            return f"its version, {then.base_version_id}, was deleted"
        when = f" at {latest.created_at:%Y-%m-%d %H:%M:%S} UTC" if latest.created_at is not None else ""
        who = f" by {now.authors[latest.id]}" if now.authors.get(latest.id) else ""
        withdrawn = unit.failure is not None and unit.failure.kind == WITHDRAWN
        return f"version {latest.id} was made{when}{who}{f'; it is {unit.reason}' if withdrawn else ''}"
    if moved := _moved(then, unit):
        return moved
    resolved = marked_facts(now.key, unit.key, now.resolved.get(unit.key, {}))
    if others := [name for name, _ in _unlike(then.stands_for, resolved)]:
        return f"names in the manifest stand for something else now: {', '.join(others)}"
    way = unit.way_back
    if way is not None and not way.is_whole and then.is_back_whole:
        return f"it can no longer be rolled back: {way.why}"
    return f"the change would be different now: {unit.reason}"


def _moved(then: SavedUnit, unit: Unit) -> str:
    """Return which tags are held by other Versions than before, or that own settings of the Function have changed."""
    before, now = _held_by(then.changes), _held_by(unit.changes)
    tags = [tag for tag in before if tag in now and before[tag] != now[tag] and tag != LATEST]
    if tags:
        return "; ".join(f"the tag {tag} is held by {now[tag] or 'no version'} now" for tag in tags)
    own, now_own = ([change.before for change in one.changes if change.kind.is_own] for one in (then, unit))
    return "its labels, its description or its scaling were changed" if own != now_own else ""


def _held_by(changes: tuple[Change, ...]) -> dict[str, str]:
    kinds = ChangeKind.VERSION, ChangeKind.TAG
    return {tag: str(holder) for change in changes if change.kind in kinds for tag, holder in change.before.items()}


def is_changed_since(outcome: Outcome | None) -> bool:
    """Return whether a function was left alone because it has changed since: the same plan will never change it."""
    return isinstance(outcome, Blocked) and outcome.reason.startswith(_SINCE)


def changed_since(unit: Unit, why: str) -> Unit:
    """Block a unit, because it has changed since."""
    failure = Failure(f"{_SINCE}{why}", kind=CHANGED, advice=_ADVICE)
    unit = replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)
    return replace(unit, changes=(), way_back=None, failed_step=None)
