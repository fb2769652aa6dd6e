"""What a higher limit would have saved where a limit bound the run, and where the time went, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from orchestrator.prediction.replay import HeldWork, replayed_s
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.time_values import TimePart, WouldGive
from orchestrator.report.account.tracks import Hold
from orchestrator.report.account.usage import ScopeKey, scope_of
from orchestrator.report.plain_text import time_span

# Words for the part that took the most time.
_WORDS = {
    "waiting": "with slots free, waiting for the request rate or after refusals",
    "wave": "at the end of waves, while the next one waited for the last functions",
    "tail": "with free slots, while the last operations ran",
    "verifying": "spent verifying new versions",
    "preparing": "spent making and uploading packages",
    "pause": "in pauses between waves",
    "gate": "waiting for gates",
    "outage": "in an outage of the cloud",
    "rolling back": "spent rolling back",
    "reading back": "spent reading back the live state",
    "other": "spent on other things",
}
_NAMED_S = 0.05  # what is shorter is shown as 0.0 s
_WORTH = 0.95  # a higher limit is mentioned if it takes less than this share of the time


def would_give(found: Accounting, parts: Sequence[TimePart], seconds: float) -> WouldGive | None:
    """Return how long the run would have taken with a higher limit. None where no limit bound it, or little is saved.

    For a folder, the limit of its cloud is tried where that is higher, otherwise half as much again. At most the time
    that was bound is saved.
    """
    bound = max((part for part in parts if part.part == "bound"), key=lambda part: part.seconds, default=None)
    if bound is None or bound.limit is None:
        return None
    key = scope_of(bound.scope)
    allowed = {f"{one.kind} {one.id}": changes[-1].allowed for one, changes in found.limits.changes.items() if one.id}
    limit = _higher(found, key, bound.limit, allowed)
    saved_s = 0.0
    now, then = {**allowed, bound.scope: bound.limit}, {**allowed, bound.scope: limit}
    for work in _waves(found):
        saved_s += max(0.0, replayed_s(work, now) - replayed_s(work, then))
    faster_s = seconds - min(saved_s, bound.seconds)
    return WouldGive(bound.scope, limit, round(faster_s, 3)) if faster_s < _WORTH * seconds else None


def _higher(found: Accounting, key: ScopeKey, limit: int, allowed: dict[str, float]) -> int:
    if key.kind == "folder":
        of_cloud = int(allowed.get(f"cloud {found.limits.cloud_of(key.id)}", 0))
        if of_cloud > limit:
            return of_cloud
    return ceil(1.5 * limit)


def _waves(found: Accounting) -> list[list[HeldWork]]:
    """Return the work of each run's waves, in the order in which it began."""
    starts = [run.started.at for run in found.clock.runs]
    waves: dict[tuple[int, int], list[tuple[float, HeldWork]]] = {}
    for track in found.tracks.values():
        ended = [(hold, hold.to) for hold in track.holds if hold.to is not None and not hold.refused]
        if ended:
            began_at = ended[0][0].since
            run = sum(start <= began_at for start in starts)
            scopes = tuple(f"{key.kind} {key.id}" for key in found.limits.scopes_of(track.unit.folder_id))
            waves.setdefault((run, track.wave), []).append((began_at, HeldWork(scopes, _holds(ended))))
    return [[work for _, work in sorted(some, key=lambda one: one[0])] for _, some in sorted(waves.items())]


def _holds(ended: Sequence[tuple[Hold, float]]) -> tuple[tuple[float, float], ...]:
    """Return the length of each hold, with the work that followed it without a slot. The queue is not counted: it gets
    longer the fewer slots there are. Holds that one function had at the same time count one after the other.
    """
    after = [later.since - later.waited_s - to for (_, to), (later, _) in pairwise(ended)]
    return tuple(
        (max(0.0, to - hold.since), max(0.0, rest)) for (hold, to), rest in zip(ended, [*after, 0.0], strict=True)
    )


def time_sentence(seconds: float, parts: Sequence[TimePart], higher: WouldGive | None, *, alive: bool) -> str:
    """Return how long the run took (`alive`: so far), where most of it went, and what a higher limit would save."""
    total = f"{time_span(seconds)} so far" if alive else time_span(seconds)
    most = max(parts, key=lambda part: part.seconds, default=None)
    if most is None or most.seconds < _NAMED_S:
        return total
    if most.part != "bound":
        return f"{total}, of which {time_span(most.seconds)} {_WORDS[most.part]}"
    kind = most.scope.partition(" ")[0]
    sentence = f"{total}, of which {time_span(most.seconds)} bound by the {kind}'s {most.limit} operations"
    if higher is None or higher.scope != most.scope:
        return sentence
    return f"{sentence}; with {higher.limit} it would take {time_span(higher.seconds)}"
