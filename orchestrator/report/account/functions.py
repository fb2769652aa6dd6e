"""One function's part of an account, and failures grouped by cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Step
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.live_after import live_after
from orchestrator.report.account.tracks import Followed, Track
from orchestrator.report.account.values import (
    Cause,
    ChangeMade,
    FunctionAccount,
    OperationSpan,
    StepSpan,
    TryAgain,
    Verified,
    WhyFailed,
)
from orchestrator.report.failures import UnitFailure, failure_of, grouped, last_operation, serving_since
from orchestrator.report.records import name_of

_NOTHING = MappingProxyType[str, object]({})


@dataclass(frozen=True, slots=True)
class Since:
    """Counts seconds from a moment, to the millisecond."""

    began_at: float

    def __call__(self, at: float) -> float:
        return round(at - self.began_at, 3)


def function_account(unit: UnitState, track: Track | None, since: Since, end: float, shown: str) -> FunctionAccount:
    """Return a function's part. `track`: None where only its plan and its outcome are known. `end`: until when a step
    that is not over counts, in seconds since the epoch. `shown`: its outcome as people see it.
    """
    track = track if track is not None else Track(unit)
    steps = tuple(
        StepSpan(str(one.step), one.change, since(one.at - one.seconds), since(one.at), one.ok) for one in track.steps
    )
    begun = (unit.step, unit.step_since) if unit.step is not None else track.follows
    if unit.outcome is None and begun is not None:
        steps = (*steps, StepSpan(str(begun[0]), 0, since(begun[1]), None, ok=True))
    operations = tuple(_operation(one, since) for one in track.operations.values())
    began = [*(one.from_s for one in steps), *(one.accepted_s for one in operations)]
    package, (live, live_version_id) = unit.package, live_after(unit)
    return FunctionAccount(
        function=unit.key,
        name=unit.name,
        folder_id=unit.folder_id,
        function_id=unit.function_id,
        action=str(unit.action),
        reason=unit.reason,
        outcome=name_of(unit),
        wave=track.wave,
        started_s=min(began) if began else None,
        ended_s=since(unit.ended_at) if unit.ended_at is not None else None,
        work_s=_seconds(track, steps, since(end), waits=False),
        waited_s=_seconds(track, steps, since(end), waits=True),
        old_version_id=unit.base_version_id,
        new_version_id=unit.version_id,
        package_bytes=package.size_bytes if package is not None else None,
        package_existed=package is not None and package.existed,
        steps=steps,
        tries=tuple(
            TryAgain(
                since(one.at), str(one.step), one.change, one.reason, round(one.wait_s, 3), no_room, one.request_id
            )
            for one, no_room in track.tries
        ),
        operations=operations,
        changes=tuple(
            ChangeMade(str(one.change.kind), one.change.before, one.change.after or _NOTHING, one.outcome)
            for one in unit.changes
        ),
        verified=tuple(
            Verified(since(one.at), one.version_id, str(one.verdict), one.reason, one.attempts, one.seconds)
            for one in track.verified
        ),
        failure=_failure(unit),
        warnings=unit.warnings,
        live=live,
        live_version_id=live_version_id,
        shown=shown,
    )  # fmt: skip


def _seconds(track: Track, steps: Sequence[StepSpan], end_s: float, *, waits: bool) -> float:
    """Return how long it waited for slots (`waits`), or worked. `end_s`: until when a step that is not over counts."""
    known = sum(one.seconds for one in track.steps if (one.step is Step.QUEUE) is waits)
    opened = (end_s - one.from_s for one in steps if one.to_s is None and (one.step == Step.QUEUE) is waits)
    return round(known + max((0.0, *opened)), 3)


def _operation(one: Followed, since: Since) -> OperationSpan:
    accepted, done = one.accepted, one.done
    cloud_s = round(done.seconds, 3) if done is not None and done.seconds >= 0 else None
    late_s = None
    if done is not None and cloud_s is not None and one.asked_at is not None:
        late_s = round(max(0.0, done.at - accepted.at - cloud_s), 3)
    return OperationSpan(
        accepted.operation_id, accepted.call, accepted.change,
        since(one.asked_at) if one.asked_at is not None else None, since(accepted.at),
        since(done.at) if done is not None else None, cloud_s, late_s, accepted.version_id, accepted.request_id,
        done.error if done is not None else "",
    )  # fmt: skip


def _failure(unit: UnitState) -> WhyFailed | None:
    known = failure_of(unit, "")
    if known is None:
        return None
    failure, step = known.failure, getattr(unit.outcome, "step", "")
    return WhyFailed(
        str(step), failure.kind, failure.message, failure.advice, failure.operation_id or last_operation(unit),
        failure.http_status, failure.request_id, failure.server_trace_id, failure.client_request_id, failure.detail,
    )  # fmt: skip


def causes_of(found: Accounting, back: RunState | None, since: Since) -> tuple[Cause, ...]:
    """Group failed, unknown and blocked functions, the largest group first. `back`: the rollback of the run."""
    groups = grouped(found.state.units.values(), serving_since(back))
    return tuple(_cause(found, group, since) for group in reversed(groups))


def _cause(found: Accounting, group: list[UnitFailure], since: Since) -> Cause:
    def at(failed: UnitFailure) -> float:
        ended_at = failed.unit.ended_at if failed.unit.ended_at is not None else float("inf")
        return found.failed_at.get(id(failed.unit), ended_at)

    first = min(group, key=at)
    failure, first_at = first.failure, at(first)
    return Cause(
        first.what, failure.message, failure.advice, tuple(failed.unit.key for failed in group), first.unit.key,
        since(first_at) if first_at != float("inf") else None, failure.operation_id or last_operation(first.unit),
        failure.request_id,
    )  # fmt: skip
