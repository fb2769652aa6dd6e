"""What the quotas of a cloud leave room for, before anything is sent. Unknown quotas are not guessed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from orchestrator.model import LATEST, Action, ChangeKind, Failure, Quota, Unit
from orchestrator.model.live_state import LiveState

FUNCTIONS = "functions.count"  # ends of the quota IDs; only the first is public (cloud-api#quotas)
TAGS = "tags"
PROVISIONED = "provisioned"  # a part of the quota's ID, whose spelling is not public
TAGS_DOCUMENTED = 10  # per function

ByCloud = Mapping[str, Sequence[Quota]]  # cloud ID → the quotas that quota-manager returned


def blocked(unit: Unit, failure: Failure) -> Unit:
    """Block a unit, for the given reason."""
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure, changes=())


def of(quotas: Iterable[Quota], name: str) -> Quota | None:
    """Return the quota whose ID ends with the name, None if it is unknown."""
    return next((one for one in quotas if f".{one.id.lower()}".endswith(f".{name}")), None)


def without_functions(units: Iterable[Unit], live: LiveState, by_cloud: ByCloud) -> dict[str, Failure]:
    """Return failures for the new Functions that their cloud has no room for, by unit.

    | limit and usage of the quota | new | of these without room, in the plan's order |
    | ---                          | --- | ---                                        |
    | 10, 5                        | 5   | none                                       |
    | 10, 5                        | 12  | the last 7                                 |
    | 10, 12: it was lowered       | 1   | all                                        |
    | unknown                      | any | none                                       |
    """
    new: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.action is Action.CREATE:
            new[live.clouds.get(unit.spec.folder_id, "")].append(unit)
    found: dict[str, Failure] = {}
    for cloud_id, those in new.items():
        quota = of(by_cloud.get(cloud_id, ()), FUNCTIONS)
        left = max(0, int(quota.limit - quota.usage)) if quota is not None else len(those)
        if quota is None or len(those) <= left:
            continue
        failure = Failure(
            f"the plan creates {_functions(len(those), 'new ')}, but cloud {cloud_id} has room for {left} (quota:"
            f" {quota.limit:g}, used: {quota.usage:g})",
            kind="quota",
            advice=f"request a higher quota ({quota.id}), or delete functions that are not needed",
        )
        found |= dict.fromkeys((unit.key for unit in those[left:]), failure)
    return found


def without_tags(
    units: Iterable[Unit], live: LiveState, by_cloud: ByCloud
) -> tuple[dict[str, Failure], tuple[str, ...]]:
    """Return failures for the units whose function would get too many tags, and warnings if only the documented quota
    is known. A tag that moves between Versions is not an additional one. Tags that were not read do not count.
    """
    tags: defaultdict[str, set[str]] = defaultdict(set)  # Function ID → its tags
    desired = [unit for unit in units if tags_of(unit) and _moves_tags(unit)]
    known = {unit.function_id for unit in desired}
    for function_id, tag in live.tagged:
        if function_id in known and tag != LATEST:
            tags[function_id].add(tag)
    found, warnings = dict[str, Failure](), list[str]()
    for unit in desired:
        has = tags[unit.function_id or ""] if unit.function_id else set[str]()
        new = tags_of(unit) - has
        quota = of(by_cloud.get(live.clouds.get(unit.spec.folder_id, ""), ()), TAGS)
        allowed = int(quota.limit) if quota is not None else TAGS_DOCUMENTED
        if not new or len(has | new) <= allowed:
            continue
        message = f"with {', '.join(sorted(new))} it would have {len(has | new)} tags"
        advice = "remove a tag that is not needed"
        if quota is not None:
            more = f"{advice}, or request a higher quota ({quota.id})"
            found[unit.key] = Failure(f"{message}; {allowed} are allowed", kind="quota", advice=more)
        else:
            warnings.append(f"{unit.key}: {message}; the documented quota is {allowed}: {advice}")
    return found, tuple(warnings)


def without_provisioned(units: Iterable[Unit], live: LiveState, by_cloud: ByCloud) -> dict[str, Failure]:
    """Return failures for the units that need more provisioned instances than their cloud has room for, in the plan's
    order. Instances that other units release do not count: the time of that is not known.
    """
    left: dict[str, float] = {}
    found: dict[str, Failure] = {}
    for unit in units:
        more, cloud_id = more_provisioned(unit), live.clouds.get(unit.spec.folder_id, "")
        quota = next((one for one in by_cloud.get(cloud_id, ()) if PROVISIONED in one.id.lower()), None)
        if more <= 0 or quota is None:
            continue
        room = left.setdefault(cloud_id, max(0.0, quota.limit - quota.usage))
        if more <= room:
            left[cloud_id] = room - more
            continue
        found[unit.key] = Failure(
            f"it would have {more} more provisioned instance{'s' if more > 1 else ''}, but cloud {cloud_id} has room"
            f" for {room:g} (quota: {quota.limit:g}, used: {quota.usage:g})",
            kind="quota",
            advice=f"request a higher quota ({quota.id}), or declare fewer in `scaling`",
        )
    return found


def more_provisioned(unit: Unit) -> int:
    """Return how many more provisioned instances a unit requests than there are."""
    changes = [change for change in unit.changes if change.kind is ChangeKind.SCALING]
    return sum(_provisioned(change.after) - _provisioned(change.before) for change in changes)


def _provisioned(policies: Mapping[str, Mapping[str, Mapping[str, int] | None]]) -> int:
    return sum((policy or {}).get("provisioned", 0) for policy in policies["scaling"].values())


def tags_of(unit: Unit) -> set[str]:
    """Return the tags that a unit moves: with its new Version, including a ring tag, and after verification."""
    return {*unit.spec.settings.tags, *unit.spec.promote}


def _moves_tags(unit: Unit) -> bool:
    return any(change.kind in (ChangeKind.VERSION, ChangeKind.TAG) for change in unit.changes)


def _functions(count: int, what: str) -> str:
    return f"{count} {what}function{'s' if count != 1 else ''}"
