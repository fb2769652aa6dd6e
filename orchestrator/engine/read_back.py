"""Outcomes are based on evidence: every version that should exist is read back from the cloud and compared."""

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
from orchestrator.planning.meanwhile.overwritten import as_failure, by_function, replaced
from orchestrator.planning.own import planned_kinds, with_own
from orchestrator.version.compare import not_as_sent
from orchestrator.version.stamp import read_stamp

LAG_S = 10.0  # how long listings may lag behind changes
_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 2.5  # between two looks
_SAME_VERSION = (Action.RETAG, Action.UPDATE, Action.VERIFY)  # actions that make no Version

_MADE_BEFORE = (Action.UPDATE, Action.VERIFY)  # actions on Versions that this run did not make


async def read_back(
    world: World,
    plan: Plan,
    before: LiveState,
    outcomes: Mapping[str, Outcome],
    passed: Collection[str] = (),
) -> dict[str, Outcome]:
    """Return the outcomes that reading back changes: Deployed becomes read back, or the true outcome. `before`: the
    live state when the plan was made. `passed`: IDs of Versions that passed verification.

    What cannot be read is Unknown, never Deployed. What still looks unchanged is read again for some seconds: listings
    may lag behind Operations.
    """
    left = {unit.key: unit for unit in plan.units if isinstance(outcomes.get(unit.key), Deployed | Unknown)}
    pruned = [unit for unit in plan.units if unit.action is Action.PRUNE and unit.key in outcomes]
    left = {key: unit for key, unit in left.items() if unit.action is not Action.PRUNE}
    found: dict[str, Outcome] = await seen_gone(world, pruned, outcomes)
    until, wait_s = anyio.current_time() + LAG_S, _FIRST_LOOK_S
    while left:
        try:
            live = await read_live(world, [_seen(unit, outcomes[unit.key]) for unit in left.values()], fresh=True)
            live = await with_own(world, live, _own_desired(left.values(), live))
        except (CloudError, InterruptedRunError) as error:
            reason = f"the live state could not be read back: {error.message}"
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
            if isinstance(outcome, Deployed) and unit.failure is not None:  # part of it could not be rolled back
                outcome = Failed(Step.READ_BACK, unit.failure)
            found[key] = outcome
        left = {key: unit for key, unit in left.items() if _may_lag(unit, outcomes[key], live)}
        if not left or anyio.current_time() + wait_s > until:
            break
        await anyio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LAST_LOOK_S)
    return found


def _may_lag(unit: Unit, outcome: Outcome, live: LiveState) -> bool:
    """Return whether the listing of a deployed unit may still show the former state."""
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
    """Return the failure of a unit whose new Version replaced one that someone else had made since the plan."""
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
    return as_failure(unit.key, lost, made, whole)


def _seen(unit: Unit, outcome: Outcome) -> FunctionSpec:
    """Ask for the version that was made. The one that was copied is not needed any more."""
    made = outcome.version_id if isinstance(outcome, Deployed | Unknown) else ""
    return replace(unit.spec, code=VersionCopy(made or LATEST))


def _judge(unit: Unit, outcome: Outcome, live: LiveState, passed: Collection[str]) -> Outcome:
    function = _function(unit, live)
    latest = live.latest(function.id) if function is not None else None
    own = _not_as_asked(unit, function, outcome, live)
    if own and isinstance(outcome, Deployed):
        return _failed(own)
    if isinstance(outcome, Unknown):
        # The answer or the end was not seen, but the result may be.
        if own:
            return outcome
        if latest is not None and latest.id not in passed and _is_verified(unit):
            return outcome  # possibly made, and not verified: `resume` finds out
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
    """Return which of the Function's own settings, or of the tags moved by a change of their own, differ from what this
    unit was to set; "" if none does.
    """
    if function is None:
        return ""
    made = outcome.version_id if isinstance(outcome, Deployed) else ""
    for change in unit.changes:
        if change.kind.is_own and own_request(function, change):
            return f"the function's own settings differ from the desired ones ({in_words(change)})"
        for tag, desired in change.after.items() if change.kind is ChangeKind.TAG else ():
            holder = live.tagged.get((function.id, tag))
            holder_id, desired_id = holder.id if holder is not None else "", made if desired is None else str(desired)
            if holder_id != desired_id and (desired is not None or made):
                return f"the tag {tag} is on version {holder_id or '(none)'}, not on version {desired_id or '(none)'}"
    return ""


def _own_desired(units: Iterable[Unit], live: LiveState) -> dict[str, frozenset[ChangeKind]]:
    """Return which own settings must be read per Function, because no listing shows them."""
    found = [(_function(unit, live), planned_kinds(unit.changes)) for unit in units]
    return {function.id: kinds for function, kinds in found if function is not None and kinds}


def _is_verified(unit: Unit) -> bool:
    return any(change.kind is ChangeKind.VERIFY for change in unit.changes)


def _moved(unit: Unit, version_id: str) -> set[str]:
    """Return the tags that a unit moves to its Version with changes of their own."""
    tags = [change.after.items() for change in unit.changes if change.kind is ChangeKind.TAG]
    return {tag for items in tags for tag, to in items if to in (None, version_id)}


def _to_hold(unit: Unit, version_id: str) -> set[str]:
    """Return the tags that a Version must have by now: those that a unit moved to it, and for a new Version its own. A
    Version that already existed may be a rollback's copy of one that kept its tags.
    """
    own = () if unit.action in _SAME_VERSION else unit.spec.settings.tags
    return {*own, *_moved(unit, version_id)}


def _compare(unit: Unit, outcome: Deployed, version: Version, latest: Version | None) -> Outcome:
    held = _to_hold(unit, version.id)
    if unit.action is Action.UPDATE and not held:  # its Version was not made by this tool
        return replace(outcome, read_back=True)
    problem = ""
    if not version.is_active:
        problem = f"version {version.id} is {version.status}, not ACTIVE"
    elif latest is not None and latest.id != version.id:
        problem = (
            f"version {version.id} was made, but {latest.id} has taken $latest since: someone else is deploying too"
        )
    elif missing := sorted(held - set(version.tags)):
        problem = f"version {version.id} does not hold the tag {', '.join(missing)}"
    elif unit.action not in _MADE_BEFORE and (different := not_as_sent(unit.spec.settings, version.raw, unit.as_it_is)):
        problem = f"version {version.id} differs from what was sent: {'; '.join(different)}"
    return _failed(problem) if problem else replace(outcome, read_back=True)


def _failed(problem: str) -> Failed:
    return Failed(Step.READ_BACK, Failure(problem, kind="not what was wanted", advice="check it, then deploy again"))
