"""What a plan adds to the changes of a unit so that its Version is verified, and then promoted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.model import LATEST, Action, Change, ChangeKind, FunctionSpec, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.version.rings import next_ring


@dataclass(frozen=True, slots=True)
class Verifying:
    """What is known of verification. `passed`: ids of Versions that have passed; `skipped`: nothing is verified in this
    run; `rings`: new Versions get a ring tag even where they are not verified.
    """

    passed: frozenset[str] = frozenset()
    skipped: bool = False
    rings: bool = False


NOT_VERIFYING = Verifying()


def with_verification(unit: Unit, live: LiveState, verifying: Verifying) -> Unit:
    """Add to a unit's changes what comes after its Version is there.

    | the unit                                 | its changes end with                                              |
    | ---                                      | ---                                                               |
    | makes a Version                          | verify, where it is declared; then a tag for each promoted one    |
    | leaves the live one, which has passed    | a tag for each promoted one that another Version holds            |
    | leaves the live one, not known to pass   | verify, then the same                                             |
    | is blocked                               | nothing                                                           |
    """
    spec = unit.spec
    if unit.action is Action.BLOCKED:
        return unit
    latest = live.latest(unit.function_id) if unit.function_id is not None else None
    if any(change.kind is ChangeKind.VERSION for change in unit.changes):
        checks = [Change(ChangeKind.VERIFY, {}, {LATEST: None})] if _is_verified(spec, verifying) else []
        held = _holders(unit, live)
        moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: None}) for tag in spec.promote]
        unit = _with_ring(unit, latest, live, verifying)
        return replace(unit, changes=(*unit.changes, *checks, *moves))
    if latest is None:
        return unit
    is_checked = _is_verified(spec, verifying) and latest.id not in verifying.passed
    checks = [Change(ChangeKind.VERIFY, {}, {LATEST: latest.id})] if is_checked else []
    held = _holders(unit, live)
    elsewhere = [tag for tag in spec.promote if held.get(tag) != latest.id]
    moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: latest.id}) for tag in elsewhere]
    if not checks and not moves:
        return unit
    reason = _why(latest, is_checked=is_checked, elsewhere=elsewhere)
    changes = (*unit.changes, *checks, *moves)
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.VERIFY, reason=reason, changes=changes)
    return replace(unit, reason=f"{unit.reason}; {reason}", changes=changes)


def _is_verified(spec: FunctionSpec, verifying: Verifying) -> bool:
    return spec.verify is not None and not verifying.skipped


def _with_ring(unit: Unit, latest: Version | None, live: LiveState, verifying: Verifying) -> Unit:
    """Let the new Version take a ring tag, in its body and in its change."""
    spec = unit.spec
    if spec.verify is None and not verifying.rings:
        return unit
    ring = next_ring(latest.tags if latest is not None else (), (*spec.settings.tags, *spec.promote))
    if not ring:
        return unit
    holder = live.tagged.get((unit.function_id or "", ring))
    tagged = replace(spec, settings=replace(spec.settings, tags=(*spec.settings.tags, ring)))
    before = {ring: holder.id if holder is not None else ""}
    changes = tuple(
        replace(change, before={**change.before, **before}, after={**change.after, ring: None})
        if change.kind is ChangeKind.VERSION
        else change
        for change in unit.changes
    )
    return replace(unit, spec=tagged, changes=changes)


def _holders(unit: Unit, live: LiveState) -> Mapping[str, str]:
    held = {tag: live.tagged.get((unit.function_id or "", tag)) for tag in unit.spec.promote}
    return {tag: version.id for tag, version in held.items() if version is not None}


def _why(latest: Version, *, is_checked: bool, elsewhere: list[str]) -> str:
    tags = f"tag{'s' if len(elsewhere) > 1 else ''} {', '.join(elsewhere)}"
    if is_checked:
        return f"{latest.id} is not known to have passed its verification"
    return f"{latest.id} is verified, but does not hold the {tags}"
