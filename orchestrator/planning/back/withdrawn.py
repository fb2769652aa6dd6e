"""What was rolled back stays rolled back: an unattended run does not deploy it again until something in it changes.
Pure.

The copy that a rollback makes has a mark of the Version that it withdrew. So this works on every machine, and without a
journal.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.model import Action, ChangeKind, Failure, Fingerprint, FunctionSpec, Plan, Unit, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import again_option
from orchestrator.version.as_live import desired_on
from orchestrator.version.stamp import is_withdrawn, read_back_mark, read_stamp

WITHDRAWN = "withdrawn"  # the kind of failure


def without_withdrawn(
    plan: Plan, live: LiveState, *, again: Container[str] = (), rollbacks: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Block what was rolled back and has not changed since. `again`: keys or names of functions to deploy anyway.
    `rollbacks`: what is known of a rollback, by the ID of the Version that it made.

    | live                         | desired                 | becomes                        |
    | ---                          | ---                     | ---                            |
    | a rollback's copy            | what it withdrew        | blocked, unless it is `again`  |
    | any, after a rollback's copy | what that copy withdrew | blocked, unless deployed again since |
    | a rollback's copy            | anything else           | as planned                     |
    | anything else                | anything                | as planned                     |
    """
    back = {version.function_id for version in live.versions.values() if read_back_mark(version.description)}
    made: dict[str, list[Version]] = {}
    for version in live.versions.values():
        if version.function_id in back:
            made.setdefault(version.function_id, []).append(version)
    copies = {unit.key: _put_instead(unit, live, made.get(unit.function_id or "", ())) for unit in plan.units}
    by = {key: rollbacks.get(copy.id, "a rollback") for key, copy in copies.items() if copy is not None}
    options = {one: _again(one, by, again) for one in set(by.values())}
    return Plan(tuple(_held_back(unit, by.get(unit.key, ""), again, options) for unit in plan.units))


def _put_instead(unit: Unit, live: LiveState, made: Iterable[Version]) -> Version | None:
    """Return the copy by which a rollback replaced what a unit is to make, None if there is none."""
    latest = live.latest(unit.function_id) if unit.function_id is not None else None
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    if latest is None or unit.fingerprint is None or not makes:
        return None
    copied = live.versions.get(unit.spec.code.version_id) if isinstance(unit.spec.code, VersionCopy) else None
    desired = desired_on(unit.fingerprint, unit.spec, latest)
    return latest if is_withdrawn(latest, desired, copied) else _withdrawn_before(unit.fingerprint, made, unit.spec)


def _again(by: str, withdrawn: Mapping[str, str], again: Container[str]) -> str:
    """Return the option for everything that one rollback has withdrawn, since it is reported as a whole."""
    alike = [key for key, one in withdrawn.items() if one == by and key not in again]
    return again_option(alike, [key for key, one in withdrawn.items() if one != by]) if alike else ""


def _held_back(unit: Unit, by: str, again: Container[str], options: Mapping[str, str]) -> Unit:
    if not by:
        return unit
    if unit.key in again or unit.spec.name in again:
        return replace(unit, reason=f"{unit.reason}; deployed again, although {by} withdrew it")
    failure = Failure(
        f"withdrawn by {by}: the previous version was restored and nothing has changed since",
        kind=WITHDRAWN,
        advice=f"change the function, or deploy it again with {options[by]}",
    )
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure, changes=())


def _withdrawn_before(digest: Fingerprint, made: Iterable[Version], spec: FunctionSpec | None = None) -> Version | None:
    """Return the copy by which a rollback replaced what is desired, if others were deployed since, but not this again.
    None: there is none. Settings that are left as they are live may differ since.
    """
    versions = sorted(made, key=lambda one: str(one.created_at))
    for version in reversed(versions):
        desired = desired_on(digest, spec, version) if spec is not None else digest
        if is_withdrawn(version, desired):
            return version
        if read_stamp(version.description) == desired:
            return None
    return None


def stands_for(latest: Version, live: LiveState) -> frozenset[str]:
    """Return the IDs of the Versions that the live one represents: itself, and if a rollback made it, those that it
    copies, by their stamps. A verification that they passed counts for it, and it needs no tags that they hold.
    """
    stamp = read_stamp(latest.description)
    if stamp is None or not read_back_mark(latest.description):
        return frozenset((latest.id,))
    same = (one.id for one in live.versions.values() if one.function_id == latest.function_id and _is(one, stamp))
    return frozenset((latest.id, *same))


def _is(version: Version, stamp: Fingerprint) -> bool:
    found = read_stamp(version.description)
    return found == stamp and found.forced == stamp.forced
