"""What a gate reads on its standard input: one JSON document. Its schema is published: `orchestrator schema gate`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

SCHEMA: Final = "orchestrator/gate/1"  # raised when a key changes its meaning or is removed; keys may be added without


@dataclass(frozen=True, slots=True)
class Member:
    """One function of a wave. Texts are empty if nothing is known.

    `former_version_id`: what served `$latest` when the run was planned. `outcome`: deployed, failed, inconclusive,
    blocked, cancelled, unknown; empty for a new version whose promoted tags have not moved yet (`two_phase`).
    `verdict`: of its verification: passed, failed, inconclusive. `reason`: why it is not deployed, or not verified.
    """

    function: str
    name: str
    folder_id: str
    function_id: str
    version_id: str
    former_version_id: str
    outcome: str
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of functions, of the run and of all runs that it resumes. `left`: those whose wave has not begun; in
    `two_phase`, where waves move tags, those whose tags have not moved.
    """

    functions: int
    deployed: int
    failed: int
    inconclusive: int
    left: int


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The result of a wave. `wave`: from 1; 0: all waves, before the promoted tags move (`two_phase`).

    `functions`: those of this wave. `failures`: all that have failed so far. `seconds`: since the wave began, 0 if an
    earlier run ended it. `environment`: the manifest's chosen one, empty for none. `folders`: the IDs of the folders of
    all functions in all waves.
    """

    run_id: str
    wave: int
    waves: int
    counts: Counts
    functions: tuple[Member, ...]
    failures: tuple[Member, ...]
    seconds: float
    environment: str = ""
    folders: tuple[str, ...] = ()
    schema: Literal["orchestrator/gate/1"] = field(default=SCHEMA)


def counts_of(members: Iterable[Member], functions: int) -> Counts:
    """Count what has ended. `functions`: how many there are in all waves."""
    members = list(members)
    outcomes = [member.outcome for member in members]
    deployed, failed, unsure = (outcomes.count(name) for name in ("deployed", "failed", "inconclusive"))
    ended = sum(bool(name) for name in outcomes)
    return Counts(functions, deployed, failed, unsure, max(0, functions - ended))
