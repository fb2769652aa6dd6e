"""An account as the page reads it: rows of numbers and texts, so that 5,000 functions fit into 2 MB.

Times are whole milliseconds while runs of the chain were under way. The time between two runs is left out, see
`WorkedTime`. Texts that many functions share are stored once, in `texts`, and referred to by their number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.report.account.run_facts import facts_of
from orchestrator.report.account.tables import LIVE_TITLE, ReportTable, part_words, tables_of
from orchestrator.report.account.values import (
    Account,
    ChangeMade,
    FunctionAccount,
    OperationSpan,
    ScopeAccount,
    StepSpan,
    WhyFailed,
)

_POINTS = 2000  # per line of a chart: more than there are pixels
_LATEST = "$latest"


class WorkedTime:
    """Leaves out the time between the runs of a chain. `gaps`: pairs of a moment, in milliseconds of the time that is
    kept, and how many seconds were left out there.
    """

    def __init__(self, account: Account) -> None:
        self._starts: list[float] = []
        self._offsets: list[float] = []
        self.gaps: list[tuple[int, float]] = []
        left_out, end = 0.0, 0.0
        for run in account.runs:
            if self._starts and run.from_s > end:
                self.gaps.append((round(1000 * (end - left_out)), round(run.from_s - end, 1)))
                left_out += run.from_s - end
            self._starts.append(run.from_s)
            self._offsets.append(left_out)
            end = max(end, run.to_s if run.to_s is not None else run.from_s)

    def __call__(self, at_s: float) -> int:
        """Convert a time of the account to milliseconds."""
        number = max(0, bisect_right(self._starts, at_s) - 1)
        return round(1000 * (at_s - (self._offsets[number] if self._offsets else 0.0)))


@dataclass(slots=True)
class Texts:
    """Texts that are stored once, by number."""

    known: dict[str, int] = field(default_factory=dict)

    def __call__(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known))


def page_data(account: Account, hide: Callable[[Any], Any], texts: Texts | None = None) -> dict[str, Any]:
    """Return what the page reads. `account`: with its texts redacted; `hide`: hides values under secret names;
    `texts`: those that a page already has, which keep their numbers.
    """
    texts, at = texts or Texts(), WorkedTime(account)
    rows = [_function(one, texts, at, hide) for one in account.functions]
    facts, tables = facts_of(account), {table.title: _table(table) for table in tables_of(account)}
    return {
        "run": account.run_id,
        "state": account.state,
        "sentence": facts.pop("time"),
        "facts": [[name, value] for name, value in facts.items() if value],
        "total_ms": round(1000 * account.seconds),
        "gaps": at.gaps,
        "parts": [[one.part, part_words(account, one), round(1000 * one.seconds)] for one in account.parts],
        "outcomes": dict(account.outcomes),
        "causes": [
            [one.what, one.message, one.advice, list(one.functions), one.first, one.operation_id, one.request_id]
            for one in account.causes
        ],
        "scopes": [_scope(one, at) for one in account.scopes if one.slots],
        "waves": [
            [one.number, one.waves, one.functions, int(one.canary), at(one.from_s), _or_none(one.to_s, at)]
            for one in account.waves
        ],
        "stops": [
            [one.kind, one.wave, at(one.from_s), _or_none(one.to_s, at), one.reason, one.verdict, one.detail]
            for one in account.stops
        ],
        "live": tables.pop(LIVE_TITLE, None),
        "tables": {title: table for title, table in tables.items() if not title.startswith("slowest")},
        "functions": rows,
        "texts": list(texts.known),
    }


def _or_none(to_s: float | None, at: WorkedTime) -> int | None:
    return None if to_s is None else at(to_s)


def _table(table: ReportTable) -> dict[str, Any]:
    return {"head": list(table.head), "rows": table.rows, "numbers": sorted(table.numbers)}


def _function(one: FunctionAccount, texts: Texts, at: WorkedTime, hide: Callable[[Any], Any]) -> list[Any]:
    """Return a row: key, name, folder, id, action, reason, outcome, wave, ms of work, ms in the queue, IDs of the
    Version before and after, steps, operations, tries, changes, verdicts, failure, package, warnings. Empty values at
    its end are left out.
    """
    failure = one.failure
    row: list[Any] = [
        one.function, one.name if one.name != one.function else "", texts(one.folder_id), one.function_id,
        texts(one.action), texts(one.reason), texts(one.shown), one.wave, round(1000 * one.work_s),
        round(1000 * one.waited_s), one.old_version_id, one.new_version_id, _steps(one.steps, texts, at),
        [_operation(each, one.new_version_id, texts, at) for each in one.operations],
        [[at(each.at_s), texts(each.step), texts(each.reason), texts(each.no_room), each.request_id]
         for each in one.tries],
        [_change(each, texts, hide) for each in one.changes],
        [[at(each.at_s), each.version_id, texts(each.verdict), texts(each.reason), each.attempts]
         for each in one.verified],
        [*_why(failure, texts), one.live, one.live_version_id] if failure is not None else 0,
        [one.package_bytes, int(one.package_existed)] if one.package_bytes is not None else 0, list(one.warnings),
    ]  # fmt: skip
    return _trimmed(row)


def _why(failure: WhyFailed, texts: Texts) -> list[Any]:
    return [
        failure.step, failure.kind, failure.message, failure.advice, failure.operation_id, failure.http_status or 0,
        failure.request_id, failure.server_trace_id, failure.client_request_id, texts(failure.detail),
    ]  # fmt: skip


def _trimmed(row: list[Any]) -> list[Any]:
    while row and not row[-1]:
        row.pop()
    return row


def _steps(steps: Sequence[StepSpan], texts: Texts, at: WorkedTime) -> list[int]:
    """Return three numbers for each step, one step after the other. First twice its text's number, plus 1 if it failed.
    Then its start, counted from the start of the step before, and its length, -1 where it is not over.
    """
    found: list[int] = []
    before = 0
    for one in steps:
        began = at(one.from_s)
        found += (
            2 * texts(one.step) + (not one.ok), began - before, -1 if one.to_s is None else max(0, at(one.to_s) - began)
        )  # fmt: skip
        before = began
    return found


def _operation(one: OperationSpan, version_id: str, texts: Texts, at: WorkedTime) -> list[Any]:
    """Return: ID, call, when it was accepted, ms until it was seen as done, ms that it took, ms that it was late,
    request ID, Version if it is not the function's new one, error. -1 is a number that is not known.
    """
    took = -1 if one.done_s is None else at(one.done_s) - at(one.accepted_s)
    return _trimmed([
        one.operation_id, texts(one.call), at(one.accepted_s), took, _ms(one.cloud_s), _ms(one.late_s), one.request_id,
        one.version_id if one.version_id != version_id else "", one.error,
    ])  # fmt: skip


def _ms(seconds: float | None) -> int:
    return -1 if seconds is None else round(1000 * seconds)


def _change(one: ChangeMade, texts: Texts, hide: Callable[[Any], Any]) -> list[Any]:
    """Return the kind, outcome, and the change: name, old and new value. That a new Version becomes $latest is left
    out: all of them do.
    """
    if not {*one.old, *one.new} - {_LATEST}:
        return [texts(one.kind), texts(one.outcome)]
    old, new = hide(one.old), hide(one.new)
    changed = [
        [name, _value(old.get(name)), _value(new.get(name))] for name in dict.fromkeys((*old, *new)) if name != _LATEST
    ]
    return [texts(one.kind), texts(one.outcome), changed]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_value(item)}" for name, item in value.items())
    return "" if value is None else str(value)


def _scope(one: ScopeAccount, at: WorkedTime) -> dict[str, Any]:
    return {
        "name": f"{one.kind} {one.id}",
        "most": one.most,
        "full": round(1000 * one.full_s),
        "slots": _thinned([(at(when), count) for when, count in one.slots]),
        "limits": [[at(limit.at_s), limit.allowed, limit.reason] for limit in one.limits],
        "refused": [at(when) for when in one.refused_s],
    }


def _thinned(steps: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return two lists: times, and slots in use. Where there are many, only the maximum of each of equal time spans."""
    if len(steps) <= _POINTS:
        return [[when for when, _ in steps], [count for _, count in steps]]
    first, width = steps[0][0], max(1.0, (steps[-1][0] - steps[0][0]) / _POINTS)
    most: dict[int, int] = {}
    for when, count in steps:
        number = int((when - first) / width)
        most[number] = max(most.get(number, 0), count)
    last, count = steps[-1]
    return [[*(round(first + number * width) for number in most), last], [*most.values(), count]]
