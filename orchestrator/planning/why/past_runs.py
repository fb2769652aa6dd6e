"""What became of a function in one run, and who has made a Version: by the run's events about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import Event
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import Blocked, Cancelled, ChangeKind, Failed, Inconclusive, Unknown
from orchestrator.planning.why.facts import MadeBy, Maker, PastOperation, PastRun

_FAILED = "failed"


def past_run(events: Iterable[Event], key: str, *, state: str, elsewhere: bool = False) -> PastRun | None:
    """Tell a run by its events about one unit; None where it has none of it. `state`: what the run has come to."""
    run = fold(events)
    unit = run.units.get(key)
    if unit is None:
        return None
    why, advice = _why(unit)
    operations = tuple(one for change in unit.changes for one in _operations(change))
    return PastRun(
        run_id=run.run_id,
        verb=run.verb,
        state=state,
        started_at=utc(run.started_at),
        by=by_whom(run),
        commit=run.identity.commit,
        action=unit.action,
        reason=unit.reason,
        outcome=outcome_name(unit.outcome) if unit.outcome is not None else "",
        why=why,
        advice=advice,
        version_id=unit.version_id,
        base_version_id=unit.base_version_id,
        operations=operations,
        retries=unit.retries,
        rolls_back=run.rollout.rolls_back,
        elsewhere=elsewhere,
    )


def maker_of(runs: Iterable[PastRun], version_id: str) -> Maker | None:
    """Say which of these runs has made a Version; None where none is known to have."""
    for run in runs:
        for one in run.operations:
            if one.version_id == version_id and one.call == ChangeKind.VERSION and one.ended != _FAILED:
                return Maker(
                    MadeBy.RUN, run_id=run.run_id, verb=run.verb, by=run.by, commit=run.commit, operation_id=one.id
                )
    return None


def by_whom(run: RunState) -> str:
    """Say who began a run, and where: user@host."""
    return run.chain[-1].by if run.chain else ""


def _why(unit: UnitState) -> tuple[str, str]:
    match unit.outcome:
        case Failed(step, failure, back):
            to = f"; {back} serves since" if back else ""
            return f"step {step}: {failure.message}{to}", failure.advice
        case Blocked(reason) | Cancelled(reason) | Unknown(reason) | Inconclusive(reason):
            return reason, ""
    return "", ""


def _operations(change: ChangeState) -> Iterable[PastOperation]:
    for operation_id, accepted in change.operations.items():
        done = change.done.get(operation_id)
        ended = "not seen to end" if done is None else _FAILED if done.error else "done"
        error = done.error if done is not None else ""
        yield PastOperation(operation_id, str(accepted.call), ended, error, accepted.version_id)


def utc(at_s: float | None) -> str:
    """Write seconds since the epoch as ISO 8601 in UTC, "" for none."""
    return "" if not at_s else datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
