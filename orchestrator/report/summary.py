"""The result of a run, in words and tables: pure functions of its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Blocked, ChangeKind, Failed, Pruned, Step
from orchestrator.model.command_line import line_of_run
from orchestrator.report.failures import NAMED_MAX
from orchestrator.report.history import commit_words, selection_words, state_word, who
from orchestrator.report.plain_text import aligned, counted, named, time_span
from orchestrator.report.records import IN_PART, NOT_ENDED, back_word, name_of, outcome_word, unit_word
from orchestrator.report.rolled_back import CameBack, came_back, parts_back
from orchestrator.report.verifying_text import SKIPPED, is_verified, verdict_word

WHOLE_MAX = 60  # functions; a larger table does not show all
SLOWEST = 20
ROLLED_BACK = "rolled back"
# From the least to the most important: the end of a table is what stays on the screen.
_ORDER = ("unchanged", "deployed", "pruned", NOT_ENDED, "cancelled", "blocked", "inconclusive", "unknown", "failed")
_HEADS = {Step.FUNCTION: "new function"}  # the names are under "function"
_LOUD = ("blocked", "inconclusive", "unknown", "failed")


def counts(state: RunState) -> dict[str, int]:
    """Count units by outcome, in the order of the table. Units without one are "not ended"."""
    named = dict(state.outcomes)
    unended = max(state.total, len(state.units)) - state.ended
    if unended > 0:
        named[NOT_ENDED] = unended
    return {name: named[name] for name in sorted(named, key=_rank)}


def outcome_counts(state: RunState) -> dict[str, int]:
    """Count units by the words that people see. A rollback may have partly rolled back units."""
    left = Counter(name_of(unit) for unit in state.units.values() if unit_word(unit, state.verb) == IN_PART)
    by_word = {outcome_word(name, state.verb): count - left[name] for name, count in counts(state).items()}
    by_word |= {IN_PART: left.total()} if left else {}
    return {word: count for word, count in by_word.items() if count}


def result_words(state: RunState) -> str:
    """Count the functions by outcome, in words: "12 functions: 10 deployed, 1 failed, 1 unknown"."""
    outcomes = ", ".join(f"{count} {word}" for word, count in outcome_counts(state).items())
    gone = [versions_deleted(unit) for unit in state.units.values()]
    of = sum(count for _, count in gone)
    versions = f", {sum(count for count, _ in gone)} of {counted(of, 'version')} deleted" if of else ""
    return f"{counted(max(state.total, len(state.units)), 'function')}: {outcomes or 'nothing to do'}{versions}"


def headline(state: RunState) -> str:
    """Return how the run ended in one line: "12 functions: 10 deployed, 1 failed, 1 unknown in 8.4 s". The time
    includes planning and builds.
    """
    took = ""
    if state.started_at is not None and state.ended_at is not None:
        took = f" in {time_span(state.ended_at - state.started_at + state.planned_s)}"
    reason = f" ({state.reason})" if state.reason else ""
    skipped = f"; {SKIPPED}" if "verification" in state.rollout.skips else ""
    where = f"environment {state.identity.environment}: " if state.identity.environment else ""
    return f"{where}{result_words(state)}{took}{reason}{skipped}"


def versions_deleted(unit: UnitState) -> tuple[int, int]:
    """Return how many Versions a unit has deleted or found gone, and how many it was to delete."""
    states = [state for state in unit.changes if state.change.kind is ChangeKind.DELETE]
    if isinstance(unit.outcome, Pruned):
        return len(states), len(states)
    return sum(state.outcome == "done" for state in states), len(states)


def rollback_summary(back: RunState) -> str:
    """Return the result of a rollback: "rolled back by run R: 12 functions; 1 left alone: NAME: why". If no function is
    back completely: "rolled back in part by run R: 2 functions: NAME: version back, but why".
    """
    found: dict[CameBack, list[UnitState]] = {how: [] for how in CameBack}
    for unit in back.units.values():
        found[came_back(unit)].append(unit)
    whole, partly, unseen = found[CameBack.WHOLE], found[CameBack.PART], found[CameBack.UNSEEN]
    if partly and not whole:
        parts = [f"rolled back in part by run {back.run_id}: {counted(len(partly), 'function')}: {_each(partly)}"]
    else:
        parts = [f"rolled back by run {back.run_id}: {counted(len(whole), 'function')}"]
        parts += [f"{len(partly)} in part: {_each(partly)}"] if partly else []
    if alone := found[CameBack.NOTHING]:
        parts.append(f"{len(alone)} left alone: {_each(alone)}")
    if unseen or back.ended_at is None:
        parts.append(f"{len(unseen)} unknown" if unseen else "it has not ended")
    return "; ".join(parts)


def _each(units: list[UnitState]) -> str:
    """Return for each function which parts are back, and why the others are not."""
    lines = []
    for unit in units[:NAMED_MAX]:
        done = f"{', '.join(parts)} back, but " if (parts := parts_back(unit)) else ""
        lines.append(f"{unit.key}: {done}{_why(unit)}")
    return "; ".join([*lines, *([f"and {len(units) - NAMED_MAX} more"] if len(units) > NAMED_MAX else [])])


def _why(unit: UnitState) -> str:
    match unit.outcome:
        case Failed(_, failure):
            return failure.message.removeprefix("left alone: ")
        case Blocked(reason):
            return reason.removeprefix("left alone: ")
    return ""


def run_table(
    state: RunState,
    back: RunState | None = None,
    *,
    width: int | None = None,
    everything: bool = False,
    timings: bool = False,
) -> str:
    """Return each unit's outcome, version (in a prune: how many were deleted) and seconds of work, failures last; ""
    without units.

    The total excludes the time in which a unit waited for its slot. `timings`: add a column for each step. Above 60
    units only those that failed, are unknown, inconclusive or blocked, and the 20 slowest are shown, unless
    `everything`. `back`: the rollback that took the run back, which adds a column.
    """
    units = by_outcome(state.units.values())
    shown = units if everything or len(units) <= WHOLE_MAX else _worth_seeing(units)
    if not shown:
        return ""
    steps = [step for step in Step if timings and any(step in unit.seconds for unit in shown)]
    verified, prunes = is_verified(shown), any(unit.action == Action.PRUNE for unit in shown)
    head = [
        "function",
        "outcome",
        "deleted" if prunes else "version",
        *(["verified"] if verified else []),
        *(["rolled back"] if back is not None else []),
        *(_HEADS.get(step, str(step)) for step in steps),
        "total",
    ]
    rows = [
        [
            unit.key,
            unit_word(unit, state.verb),
            "{} of {}".format(*versions_deleted(unit)) if prunes else unit.version_id or "-",
            *([verdict_word(unit)] if verified else []),
            *([back_word(unit, back)] if back is not None else []),
            *(_seconds(unit.seconds.get(step)) for step in steps),
            _seconds(unit.work_s if unit.seconds else None),
        ]
        for unit in shown
    ]
    numbers = frozenset(head[3 + verified + (back is not None) :])
    text = aligned(head, rows, width=width, numbers=numbers, spare=head[3:])
    if len(shown) == len(units):
        return text
    run = state.run_id or "last"
    return (
        f"{text}\n\nshowing {len(shown)} of {len(units)} functions (failed, unknown, blocked, {SLOWEST} slowest);"
        f" see all: `{line_of_run('show', run, '--all')}`"
    )


def by_outcome(units: Iterable[UnitState]) -> list[UnitState]:
    """Return units as tables list them: by outcome, failures last, then by name."""
    return sorted(units, key=lambda unit: (_rank(name_of(unit)), unit.key))


def folder_table(state: RunState, *, width: int | None = None) -> str:
    """Count a run's functions by folder and outcome, "" where all are in one folder."""
    by_folder: dict[str, Counter[str]] = {}
    for unit in state.units.values():
        by_folder.setdefault(unit.folder_id, Counter())[name_of(unit)] += 1
    if len(by_folder) < 2:
        return ""
    names = [name for name in counts(state) if any(row[name] for row in by_folder.values())]
    head = ["folder", *(outcome_word(name, state.verb) for name in names), "all"]
    rows = [
        [folder or "-", *(str(row[name] or "-") for name in names), str(row.total())]
        for folder, row in sorted(by_folder.items())
    ]
    return aligned(head, rows, width=width, numbers=frozenset(head[1:]))


