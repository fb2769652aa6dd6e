"""Adds verification and promotion to the changes of a unit (pure). Also finds promotions that someone has undone: no
run moves a tag back silently.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from shlex import quote

from orchestrator.errors import CloudError
from orchestrator.model import LATEST, Action, Change, ChangeKind, Failure, FunctionSpec, TagHeld, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import NO_ROLLBACKS, KnownRollbacks, again_option
from orchestrator.planning.back.withdrawn import WITHDRAWN, stands_for
from orchestrator.ports import Reading
from orchestrator.resilience.groups import each
from orchestrator.version.adoption import Adoption
from orchestrator.version.rings import next_ring, ring_of, without_rings

MOVED = "moved by hand"  # the kind of failure
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Verifying:
    """What is known of verification. `passed`: IDs of Versions that have passed. `others`: what is known of others that
    were verified, by ID. `skipped`: this run verifies nothing. `rings`: new Versions get a ring tag even if they are
    not verified.
    """

    passed: frozenset[str] = frozenset()
    others: Mapping[str, str] = field(default_factory=dict)
    skipped: bool = False
    rings: bool = False


NOT_VERIFYING = Verifying()


def with_verification(unit: Unit, live: LiveState, verifying: Verifying, taken: Collection[str] = ()) -> Unit:
    """Add to a unit's changes what follows its Version. `taken`: the tags that its Function has.

    | the unit                                | its changes end with                                   |
    | ---                                     | ---                                                    |
    | makes a Version                         | verify, if declared; then a tag for each promoted one  |
    | leaves the live one, which has passed   | a tag for each promoted one that another Version holds |
    | leaves the live one, not known to pass  | verify, then the same                                  |
    | leaves a rollback's copy of another one | the same, and that other one counts as the live one    |
    | is blocked                              | nothing                                                |
    """
    spec = unit.spec
    if unit.action is Action.BLOCKED:
        return unit
    latest = live.latest(unit.function_id) if unit.function_id is not None else None
    held = _holders(unit, live)
    if _makes_version(unit):
        checks = [Change(ChangeKind.VERIFY, {}, {LATEST: None})] if _is_verified(spec, verifying) else []
        moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: None}) for tag in spec.promote]
        unit = _with_ring(unit, latest, live, verifying, taken)
        return replace(unit, changes=(*unit.changes, *checks, *moves))
    if latest is None:
        return unit
    good = stands_for(latest, live)
    is_checked = _is_verified(spec, verifying) and verifying.passed.isdisjoint(good)
    checks = [Change(ChangeKind.VERIFY, {}, {LATEST: latest.id})] if is_checked else []
    elsewhere = [tag for tag in spec.promote if held.get(tag) not in good]
    moves = [Change(ChangeKind.TAG, {tag: held.get(tag, "")}, {tag: latest.id}) for tag in elsewhere]
    if not checks and not moves:
        return unit
    # A known bad result is reported even if nothing is verified: the tags move anyway.
    unknown = "is not known to have passed its verification" if is_checked else ""
    words = verifying.others.get(latest.id, unknown) if spec.verify is not None else ""
    reason = " and ".join(part for part in (words, _lacks(elsewhere)) if part)
    changes = (*unit.changes, *checks, *moves)
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.VERIFY, reason=f"{latest.id} {reason}", changes=changes)
    return replace(unit, reason=f"{unit.reason}; {latest.id} {reason}", changes=changes)


def tags_by_function(live: LiveState) -> Mapping[str, set[str]]:
    """Return the tags that each Function has, by ID."""
    found: dict[str, set[str]] = {}
    for function_id, tag in live.tagged:
        if tag != LATEST:
            found.setdefault(function_id, set()).add(tag)
    return found


def on_another_base(unit: Unit, base: Version | None, latest: Version) -> Unit:
    """Return a unit on another `$latest` than planned, with the ring tag that this one lacks."""
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
    """Return a unit whose new Version takes a ring tag, in its body and in its change."""
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


async def moved_by_hand(
    world: Reading,
    units: Iterable[Unit],
    adopt: Adoption,
    known: KnownRollbacks = NO_ROLLBACKS,
    again: Container[str] = (),
) -> dict[str, Failure]:
    """Return failures for the units that would move a tag back to the live Version, or on to its successor, although
    someone has taken the tag from it.

    Without a tag history nothing is found, and the tag moves. It also moves from where a rollback of ours has put it,
    since the live Version never had it. If the live Version had it, that rollback has withdrawn the tag, as far as it
    is `known`. Then a new Version gets the tag; the former holder gets it only if the function is to be deployed
    `again`.

    A new Version gets its promoted tags from any holder: it is verified, and promotion is for that.
    """
    found: dict[str, Failure] = {}

    async def look(unit: Unit) -> None:
        with suppress(CloudError):
            history = await world.read(partial(world.functions.tag_history, unit.function_id or ""))
            for change in _moves(unit):
                if (left := taken_from(history, change)) is None or _may(unit, change, adopt):
                    continue
                if by := known.mover(unit, change, left):
                    if not (unit.key in again or unit.spec.name in again or _makes_version(unit)):
                        found[unit.key] = _withdrawn(unit, change, by)
                    continue
                found[unit.key] = _failure(unit, change, left, await _who(world, unit, change, left))
                return

    await each([unit for unit in units if _moves(unit)], look, at_once=_AT_ONCE)
    return found


def taken_from(history: Iterable[TagHeld], change: Change) -> datetime | None:
    """Return when a tag was taken from the Version that a change gives it to, None if that never had it."""
    ((tag, version_id),) = change.after.items()
    ends = [row.to_at for row in history if (row.tag, row.version_id) == (tag, version_id) and row.to_at is not None]
    return max(ends, default=None)


def _moves(unit: Unit) -> list[Change]:
    """Return the tag moves to the live Version, or to its successor, of tags that another Version holds. A promoted tag
    may also be held by none: it was verified, then removed.
    """
    promoted, declared = set(unit.spec.promote), set(without_rings(unit.spec.settings.tags))
    found = []
    for change in unit.changes:
        if change.kind is ChangeKind.TAG and None not in change.after.values():
            held = any(change.before.values())
            if promoted & change.after.keys() or (held and declared & change.after.keys()):
                found.append(change)
        elif change.kind is ChangeKind.VERSION and unit.base_version_id:
            found += [
                Change(ChangeKind.TAG, {tag: holder}, {tag: unit.base_version_id})
                for tag, holder in change.before.items()
                if tag in declared and holder not in ("", unit.base_version_id)
            ]
    return found


def _may(unit: Unit, change: Change, adopt: Adoption) -> bool:
    return adopt.allows((unit.key, unit.spec.name), _holder(change))


def _holder(change: Change) -> str:
    """Return the Version that has the tag now, or if none has, the one that had it."""
    ((before, after),) = zip(change.before.values(), change.after.values(), strict=True)
    return str(before or after)


async def _who(world: Reading, unit: Unit, change: Change, at: datetime) -> str:
    """Return who moved a tag at a time, "" if unknown."""
    operations = await world.read(partial(world.functions.list_operations, unit.function_id or ""))
    holder = next(iter(change.before.values()))
    moves = [
        one
        for one in operations
        if one.created_at is not None and one.created_at <= at and (not holder or one.version_id == holder)
    ]
    return max(moves, key=lambda one: str(one.created_at)).created_by if moves else ""


def _where(change: Change) -> tuple[str, str]:
    ((tag, holder),) = change.before.items()
    return tag, f"to {holder}" if holder else "away"


def _makes_version(unit: Unit) -> bool:
    return any(change.kind is ChangeKind.VERSION for change in unit.changes)


def _withdrawn(unit: Unit, change: Change, by: str) -> Failure:
    tag, where = _where(change)
    return Failure(
        f"withdrawn by {by}: it moved the tag {tag} {where}, and nothing has changed since",
        kind=WITHDRAWN,
        advice=f"change the function, or deploy it anyway with {again_option([unit.key])}",
    )


def _failure(unit: Unit, change: Change, at: datetime, who: str) -> Failure:
    tag, where = _where(change)
    by = f" by {who}" if who else ""
    key = "promote" if tag in unit.spec.promote else "tags"
    return Failure(
        f"the tag {tag} was moved by hand: {where} at {at:%Y-%m-%d %H:%M:%S} UTC{by}",
        kind=MOVED,
        advice=f"leave it there and remove it from `{key}`, or move it with --adopt"
        f" {quote(f'{unit.key}@{_holder(change)}')}",
    )
