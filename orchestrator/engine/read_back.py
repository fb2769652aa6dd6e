"""The end is evidence: every version that should be there is read back from the cloud and compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import anyio

from orchestrator.engine.gone import seen_gone
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.function.fields import in_words, own_request
from orchestrator.model import (
    LATEST,
    Action,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Function,
    FunctionSpec,
    Outcome,
    Plan,
    Step,
    Unit,
    Unknown,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.live import read_live
from orchestrator.planning.meanwhile.overwritten import by_function, replaced, told
from orchestrator.planning.own import planned_kinds, with_own
from orchestrator.version.compare import not_as_sent
from orchestrator.version.stamp import read_stamp

LAG_S = 10.0  # for which what is shown may lag behind what is done
_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 2.5  # between two looks
_SAME_VERSION = (Action.RETAG, Action.UPDATE, Action.VERIFY)  # what makes no Version

_MADE_BEFORE = (Action.UPDATE, Action.VERIFY)  # of Versions that are not of the run's making


async def read_back(
    world: World,
    plan: Plan,
    before: LiveState,
    outcomes: Mapping[str, Outcome],
    passed: Collection[str] = (),
) -> dict[str, Outcome]:
    """Return the outcomes that reading back changes: Deployed to read back, or to what is true instead. `before`: what
    was live as the plan was made; `passed`: ids of Versions that were verified.

    What cannot be read is Unknown, never Deployed. What is still as it was before is looked at again for some seconds:
    listings may lag behind Operations.
    """
    left = {unit.key: unit for unit in plan.units if isinstance(outcomes.get(unit.key), Deployed | Unknown)}
    pruned = [unit for unit in plan.units if unit.action is Action.PRUNE and unit.key in outcomes]
    left = {key: unit for key, unit in left.items() if unit.action is not Action.PRUNE}
    found: dict[str, Outcome] = await seen_gone(world, pruned, outcomes)
    until, wait_s = anyio.current_time() + LAG_S, _FIRST_LOOK_S
    while left:
        try:
            live = await read_live(world, [_seen(unit, outcomes[unit.key]) for unit in left.values()], fresh=True)
            live = await with_own(world, live, _own_wanted(left.values(), live))
        except (CloudError, InterruptedRunError) as error:
            reason = f"what is live could not be read back: {error.message}"
            for key in left.keys() - found.keys():
                if isinstance(deployed := outcomes[key], Deployed):
                    found[key] = Unknown(reason, version_id=deployed.version_id)
            break
        siblings = by_function(live)
        for key, unit in left.items():
            outcome = _judge(unit, outcomes[key], live, passed)
            if isinstance(outcome, Deployed):
                outcome = (
                    await _overwrote(world, unit, live.versions.get(outcome.version_id), before, siblings) or outcome
                )
            if isinstance(outcome, Deployed) and unit.failure is not None:  # something of it could not be taken back
                outcome = Failed(Step.READ_BACK, unit.failure)
            found[key] = outcome
        left = {key: unit for key, unit in left.items() if _may_lag(unit, outcomes[key], live)}
        if not left or anyio.current_time() + wait_s > until:
            break
        await anyio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LAST_LOOK_S)
    return found


def _may_lag(unit: Unit, outcome: Outcome, live: LiveState) -> bool:
    """Say whether what is shown of a unit that was deployed may be what was before."""
    if not isinstance(outcome, Deployed):
        return False
    function, version = _function(unit, live), live.versions.get(outcome.version_id)
    if function is None or version is None or not version.is_active or _not_as_asked(unit, function, outcome, live):
        return True
    latest = live.latest(function.id)
    stale = unit.action not in _SAME_VERSION and latest is not None and latest.id == unit.base_version_id
    return stale or not _to_hold(unit, version.id) <= set(version.tags)


async def _overwrote(
    world: World, unit: Unit, made: Version | None, before: LiveState, siblings: Mapping[str, list[Version]]
) -> Failed | None:
    """Say of a Version of somebody else's that the one which the unit has `made` replaced it."""
    if made is None or unit.action in _SAME_VERSION:
        return None
    base = before.versions.get(unit.base_version_id or "")
    lost = replaced(
        made, unit.base_version_id or "", base.created_at if base is not None else None,
        siblings[made.function_id], str(unit.fingerprint or ""), before.versions,
    )  # fmt: skip
    if lost is None:
        return None
    whole = None
    with suppress(CloudError, InterruptedRunError):
        whole = await world.read(partial(world.functions.get_version, lost.id))
    return told(unit.key, lost, made, whole)


def _seen(unit: Unit, outcome: Outcome) -> FunctionSpec:
    """Ask for the version that was made; the one that was copied from is of no interest any more."""
    made = outcome.version_id if isinstance(outcome, Deployed | Unknown) else ""
    return replace(unit.spec, code=VersionCopy(made or LATEST))


