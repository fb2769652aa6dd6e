"""What was rolled back stays so: an unattended run does not deploy it again until something of it changes. Pure.

The copy that a rollback makes bears a mark of what was withdrawn for it, so that this holds on every machine, whatever
has become of journals.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.model import Action, ChangeKind, Failure, Fingerprint, FunctionSpec, Plan, Unit, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import again_option
from orchestrator.version.as_live import wanted_on
from orchestrator.version.stamp import is_withdrawn, read_back_mark, read_stamp

WITHDRAWN = "withdrawn"  # the kind of failure


def without_withdrawn(
    plan: Plan, live: LiveState, *, again: Container[str] = (), told: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Block what was rolled back and is just as it was then. `again`: keys or names of functions of which somebody says
    that they are to be deployed all the same. `told`: what is known of a rollback, by the id of the Version it made.

    | live is                            | wanted is                      | becomes                       |
    | ---                                | ---                            | ---                           |
    | a copy that a rollback has made    | what was withdrawn for it      | blocked, until it is `again`  |
    | any, after such a copy             | what was withdrawn for that    | blocked, unless it was `again`|
    | a copy that a rollback has made    | anything else                  | what it is                    |
    | anything else                      | anything                       | what it is                    |
    """
    back = {version.function_id for version in live.versions.values() if read_back_mark(version.description)}
    made: dict[str, list[Version]] = {}
    for version in live.versions.values():
        if version.function_id in back:
            made.setdefault(version.function_id, []).append(version)
    copies = {unit.key: _put_instead(unit, live, made.get(unit.function_id or "", ())) for unit in plan.units}
    by = {key: told.get(copy.id, "a rollback") for key, copy in copies.items() if copy is not None}
    options = {one: _again(one, by, again) for one in set(by.values())}
    return Plan(tuple(_held_back(unit, by.get(unit.key, ""), again, options) for unit in plan.units))


def _put_instead(unit: Unit, live: LiveState, made: Iterable[Version]) -> Version | None:
    """Find the copy that a rollback has put in the place of what a unit is to make. None: there is none."""
    latest = live.latest(unit.function_id) if unit.function_id is not None else None
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    if latest is None or unit.fingerprint is None or not makes:
        return None
    copied = live.versions.get(unit.spec.code.version_id) if isinstance(unit.spec.code, VersionCopy) else None
    wanted = wanted_on(unit.fingerprint, unit.spec, latest)
    return latest if is_withdrawn(latest, wanted, copied) else _withdrawn_before(unit.fingerprint, made, unit.spec)


def _again(by: str, withdrawn: Mapping[str, str], again: Container[str]) -> str:
    """Write the option for all that one rollback has withdrawn, which is told as one."""
    alike = [key for key, one in withdrawn.items() if one == by and key not in again]
    return again_option(alike, [key for key, one in withdrawn.items() if one != by]) if alike else ""


def _held_back(unit: Unit, by: str, again: Container[str], options: Mapping[str, str]) -> Unit:
    if not by:
        return unit
    if unit.key in again or unit.spec.name in again:
        return replace(unit, reason=f"{unit.reason}; again, though it was withdrawn by {by}")
    failure = Failure(
        f"withdrawn by {by}: the former version was put in its place, and nothing of it has changed since",
        kind=WITHDRAWN,
        advice=f"change it, or deploy it all the same with {options[by]}",
    )
    return replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure, changes=())


def _withdrawn_before(digest: Fingerprint, made: Iterable[Version], spec: FunctionSpec | None = None) -> Version | None:
    """Find the copy that a rollback has put in the place of what is wanted, where others were deployed since, but not
    this again. None: there is none. What is left as it is live may be another since.
    """
    versions = sorted(made, key=lambda one: str(one.created_at))
    for version in reversed(versions):
        wanted = wanted_on(digest, spec, version) if spec is not None else digest
        if is_withdrawn(version, wanted):
            return version
        if read_stamp(version.description) == wanted:
            return None
    return None


def stands_for(latest: Version, live: LiveState) -> frozenset[str]:
    """Give the ids of the Versions that the live one stands for: itself, and where a rollback has made it, those that
    it is a copy of, by their stamps. What they have passed it has passed, and the tags that they hold it needs not.
    """
    stamp = read_stamp(latest.description)
    if stamp is None or not read_back_mark(latest.description):
        return frozenset((latest.id,))
    same = (one.id for one in live.versions.values() if one.function_id == latest.function_id and _is(one, stamp))
    return frozenset((latest.id, *same))


def _is(version: Version, stamp: Fingerprint) -> bool:
    found = read_stamp(version.description)
    return found == stamp and found.forced == stamp.forced
