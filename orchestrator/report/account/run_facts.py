"""What a run was, how it ended and how far it came, as a few named facts for people."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from orchestrator.model import ChangeKind, Verdict
from orchestrator.report.account.values import Account, Lateness
from orchestrator.report.plain_text import counted, time_span
from orchestrator.report.verifying_text import SKIPPED


def facts_of(account: Account) -> dict[str, str]:
    """Return what the run was, how it ended, and how far it came; "" for facts that there are none of."""
    return {
        "run": " + ".join(run.run_id for run in account.runs),
        "verb": account.verb,
        "state": account.state,
        "manifest": account.manifest,
        "environment": account.environment,
        "commit": account.commit,
        "by": account.by,
        "began": _utc(account.started_at),
        "ended": _utc(account.ended_at or ""),
        "functions": ", ".join(f"{count} {outcome}" for outcome, count in account.outcomes.items()),
        "time": account.sentence,
        "longest": f"{account.longest.function}, {time_span(account.longest.work_s)} of work"
        if account.longest is not None
        else "",
        "polling": _polling(account.late) if account.late is not None else "",
        "first failure": _first_failure(account),
        "verification": _verification(account),
        "stopped": account.breach or account.reason,
        "rolled back": f"by run {account.rolled_back_by}" if account.rolled_back_by else "",
        "next": ", or ".join(f"`{line}`" for line in account.next),
    }


def _utc(iso: str) -> str:
    """Return an ISO time as 2026-11-28 14:37:41 UTC."""
    try:
        return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:  # "", or what a record has instead of a time: shown as it is
        return iso


def _polling(late: Lateness) -> str:
    average_s = late.late_s / max(late.operations, 1)
    of = counted(late.operations, "Operation")
    return f"the end of an Operation was noticed {time_span(average_s)} late on average ({of})"


def _first_failure(account: Account) -> str:
    """Return which function failed first, when and why."""
    key = account.first_failure
    cause = next((one for one in account.causes if one.first == key), None)
    if not key or cause is None:
        return key
    version_id = next((one.new_version_id for one in account.functions if one.function == key), "")
    why = cause.message.removeprefix(f"version {version_id}: ").partition("\n")[0]
    when = f", {time_span(cause.first_s)} after the start" if cause.first_s is not None else ""
    return f"{key}{when}: {why}"


def _verification(account: Account) -> str:
    """Count the last verdicts of functions whose Version is made; those that declare no `verify` are counted too."""
    verdicts: Counter[str] = Counter()
    undeclared = missed = 0
    for one in account.functions:
        kinds = {change.kind for change in one.changes}
        if one.verified:
            verdicts[one.verified[-1].verdict] += 1
        elif ChangeKind.VERIFY in kinds:
            missed += 1
        elif ChangeKind.VERSION in kinds:
            undeclared += 1
    if not verdicts and "verification" in account.skips:
        return SKIPPED
    if not verdicts and not missed and not undeclared:
        return "nothing to verify: no new versions" if account.functions else ""
    words = [f"{verdict} {verdicts[verdict]}" for verdict in Verdict]
    words += [f"not reached {missed}"] if missed else []
    return ", ".join([*words, f"not declared {undeclared}"])
