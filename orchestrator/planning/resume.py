"""What is left of an interrupted run, and which units of a new plan are still about the same. Pure.

A run and all its resumptions are one chain, folded into one `RunState`. Each unit is judged over the whole chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.errors import Exit
from orchestrator.function.fields import desired_otherwise, is_made, made_of
from orchestrator.journal.events import Event, OperationAccepted, UnitPlanned
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Fingerprint,
    FunctionSpec,
    Outcome,
    Plan,
    Pruned,
    Unchanged,
    Unit,
    Unknown,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.meanwhile.rebased import as_run_then, is_of_another_base
from orchestrator.planning.meanwhile.since_then import as_made, based_since, held_then, set_since, taken_since
from orchestrator.planning.verifying import NOT_VERIFYING, Verifying, with_verification
from orchestrator.version.adoption import GUARDED, Adoption
from orchestrator.version.stamp import read_stamp

_PRUNES = "prune"  # the verb
_CHANGES = {Action.CREATE, Action.VERSION, Action.COPY}


def to_resume(run: RunState) -> dict[str, UnitState]:
    """Return the units that a run did not finish: interrupted, cancelled, unknown, or made and not read back. Units
    that someone has rolled back since are left out.

    A unit that was to be made and is blocked since (its source has changed, say) is not finished either.
    """
    return {key: unit for key, unit in run.units.items() if not _has_ended(unit) and not run.taken_back.by(unit)}


def ended_by_rollback(run: RunState) -> dict[str, Blocked]:
    """Return the outcome of the unfinished units that someone has rolled back since."""
    ended = {key: run.taken_back.by(unit) for key, unit in run.units.items() if not _has_ended(unit)}
    return {key: Blocked(f"run {by} has rolled it back") for key, by in ended.items() if by}


def _has_ended(unit: UnitState) -> bool:
    match unit.outcome:
        case Deployed(_, read_back) | Pruned(_, read_back):
            return read_back
        case Blocked():
            return not unit.fingerprint
        case Unchanged() | Failed():
            return True
    return False


def failed(run: RunState) -> dict[str, UnitState]:
    """Return the units that failed, or were blocked."""
    return {key: unit for key, unit in run.units.items() if isinstance(unit.outcome, Failed | Blocked)}


def undone(run: RunState) -> dict[str, UnitState]:
    """Return the units that are not as desired: failed, blocked, cancelled, unknown, not reached."""
    return {key: unit for key, unit in run.units.items() if not isinstance(unit.outcome, Deployed | Pruned | Unchanged)}


def outcomes_of(run: RunState) -> dict[str, Outcome]:
    """Return the outcome of each unit of a chain. A unit without any event counts as cancelled."""
    found = {key: Cancelled("not reached") if unit.outcome is None else unit.outcome for key, unit in run.units.items()}
    return found | ended_by_rollback(run)


def left_of(before: RunState) -> dict[str, UnitState]:
    """Return what to resume. After a breach, only what was requested, to learn its result."""
    left = {} if before.given_up else to_resume(before)
    return {key: unit for key, unit in left.items() if _begun(unit)} if before.breach else left


def prunes(run: RunState) -> bool:
    """Return whether a run is a prune, or a job that deletes Versions."""
    return run.verb == _PRUNES or any(unit.action == Action.PRUNE for unit in run.units.values())


def prunes_on(run: RunState) -> bool:
    """Return whether a prune was interrupted. Its progress in the bucket is not recorded, so that is checked again. If
    the journal lacks its plan, what was agreed to is not known.
    """
    if run.total > len(run.units):
        return False
    return prunes(run) and not run.given_up and run.exit_code in (None, Exit.INTERRUPTED)


def _begun(unit: UnitState) -> bool:
    return isinstance(unit.outcome, Unknown | Deployed) or (
        unit.outcome is None and any(change.outcome == "asked for" for change in unit.changes)
    )


def named_now(
    units: Mapping[str, UnitState], specs: Mapping[str, FunctionSpec]
) -> tuple[dict[str, UnitState], dict[str, UnitState]]:
    """Find the units of a former run again: a key is only a label, a unit is a Function of a folder.

    A unit matches by Function ID if both sides have it, otherwise by name. Returns the units that are among `specs`, by
    their present keys, and those that are not, by keys that nothing else has.
    """
    by_id = {(spec.folder_id, spec.id): key for key, spec in specs.items() if spec.id is not None}
    by_name = {(spec.folder_id, spec.name): key for key, spec in specs.items() if spec.id is None}
    found, gone = dict[str, UnitState](), dict[str, UnitState]()
    for key, unit in units.items():
        now = by_id.get((unit.folder_id, unit.function_id)) or by_name.get((unit.folder_id, unit.name))
        if now is None and key in specs and specs[key].unstated:  # its mistakes are reported, instead of its absence
            now = key
        if now is not None:
            found[now] = replace(unit, key=now)
        elif key in specs:
            other = f"{unit.folder_id}/{unit.name or unit.function_id}"
            gone[other] = replace(unit, key=other)
        else:
            gone[key] = unit
    return found, gone


def accepted(units: Mapping[str, UnitState]) -> dict[str, tuple[OperationAccepted, ...]]:
    """Return the Operations whose end is not known, by unit."""
    return {
        key: tuple(
            known
            for change in unit.changes
            for operation_id, known in change.operations.items()
            if operation_id not in change.done
        )
        for key, unit in units.items()
    }


def taken_over(units: Mapping[str, UnitState], at: float) -> Iterator[Event]:
    """Repeat the events that the new run takes over, so that it can be resumed, too."""
    for unit in units.values():
        yield UnitPlanned(
            at, unit.key, unit.name, unit.folder_id, unit.function_id, unit.action, unit.reason,
            unit.base_version_id, unit.fingerprint, unit.before,
            tuple(change.change for change in unit.changes), unit.warnings, back_from=unit.back_from,
        )  # fmt: skip
    for operations in accepted(units).values():
        for known in operations:
            yield replace(known, at=at)


def forced_of(units: Mapping[str, UnitState]) -> str:
    """Return what set a forced run's Versions apart, "" if it was not forced."""
    return next((parts[2] for unit in units.values() if len(parts := unit.fingerprint.split(".")) == 3), "")


