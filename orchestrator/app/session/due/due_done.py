"""Whether a due time is done: by its own run, or by another run of the same scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from orchestrator.app.session.chains.left import about_the_same
from orchestrator.app.session.due.due_place import chain_of, due_place, remember_breach, schedule_of, usable
from orchestrator.app.session.identity import line_of
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import Now
from orchestrator.coordination.claim import written
from orchestrator.coordination.open_due import close_breach, due_since, open_breach
from orchestrator.errors import Exit, OrchestratorError
from orchestrator.job.binding import Binding
from orchestrator.journal.identity import Selection
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Blocked, Deployed, Failed, Pruned, Unchanged
from orchestrator.report.views import CommandResult, ResultView

_CAME_TO = Deployed | Pruned | Unchanged | Failed | Blocked
_DONE = {Exit.DONE, Exit.FAILED, Exit.ROLLED_BACK}


def is_done(result: CommandResult) -> bool:
    """Return whether a due time is done.

    | exit    | functions                           | done                                           |
    | ---     | ---                                 | ---                                            |
    | 0, 1, 5 | all had their turn, whatever failed | yes: what failed is tried when it is due again |
    | 1, 5    | any; it was rolled back             | yes: it has failed                             |
    | 0, 1, 5 | some left out: a breach             | no, and no call resumes it automatically       |
    | 0, 1, 5 | some left out: a breaker            | no                                             |
    | 3       | any; the run is paused              | yes: it continues when a user says so          |
    | others  | any                                 | no: interrupted, or could not start            |
    """
    if not isinstance(result.view, ResultView):
        return result.exit in _DONE
    state = result.view.state
    if state.rollout.paused is not None:
        return True
    return result.exit in _DONE and bool(state.rollout.rollback or not state.outcomes.get("cancelled", 0))


async def count_as_done(session: Session, binding: Binding, result: CommandResult) -> None:
    """After a run of the job without --due, mark a due time that a breach left undone as done where the run had its
    scope; otherwise report why it is not.
    """
    request = session.request
    if schedule_of(binding.spec) is None or request.options.dry_run or session.stop.reason or not is_done(result):
        return
    place = due_place(session, binding.name)
    try:
        with anyio.CancelScope(shield=True), usable(place):
            breach = await open_breach(place)
            then = await chain_of(session, breach.run_id) if breach is not None else None
            of_it = then is not None and request.left is not None and request.left.run.run_id == then.run_id
            was_about = then.identity.selection if then is not None else Selection(job=binding.name)
            all_came = then is not None and _all_came(session, then)
            other = differs(request.identity.selection, was_about, of_it=of_it, all_came=all_came)
            closed = breach is not None and not other and await close_breach(place, breach)
        if breach is None or closed:
            remember_breach(session, binding.name, None)
    except OrchestratorError as error:
        session.messages.warn(f"could not check whether this run completes a due time of the job: {error.message}")
        return
    if breach is None:
        return
    what = f"the due time {breach.due_at}, which run {breach.run_id} left undone,"
    if closed:
        session.messages.say(f"{what} counts as done")
    elif other:
        line = line_of(request.options.verb, replace(request.identity, selection=was_about), session.endpoint)
        session.messages.say(f"{what} stays undone: this run {other}; complete it with `{line}`")


async def say_due(session: Session, binding: Binding | None) -> None:
    """Report which due time of a job the next call starts: one that has waited for a run that a user has now
    continued.
    """
    schedule = schedule_of(binding.spec) if binding is not None else None
    if binding is None or schedule is None:
        return
    place, request = due_place(session, binding.name), session.request
    now = datetime.fromtimestamp(session.world.clock(), UTC)
    try:
        with anyio.CancelScope(shield=True), usable(place):
            at = await due_since(place, schedule, now)
    except OrchestratorError as error:
        session.messages.warn(f"could not check whether the job is due: {error.message}")
        return
    if at is not None:
        line = line_of(
            request.options.verb, replace(request.identity, selection=Selection()), session.endpoint, "--due"
        )
        session.messages.say(f'job "{binding.name}" has been due since {written(at)}: the next `{line}` starts it')


def _all_came(session: Session, then: RunState) -> bool:
    request = session.request
    now = Now(then.verb, session.endpoint, request.identity, request.state_dir)
    with open_store(request.state_dir, read_only=True) as store:
        return had_their_turn(then, about_the_same(store, now))


def had_their_turn(then: RunState, runs: Iterable[RunState]) -> bool:
    """Return whether everything that a chain left out had its turn since, whatever the outcome. `runs`: newest first,
    of the same verb with the same parameters.
    """
    came = set[tuple[str, str]]()
    for run in runs:
        if run.run_id == then.run_id:
            break
        if run.verb == then.verb and run.identity.selection.parameters == then.identity.selection.parameters:
            ended = (unit for unit in run.units.values() if isinstance(unit.outcome, _CAME_TO))
            came.update(name for unit in ended for name in names_of(unit))
    return then.total <= len(then.units) and not any(came.isdisjoint(names_of(unit)) for unit in left_out(then))


def left_out(run: RunState) -> list[UnitState]:
    """Return what had no turn in a chain, as far as its plan is known."""
    return [unit for unit in run.units.values() if not isinstance(unit.outcome, _CAME_TO)]


def differs(now: Selection, then: Selection, *, of_it: bool, all_came: bool = False) -> str:
    """Return how a run's scope falls short of the run of a due time; "" where it covers at least as much.
    `all_came`: with this run, everything that the due run left out has had its turn.

    | this run                             | counts                                                  |
    | ---                                  | ---                                                     |
    | other parameters than the due run's  | no: something else is made                              |
    | any of these, if it was the last     | yes (`all_came`)                                        |
    | --failed                             | no: what was left out has not had its turn              |
    | --undone                             | if it selects what this due run left (`of_it`)          |
    | FUNCTIONS, --label                   | where the due run had the same                          |
    | neither                              | yes                                                     |
    """
    if dict(now.parameters) != dict(then.parameters):
        return "had other parameters (--param)"
    if all_came:
        return ""
    if now.left_by == "failed":
        return "selected only failures (--failed)"
    if now.left_by and not of_it:
        return "selected what another run left (--undone)"
    some = (now.patterns, now.labels) != ((), ()) and (now.patterns, now.labels) != (then.patterns, then.labels)
    return "selected only some functions" if some else ""
