"""The newest runs of a journal in brief, for shell completion, which has no time for the rest."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.journal.identity import NONE

_SHOWN = 100  # more than anyone reads
_WAIT_S = 0.05  # for a writer: the user is waiting at the prompt
# Each run's environment is in its first record. `json_extract` raises for a damaged one; then it is unknown.
_NEWEST = """
    SELECT id, verb, started_at, units, exit_code FROM runs LEFT JOIN events ON run_id = id AND seq = 1
    WHERE :environment IS NULL
        OR (json_valid(data) AND coalesce(json_extract(data, '$.identity.environment'), '') = :environment)
    ORDER BY started_at DESC, id DESC LIMIT :shown
"""


@dataclass(frozen=True, slots=True)
class RecentRun:
    """One run. `started_at`: seconds since the epoch. `exit_code` None: it has not ended, or was killed."""

    id: str
    verb: str
    started_at: float
    units: int
    exit_code: int | None


def recent_runs(path: Path, environment: str = "") -> tuple[RecentRun, ...]:
    """Return the newest runs of the journal in a file, the newest first; of an environment, if given. Returns none if
    the journal is missing, damaged, or from another program.
    """
    named = None if not environment else "" if environment == NONE else environment
    with suppress(sqlite3.Error, OSError, ValueError):
        # Without its log no one writes the journal, and `immutable` creates no log beside it, as a reader would.
        quiet = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        uri = f"{path.absolute().as_uri()}?mode=ro{quiet}"
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)) as connection:
            rows = connection.execute(_NEWEST, {"environment": named, "shown": _SHOWN}).fetchall()
            return tuple(RecentRun(*row) for row in rows)
    return ()