def agreed(units: Mapping[str, UnitState]) -> Adoption:
    """Return what a run was allowed to remove, as agreed for the Versions that its units were based on."""
    closed = {key for key, unit in units.items() if any(one.change.kind is ChangeKind.ACCESS for one in unit.changes)}
    changed = {key: unit for key, unit in units.items() if unit.action in _CHANGES or key in closed}
    holders = {(key, holder) for key, unit in units.items() for holder in held_then(unit).values() if holder}
    return Adoption(
        versions=frozenset({(key, unit.base_version_id) for key, unit in changed.items()} | holders), resumed=True
    )


def still_meant(
    plan: Plan, live: LiveState, then: Mapping[str, UnitState], verifying: Verifying = NOT_VERIFYING
) -> tuple[Plan, dict[str, Outcome]]:
    """Compare a plan with what the run was about.

    Returns the plan of what is left, and the outcomes of what is live by now. In the plan, a unit is blocked if it has
    changed since, or if someone else has deployed its function since.

    | live                | desired now            | result                                 |
    | ---                 | ---                    | ---                                    |
    | what the run made   | anything               | `Deployed`; what is left: see `_after` |
    | what is desired now | what the run was about | `Unchanged`; see `_found`; or verify   |
    | what is desired now | anything else          | blocked: it has changed                |
    | anything else       | what the run was about | the unit                               |
    | anything else       | anything else          | blocked: it has changed                |
    """
    units, settled = [], dict[str, Outcome]()
    for unit in plan.units:
        before = then[unit.key]
        seen = as_run_then(unit, live, before.fingerprint, before.base_version_id)
        latest = live.latest(unit.function_id) if unit.function_id is not None else None
        as_meant = not (_has_changed(seen, before) or _own_changed(unit, live, before))
        if latest is not None and latest.is_active and _made(before, latest):
            left = _after(unit, latest, live, before, verifying)
            if left.action is Action.UNCHANGED:
                settled[unit.key] = as_made(latest, live, before)
            else:
                units.append(left)
        elif unit.action is Action.UNCHANGED and as_meant:
            settled[unit.key] = _found(unit, before)
        elif unit.action is Action.VERIFY and as_meant:
            units.append(unit)
        else:
            units.append(unit if (checked := _checked(seen, live, before)) is seen else checked)
    return Plan(tuple(units)), settled


