"""A prune for people and for programs: which old Versions go, why the others stay, how much quota that frees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.model.units import GB, MB
from orchestrator.planning.prune.plan import FunctionPrune, PrunePlan, UsageAfter
from orchestrator.planning.prune.rule import Why
from orchestrator.report.plain_text import aligned, counted, named
from orchestrator.report.views import PruneView

_FIRST = 20  # functions listed before a run; a dry run lists all
_NAMED = 5  # functions that are left alone
_WORDS = {
    Why.LAST_RUN: "of functions whose last run is not settled",
    Why.LATEST: "as $latest",
    Why.TAGGED: "with a tag",
    Why.CHANGING: "being made or deleted",
    Why.OPERATION: "of functions with an unfinished Operation",
    Why.NAMED: "named in the manifest",
    Why.RUN: "needed to take back one of the last runs",
    Why.NEWEST: "among the newest of their function",
    Why.OTHERS: "not made by this tool (--all)",
    Why.EVIDENCE: "as evidence of who made the live version, or of a withdrawn one",
    Why.UNRECORDED: "not old enough to go without records of runs",
    Why.NEW_SINCE: "not in the run that is resumed",
}


def prune_text(view: PruneView, *, whole: bool = False) -> str:
    """Return a line for each function that has versions to delete, and why the others are kept."""
    prune = view.prune
    going = sorted((one for one in prune.functions if one.goes), key=lambda one: (one.function.folder_id, one.key))
    shown = going if whole or view.verbose else going[:_FIRST]
    lines = [aligned(("function", "delete", "keep", "size"), [_row(one) for one in shown], width=None)] if shown else []
    if len(going) > len(shown):
        lines.append(f"  … and {len(going) - len(shown)} more")
    if view.verbose:
        lines += [line for one in prune.functions for line in _versions(one)]
    lines += [f"kept: {count} {_WORDS[why]}" for why, count in _reasons(prune)]
    lines += _left_alone(prune, verbose=view.verbose)
    lines += [f"note: {note}" for note in prune.notes]
    for one in prune.usage:
        text = f"{one.usage:g} of {one.limit:g} now, {one.expected:g} after the deletion"
        lines.append(f"quota {one.quota} of cloud {one.cloud_id}: {text}")
    lines.append(headline(prune))
    return "\n".join(lines)


def headline(prune: PrunePlan) -> str:
    """Return the plan in one line."""
    if not prune.goes:
        return f"prune: nothing to delete; {counted(prune.stays, 'version')} of {_functions(prune)} kept"
    size = f" ({size_words(prune.size_bytes)})" if prune.size_bytes else ""
    total = prune.goes + prune.stays
    return (
        f"prune: {prune.goes} of {counted(total, 'version')} of {_functions(prune)} to delete{size}, {prune.stays} kept"
    )


def _functions(prune: PrunePlan) -> str:
    return counted(len(prune.functions), "function")


def _row(one: FunctionPrune) -> tuple[str, str, str, str]:
    goes = one.goes
    size = sum(version.size_bytes for version in goes)
    return one.key, str(len(goes)), str(len(one.versions) - len(goes)), size_words(size) if size else "-"


def _versions(one: FunctionPrune) -> Iterator[str]:
    for version in one.versions:
        made = f"{version.created_at:%Y-%m-%d %H:%M:%S}" if version.created_at is not None else "at an unknown time"
        detail = f": {version.detail}" if version.detail else ""
        verdict = "delete" if version.goes else f"keep, {version.why}{detail}"
        yield f"  {one.key} {version.version_id} made {made}: {verdict}"


def _reasons(prune: PrunePlan) -> list[tuple[Why, int]]:
    counts = prune.reasons
    return [(why, counts[why]) for why in Why if counts[why]]


def _left_alone(prune: PrunePlan, *, verbose: bool) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for one in prune.functions:
        if one.left_alone:
            by_reason.setdefault(one.left_alone, []).append(one.key)
    for why, keys in by_reason.items():
        yield f"left alone: {named(keys, None if verbose else _NAMED)}: {why}"


def size_words(size_bytes: int) -> str:
    """Return a rounded size: 1.5 GB, 12 MB."""
    for unit, factor in (("GB", GB), ("MB", MB), ("KB", 1024)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def prune_json(prune: PrunePlan) -> dict[str, Any]:
    """Return it as JSON values, with each Version and why it is deleted or kept."""
    return {
        "functions": [_function_json(one) for one in prune.functions],
        "goes": prune.goes,
        "stays": prune.stays,
        "size_bytes": prune.size_bytes,
        "reasons": {str(why): count for why, count in _reasons(prune)},
        "notes": list(prune.notes),
        "usage": [
            {
                "cloud_id": one.cloud_id,
                "quota": one.quota,
                "usage": one.usage,
                "limit": one.limit,
                "usage_after": one.expected,
            }
            for one in prune.usage
        ],
    }


def usage_text(usage: Sequence[UsageAfter]) -> str:
    """Return how much of each quota is used after the deletion, and whether the cloud says so."""
    lines = []
    for one in usage:
        how = "as read from the cloud" if one.read else "computed: the cloud gives no number"
        was = one.before
        text = f"{was.usage:g} of {was.limit:g} before, {one.after:g} after, {how}"
        lines.append(f"quota {was.quota} of cloud {was.cloud_id}: {text}")
    return "\n".join(lines)


def usage_json(usage: Sequence[UsageAfter]) -> list[dict[str, Any]]:
    """Return the same as JSON values. `read`: the cloud was asked after the deletions."""
    return [
        {
            "cloud_id": one.before.cloud_id,
            "quota": one.before.quota,
            "limit": one.before.limit,
            "usage": one.before.usage,
            "usage_after": one.after,
            "read": one.read,
        }
        for one in usage
    ]


def _function_json(one: FunctionPrune) -> dict[str, Any]:
    return {
        "function": one.key,
        "name": one.function.name,
        "folder_id": one.function.folder_id,
        "function_id": one.function.id,
        "left_alone": one.left_alone,
        "versions": [
            {
                "version_id": version.version_id,
                "created_at": version.created_at.isoformat() if version.created_at is not None else None,
                "size_bytes": version.size_bytes,
                "goes": version.goes,
                "why": str(version.why),
                "detail": version.detail,
            }
            for version in one.versions
        ],
    }
