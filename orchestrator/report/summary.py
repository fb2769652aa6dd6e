"""What became of a run, in words and tables: pure functions of its state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from orchestrator.journal.state import RunState, RunSummary
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Step
from orchestrator.report import groups
from orchestrator.report.plain_text import aligned, counted, time_span
from orchestrator.report.records import NOT_ENDED, name_of
from orchestrator.report.redact import redact

WHOLE_MAX = 60  # functions up to which the table shows every one of them
SLOWEST = 20
# From what nobody needs to look at to what everybody must see: the end of a table is what stays on the screen.
_ORDER = ("unchanged", "deployed", NOT_ENDED, "cancelled", "blocked", "unknown", "failed")
_HEADS = {Step.FUNCTION: "new function"}  # beside the names, which stand under "function"
_LOUD = ("blocked", "unknown", "failed")


def counts(state: RunState) -> dict[str, int]:
    """Count units by outcome, in the order of the table; those without one are "not ended"."""
    named = dict(state.outcomes)
    unended = max(state.total, len(state.units)) - state.ended
    if unended > 0:
        named[NOT_ENDED] = unended
    return {name: named[name] for name in sorted(named, key=_rank)}


def headline(state: RunState) -> str:
    """Say how the run ended in one line: "12 functions: 10 deployed, 1 failed, 1 unknown in 8.4 s"."""
    total = max(state.total, len(state.units))
    told = ", ".join(f"{count} {name}" for name, count in counts(state).items()) or "nothing to do"
    took = ""
    if state.started_at is not None and state.ended_at is not None:
        took = f" in {time_span(state.ended_at - state.started_at)}"
    reason = f" ({redact(state.reason)})" if state.reason else ""
    return f"{counted(total, 'function')}: {told}{took}{reason}"


def run_table(state: RunState, *, width: int = 110, everything: bool = False) -> str:
    """Show each unit's outcome, version and seconds per step, failures last; "" without units.

    Above 60 units: what failed, is unknown or blocked, and the 20 slowest, unless `everything`.
    """
    units = sorted(state.units.values(), key=lambda unit: (_rank(name_of(unit)), unit.key))
    shown = units if everything or len(units) <= WHOLE_MAX else _worth_seeing(units)
    if not shown:
        return ""
    steps = [step for step in Step if any(step in unit.seconds for unit in shown)]
    head = ["function", "outcome", "version", *(_HEADS.get(step, str(step)) for step in steps), "total"]
    rows = [
        [
            unit.key,
            name_of(unit),
            unit.version_id or "-",
            *(_seconds(unit.seconds.get(step)) for step in steps),
            _seconds(unit.total_s if unit.seconds else None),
        ]
        for unit in shown
    ]
    text = aligned(head, rows, width=width, numbers=frozenset(head[3:]))
    if len(shown) == len(units):
        return text
    run = state.run_id or "last"
    return (
        f"{text}\n\nshown: {len(shown)} of {len(units)} functions (failed, unknown, blocked and the {SLOWEST} slowest);"
        f" all of them: orchestrator show {run} --all"
    )


def _worth_seeing(units: list[UnitState]) -> list[UnitState]:
    slowest = sorted(units, key=lambda unit: -unit.total_s)[:SLOWEST]
    keys = {unit.key for unit in slowest if unit.total_s}
    return [unit for unit in units if unit.key in keys or name_of(unit) in _LOUD]


def failures(state: RunState) -> str:
    """Show what failed, is unknown or blocked, in full: equal errors once, with the functions that they concern."""
    return "\n\n".join(groups.blocks(state.units.values()))


def runs_table(runs: Iterable[RunSummary], *, width: int = 160) -> str:
    """List runs, one a line."""
    head = ["run", "started (UTC)", "verb", "took", "functions", "exit", "outcomes", "endpoint"]
    rows = [
        [
            run.id,
            f"{datetime.fromtimestamp(run.started_at, UTC):%Y-%m-%d %H:%M:%S}",
            run.verb,
            time_span(run.ended_at - run.started_at) if run.ended_at is not None else NOT_ENDED,
            str(run.units),
            str(run.exit_code) if run.exit_code is not None else "-",
            ", ".join(f"{run.outcomes[name]} {name}" for name in sorted(run.outcomes, key=_rank)) or "-",
            run.endpoint,
        ]
        for run in runs
    ]
    return aligned(head, rows, width=width, numbers=frozenset({"functions", "exit", "took"}))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
