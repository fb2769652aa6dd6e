"""What the journal knows of rollbacks, for a plan. See `planning/back/known_rollbacks.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.app.session.identity import resume_line
from orchestrator.app.session.options import ROLLBACK
from orchestrator.errors import Exit, JournalError
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, has_journal, open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Deployed, Plan, Unchanged
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import KnownRollbacks, TagMove, moves_of
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.resume import to_resume
from orchestrator.version.stamp import read_back_mark


def known_rollbacks(state_dir: Path, endpoint: str, *, tags_of: Collection[str]) -> KnownRollbacks:
    """Read what unfinished rollbacks have left that no later run has finished, and which tags rollbacks have moved of
    the Functions with these IDs.

    A run that cannot be read is skipped. Only needed runs are read, since a journal has hundreds of runs with thousands
    of Functions each.
    """
    moves, unended = list[TagMove](), dict[tuple[str, str], tuple[str, str]]()
    if not has_journal(state_dir):
        return KnownRollbacks()
    with open_store(state_dir, read_only=True) as store:
        runs = [run for run in store.runs() if run.endpoint == endpoint and not run.taken_up_by]
        moving = {one for run_id in store.runs_asking(ROLLBACK, tags_of) for one in store.chain(run_id)}
        for number, summary in enumerate(runs):
            is_open = summary.exit_code in (None, Exit.INTERRUPTED) and _may_owe(store, summary)
            if not is_open and summary.id not in moving:
                continue
            run = _read_chain(store, summary.id)
            if run is None:
                continue
            if run.verb == ROLLBACK:
                moves += moves_of(run.units.values(), _named(run))
            why = f"{_said(run)} is not finished", f"continue with `{resume_line(run.run_id)}`"
            for name in _still_left(store, run, runs[:number]) if is_open else ():
                unended.setdefault(name, why)
    return KnownRollbacks(tuple(moves), unended)


def _may_owe(store: Store, summary: RunSummary) -> bool:
    """Return whether an unfinished run may still have something to roll back, judged by its summary."""
    return summary.verb == ROLLBACK or any(store.owes_perhaps(one) for one in store.chain(summary.id))


def _still_left(store: Store, run: RunState, later: Sequence[RunSummary]) -> set[tuple[str, str]]:
    """Return the names that a rollback has still to restore, and that no `later` run has made or found unchanged."""
    left, own = _left(run), {link.run_id for link in run.chain}
    if left:
        began_at = run.chain[-1].started_at
        left -= store.deployed_since(run.endpoint, began_at, own)
    for summary in later:
        if not left:
            break
        found = _read_chain(store, summary.id)
        units = found.units.values() if found is not None else ()
        left -= _names(one for one in units if isinstance(one.outcome, Deployed | Unchanged))
    return left


def _read_chain(store: Store, run_id: str) -> RunState | None:
    """Return the chain of a run; None where it is damaged, or from a newer program. Resuming it reports that."""
    try:
        return store.chain_state(run_id)
    except JournalError:
        return None


def rollbacks_of_withdrawn(state_dir: Path, endpoint: str, plan: Plan, live: LiveState) -> dict[str, str]:
    """Return, by live Version with a rollback mark, which rollback made it, as far as the journal here knows."""
    latest = [live.latest(unit.function_id) for unit in plan.units if unit.function_id is not None]
    left = {version.id for version in latest if version is not None and read_back_mark(version.description)}
    if not left or not has_journal(state_dir):
        return {}
    with open_store(state_dir, read_only=True) as store:
        made_by = store.asked_for(endpoint, left, verb=ROLLBACK)
        summaries = {run.id: run for run in store.runs()} if made_by else {}
        texts = {run_id: _rollback_words(store, summaries, run_id) for run_id in set(made_by.values())}
    return {version_id: texts[run_id] for version_id, run_id in made_by.items()}


def _rollback_words(store: Store, summaries: Mapping[str, RunSummary], run_id: str) -> str:
    """Return the name of a rollback, with its cause where the run that it undid is known here."""
    of = summaries[run_id].rolls_back
    if of not in summaries:
        return f"rollback {run_id}"
    chain = store.chain(of)
    return f"rollback {run_id} of run {chain[-1]}: {store.breach_of(chain) or 'rolled back by hand'}"


def _left(run: RunState) -> set[tuple[str, str]]:
    """Return the names that a rollback has still to restore."""
    if run.given_up:
        return set()
    if run.verb == ROLLBACK:
        return _names(to_resume(run).values())
    if not run.owes_rollback:
        return set()
    touched = touched_by(run)
    return _names(unit for key, unit in run.units.items() if key in touched)


def _names(units: Iterable[UnitState]) -> set[tuple[str, str]]:
    return {name for unit in units for name in names_of(unit)}


def _named(run: RunState) -> str:
    of = f" of run {run.rollout.rolls_back}" if run.rollout.rolls_back else ""
    return f"rollback {run.run_id}{of}"


def _said(run: RunState) -> str:
    return _named(run) if run.verb == ROLLBACK else f"the rollback of run {run.run_id}"
