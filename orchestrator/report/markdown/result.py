"""The result of a run as Markdown: counts, failures by cause, the next command, then each function."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.report.failures import NAMED_MAX, Cause, causes, serving_since
from orchestrator.report.history import chain_word, commit_words, selection_words, who
from orchestrator.report.markdown.pieces import code, cut_to, row
from orchestrator.report.plain_text import counted, named, time_span
from orchestrator.report.records import back_word, name_of, unit_word
from orchestrator.report.summary import by_outcome, outcome_counts, rollback_summary, versions_deleted, warnings
from orchestrator.report.views import ResultView

_CAUSES_MAX = 20


def result_markdown(view: ResultView, room: int) -> str:
    """Return a result, whose texts are safe, in at most so many characters."""
    state = view.state
    parts = [_head(view), _causes(state, view), _warnings(view)]
    text = "\n\n".join("\n".join(part) for part in map(list, parts) if part)
    units = [unit for unit in by_outcome(state.units.values()) if name_of(unit) != "unchanged"]
    if not units:
        return text
    head = ["function", "outcome", "version", *(["rolled back"] if view.back is not None else []), "seconds"]
    table = [row(head), row(["---"] * len(head)), *(_cells(unit, view) for unit in units)]
    summary = f"<details><summary>{counted(len(units), 'function')}, without those that are unchanged</summary>"
    shown = cut_to(table, max(0, room - len(text) - len(summary) - 20), "more function")
    return "\n\n".join([text, summary, "\n".join(shown), "</details>"])


def _head(view: ResultView) -> Iterator[str]:
    state = view.state
    counts = ", ".join(f"**{count}** {word}" for word, count in outcome_counts(state).items()) or "nothing to do"
    environment = state.identity.environment
    where = f" for {code(environment)}" if environment else ""
    yield f"### {code(state.verb)}{where}, {chain_word(state, view.back, alive=view.alive)}: {counts}"
    yield ""
    took_s = None
    if state.started_at is not None and state.ended_at is not None:
        took_s = state.ended_at - state.started_at + state.planned_s
    facts = {
        "run": state.run_id,
        "exit code": "" if state.exit_code is None else str(state.exit_code),
        "took": "" if took_s is None else time_span(took_s),
        "why it stopped": state.reason or state.breach,
        "paused": state.rollout.paused.reason if state.rollout.paused is not None else "",
        "folders": ", ".join(state.identity.folders),
        "selection": selection_words(state.identity, state.verb),
        "by": who(state.identity),
        "commit": commit_words(state.identity),
        "rolled back": rollback_summary(view.back) if view.back is not None else "",
    }
    yield from (f"- {name}: {code(value)}" for name, value in facts.items() if value)
    if view.next_step:
        yield f"- next: {code(view.next_step)}"


def _causes(state: RunState, view: ResultView) -> Iterator[str]:
    """Yield what failed, is unknown or blocked, by cause, the most frequent first."""
    found = causes(state.units.values(), serving_since(view.back))
    if not found:
        return
    yield row(["functions", "what", "cause", "next"])
    yield row(["---"] * 4)
    yield from map(_cause, found[:_CAUSES_MAX])
    if more := found[_CAUSES_MAX:]:
        yield ""
        yield f"… and {counted(sum(len(cause.units) for cause in more), 'function')} of {len(more)} other causes"


def _cause(cause: Cause) -> str:
    who_failed = f"{len(cause.units)}: {code(named([unit.key for unit in cause.units], NAMED_MAX))}"
    failure = cause.failure
    detail = failure.detail.strip().splitlines()[-1:]  # the last line of a build's output
    message = "; ".join([failure.message, *detail])
    return row([who_failed, cause.what, code(message), code(failure.advice)])


def _warnings(view: ResultView) -> Iterator[str]:
    odd = (line.removeprefix("warning: ") for line in warnings(view.state).splitlines())
    yield from (f"- warning: {code(one)}" for one in (*odd, *view.warnings))


def _cells(unit: UnitState, view: ResultView) -> str:
    version = "{} of {} deleted".format(*versions_deleted(unit)) if unit.action == "prune" else unit.version_id
    seconds = f"{unit.work_s:.1f}" if unit.seconds else ""
    back = [back_word(unit, view.back)] if view.back is not None else []
    return row([code(unit.key), unit_word(unit, view.state.verb), code(version), *back, seconds])
