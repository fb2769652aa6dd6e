"""The last verification verdict of each Version. Stored beside the runs, because old runs are deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Verdict

_AT_ONCE = 500  # IDs per query; SQLite accepts 999


@dataclass(frozen=True, slots=True)
class KnownVerdict:
    """The last verdict of a Version, and the run that found it."""

    verdict: Verdict
    reason: str
    run_id: str


def write_verdicts(
    connection: sqlite3.Connection, endpoint: str, run_id: str, verified: Iterable[VersionVerified]
) -> None:
    """Store the last verdict of each Version of an installation, within the current transaction."""
    connection.executemany(
        "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, version_id) DO UPDATE SET"
        " at = excluded.at, verdict = excluded.verdict, reason = excluded.reason, run_id = excluded.run_id"
        " WHERE excluded.at >= at",
        [(endpoint, one.version_id, one.at, str(one.verdict), one.reason, run_id) for one in verified],
    )


def read_verdicts(connection: sqlite3.Connection, endpoint: str, version_ids: Sequence[str]) -> dict[str, KnownVerdict]:
    """Return what is known about some Versions of an installation, by ID."""
    found: dict[str, KnownVerdict] = {}
    for begin in range(0, len(version_ids), _AT_ONCE):
        some = version_ids[begin : begin + _AT_ONCE]
        rows = connection.execute(
            "SELECT version_id, verdict, reason, run_id FROM verdicts WHERE endpoint = ? AND version_id IN"  # noqa: S608
            f" ({', '.join('?' * len(some))})",
            (endpoint, *some),
        )
        found |= {version_id: KnownVerdict(Verdict(verdict), reason, run) for version_id, verdict, reason, run in rows}
    return found