def _judge(unit: Unit, outcome: Outcome, live: LiveState, passed: Collection[str]) -> Outcome:
    function = _function(unit, live)
    latest = live.latest(function.id) if function is not None else None
    own = _not_as_asked(unit, function, outcome, live)
    if own and isinstance(outcome, Deployed):
        return _failed(own)
    if isinstance(outcome, Unknown):
        # Its answer or its end was not seen, but perhaps what it made is.
        if own:
            return outcome
        if latest is not None and latest.id not in passed and _is_verified(unit):
            return outcome  # made, perhaps, and not verified: `resume` finds out
        if unit.action in _SAME_VERSION and latest is not None and latest.id == unit.base_version_id:
            seen = _compare(unit, Deployed(latest.id), latest, latest)
            return seen if isinstance(seen, Deployed) else outcome
        if (
            latest is not None
            and latest.id != unit.base_version_id
            and read_stamp(latest.description) == unit.fingerprint
        ):
            return _compare(unit, Deployed(latest.id), latest, latest)
        return outcome
    if not isinstance(outcome, Deployed):
        return outcome
    version = live.versions.get(outcome.version_id)
    if version is None:
        return Unknown("the Operation succeeded, but the version is not listed", version_id=outcome.version_id)
    return _compare(unit, outcome, version, latest)


def _function(unit: Unit, live: LiveState) -> Function | None:
    return live.by_id.get(unit.function_id or "") or live.by_name.get((unit.spec.folder_id, unit.spec.name))


def _not_as_asked(unit: Unit, function: Function | None, outcome: Outcome, live: LiveState) -> str:
    """Say which of the Function's own settings, or of its tags that were moved by themselves, are not what this unit
    was to make them, "" where all are.
    """
    if function is None:
        return ""
    made = outcome.version_id if isinstance(outcome, Deployed) else ""
    for change in unit.changes:
        if change.kind.is_own and own_request(function, change):
            return f"the function's own settings are not what was asked for ({in_words(change)})"
        for tag, wanted in change.after.items() if change.kind is ChangeKind.TAG else ():
            holder = live.tagged.get((function.id, tag))
            holder_id, wanted_id = holder.id if holder is not None else "", made if wanted is None else str(wanted)
            if holder_id != wanted_id and (wanted is not None or made):
                return f"the tag {tag} is on {holder_id or 'no version'}, not on {wanted_id or 'none'}"
    return ""


def _own_wanted(units: Iterable[Unit], live: LiveState) -> dict[str, frozenset[ChangeKind]]:
    """Say of which Functions something has to be read that no listing shows."""
    found = [(_function(unit, live), planned_kinds(unit.changes)) for unit in units]
    return {function.id: kinds for function, kinds in found if function is not None and kinds}


def _is_verified(unit: Unit) -> bool:
    return any(change.kind is ChangeKind.VERIFY for change in unit.changes)


def _moved(unit: Unit, version_id: str) -> set[str]:
    """Give the tags that a unit moves to its Version by changes of their own."""
    tags = [change.after.items() for change in unit.changes if change.kind is ChangeKind.TAG]
    return {tag for items in tags for tag, to in items if to in (None, version_id)}


def _to_hold(unit: Unit, version_id: str) -> set[str]:
    """Give the tags that a Version is to hold by now: those that a unit has moved to it, and of a new one its own. One
    that was there before may be a rollback's copy, of a Version that has kept its tags.
    """
    own = () if unit.action in _SAME_VERSION else unit.spec.settings.tags
    return {*own, *_moved(unit, version_id)}


def _compare(unit: Unit, outcome: Deployed, version: Version, latest: Version | None) -> Outcome:
    held = _to_hold(unit, version.id)
    if unit.action is Action.UPDATE and not held:  # its Version is not of our making
        return replace(outcome, read_back=True)
    problem = ""
    if not version.is_active:
        problem = f"version {version.id} is {version.status}, not ACTIVE"
    elif latest is not None and latest.id != version.id:
        problem = f"version {version.id} was made, but {latest.id} has taken $latest since: somebody else deploys too"
    elif missing := sorted(held - set(version.tags)):
        problem = f"version {version.id} does not hold the tag {', '.join(missing)}"
    elif unit.action not in _MADE_BEFORE and (different := not_as_sent(unit.spec.settings, version.raw, unit.as_it_is)):
        problem = f"version {version.id} is not what was sent: {'; '.join(different)}"
    return _failed(problem) if problem else replace(outcome, read_back=True)


def _failed(problem: str) -> Failed:
    return Failed(Step.READ_BACK, Failure(problem, kind="not as desired", advice="look at it, then deploy again"))
