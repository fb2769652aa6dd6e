"""Verification for people: what a plan adds to each function, when users get a new version, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import LATEST, ChangeKind, FunctionSpec, Unit

NONE = "none"  # the version was not verified, or there is no verdict
SKIPPED = "verification is skipped (--no-verify)"


def then_words(unit: Unit) -> str:
    """Return what follows once a function's version exists: "then verified by a call, then stable moves", or ""."""
    kinds = [change.kind for change in unit.changes]
    verified = f"verified by {_way(unit.spec)}" if ChangeKind.VERIFY in kinds else ""
    tags = promoted(unit)
    unverified = " unverified, since no `verify` is declared" if unit.spec.verify is None else ""
    moves = f"{', '.join(tags)} move{'' if len(tags) > 1 else 's'}{unverified}" if tags else ""
    parts = [f"then {part}" for part in (verified, moves) if part]
    return ", ".join(parts)


def promoted(unit: Unit) -> list[str]:
    """Return the promoted tags that a unit moves."""
    moves = [change.after for change in unit.changes if change.kind is ChangeKind.TAG]
    return [tag for after in moves for tag in after if tag in unit.spec.promote]


def met_when(units: Iterable[Unit]) -> Iterator[tuple[str, list[str]]]:
    """Yield when users get a new version that is verified or promoted, and which functions that concerns."""
    by_condition: dict[str, list[str]] = {}
    for unit in units:
        kinds = {change.kind for change in unit.changes}
        if ChangeKind.VERSION not in kinds or not (ChangeKind.VERIFY in kinds or promoted(unit)):
            continue
        by_condition.setdefault(_met(unit), []).append(unit.key)
    yield from by_condition.items()


def _met(unit: Unit) -> str:
    called_by, tags = unit.spec.called_by, promoted(unit)
    first = "it is verified" if any(one.kind is ChangeKind.VERIFY for one in unit.changes) else "its tags move"
    if called_by == LATEST:
        return f"users call $latest: they get the new version before {first}"
    if called_by in unit.spec.settings.tags:
        return f"users call the tag {called_by}, which `tags` moves at once: they get the new version before {first}"
    if called_by in tags or called_by == "tag":
        name = called_by if called_by in tags else ", ".join(tags) or "that they call"
        return f"users call the tag {name}: they get the new version once it has moved"
    return f"users call the tag {called_by}, which does not move: they do not get the new version"


def _way(spec: FunctionSpec) -> str:
    if spec.verify is None or not (spec.verify.command or spec.verify.http):
        return "a call"
    return "a command" if spec.verify.command else "an HTTP call"


def verdict_of(unit: UnitState) -> VersionVerified | None:
    """Return the last verdict on a unit's version."""
    return next(reversed(unit.verdicts.values()), None)


def is_verified(units: Sequence[UnitState]) -> bool:
    """Return whether any of these units has something to verify."""
    return any(unit.verdicts or any(one.change.kind is ChangeKind.VERIFY for one in unit.changes) for unit in units)


def verdict_word(unit: UnitState) -> str:
    """Return the verdict on a unit's version: passed, failed, inconclusive or none; "-" where nothing is declared."""
    verdict = verdict_of(unit)
    if verdict is not None:
        return str(verdict.verdict)
    return NONE if is_verified([unit]) else "-"