def _after(unit: Unit, latest: Version, live: LiveState, then: UnitState, verifying: Verifying) -> Unit:
    """Return what is left to do after the Version that the run has made: verification, promotion, scaling, access."""
    made = replace(
        unit, action=Action.UNCHANGED, reason=(
            "the version that the run made is live"
        ), changes=(), failure=None, failed_step=None,
        fingerprint=_fingerprint_of(then), function_id=latest.function_id, base_version_id=latest.id, warnings=(),
    )  # fmt: skip
    made, function = with_verification(made, live, verifying), live.by_id[latest.function_id]
    last = [one.change for one in then.changes if one.change.kind in (ChangeKind.SCALING, ChangeKind.ACCESS)]
    left = tuple(one for one in last if not is_made(function, one))
    if not left:
        return made
    action = Action.UPDATE if made.action is Action.UNCHANGED else made.action
    return replace(made, action=action, changes=(*made.changes, *left))


def _fingerprint_of(then: UnitState) -> Fingerprint | None:
    parts = then.fingerprint.split(".")
    return Fingerprint(parts[0], parts[1], "".join(parts[2:3])) if len(parts) > 1 else None


def _has_changed(unit: Unit, then: UnitState) -> bool:
    """Return whether the desired state differs from what the run was to make. An untouched unit may differ."""
    return then.action != Action.UNCHANGED and then.fingerprint not in ("", str(unit.fingerprint))


def _own_changed(unit: Unit, live: LiveState, then: UnitState) -> bool:
    """Return whether other own settings of the Function are desired than the run was to make, see `function.fields`."""
    if not then.changes or then.action == Action.UNCHANGED:
        return False
    changes = [one.change for one in then.changes if one.change.kind.is_own or one.change.kind is ChangeKind.FUNCTION]
    return desired_otherwise(unit.spec, live.by_id.get(unit.function_id or ""), made_of(changes))


def _found(unit: Unit, then: UnitState) -> Outcome:
    """Return the outcome of a unit that is live as desired, with a Version that the run did not make. Either the run
    moved tags or settings before it was interrupted, or all was so without it.
    """
    version_id = unit.base_version_id or ""
    moved = (then.requests or version_id in then.verdicts) and then.action not in _CHANGES
    return Deployed(version_id, read_back=True) if moved else Unchanged(version_id)


def _made(then: UnitState, latest: Version) -> bool:
    """Return whether a Version is the one that the unit was to make. A copied description does not count."""
    if then.action not in _CHANGES or not then.fingerprint or latest.id == then.base_version_id:
        return False
    made_by_run = {known.version_id for known in then.operations.values()} - {""}
    return str(read_stamp(latest.description)) == then.fingerprint and (latest.id in made_by_run or not made_by_run)


def _checked(unit: Unit, live: LiveState, then: UnitState) -> Unit:
    guarded = unit.failure is not None and unit.failure.kind == GUARDED
    if unit.action is Action.BLOCKED and not (guarded and then.action in _CHANGES):
        return unit
    latest = live.latest(unit.function_id) if unit.function_id is not None else None
    other = based_since(unit.base_version_id or (latest.id if latest is not None else ""), live, then)
    serving = unit.action not in (Action.UPDATE, Action.RETAG)  # another Version is to serve, or serves by now
    if then.function_id and unit.function_id != then.function_id:
        again = f" and created again as {unit.function_id}" if unit.function_id is not None else ""
        why = f"the function, {then.function_id}, was deleted since the run began{again}"
    elif not guarded and str(unit.fingerprint) != then.fingerprint and (serving or then.fingerprint):
        code = "the version that its code is copied from" if isinstance(unit.spec.code, VersionCopy) else "its source"
        of_it = other if is_of_another_base(unit, live, then.base_version_id) else ""
        why = of_it or f"its settings or {code} have changed since the run began"
    elif _own_changed(unit, live, then):
        why = "the function's own settings have changed since the run began"
    elif serving and other:  # another may have made it, and no one agreed to lose it
        why = other
    elif not guarded and (moved := taken_since(unit, then)):
        why = moved
    elif others := set_since(unit, live, then):
        why = f"{others}, changed by other means since the run began"
    else:
        return unit
    failure = Failure(why, kind="changed since", advice="run `plan` to see what would change now, then `deploy`")
    # It keeps its intended change, so that `resume` makes it as soon as that is possible again.
    meant, base = _fingerprint_of(then), then.base_version_id or None
    return replace(
        unit, action=Action.BLOCKED, reason=why, failure=failure, changes=(), fingerprint=meant, base_version_id=base
    )
