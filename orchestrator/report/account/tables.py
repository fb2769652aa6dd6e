"""The account of a run as tables of words, for terminals and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.report.account.live_after import NEW, NO_VERSION, NOT_KNOWN, OLD
from orchestrator.report.account.run_facts import facts_of
from orchestrator.report.account.time_values import TimePart
from orchestrator.report.account.values import Account, Cause, FunctionAccount, RunStop, Verified
from orchestrator.report.account.view import ReportView
from orchestrator.report.failures import NAMED_MAX, said_lines
from orchestrator.report.history import facts_text
from orchestrator.report.plain_text import aligned, counted, named, time_span

SLOWEST = 10  # functions that are named, by their own work
_FAILURES = "failures"
LIVE_TITLE = "live state of what failed"
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
    "other": "other",
}
_LIVE = {
    NEW: "its new version is live",
    OLD: "its old version is live",
    NO_VERSION: "it has no version",
    NOT_KNOWN: "unknown",
}
_LIVE_MAX = 100  # functions whose live state is listed


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows under their heads. `numbers`: the heads of columns that are aligned to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()


def tables_of(account: Account) -> tuple[ReportTable, ...]:
    """Return the tables that have rows: where the time went, failures with what is live, the slowest, limits, waves,
    verifications.
    """
    tables = (
        _parts(account), _failures(account), _live(account), _slowest(account.functions), _limits(account),
        _waves(account), _verifications(account.functions),
    )  # fmt: skip
    return tuple(table for table in tables if table.rows)


def part_words(account: Account, part: TimePart) -> str:
    """Return the words for a part of the time. For a limit also its value, and how that changed."""
    if part.part != "bound":
        return _PARTS.get(part.part, part.part)
    return f"at the limit of {part.scope} ({_limit_words(account, part)})"


def _limit_words(account: Account, part: TimePart) -> str:
    limits = [
        one.allowed for scope in account.scopes if f"{scope.kind} {scope.id}" == part.scope for one in scope.limits
    ]
    values = [int(allowed) for allowed in limits] or [part.limit or 0]
    if values[0] != values[-1]:
        return f"{counted(values[0], 'Operation')}, later {values[-1]}"
    if min(values) != max(values):
        return f"{min(values)} to {counted(max(values), 'Operation')}"
    return counted(values[0], "Operation")


def _parts(account: Account) -> ReportTable:
    whole = max(account.seconds, 0.001)
    rows = tuple(
        (part_words(account, one), time_span(one.seconds), f"{100 * one.seconds / whole:.0f} %")
        for one in account.parts
    )
    return ReportTable("where the time went", ("part", "time", "share"), rows, frozenset({"time", "share"}))


def _failures(account: Account) -> ReportTable:
    """Return a row for each message of a cause: functions with one cause may have messages of their own."""
    rows, own = [], _own_messages(account)
    for cause in account.causes:
        texts = _messages_of(cause, own)
        for number, (message, keys) in enumerate(list(texts.items())[:NAMED_MAX]):
            first = not number
            rows.append((str(len(keys)), cause.what, named(keys, _NAMED_MAX), message, _ids(cause) if first else "",
                         cause.advice if first else ""))  # fmt: skip
        if len(texts) > NAMED_MAX:
            left = sum(map(len, list(texts.values())[NAMED_MAX:]))
            rows.append((str(left), cause.what, f"and {counted(left, 'more function')}", "", "", ""))
    head = ("functions", "what", "of", "message", "ids", "advice")
    return ReportTable(_FAILURES, head, tuple(rows), frozenset({"functions"}))


def _own_messages(account: Account) -> Mapping[str, str]:
    return {one.function: one.failure.message for one in account.functions if one.failure is not None}


def _messages_of(cause: Cause, own: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the messages of a cause's functions, each with the functions that it is of. `own`: of every function."""
    texts = dict[str, list[str]]()
    for key in cause.functions:
        texts.setdefault(own.get(key, cause.message), []).append(key)
    return texts


def _ids(cause: Cause) -> str:
    ids = (("operation", cause.operation_id), ("request id", cause.request_id))
    text = ", ".join(f"{name} {value}" for name, value in ids if value)
    return f"{cause.first}: {text}" if text and len(cause.functions) > 1 else text


def _live(account: Account) -> ReportTable:
    """Return for each function that is not done which Version is live."""
    keys = {key for cause in account.causes for key in cause.functions}
    failed = [one for one in account.functions if one.function in keys]
    rows = [(one.function, one.shown, _LIVE.get(one.live, one.live), one.live_version_id) for one in failed[:_LIVE_MAX]]
    if len(failed) > _LIVE_MAX:
        rows.append((f"and {len(failed) - _LIVE_MAX} more", "", "", ""))
    return ReportTable(LIVE_TITLE, ("function", "outcome", "live", "version"), tuple(rows))


def _slowest(functions: Sequence[FunctionAccount]) -> ReportTable:
    slow = sorted((one for one in functions if one.work_s > 0), key=lambda one: (-one.work_s, one.function))[:SLOWEST]
    rows = tuple(
        (
            one.function, one.shown, time_span(one.work_s), time_span(one.waited_s),
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
        steps = one.limits
        allowed = f"{steps[0].allowed:.3g} ({steps[0].reason})" if steps else "unknown"
        last = f"{steps[-1].allowed:.3g}{f' ({steps[-1].reason})' if len(steps) > 1 else ''}" if steps else "unknown"
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
    after = "" if stop.reason.startswith(f"wave {stop.wave} ") else after  # the reason says it
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
            own = _own_messages(view.account)
            causes = (_cause_text(one, _messages_of(one, own)) for one in view.account.causes)
            parts.append("\n".join([f"{table.title}:", *causes]))
        else:
            rows = aligned(table.head, table.rows, width=width, numbers=table.numbers)
            parts.append(f"{table.title}:\n{rows}")
    return "\n\n".join(parts)


def _cause_text(cause: Cause, messages: Mapping[str, Sequence[str]]) -> str:
    head = f"{counted(len(cause.functions), 'function')} {cause.what}: {named(cause.functions, _NAMED_MAX)}"
    rest = (f"    {line}" for line in (_ids(cause), cause.advice) if line)
    return "\n".join([head, *said_lines(messages), *rest])
