"""What a run was, how it ended and how far it came, as a few named facts for people."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from orchestrator.model import ChangeKind, Verdict
from orchestrator.report.account.time_values import Lateness
from orchestrator.report.account.values import Account
from orchestrator.report.plain_text import counted, time_span
from orchestrator.report.verifying_text import SKIPPED

_SHOWN_S = 0.05  # what is shorter is shown as 0.0 s


def facts_of(account: Account) -> dict[str, str]:
    """Return what the run was, how it ended, and how far it came; "" for facts that there are none of."""
    return {
        "run": " + ".join(run.run_id for run in account.runs),
        "verb": account.verb,
        "state": account.state,
        "manifest": account.manifest,
        "environment": account.environment,
        "endpoint": account.endpoint,
        "selection": account.selection,
        "commit": account.commit,
        "by": account.by,
        "began": _utc(account.started_at),
        "ended": _utc(account.ended_at or ""),
        "result": account.result,
        "left out": _left_out(account),
        "planning": f"{time_span(account.planned_s)} before it began, builds included"
        if account.planned_s >= _SHOWN_S
        else "",
        "time": account.sentence,
        "longest": f"{account.longest.function}, {time_span(account.longest.work_s)} of work"
        if account.longest is not None
        else "",
        "polling": _polling(account.late) if account.late is not None else "",
        "first failure": _first_failure(account),
        "verification": _verification(account),
        "paused" if account.state == "paused" else "stopped": account.breach or account.reason,
        "rolls back": f"run {account.rolls_back}" if account.rolls_back else "",
        "rolled back": account.rolled_back,
        "next": ", or ".join(f"`{line}`" for line in account.next),
    }


def _utc(iso: str) -> str:
    """Return an ISO time as 2026-11-28 14:37:41 UTC."""
    try:
        return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:  # "", or what a record has instead of a time: shown as it is
        return iso


def _left_out(account: Account) -> str:
    """Return how many functions of the manifest are not part of the run, and why."""
    by = [f"{counted(account.left_out, 'function')} by the selection"] if account.left_out else []
    by += [f"{counted(account.disabled, 'function')} with enabled = false"] if account.disabled else []
    return ", ".join(by)


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
    """Count the last verdicts of functions whose Version is made; those that declare no `verify` are counted too.
    Copies that a rollback makes are not verified.
    """
    verdicts: Counter[str] = Counter()
    undeclared = missed = 0
    for one in account.functions:
        kinds = {change.kind for change in one.changes}
        if one.verified:
            verdicts[one.verified[-1].verdict] += 1
        elif ChangeKind.VERIFY in kinds:
            missed += 1
        elif ChangeKind.VERSION in kinds and one.new_version_id:
            undeclared += 1
    if not verdicts and "verification" in account.skips:
        return SKIPPED
    if not verdicts and not missed and not undeclared:
        yet = " yet" if account.state == "running" else ""
        return f"nothing to verify: no new versions{yet}" if account.functions and not _copies(account) else ""
    if _copies(account) and not verdicts:
        return ""
    words = [f"{verdict} {verdicts[verdict]}" for verdict in Verdict]
    words += [f"not reached {missed}"] if missed else []
    return ", ".join([*words, f"not declared {undeclared}"])


def _copies(account: Account) -> bool:
    """Return whether it only restores what was there before, or deletes."""
    return account.verb in ("rollback", "prune")
