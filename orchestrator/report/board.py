"""How far a job has come, function by function, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.job.contract import JobStatus
from orchestrator.journal.state import RunState
from orchestrator.model import Blocked, Failed, Outcome, Unknown
from orchestrator.report.columns import aligned
from orchestrator.report.redact import redact

_STATUSES = ("done", "waiting", "failed", "skipped")
_HEAD = ("runtime", "folder", *_STATUSES)


def statuses(board: Iterable[JobStatus], last_run: RunState | None) -> tuple[JobStatus, ...]:
    """Lay the last run of the job over its board: what still waits because it failed there is "failed", with why."""
    units = last_run.units if last_run is not None else {}
    found = []
    for standing in board:
        unit = units.get(standing.key)
        if standing.status == "waiting" and unit is not None and unit.folder_id == standing.folder_id:
            found.append(_after(standing, unit.outcome))
        else:
            found.append(standing)
    return tuple(found)


def _after(standing: JobStatus, outcome: Outcome | None) -> JobStatus:
    if isinstance(outcome, Failed):
        return replace(standing, status="failed", note=redact(f"{outcome.step}: {outcome.failure.message}"))
    if isinstance(outcome, Blocked):
        return replace(standing, status="failed", note=redact(outcome.reason))
    if isinstance(outcome, Unknown):  # no failure: the next run asks again
        return replace(standing, note=redact(outcome.reason))
    return standing


def board_text(board: Iterable[JobStatus], last_run: RunState | None = None, *, width: int = 160) -> str:
    """Show counts per runtime and folder, then what waits, failed, was skipped, or is done but not quite."""
    rows = statuses(board, last_run)
    if not rows:
        return "no function is or was on these runtimes"
    parts = [f"{len(rows)} function{'s' if len(rows) != 1 else ''}: {_told(rows)}", _counts(rows, width)]
    for status in ("waiting", "failed", "skipped"):
        found = [row for row in rows if row.status == status]
        if found:
            parts.append(_section(status, found, width))
    left = [row for row in rows if row.status == "done" and row.note]
    if left:
        parts.append(_section("done, but", left, width))
    return "\n\n".join(parts)


def _told(rows: Sequence[JobStatus]) -> str:
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])


def _counts(rows: Sequence[JobStatus], width: int) -> str:
    table = [
        [runtime, folder_id, *(str(counts[status]) for status in _STATUSES)]
        for (runtime, folder_id), counts in _by_place(rows).items()
    ]
    return aligned(_HEAD, table, width=width, numbers=frozenset(_STATUSES))


def _by_place(rows: Sequence[JobStatus]) -> Mapping[tuple[str, str], Counter[str]]:
    places: dict[tuple[str, str], Counter[str]] = {}
    for row in sorted(rows, key=lambda row: (row.runtime, row.folder_id)):
        places.setdefault((row.runtime, row.folder_id), Counter())[row.status] += 1
    return places


def _section(title: str, rows: Sequence[JobStatus], width: int) -> str:
    noted = any(row.note for row in rows)
    head = [title, "runtime", "folder", *(["why"] if noted else [])]
    cells = [[row.key, row.runtime, row.folder_id, *([row.note] if noted else [])] for row in rows]
    return aligned(head, cells, width=width)


def board_json(board: Iterable[JobStatus], last_run: RunState | None = None) -> dict[str, Any]:
    """Give the board as JSON values: `run NAME --status --output json`."""
    rows = statuses(board, last_run)
    totals = Counter(row.status for row in rows)
    return {
        "totals": {status: totals[status] for status in _STATUSES},
        "counts": [
            {"runtime": runtime, "folder_id": folder_id, **{status: counts[status] for status in _STATUSES}}
            for (runtime, folder_id), counts in _by_place(rows).items()
        ],
        "functions": [
            {
                "function": row.key,
                "folder_id": row.folder_id,
                "runtime": row.runtime,
                "status": row.status,
                "note": row.note,
            }
            for row in rows
        ],
    }
