"""Paused runs: which one is selected, whether it can still continue, and how a later run affects it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.app.session.chains.left import about_the_same
from orchestrator.app.session.identity import promote_line, resume_line
from orchestrator.app.session.taking_up import Differs, Now, check_not_taken_back, difference
from orchestrator.errors import UsageError
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Deployed, Unchanged
from orchestrator.model.command_line import command_line
from orchestrator.planning.resume import ended_by_rollback, to_resume
from orchestrator.report.plain_text import counted


def last_paused(store: Store, state_dir: Path, environment: str = "") -> str:
    """Return the last paused run of the last run's manifest and environment, or of `environment`.

    Raises `UsageError` where there is none.
    """
    first = store.chain_state(store.find("last", environment))
    for run in paused_runs(store, Now("promote", first.endpoint, first.identity, state_dir)):
        return run.run_id
    then = first.identity
    for other in store.runs():
        named = other.identity.environment
        if other.paused and named != then.environment and other.endpoint == first.endpoint:
            there = replace(then, environment=named)
            for run in paused_runs(store, Now("promote", first.endpoint, there, state_dir)):
                where = f"in the environment {named}" if named else "without an environment"
                raise UsageError(
                    f"no run is paused{f' in the environment {then.environment}' if then.environment else ''}",
                    advice=f"continue the last one {where} with `{promote_line(run.run_id)}`",
                )
    raise UsageError("no run is paused", advice=f"`{command_line('runs')}` lists all runs")


def check_paused(store: Store, run: RunState, state_dir: Path) -> None:
    """Check that a run is paused. Raises `UsageError` with its actual state."""
    what = f"run {run.run_id} is not paused"
    if run.given_up:
        raise UsageError(f"{what}: what it left undone was given up", advice="deploy the functions again")
    check_not_taken_back(run)
    if run.rollout.paused is None:
        if run.ended_at is None or to_resume(run):
            advice = f"continue it with `{resume_line(run.run_id)}`"
        else:
            advice = "it has ended: there is nothing to continue"
        raise UsageError(what, advice=advice)
    if why := _in_the_way(store, run, state_dir):
        raise UsageError(f"{what} any more: {why}", advice=f"`{command_line('plan')}` shows the remaining changes")


def _in_the_way(store: Store, run: RunState, state_dir: Path) -> str:
    """Return why a paused run cannot continue; "" where it can. It cannot where all that it left was done by others, or
    rolled back.
    """
    left, done_by = left_since(store, run, state_dir)
    if left:
        return ""
    if done_by:
        return f"run {done_by} has superseded it: everything that it left is deployed"
    return next((one.reason for one in ended_by_rollback(run).values()), "")


def left_since(store: Store, run: RunState, state_dir: Path) -> tuple[dict[str, UnitState], str]:
    """Return what a paused run has left that no later one has made or found unchanged, and the newest run that did."""
    left, done_by = to_resume(run), ""
    for later in about_the_same(store, Now("", run.endpoint, run.identity, state_dir)):
        if later.run_id == run.run_id:
            break
        is_done = (unit for unit in later.units.values() if isinstance(unit.outcome, Deployed | Unchanged))
        done = {name for unit in is_done for name in names_of(unit)}
        still = {key: unit for key, unit in left.items() if done.isdisjoint(names_of(unit))}
        if len(still) < len(left):
            left, done_by = still, done_by or later.run_id
    return left, done_by


def superseded_by(store: Store, run_id: str, state_dir: Path) -> str:
    """Return the later run that supersedes a paused one, "" for none.

    | all that the paused run has left | and the later run           | it is |
    | ---                              | ---                         | ---   |
    | was made, or found unchanged     | did so last                 | that  |
    | is left in a later run, too      | is paused, and is the newest | that |
    | anything else                    |                             | none  |
    """
    run = store.chain_state(run_id)
    left, done_by = left_since(store, run, state_dir)
    if not left:
        return done_by
    for later in about_the_same(store, Now("", run.endpoint, run.identity, state_dir)):
        if later.run_id == run.run_id:
            break
        names = {name for unit in to_resume(later).values() for name in names_of(unit)}
        waits = later.rollout.paused is not None and not later.given_up and later.taken_back.whole is None
        if waits and all(not names.isdisjoint(names_of(unit)) for unit in left.values()):
            return later.run_id
    return ""


def superseded(state_dir: Path, endpoint: str, identity: Identity, functions: Collection[str]) -> Iterator[str]:
    """Yield which paused runs a run supersedes, in whole or in part, when it changes these functions, given as
    FOLDER/NAME.
    """
    if not functions:
        return
    desired = {tuple(function.split("/", 1)) for function in functions}
    with open_store(state_dir, read_only=True) as store:
        for run in paused_runs(store, Now("", endpoint, identity, state_dir)):
            left, _ = left_since(store, run, state_dir)
            own = sum(not desired.isdisjoint(names_of(unit)) for unit in left.values())
            if own:
                does = "supersedes it" if own == len(left) else f"deploys {own} of them"
                yield f"run {run.run_id} is paused with {counted(len(left), 'function')} left; this run {does}"


def paused_runs(store: Store, now: Now) -> Iterator[RunState]:
    """Yield the chains that are paused and can still continue, newest first, whatever their folders."""
    for summary in store.runs():
        if summary.paused and summary.endpoint == now.endpoint:
            run = store.chain_state(summary.id)
            found = difference(run, now)
            same = found is None or found[0] is Differs.FOLDERS
            if same and run.rollout.paused is not None and not _in_the_way(store, run, now.state_dir):
                yield run