def _worth_seeing(units: list[UnitState]) -> list[UnitState]:
    slowest = sorted(units, key=lambda unit: -unit.work_s)[:SLOWEST]
    keys = {unit.key for unit in slowest if unit.work_s}
    return [unit for unit in units if unit.key in keys or name_of(unit) in _LOUD]


def warnings(state: RunState) -> str:
    """Return warnings about the packages that were to be uploaded, equal ones once."""
    by_warning: dict[str, list[str]] = {}
    for unit in state.units.values():
        if unit.action not in (Action.UNCHANGED, Action.BLOCKED):
            for warning in unit.warnings:
                by_warning.setdefault(warning, []).append(unit.key)
    return "\n".join(f"warning: {named(keys, NAMED_MAX)}: {warning}" for warning, keys in by_warning.items())


# The columns of `runs`, in order. Empty ones are left out.
_RUNS: Mapping[str, Callable[[RunSummary], str]] = {
    "run": lambda run: run.id,
    "started (UTC)": lambda run: f"{datetime.fromtimestamp(run.started_at, UTC):%Y-%m-%d %H:%M:%S}",
    "environment": lambda run: run.identity.environment,
    "verb": lambda run: run.verb,
    "state": state_word,
    "took": lambda run: time_span(run.ended_at - run.started_at) if run.ended_at is not None else "",
    "functions": lambda run: str(run.units),
    "exit": lambda run: str(run.exit_code) if run.exit_code is not None else "",
    "outcomes": lambda run: ", ".join(
        f"{run.outcomes[name]} {outcome_word(name, run.verb)}" for name in sorted(run.outcomes, key=_rank)
    ),
    "endpoint": lambda run: run.endpoint,
    "resumed by": lambda run: run.taken_up_by,
    "rolled back by": lambda run: run.rolled_back_by,
    "superseded by": lambda run: run.superseded_by,
    "manifest": lambda run: run.identity.manifest or run.manifest if run.elsewhere else run.manifest,
    "selection": lambda run: selection_words(run.identity, run.verb),
    "by": lambda run: who(run.identity),
    "commit": lambda run: commit_words(run.identity),
    "known from": lambda run: "its record in the bucket" if run.elsewhere else "",
}


def runs_table(runs: Iterable[RunSummary], *, width: int | None = None) -> str:
    """Return the runs, one a line."""
    table = [[tell(run) for tell in _RUNS.values()] for run in runs]
    shown = [number for number in range(len(_RUNS)) if any(row[number] for row in table)]
    head = [list(_RUNS)[number] for number in shown]
    rows = [[row[number] or "-" for number in shown] for row in table]
    return aligned(head, rows, width=width, numbers=frozenset({"functions", "exit", "took"}))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
