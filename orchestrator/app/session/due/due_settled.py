"""What users have done since a due time, so that no call starts it automatically."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.app.session.due.due_done import differs, had_their_turn, left_out
from orchestrator.app.session.due.due_place import is_taken_back
from orchestrator.app.session.taking_up import Now, difference
from orchestrator.journal.identity import Selection
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Failure, Plan, Unit
from orchestrator.report.history import who


def settled_by(now: Now, came_at: float) -> str:
    """Return how users have settled a due time of the job that `now.verb` runs, as far as the journal knows; "" where
    none has. `came_at`: the due time in epoch seconds. Raises `JournalError`.
    """
    with open_store(now.state_dir, read_only=True) as store:
        return _settled(list(_since(store, now, came_at)), came_at, now.identity.selection)


def without_named(plan: Plan, now: Now, came_at: float) -> Plan:
    """Block functions that a user rolled back by name from a run of the job that began since the due time, whether the
    run started them or not. This due time does not start them again. Raises `JournalError`.
    """
    with open_store(now.state_dir, read_only=True) as store:
        since = [run for run in _since(store, now, came_at) if (run.chain[0].started_at or 0.0) >= came_at]
    return Plan(tuple(_held_back(unit, since) for unit in plan.units))


def _held_back(unit: Unit, runs: Sequence[RunState]) -> Unit:
    if not unit.changes:
        return unit
    one = UnitState(unit.key, name=unit.spec.name, folder_id=unit.spec.folder_id, function_id=unit.function_id or "")
    by = next((found for run in runs if (found := run.taken_back.by(one))), "")
    if not by:
        return unit
    failure = Failure(
        f"rollback {by} included it, so it does not start for this due time",
        kind="rolled back by name",
        advice="deploy it by hand, or wait for the next due time",
    )
    unit = replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)
    return replace(unit, changes=(), way_back=None, failed_step=None)


def _settled(runs: Sequence[RunState], came_at: float, desired: Selection) -> str:
    """Return what has settled a due time that came at `came_at`, "" where nothing has. `runs`: the chains of its job
    that changed since, newest first. Those with a smaller scope than `desired`, the scope of a due run, settle nothing.

    | since it came, the newest that fits                                       | the due time |
    | ---                                                                       | ---          |
    | a run was rolled back: all of it, whenever it began, and that has ended   | is done      |
    | a run began, and was given up                                             | is done      |
    | a run began and left functions out, and all of these had their turn since | is done      |
    | a run was promoted; some functions of one were rolled back; none of it    | begins       |

    The first row also applies to due times that had waited behind the run: the user who rolled it back saw it fail.
    """
    for run in runs:
        if differs(run.identity.selection, desired, of_it=False):
            continue
        first, back = run.chain[0], run.taken_back.whole
        if back is not None and is_taken_back(run):  # since the due time: nothing happens to the run after that
            by = f" ({who(back.identity)})" if who(back.identity) else ""
            return f"run {first.run_id} was rolled back by run {back.id}{by}"
        if first.started_at < came_at:
            continue
        if run.given_up:
            return f"what run {first.run_id} left undone was given up"
        if left_out(run) and had_their_turn(run, runs):
            return f"all that run {first.run_id} left out has had its turn"
    return ""


def _since(store: Store, now: Now, came_at: float) -> Iterator[RunState]:
    """Yield the chains of a job, newest first, that began, continued or were rolled back since."""
    runs = store.runs()
    began_at = {run.id: run.started_at for run in runs}
    for run in runs:
        last_at = max(run.started_at, began_at.get(run.rolled_back_by, 0.0))
        if (run.verb, run.endpoint) == (now.verb, now.endpoint) and not run.taken_up_by and last_at >= came_at:
            chain = store.chain_state(run.id)
            if difference(chain, now) is None:
                yield chain
