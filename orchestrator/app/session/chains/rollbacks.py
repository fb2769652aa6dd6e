"""What the journal knows of rollbacks, for a plan: see `planning/back/known_rollbacks.py`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.app.session.identity import resume_line
from orchestrator.app.session.options import ROLLBACK
from orchestrator.errors import Exit, JournalError
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import has_journal, open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Deployed, Plan, Unchanged
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import KnownRollbacks, TagMove, moves_of
from orchestrator.planning.back.touched import made_by, touched_by
from orchestrator.planning.resume import to_resume
from orchestrator.version.stamp import read_back_mark


def known_rollbacks(state_dir: Path, endpoint: str, *, tags: bool) -> KnownRollbacks:
    """Read what rollbacks have left that have not come to their end, and that no later run has brought to one; and
    where `tags` are asked for, which of them rollbacks have moved. A run that cannot be read is passed over.
    """
    moves, unended = list[TagMove](), dict[tuple[str, str], tuple[str, str]]()
    if not has_journal(state_dir):
        return KnownRollbacks()
    done = set[tuple[str, str]]()
    with open_store(state_dir, read_only=True) as store:
        runs = [run for run in store.runs() if run.endpoint == endpoint and not run.taken_up_by]
        open_at = [number for number, run in enumerate(runs) if run.exit_code in (None, Exit.INTERRUPTED)]
        last = max(open_at, default=-1)  # nothing older has been left
        for number, summary in enumerate(runs):
            if number > last and not (tags and summary.verb == ROLLBACK):
                continue
            try:
                run = store.chain_state(summary.id)
            except JournalError:  # damaged, or of a newer program: what it needs is said where it is taken up
                continue
            if run.verb == ROLLBACK:
                moves += moves_of(run.units.values(), _named(run))
            for name in _left(run) - done:
                why = f"{_said(run)} has not come to its end", f"`{resume_line(run.run_id)}` goes on"
                unended.setdefault(name, why)
            done |= _names(one for one in run.units.values() if isinstance(one.outcome, Deployed | Unchanged))
    return KnownRollbacks(tuple(moves), unended)


def told_of_withdrawn(state_dir: Path, plan: Plan, live: LiveState) -> dict[str, str]:
    """Say which rollback has made the live Versions that bear a back mark, as far as the journal here knows."""
    latest = [live.latest(unit.function_id) for unit in plan.units if unit.function_id is not None]
    left = {version.id for version in latest if version is not None and read_back_mark(version.description)}
    told: dict[str, str] = {}
    if not left or not has_journal(state_dir):
        return told
    with open_store(state_dir, read_only=True) as store:
        for run in store.runs():
            if run.verb != ROLLBACK or not left:
                continue
            try:
                back = fold(store.events(run.id))
                of = store.chain_state(back.rollout.rolls_back) if back.rollout.rolls_back else None
            except JournalError:  # damaged, or of a newer program: it only says more
                continue
            why = f" of run {of.run_id}: {of.breach or 'somebody took it back'}" if of is not None else ""
            made = {version_id for unit in back.units.values() for version_id in made_by(unit)} & left
            told |= dict.fromkeys(made, f"rollback {run.id}{why}")
            left -= made
    return told


def _left(run: RunState) -> set[tuple[str, str]]:
    """Give the names of what a rollback is still to take back."""
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
