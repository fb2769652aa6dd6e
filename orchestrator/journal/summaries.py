"""The runs of a journal, one line each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from orchestrator.errors import Exit
from orchestrator.journal.event_json import from_dict
from orchestrator.journal.events import RunStarted
from orchestrator.journal.run_journal import OUTCOMES
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.taken_back import firsts_of, standing_rollbacks, state_after

# Named like the columns; the rest of a summary is read from the run's first record.
_SUMMARY = ["id", "verb", "endpoint", "started_at", "ended_at", "exit_code", "units", "program", "outcomes"]
_OF_FIRST = ("manifest", "resumes", "rolls_back", "identity")
# Whether a run ended, or was killed, after it paused. Only possible with exit code 3, so only those are searched.
_PAUSED = """
    coalesce(runs.exit_code, 3) = 3 AND EXISTS (
        SELECT 1 FROM events AS event INDEXED BY events_of_unit WHERE event.run_id = runs.id AND event.key = '' AND (
            event.kind = 'run_paused' OR (event.kind = 'breached' AND json_extract(event.data, '$.then') = 'pause')
        )
    )
"""

# Whether it gave up what its chain left undone: such a run has no functions.
_GIVEN_UP = """
    runs.units = 0 AND EXISTS (
        SELECT 1 FROM events AS event INDEXED BY events_of_unit
        WHERE event.run_id = runs.id AND event.key = '' AND event.kind = 'given_up'
    )
"""


def read_summaries(connection: sqlite3.Connection) -> list[RunSummary]:
    """Return all runs, the newest first. Raises `sqlite3.Error`."""
    columns = ", ".join(f"runs.{name}" for name in _SUMMARY)
    rows = connection.execute(
        f"SELECT {columns}, {_PAUSED}, {_GIVEN_UP}, first.data FROM runs"  # noqa: S608 - ours
        " LEFT JOIN events AS first ON first.run_id = runs.id AND first.seq = 1"
        " ORDER BY runs.started_at DESC, runs.id DESC"
    ).fetchall()
    return linked(_summary(connection, row) for row in rows)


def linked(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs, the newest first, each with the listed runs that resumed it or rolled it back."""
    found = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    later = {run.resumes: run.id for run in reversed(found) if run.resumes}
    first, back = firsts_of(found), standing_rollbacks(found)
    return [
        _with_rollbacks(replace(run, taken_up_by=later.get(run.id, "")), back.get(first[run.id], ())) for run in found
    ]


def summary_of(run: RunState) -> RunSummary:
    """Return the summary of a run that was folded from its record in the bucket."""
    return RunSummary(
        run.run_id, run.verb, run.endpoint, run.started_at or 0.0, run.ended_at, run.exit_code, run.total, run.program,
        dict(run.outcomes), run.manifest, run.resumes,
        identity=run.identity, paused=run.rollout.paused is not None and run.exit_code in (None, Exit.INTERRUPTED),
        given_up=run.given_up, rolls_back=run.rollout.rolls_back, elsewhere=True,
    )  # fmt: skip


def _with_rollbacks(run: RunSummary, back: Sequence[RunSummary]) -> RunSummary:
    """Apply a run's rollbacks to its summary: the rollback of all of it, if there is one."""
    whole = next((one for one in back if one.identity.selection.is_whole), None)
    by = whole or next(iter(back), None)
    return replace(
        run,
        paused=run.paused and not run.taken_up_by and whole is None,
        rolled_back_by=by.id if by is not None else "",
        after_rollback=state_after(by.exit_code, by.identity) if by is not None else "",
    )


def _summary(connection: sqlite3.Connection, row: tuple[Any, ...]) -> RunSummary:
    *facts, stored, paused, given_up, first = row
    values = dict(zip(_SUMMARY, (*facts, stored), strict=True))
    values |= {
        "outcomes": _counts(connection, values["id"], stored),
        "paused": bool(paused),
        "given_up": bool(given_up),
    }
    started = None
    with suppress(KeyError, TypeError, ValueError):  # a damaged record is reported where it is needed
        started = from_dict(orjson.loads(first or "null"))
    if isinstance(started, RunStarted):
        values |= {name: getattr(started, name) for name in _OF_FIRST}
    return RunSummary(**values)


def _counts(connection: sqlite3.Connection, run_id: str, stored: str | None) -> Mapping[str, int]:
    if stored is not None:
        return dict(orjson.loads(stored))
    return dict(connection.execute(OUTCOMES, {"run": run_id}).fetchall())
