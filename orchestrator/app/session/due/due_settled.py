"""What people have done since a due time came, so that no call begins it by itself any more."""

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
    """Say by what people have settled a due time of the job that `now.verb` runs, as far as the journal knows; "" where
    nobody has. `came_at`: when it came, in epoch seconds. Raises `JournalError`.
    """
    with open_store(now.state_dir, read_only=True) as store:
        return _settled(list(_since(store, now, came_at)), came_at, now.identity.selection)


def without_named(plan: Plan, now: Now, came_at: float) -> Plan:
    """Block what somebody has rolled back by name of a run of the job that began since a due time came, begun or not:
    this due time does not begin it again. Raises `JournalError`.
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
        f"rollback {by} has named it, so this due time does not begin it",
        kind="rolled back by name",
        advice="deploy it by hand, or wait for the next due time",
    )
    unit = replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure)
    return replace(unit, changes=(), way_back=None, failed_step=None)


def _settled(runs: Sequence[RunState], came_at: float, wanted: Selection) -> str:
    """Say by what a due time is done that came at `came_at`, "" where it is not. `runs`: the chains of its job of which
    something happened since, the newest first; those that were about less than `wanted`, what a due run is about,
    settle nothing.

    | since it came, the newest that fits                                       | the due time |
    | ---                                                                       | ---          |
    | a run was rolled back: all of it, whenever it began, and that has ended   | is done      |
    | a run began, and was given up                                             | is done      |
    | a run began and left functions out, and all of these had their turn since | is done      |
    | a run was promoted; some functions of one were rolled back; none of it    | begins       |

    The first holds for due times that had waited behind the run, too: whoever took it back has seen it fail.
    """
    for run in runs:
        if differs(run.identity.selection, wanted, of_it=False):
            continue
        first, back = run.chain[0], run.taken_back.whole
        if back is not None and is_taken_back(run):  # since it came: nothing of a run happens later
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
    """Give the chains of a job, the newest first, that began, went on, or were rolled back since."""
    runs = store.runs()
    began_at = {run.id: run.started_at for run in runs}
    for run in runs:
        last_at = max(run.started_at, began_at.get(run.rolled_back_by, 0.0))
        if (run.verb, run.endpoint) == (now.verb, now.endpoint) and not run.taken_up_by and last_at >= came_at:
            chain = store.chain_state(run.id)
            if difference(chain, now) is None:
                yield chain
