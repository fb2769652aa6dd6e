"""How lists of several tables are merged: one row for each list. Tables are merged key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ListRule:
    """`said`: the rule, for the reference and for editors. `by`: entries are identified by this key, and entries of a
    nearer table replace those with the same name. `adds`: the nearer list is appended to the farther one. Neither: the
    nearest list replaces the others.
    """

    said: str = ""
    by: str = ""
    adds: bool = False


def _by(key: str) -> ListRule:
    return ListRule(f"Lists merge by `{key}`: an entry replaces the inherited one, new ones are appended.", by=key)


_ONCE = ListRule()  # it is in one table only, or in one that is replaced as a whole
_REPLACES = ListRule("The nearest list replaces the others.")
_ADDS = ListRule("Lists add up, the nearest last.", adds=True)
_OF_A_JOB = ListRule("A job's own list replaces that of [rollout].")

# By path, without names: [defaults], [templates.*] and [functions.*] have the same keys.
LISTS: Mapping[str, ListRule] = {
    "include": _ONCE,
    "each.names": _ONCE,
    "jobs.environments": _ONCE,
    "each.rows": _ONCE,
    "functions.use": ListRule("The function's own list replaces that of [defaults]; templates have none."),
    "functions.ignore": _ADDS,
    "functions.without": ListRule("Applies to what its own table inherits."),
    "functions.only": _REPLACES,
    "functions.build.inputs": _REPLACES,
    "functions.include": _REPLACES,
    "functions.exclude": _ADDS,
    "functions.secrets": _by("environment_variable"),
    "functions.mounts": _by("name"),
    "functions.storage_mounts": _by("name"),
    "functions.tags": _REPLACES,
    "functions.connectivity.subnet_ids": _REPLACES,
    "functions.verify.command": _REPLACES,
    "functions.promote": _REPLACES,
    "rollout.canary": _OF_A_JOB,
    "rollout.waves": _OF_A_JOB,
    "rollout.gate.command": _ONCE,
    "notify.on": _ONCE,
    "notify.command": _ONCE,
    "notify.only": _ONCE,
    "jobs.select": _ONCE,
    "jobs.from": _ONCE,
    "jobs.folders": _ONCE,
    "jobs.skip": _ONCE,
    "jobs.adopt": _ONCE,
}


def rule_of(key: str) -> ListRule:
    """Return the rule of a list of a function, by its key."""
    return LISTS[f"functions.{key}"]


def laid_over(below: list[Any], above: list[Any], key: str) -> list[Any]:
    """Merge a list of a function over that of a farther table. Entries of one list with the same name are both kept:
    that is a mistake, which is reported elsewhere.
    """
    rule = rule_of(key)
    if rule.adds:
        return [*below, *above]
    if not rule.by:
        return above
    left = list(above)
    placed = []
    for item in below:
        at = next((at for at, other in enumerate(left) if entry_name(key, other) == entry_name(key, item)), None)
        placed.append(item if at is None else left.pop(at))
    return placed + left


def entry_name(key: str, item: Any) -> str:
    """Return the name of an entry of a list."""
    by = rule_of(key).by
    return str(getattr(item, by)) if by else str(item)
