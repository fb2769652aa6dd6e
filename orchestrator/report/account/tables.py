"""The account of a run as tables of words, for terminals and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.report.account.values import Account, Cause, FunctionAccount, RunStop, Verified
from orchestrator.report.account.view import ReportView
from orchestrator.report.history import facts_text
from orchestrator.report.plain_text import aligned, counted, named, time_span

SLOWEST = 10  # functions that are named, by their own work
_FAILURES = "failures"
_NAMED_MAX = 5  # functions of a cause
_PARTS = {
    "waiting": "waiting with slots free: request rate, refusals, first calls",
    "wave": "end of a wave: the next one waits for its last functions",
    "tail": "last operations running, nothing left to start",
    "verifying": "verifying new versions",
    "preparing": "making and uploading packages",
    "pause": "pauses between waves",
    "gate": "gates",
    "outage": "outage of the cloud",
    "rolling back": "rolling back, in a run of its own",
    "reading back": "reading back the live state",
    "other": "between operations",
}


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows under their heads. `numbers`: the heads of columns that are aligned to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()


def facts_of(account: Account) -> dict[str, str]:
    """Return what the run was, how it ended, and how far it came; "" for facts that there are none of."""
    late = account.late
    return {
        "run": " + ".join(run.run_id for run in account.runs),
        "verb": account.verb,
        "state": account.state,
        "manifest": account.manifest,
        "environment": account.environment,
        "commit": account.commit,
        "by": account.by,
        "began": account.started_at,
        "ended": account.ended_at or "",
        "functions": ", ".join(f"{count} {outcome}" for outcome, count in account.outcomes.items()),
        "time": account.sentence,
        "longest": f"{account.longest.function}, {time_span(account.longest.work_s)} of work"
        if account.longest is not None
        else "",
        "polling": f"{counted(late.operations, 'operation')} seen as done {time_span(late.late_s)} late in total"
        f" ({100 * late.late_s / max(late.seen_s, 0.001):.0f} % of their time)"
        if late is not None
        else "",
        "first failure": account.first_failure,
        "stopped": account.breach or account.reason,
        "rolled back": f"by run {account.rolled_back_by}" if account.rolled_back_by else "",
    }


def tables_of(account: Account) -> tuple[ReportTable, ...]:
    """Return the tables that have rows: where the time went, failures, the slowest, limits, waves, verifications."""
    tables = (
        _parts(account), _failures(account.causes), _slowest(account.functions), _limits(account), _waves(account),
        _verifications(account.functions),
    )  # fmt: skip
    return tuple(table for table in tables if table.rows)


def part_words(part: str, scope: str, limit: int | None) -> str:
    """Return the words for a part of the time."""
    return f"bound by {scope}: all {limit} operations in use" if part == "bound" else _PARTS.get(part, part)


def _parts(account: Account) -> ReportTable:
    whole = max(account.seconds, 0.001)
    rows = tuple(
        (part_words(one.part, one.scope, one.limit), time_span(one.seconds), f"{100 * one.seconds / whole:.0f} %")
        for one in account.parts
    )
    return ReportTable("where the time went", ("part", "time", "share"), rows, frozenset({"time", "share"}))


def _failures(causes: Sequence[Cause]) -> ReportTable:
    rows = tuple(
        (
            str(len(one.functions)), one.what, named(one.functions, _NAMED_MAX), one.message,
            ", ".join(f"{name} {value}" for name, value in (
                ("operation", one.operation_id), ("request id", one.request_id)) if value),
            one.advice,
        )
        for one in causes
    )  # fmt: skip
    return ReportTable(
        "failures", ("functions", "what", "of", "message", "ids", "advice"), rows, frozenset({"functions"})
    )


def _slowest(functions: Sequence[FunctionAccount]) -> ReportTable:
    slow = sorted((one for one in functions if one.work_s > 0), key=lambda one: (-one.work_s, one.function))[:SLOWEST]
    rows = tuple(
        (
            one.function, one.outcome, time_span(one.work_s), time_span(one.waited_s),
            _longest_step(one), str(len(one.tries)),
        )
        for one in slow
    )  # fmt: skip
    head = ("function", "outcome", "own work", "waited", "longest step", "retries")
    return ReportTable(f"slowest {len(rows)} by own work", head, rows, frozenset({"own work", "waited", "retries"}))


def _longest_step(one: FunctionAccount) -> str:
    known = [(step.to_s - step.from_s, step.step) for step in one.steps if step.to_s is not None]
    found = max(((length, name) for length, name in known if name != "queue"), default=None)
    return f"{found[1]} {time_span(found[0])}" if found is not None else ""


def _limits(account: Account) -> ReportTable:
    rows = []
    for one in account.scopes:
        told = one.limits
        allowed = f"{told[0].allowed:.3g} ({told[0].reason})" if told else ""
        last = f"{told[-1].allowed:.3g} ({told[-1].reason})" if len(told) > 1 else ""
        most = str(one.most) if one.most else ""
        name = f"{one.kind} {one.id}".rstrip()
        rows.append((name, allowed, last, most, str(len(one.refused_s)), time_span(one.full_s) if one.full_s else ""))
    head = ("limit", "at start", "at end", "most in use", "refusals", "held up for")
    return ReportTable("limits", head, tuple(rows), frozenset({"most in use", "refusals", "held up for"}))


def _waves(account: Account) -> ReportTable:
    timed = [
        (
            wave.from_s,
            f"wave {wave.number} of {wave.waves}{' (canary)' if wave.canary else ''}",
            counted(wave.functions, "function"),
            wave.to_s,
        )
        for wave in account.waves
    ]
    timed += [(stop.from_s, stop.kind, _stop_words(stop), stop.to_s) for stop in account.stops]
    timed.sort(key=lambda row: row[0])
    rows = tuple(
        (what, time_span(since), "" if to is None else time_span(to - since), words) for since, what, words, to in timed
    )
    return ReportTable(
        "waves, gates and pauses", ("what", "began after", "took", "of"), rows, frozenset({"began after", "took"})
    )


def _stop_words(stop: RunStop) -> str:
    """Return after which wave a stop came, and why. For a gate this is the last line of its output."""
    after = f"after wave {stop.wave}" if stop.wave and stop.kind != "outage" else ""
    said = stop.detail.strip().splitlines()[-1:]
    return ": ".join(part for part in (", ".join(p for p in (after, stop.verdict) if p), stop.reason, *said) if part)


def _verifications(functions: Sequence[FunctionAccount]) -> ReportTable:
    """Return the last verdict of each function's verification, equal answers grouped."""
    found: dict[tuple[str, str], list[tuple[str, Verified]]] = {}
    for one in functions:
        for last in one.verified[-1:]:
            found.setdefault((last.verdict, last.reason), []).append((one.function, last))
    rows = tuple(
        (
            verdict, str(len(some)), str(sum(last.attempts for _, last in some)),
            time_span(max(last.seconds for _, last in some)), named([name for name, _ in some], _NAMED_MAX), reason,
        )
        for (verdict, reason), some in sorted(found.items(), key=lambda item: (item[0][0] == "passed", -len(item[1])))
    )  # fmt: skip
    head = ("verdict", "functions", "calls", "longest", "of", "why")
    return ReportTable("verification", head, rows, frozenset({"functions", "calls", "longest"}))


def report_text(view: ReportView, *, width: int | None) -> str:
    """Return the account for a terminal: facts, then a table for each subject that has rows. Failures, whose messages
    are long, are listed one below the other.
    """
    parts = [facts_text(facts_of(view.account))]
    for table in tables_of(view.account):
        if table.title == _FAILURES:
            parts.append("\n".join([f"{table.title}:", *(_cause_text(*row) for row in table.rows)]))
        else:
            rows = aligned(table.head, table.rows, width=width, numbers=table.numbers)
            parts.append(f"{table.title}:\n{rows}")
    return "\n\n".join(parts)


def _cause_text(functions: str, what: str, names: str, *told: str) -> str:
    return "\n    ".join([f"{counted(int(functions), 'function')} {what}: {names}", *filter(None, told)])
