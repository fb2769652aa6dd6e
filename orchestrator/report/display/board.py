"""How far a job has come, function by function: its board, with the outcome of its last run, in words and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.job.contract import JobStatus
from orchestrator.journal.state import RunState
from orchestrator.model import Blocked, Failed, Outcome, Unknown
from orchestrator.report.plain_text import aligned, counted

STATUSES = ("done", "old tags", "waiting", "failed", "skipped")
_HEAD = ("runtime", "folder", *STATUSES)


def statuses(board: Iterable[JobStatus], last_run: RunState | None) -> tuple[JobStatus, ...]:
    """Add the last run's outcome: functions that still wait because they failed there are "failed", with the reason."""
    units = last_run.units if last_run is not None else {}
    found = []
    for row in board:
        unit = units.get(row.key)
        if row.status == "waiting" and unit is not None and unit.folder_id == row.folder_id:
            found.append(_after(row, unit.outcome))
        else:
            found.append(row)
    return tuple(found)


def _after(row: JobStatus, outcome: Outcome | None) -> JobStatus:
    if isinstance(outcome, Failed):
        return replace(row, status="failed", note=f"{outcome.step}: {outcome.failure.message}")
    if isinstance(outcome, Blocked):
        return replace(row, status="failed", note=outcome.reason)
    if isinstance(outcome, Unknown):  # not a failure: the next run asks again
        return replace(row, note=outcome.reason)
    return row


def board_text(rows: Sequence[JobStatus], *, width: int | None) -> str:
    """Show counts per runtime and folder, then what waits, failed, was skipped, or is done except for old tags."""
    if not rows:
        return "no function uses or used these runtimes"
    parts = [f"{counted(len(rows), 'function')}: {_totals(rows)}", _counts(rows, width)]
    for status in ("waiting", "failed", "skipped", "old tags"):
        found = [row for row in rows if row.status == status]
        if found:
            parts.append(_section(status, found, width))
    return "\n\n".join(parts)


def _totals(rows: Sequence[JobStatus]) -> str:
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])


def _counts(rows: Sequence[JobStatus], width: int | None) -> str:
    table = [
        [runtime, folder_id, *(str(counts[status]) for status in STATUSES)]
        for (runtime, folder_id), counts in by_place(rows).items()
    ]
    return aligned(_HEAD, table, width=width, numbers=frozenset(STATUSES))


def by_place(rows: Sequence[JobStatus]) -> Mapping[tuple[str, str], Counter[str]]:
    """Return the statuses per runtime and folder, sorted."""
    places: dict[tuple[str, str], Counter[str]] = {}
    for row in sorted(rows, key=lambda row: (row.runtime, row.folder_id)):
        places.setdefault((row.runtime, row.folder_id), Counter())[row.status] += 1
    return places


def _section(title: str, rows: Sequence[JobStatus], width: int | None) -> str:
    noted = any(row.note for row in rows)
    head = [title, "runtime", "folder", *(["why"] if noted else [])]
    cells = [[row.key, row.runtime, row.folder_id, *([row.note] if noted else [])] for row in rows]
    return aligned(head, cells, width=width)


def board_json(rows: Sequence[JobStatus]) -> dict[str, Any]:
    """Return a board as JSON values: `run NAME --status`."""
    totals = Counter(row.status for row in rows)
    return {
        "totals": {status: totals[status] for status in STATUSES},
        "counts": [
            {"runtime": runtime, "folder_id": folder_id, **{status: counted[status] for status in STATUSES}}
            for (runtime, folder_id), counted in by_place(rows).items()
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
