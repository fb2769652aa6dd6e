"""The runs of a journal, one line each."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from orchestrator.errors import Exit
from orchestrator.journal.event_json import from_dict
from orchestrator.journal.events import RunStarted
from orchestrator.journal.identity import Identity
from orchestrator.journal.run_journal import OUTCOMES
from orchestrator.journal.runs import RunSummary

# Named as the columns are; the rest of a summary is read from the run's first record.
_SUMMARY = ["id", "verb", "endpoint", "started_at", "ended_at", "exit_code", "units", "program", "outcomes"]
_OF_FIRST = ("manifest", "resumes", "rolls_back", "identity")
# Whether a run ended, or was killed, once it had paused: only those are looked into that can have (exit code 3).
_PAUSED = """
    coalesce(runs.exit_code, 3) = 3 AND EXISTS (
        SELECT 1 FROM events AS event WHERE event.run_id = runs.id AND (
            event.kind = 'run_paused' OR (event.kind = 'breached' AND json_extract(event.data, '$.then') = 'pause')
        )
    )
"""


def read_summaries(connection: sqlite3.Connection) -> list[RunSummary]:
    """Give all runs, the newest first. Raises `sqlite3.Error`."""
    columns = ", ".join(f"runs.{name}" for name in _SUMMARY)
    rows = connection.execute(
        f"SELECT {columns}, {_PAUSED}, first.data FROM runs"  # noqa: S608 - ours
        " LEFT JOIN events AS first ON first.run_id = runs.id AND first.seq = 1"
        " ORDER BY runs.started_at DESC, runs.id DESC"
    ).fetchall()
    found = [_summary(connection, row) for row in rows]
    later = {run.resumes: run.id for run in reversed(found) if run.resumes}
    over = {*later, *(run.rolls_back for run in found)}
    first, back = _firsts(found), _rollbacks(found)
    return [
        replace(
            run,
            taken_up_by=later.get(run.id, ""),
            paused=run.paused and run.id not in over,
            rolled_back_by=by.id if (by := back.get(first[run.id])) is not None else "",
            is_back=by is not None and took_all_back(by.exit_code, by.identity),
        )
        for run in found
    ]


def took_all_back(exit_code: int | None, identity: Identity) -> bool:
    """Say whether a rollback that has ended so took back all that its run has changed."""
    return exit_code == Exit.DONE and identity.selection.is_whole


def _firsts(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Give for each run the id of its chain's first one. `runs`: the newest first."""
    first: dict[str, str] = {}
    for run in reversed(runs):
        first[run.id] = first.get(run.resumes, run.id)
    return first


def _rollbacks(runs: Sequence[RunSummary]) -> dict[str, RunSummary]:
    """Give by a chain's first run the newest rollback that took it back, and was not taken back itself."""
    first, back = _firsts(runs), dict[str, RunSummary]()
    for run in runs:
        if run.rolls_back and first[run.id] not in back:
            back.setdefault(first.get(run.rolls_back, run.rolls_back), run)
    return back


def _summary(connection: sqlite3.Connection, row: tuple[Any, ...]) -> RunSummary:
    *facts, stored, paused, first = row
    values = dict(zip(_SUMMARY, (*facts, stored), strict=True))
    values |= {"outcomes": _counts(connection, values["id"], stored), "paused": bool(paused)}
    started = None
    with suppress(KeyError, TypeError, ValueError):  # a damaged record is told where it is needed
        started = from_dict(orjson.loads(first or "null"))
    if isinstance(started, RunStarted):
        values |= {name: getattr(started, name) for name in _OF_FIRST}
    return RunSummary(**values)


def _counts(connection: sqlite3.Connection, run_id: str, stored: str | None) -> Mapping[str, int]:
    if stored is not None:
        return dict(orjson.loads(stored))
    return dict(connection.execute(OUTCOMES, {"run": run_id}).fetchall())
