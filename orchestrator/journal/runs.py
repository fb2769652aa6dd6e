"""One run in a line: among others, and in the chain of runs that took each other up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.journal.identity import NOTHING_KNOWN, Identity


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of `runs`. `outcomes`: units by the outcome's name; `ended_at`, `exit_code` None: not ended.

    `resumes`: the run that it took up; `taken_up_by`: the one that took it up; `alive`: it may still be under way.
    """

    id: str
    verb: str
    endpoint: str
    started_at: float
    ended_at: float | None
    exit_code: int | None
    units: int
    program: str
    outcomes: Mapping[str, int]
    manifest: str = ""
    resumes: str = ""
    taken_up_by: str = ""
    alive: bool = False
    identity: Identity = NOTHING_KNOWN


@dataclass(slots=True)
class Link:
    """One run of a chain. `ended_at`, `exit_code` None: it was killed, or is under way."""

    run_id: str
    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
