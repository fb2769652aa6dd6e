"""What a plan adds to the changes of a unit so that its Version is verified, and then promoted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.model import LATEST, Action, Change, ChangeKind, FunctionSpec, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.version.rings import next_ring, ring_of, without_rings


@dataclass(frozen=True, slots=True)
class Verifying:
    """What is known of verification. `passed`: ids of Versions that have passed; `told`: what is known of others that
    were verified, by their ids; `skipped`: nothing is verified in this run; `rings`: new Versions get a ring tag even
    where they are not verified.
    """

    passed: frozenset[str] = frozenset()
    told: Mapping[str, str] = field(default_factory=dict)
    skipped: bool = False
    rings: bool = False


NOT_VERIFYING = Verifying()


def with_verification(unit: Unit, live: LiveState, verifying: Verifying, taken: Collection[str] = ()) -> Unit:
    """Add to a unit's changes what comes after its Version is there. `taken`: the tags that its Function has.

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
    held = _holders(unit, live)
    if any(change.kind is ChangeKind.VERSION for change in unit.changes):
        checks = [Change(ChangeKind.VERIFY, {}, {LATEST: None})] if _is_verified(spec, verifying) else []
        moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: None}) for tag in spec.promote]
        unit = _with_ring(unit, latest, live, verifying, taken)
        return replace(unit, changes=(*unit.changes, *checks, *moves))
    if latest is None:
        return unit
    is_checked = _is_verified(spec, verifying) and latest.id not in verifying.passed
    checks = [Change(ChangeKind.VERIFY, {}, {LATEST: latest.id})] if is_checked else []
    elsewhere = [tag for tag in spec.promote if held.get(tag) != latest.id]
    moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: latest.id}) for tag in elsewhere]
    if not checks and not moves:
        return unit
    told = verifying.told.get(latest.id, "is not known to have passed its verification") if is_checked else ""
    reason = " and ".join(part for part in (told, _lacks(elsewhere)) if part)
    changes = (*unit.changes, *checks, *moves)
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.VERIFY, reason=f"{latest.id} {reason}", changes=changes)
    return replace(unit, reason=f"{unit.reason}; {latest.id} {reason}", changes=changes)


def tags_by_function(live: LiveState) -> Mapping[str, set[str]]:
    """Give the tags that each Function has, by its id."""
    found: dict[str, set[str]] = {}
    for function_id, tag in live.tagged:
        if tag != LATEST:
            found.setdefault(function_id, set()).add(tag)
    return found


def is_promotion(unit: Unit, change: Change) -> bool:
    """Say whether a change of a unit moves one of its promoted tags."""
    return change.kind is ChangeKind.TAG and not change.after.keys().isdisjoint(unit.spec.promote)


def on_another_base(unit: Unit, base: Version | None, latest: Version) -> Unit:
    """Let a unit that is made from another `$latest` than it was planned for take the ring tag which that one lacks."""
    tags = unit.spec.settings.tags
    ring = ring_of(tags)
    other = next_ring(latest.tags) if ring else ""
    if other == ring:
        return unit
    holder_id = base.id if base is not None and other in base.tags else ""
    settings = replace(unit.spec.settings, tags=(*without_rings(tags), other))
    changes = tuple(_ring_moves(change, other, holder_id, instead_of=ring) for change in unit.changes)
    return replace(unit, spec=replace(unit.spec, settings=settings), changes=changes)


def _is_verified(spec: FunctionSpec, verifying: Verifying) -> bool:
    return spec.verify is not None and not verifying.skipped


def _with_ring(
    unit: Unit, latest: Version | None, live: LiveState, verifying: Verifying, taken: Collection[str]
) -> Unit:
    """Let the new Version take a ring tag, in its body and in its change."""
    spec = unit.spec
    if spec.verify is None and not verifying.rings:
        return unit
    ring = next_ring(latest.tags if latest is not None else (), (*taken, *spec.settings.tags, *spec.promote))
    if not ring:
        return unit
    holder = live.tagged.get((unit.function_id or "", ring))
    tagged = replace(spec, settings=replace(spec.settings, tags=(*spec.settings.tags, ring)))
    changes = tuple(_ring_moves(change, ring, holder.id if holder is not None else "") for change in unit.changes)
    return replace(unit, spec=tagged, changes=changes)


def _ring_moves(change: Change, ring: str, holder_id: str, *, instead_of: str = "") -> Change:
    if change.kind is not ChangeKind.VERSION:
        return change
    before, after = (
        {tag: one for tag, one in moved.items() if tag != instead_of} for moved in (change.before, change.after)
    )
    return replace(change, before={**before, ring: holder_id}, after={**after, ring: None})


def _holders(unit: Unit, live: LiveState) -> Mapping[str, str]:
    held = {tag: live.tagged.get((unit.function_id or "", tag)) for tag in unit.spec.promote}
    return {tag: version.id for tag, version in held.items() if version is not None}


def _lacks(tags: list[str]) -> str:
    return f"does not hold the tag{'s' if len(tags) > 1 else ''} {', '.join(tags)}" if tags else ""
