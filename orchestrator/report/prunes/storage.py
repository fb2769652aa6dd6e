"""What is stored in the bucket and may be deleted, for people and for programs: before it is deleted, and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.planning.prune.leftovers import NOTHING, Leftovers, Removed, Total, total_of
from orchestrator.report.plain_text import counted
from orchestrator.report.plan_text import environment_head
from orchestrator.report.prunes.prune_text import prune_json, prune_text, size_words
from orchestrator.report.records import iso
from orchestrator.report.views import PruneView, StorageView

_FIRST = 20  # objects listed, of those to delete, and of those that could not be deleted


def pruning_text(view: PruneView, *, whole: bool = False) -> str:
    """Return what a prune is about: Versions and objects in the bucket, as far as they were asked for."""
    parts = environment_head(view.environment)
    parts += [prune_text(view, whole=whole)] if view.prune.functions or view.storage is None else []
    parts += [storage_text(view.storage)] if view.storage is not None else []
    return "\n\n".join(parts)


def pruning_json(view: PruneView) -> dict[str, Any]:
    """Return the same as JSON values; `storage` where anything in a bucket was asked for."""
    storage = {"storage": storage_json(view.storage)} if view.storage is not None else {}
    return prune_json(view.prune) | storage


def storage_text(view: StorageView) -> str:
    """Return what may be deleted of each kind, and what is kept and why. After a prune: what is deleted and left."""
    kinds = {kind.kind: kind for kind in view.found.kinds if kind.before.number}
    lines = [f"bucket {view.found.bucket}:{'' if kinds else ' nothing to prune'}"]
    if view.removed is None:
        lines += [line for kind in kinds.values() for line in _before(kind, whole=view.whole)]
    else:
        lines += [line for one in view.removed if one.kind in kinds for line in _after(kinds[one.kind], one, view.left)]
    return "\n".join(lines)


def _before(kind: Leftovers, *, whole: bool) -> Iterator[str]:
    goes, before = total_of(kind.goes), kind.before
    yield f"  {kind.kind}: {goes.number} of {_total(before)} to delete{_bytes(goes) if goes.number else ''}"
    yield from (f"    kept: {_total(total)}: {why}" for why, total in kind.kept.items())
    yield from (f"    {said}" for said in kind.held)
    shown = kind.goes if whole else kind.goes[: _FIRST if goes.number <= _FIRST else 0]
    yield from (f"    to delete: {one.key} ({size_words(one.size_bytes)}, {iso(one.modified_at)})" for one in shown)


def _after(kind: Leftovers, removed: Removed, now: Mapping[str, Total] | None) -> Iterator[str]:
    left, how = _left(kind, removed, now)
    yield f"  {kind.kind}: {_total(removed.gone)} of {_total(kind.before)} deleted, {_total(left)} left{how}"
    if removed.again:
        yield f"    {counted(len(removed.again), 'object')} uploaded again by another run: kept"
    if removed.left:
        yield f"    {counted(removed.left, 'object')} not reached: run `orchestrator prune` again"
    yield from _failed(removed.failed)


def _left(kind: Leftovers, removed: Removed, now: Mapping[str, Total] | None) -> tuple[Total, str]:
    """Return how much is left, and how that is known, where it was not read."""
    if now is not None:
        return now.get(kind.kind, NOTHING), ""
    gone = removed.gone
    computed = " (computed)" if gone.number else ""
    return Total(kind.before.number - gone.number, kind.before.size_bytes - gone.size_bytes), computed


def _failed(failed: dict[str, str]) -> Iterator[str]:
    causes: dict[str, list[str]] = {}
    for key, why in failed.items():
        causes.setdefault(why, []).append(key)
    for why, keys in causes.items():
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        yield f"    not deleted: {keys[0]}{more}: {why}"


def _total(total: Total) -> str:
    return f"{total.number}{_bytes(total)}"


def _bytes(total: Total) -> str:
    return f" ({size_words(total.size_bytes)})"


def storage_json(view: StorageView) -> dict[str, Any]:
    """Return the same as JSON values: every object to delete, and each kind before and after."""
    removed = {one.kind: one for one in view.removed or ()}
    return {
        "bucket": view.found.bucket,
        "kinds": [_kind_json(kind, removed.get(kind.kind), view.left) for kind in view.found.kinds],
    }


def _kind_json(kind: Leftovers, removed: Removed | None, now: Mapping[str, Total] | None) -> dict[str, Any]:
    values = {
        "kind": kind.kind,
        "before": _total_json(kind.before),
        "after": _total_json(kind.after),
        "goes": [
            {"object": one.key, "size_bytes": one.size_bytes, "modified_at": iso(one.modified_at)} for one in kind.goes
        ],
        "kept": [{"reason": why, **_total_json(total)} for why, total in kind.kept.items()],
        "held": list(kind.held),
    }
    if removed is None:
        return values
    left, _ = _left(kind, removed, now)
    return values | {
        "after": _total_json(left),
        "after_read": now is not None,
        "deleted": _total_json(removed.gone),
        "put_again": list(removed.again),
        "not_come_to": removed.left,
        "failed": [{"object": key, "reason": why} for key, why in removed.failed.items()],
    }


def _total_json(total: Total) -> dict[str, int]:
    return {"objects": total.number, "size_bytes": total.size_bytes}
