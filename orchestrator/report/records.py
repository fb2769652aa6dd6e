"""A unit as JSON values, for programs, and the words for its outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.journal.event_json import change_to_dict, outcome_name, outcome_to_dict
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Blocked, Cancelled, Failed, Inconclusive, Outcome, Unknown
from orchestrator.report.failures import since_rollback
from orchestrator.report.rolled_back import CameBack, came_back

NOT_ENDED = "not ended"  # where the run ended, or was killed, before the unit
IN_PART = "partly rolled back"  # in a rollback: some changes are done, others were left alone or failed


def name_of(unit: UnitState) -> str:
    """Return the name of a unit's outcome."""
    return outcome_name(unit.outcome) if unit.outcome is not None else NOT_ENDED


def outcome_word(name: str, verb: str) -> str:
    """Return an outcome's word for people. What a rollback has deployed is "rolled back": the former state serves
    again. Programs and journals have "deployed", as after any run.
    """
    return "rolled back" if (name, verb) == ("deployed", "rollback") else name


def unit_word(unit: UnitState, verb: str) -> str:
    """Return a unit's outcome for people. In a rollback it may be partly rolled back."""
    is_part = verb == "rollback" and came_back(unit) is CameBack.PART
    return IN_PART if is_part else outcome_word(name_of(unit), verb)


def back_word(unit: UnitState, back: RunState) -> str:
    """Return how much of a unit a rollback has taken back, "-" where it was not part of the rollback."""
    found = back.units.get(unit.key)
    return str(came_back(found)) if found is not None else "-"


def record(unit: UnitState, serves: str = "") -> dict[str, Any]:
    """Return a unit as JSON values. Times are ISO 8601 in UTC, spans in seconds. `serves`: the copy that serves since a
    rollback, "" where there is none.
    """
    return {
        "function": unit.key,
        "name": unit.name,
        "folder_id": unit.folder_id,
        "function_id": unit.function_id,
        "action": unit.action,
        "reason": unit.reason,
        "warnings": list(unit.warnings),
        "base_version_id": unit.base_version_id,
        "fingerprint": unit.fingerprint,
        "before": dict(unit.before),
        "version_id": unit.version_id,
        "outcome": name_of(unit),
        **_verdicts(unit),
        **_details(unit.outcome, serves),
        "step": unit.step,
        "started_at": iso(unit.started_at),
        "ended_at": iso(unit.ended_at),
        "seconds": {str(step): round(seconds, 3) for step, seconds in unit.seconds.items()},
        "retries": unit.retries,
        "operation_ids": list(unit.operations),
        "requests": [
            {"call": request.call, "idempotency_key": request.idempotency_key, "attempt": request.attempt}
            for request in unit.requests
        ],
        "package": _package(unit),
        "changes": [
            change_to_dict(one.change) | {"outcome": one.outcome, "operation_ids": list(one.operations)}
            for one in unit.changes
        ],
    }


def _verdicts(unit: UnitState) -> dict[str, Any]:
    """Return the verdicts on its versions; empty where there are none."""
    names = ("version_id", "verdict", "reason", "attempts", "seconds")
    rows = [{name: getattr(one, name) for name in names} for one in unit.verdicts.values()]
    return {"verdicts": rows} if rows else {}


def _package(unit: UnitState) -> dict[str, Any] | None:
    if unit.package is None:
        return None
    return {name: getattr(unit.package, name) for name in ("bucket", "object", "sha256", "size_bytes", "existed")}


def _details(outcome: Outcome | None, serves: str) -> dict[str, Any]:
    if isinstance(outcome, Failed):
        outcome = replace(outcome, failure=since_rollback(outcome.failure, serves or outcome.rolled_back_to))
        document = outcome_to_dict(outcome)
        also: dict[str, Any] = {name: document[name] for name in ("rolled_back_to", "overwritten") if name in document}
        return {"failed_step": outcome.step, "failure": document["failure"], **also}
    if isinstance(outcome, Blocked | Cancelled | Unknown | Inconclusive):
        return {"outcome_reason": outcome.reason}
    return {}


def iso(at: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
