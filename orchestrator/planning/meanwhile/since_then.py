"""What was changed by other means between the start of a run and its resumption: tags, own settings. Pure."""

from __future__ import annotations

from orchestrator.function.fields import changed_otherwise, still_as
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import LATEST, ChangeKind, Deployed, Failed, Failure, Outcome, Step, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.version.rings import without_rings


def as_made(latest: Version, live: LiveState, then: UnitState) -> Outcome:
    """Return the outcome of a Version that the run has made: Deployed if all that the run has changed is still so."""
    tags = sorted(set(without_rings(tag for tag in held_then(then) if tag != LATEST)) - {*latest.tags})
    function = live.by_id.get(latest.function_id)
    updates = [one.change for one in then.changes if one.change.kind.is_own]
    if tags:
        holders = {tag: live.tagged.get((latest.function_id, tag)) for tag in tags}
        where = (f"{tag} ({one.id if (one := holders[tag]) is not None else 'no version'} has it)" for tag in tags)
        why = f"version {latest.id} was made, but does not hold the tag {', '.join(where)}"
    elif function is not None and not all(still_as(function, change.after) for change in updates):
        why = f"version {latest.id} was made, but the function's own settings were changed since"
    else:
        return Deployed(latest.id, read_back=True)
    failure = Failure(why, kind="not what was wanted", advice="check it, then deploy again")
    return Failed(Step.READ_BACK, failure)


def held_then(then: UnitState) -> dict[str, str]:
    """Return the tags that the run was to move with its Version, or on the live one, and which Version held each
    before.
    """
    kinds = (ChangeKind.VERSION, ChangeKind.TAG)
    moves = [one.change for one in then.changes if one.change.kind in kinds]
    return {tag: str(holder) for change in moves for tag, holder in change.before.items()}


def based_since(base_id: str, live: LiveState, then: UnitState) -> str:
    """Return how a unit's base differs from the one that the run found, "" if it does not."""
    former_id = then.base_version_id
    if base_id == former_id:
        return ""
    if not base_id:
        return f"its version, {former_id}, was deleted since the run began"
    gone = f", and {former_id} was deleted," if former_id and former_id not in live.versions else ""
    return f"another version, {base_id}, has taken $latest{gone} since the run began"


def no_longer_desired(live: LiveState, then: UnitState, whose: str) -> str:
    """Return why a unit is not desired any more. `whose`: the manifest or the job that no longer includes it.

    | its Function                                 | the message says                     |
    | ---                                          | ---                                  |
    | is missing from a folder that was read whole | it was deleted                       |
    | has another `$latest`, or none               | that, and that it is not desired now |
    | is anything else, or was not read            | that it is not desired now           |
    """
    function_id = then.function_id
    if function_id and function_id not in live.by_id and then.folder_id in live.whole:
        return f"the function, {function_id}, was deleted since the run began"
    latest = live.latest(function_id)
    other = based_since(latest.id if latest is not None else "", live, then) if function_id in live.by_id else ""
    wants = f"{whose} no longer includes it"
    return f"{other}: {wants}" if other else wants


def taken_since(unit: Unit, then: UnitState) -> str:
    """Return which tag to move is not where the run found it, "" for none."""
    before = held_then(then)
    for change in unit.changes:
        if change.kind in (ChangeKind.VERSION, ChangeKind.TAG):
            for tag, holder in change.before.items():
                if tag != LATEST and holder != before.get(tag, holder):
                    return f"the tag {tag} was moved to {holder or 'none'} since the run began"
    return ""


def set_since(unit: Unit, live: LiveState, then: UnitState) -> str:
    """Return which own settings of the Function are neither as the run found them nor as it was to set them."""
    function = live.by_id.get(unit.function_id or "")
    changes = [one.change for one in then.changes if one.change.kind.is_own]
    return "; ".join(said for one in changes if function is not None and (said := changed_otherwise(function, one)))
