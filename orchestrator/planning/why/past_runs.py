"""What one run did to a function, and who made a Version: from the run's events about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import Event, OperationAccepted, Requested, StepRetried, UnitEnded
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import SERVES_ENDS, Blocked, Cancelled, ChangeKind, Failed, Inconclusive, Unknown
from orchestrator.planning.why.facts import MadeBy, Maker, PastOperation, PastRun, SentCall, WaitingFor, WaitsFor

_FAILED, _DONE = "failed", "done"
_SETTLED = ("deployed", "unchanged")  # outcomes after which a function is as desired
_ANSWERS = (OperationAccepted, StepRetried, UnitEnded)  # these show that an earlier call was answered


def past_run(events: Iterable[Event], key: str, *, state: str, elsewhere: bool = False) -> PastRun | None:
    """Return what a run's events say about one unit, None if there are none. `state`: of the run."""
    known = list(events)
    run = fold(known)
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
        sent=tuple(_sent(known, key)),
        retries=unit.retries,
        rolls_back=run.rollout.rolls_back,
        elsewhere=elsewhere,
    )


def continued(run: PastRun, *, taken_up_by: str, rolled_back_by: str) -> PastRun:
    """Return a run with the runs that resumed it and rolled it back. Since a rollback, the advice no longer says that
    the Version serves `$latest`.
    """
    advice = run.advice
    if rolled_back_by:
        advice = "; ".join(part for part in advice.split("; ") if not part.endswith(SERVES_ENDS))
    return replace(run, taken_up_by=taken_up_by, rolled_back_by=rolled_back_by, advice=advice)


def maker_of(runs: Iterable[PastRun], version_id: str, created_at: str) -> Maker | None:
    """Return which of these runs made a Version, None if that is not known. `created_at`: of the Version, as `utc`
    writes it.

    | its Operation is known by           | it was made by                                                        |
    | ---                                 | ---                                                                   |
    | one run                             | that run                                                              |
    | several: later ones followed it     | the first of them                                                     |
    | a run whose call an earlier run had | the last that had sent it when the Version was made, or if the clocks |
    | sent too, with one Idempotency-Key  | show none, the first. It was killed before the answer came, and the   |
    |                                     | run with the Operation followed it                                    |
    """
    ordered = sorted(runs, key=lambda run: run.started_at)
    knowing = [(run, one) for run in ordered for one in run.operations if _has_made(one, version_id)]
    if not knowing:
        return None
    first, operation = knowing[0]
    senders = [
        (run, call.at)
        for run in ordered[: ordered.index(first) + 1]
        for call in run.sent
        if call.idempotency_key == operation.idempotency_key != ""
    ]
    in_time = [run for run, at in senders if at <= created_at]
    made = in_time[-1] if in_time else senders[0][0] if senders else first
    ends = [run for run, one in knowing if one.ended == _DONE] or [first]
    return Maker(
        MadeBy.RUN, reason=made.reason, run_id=made.run_id, verb=made.verb, by=made.by, commit=made.commit,
        operation_id=operation.id, followed_by=ends[-1].run_id if made not in ends else "",
    )  # fmt: skip


def _has_made(one: PastOperation, version_id: str) -> bool:
    return one.version_id == version_id and one.call == ChangeKind.VERSION and one.ended != _FAILED


def by_whom(run: RunState) -> str:
    """Return who started a run, and where: user@host."""
    return run.chain[-1].by if run.chain else ""


def _why(unit: UnitState) -> tuple[str, str]:
    match unit.outcome:
        case Failed(step, failure, back):
            to = f"; {back} serves since" if back else ""
            return f"step {step}: {failure.message}{to}", failure.advice
        case Blocked(reason) if reason.startswith(f"{unit.reason}; "):  # with the possible next steps, as in the plan
            return unit.reason, reason.removeprefix(f"{unit.reason}; ")
        case Blocked(reason) | Cancelled(reason) | Unknown(reason) | Inconclusive(reason):
            return reason, ""
    return "", ""


def _operations(change: ChangeState) -> Iterable[PastOperation]:
    for operation_id, accepted in change.operations.items():
        done = change.done.get(operation_id)
        ended = "not seen to end" if done is None else _FAILED if done.error else _DONE
        error = done.error if done is not None else ""
        sent = [request.idempotency_key for request in change.requests if request.at <= accepted.at]
        key = sent[-1] if sent else ""
        yield PastOperation(operation_id, str(accepted.call), ended, error, accepted.version_id, key)


def _sent(events: Sequence[Event], key: str) -> Iterator[SentCall]:
    for number, event in enumerate(events, start=1):
        if isinstance(event, Requested) and event.key == key:
            answered = any(isinstance(later, _ANSWERS) and later.key == key for later in events[number:])
            yield SentCall(event.call, event.idempotency_key, utc(event.at), answered)


def utc(at_s: float | None) -> str:
    """Return epoch seconds as ISO 8601 in UTC, "" for none."""
    return "" if not at_s else datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


def still_waited(waiting: Iterable[WaitingFor], past: Sequence[PastRun]) -> list[WaitingFor]:
    """Leave out the paused runs that have nothing more to do for a function. `past`: the newest first.

    | a paused run                                       | it waits |
    | ---                                                | ---      |
    | a newer run has deployed it, or found it unchanged | no       |
    | someone has rolled it back                         | no       |
    | anything else                                      | yes      |
    """
    ids = [one.run_id for one in past]

    def waits(one: WaitingFor) -> bool:
        if one.kind is not WaitsFor.APPROVAL:
            return True
        at = ids.index(one.run_id) if one.run_id in ids else len(ids)
        taken_back = any(run.rolled_back_by for run in past[at : at + 1])
        return not taken_back and all(run.outcome not in _SETTLED for run in past[:at])

    return [one for one in waiting if waits(one)]
