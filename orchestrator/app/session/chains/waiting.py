"""Runs that wait for somebody: what a due time, which nobody watches, must not decide for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.session.chains.left import about_the_same
from orchestrator.app.session.chains.paused import left_since, paused_runs
from orchestrator.app.session.identity import paused_ways, resume_line
from orchestrator.app.session.options import ROLLBACK
from orchestrator.app.session.taking_up import Now
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import names_of
from orchestrator.model import Action, Deployed, Plan, Unchanged
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.resume import left_of

_NO_PLAN = Plan(())
Name = tuple[str, str]  # of a Function: its folder, and its id or its name


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits. `verb`: what was run; `names`: of the Functions that it has left; `said`: how to go on; `back`:
    it is being taken back.
    """

    verb: str
    names: frozenset[Name]
    said: str
    back: bool = False

    def keeps(self, verb: str, plan: Plan) -> bool:
        """Say whether a due run of this verb, with this plan, does not start for it.

        | the run that waits                            | the due run is                            | starts |
        | ---                                           | ---                                       | ---    |
        | any                                           | of the same job                           | no     |
        | is paused, of another command or job          | about to change a Function that it left   | no     |
        | is being taken back, of another command or job | about a Function that it is to take back | no     |
        | any                                           | about others                              | yes    |
        """
        units = [unit for unit in plan.units if self.back or unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
        about = {(unit.spec.folder_id, name) for unit in units for name in (unit.function_id, unit.spec.name) if name}
        return self.verb == verb or not self.names.isdisjoint(about)


def waits_for(state_dir: Path, endpoint: str, identity: Identity, verb: str, plan: Plan = _NO_PLAN) -> list[str]:
    """Say which runs keep a due run of this verb from starting. `plan`: nothing, before it is made."""
    with open_store(state_dir, read_only=True) as store:
        now = Now("", endpoint, identity, state_dir)
        return [one.said for one in waiting(store, now) if one.keeps(verb, plan)]


def waiting(store: Store, now: Now) -> Iterator[Waiting]:
    """Give the runs that wait for somebody.

    | a run                                                   | waits, for              |
    | ---                                                     | ---                     |
    | is paused, and can still go on                          | `promote` or `rollback` |
    | was to be taken back by its breach, and is not yet      | `resume`                |
    | is a rollback that was cut off                          | `resume`                |
    | either of these; a later run has done all that was left | nobody                  |
    | either of these; given up                               | nobody                  |
    """
    for run in paused_runs(store, now):
        waits, _ = left_since(store, run, now.state_dir)
        names = frozenset(name for unit in waits.values() for name in names_of(unit))
        yield Waiting(run.verb, names, f"run {run.run_id} is paused: {paused_ways(run.run_id)}")
    done = set[Name]()  # by later runs
    for run in about_the_same(store, now):
        left = _to_take_back(run)
        if any(done.isdisjoint(one) for one in left):
            of = _taken_back(store, run)
            if of is None or not of.owes_rollback:  # else that run waits, with all that it has touched
                said = f"the rollback of run {run.rollout.rolls_back or run.run_id} is not at its end"
                names = frozenset(name for one in left for name in one)
                verb = of.verb if of is not None else run.verb
                yield Waiting(verb, names, f"{said}: `{resume_line(run.run_id)}` goes on with it", back=True)
        came = (unit for unit in run.units.values() if isinstance(unit.outcome, Deployed | Unchanged))
        done.update(name for unit in came for name in names_of(unit))


def _to_take_back(run: RunState) -> list[set[Name]]:
    """Give the names of each Function that is still to be taken back by a run, or for it."""
    if run.owes_rollback:
        touched = touched_by(run).values()
        return [{(one.folder_id, name) for name in (one.function_id, one.name) if name} for one in touched]
    return [set(names_of(unit)) for unit in left_of(run).values()] if run.verb == ROLLBACK else []


def _taken_back(store: Store, run: RunState) -> RunState | None:
    """Give the run that a rollback takes back, with all that took it up, where that is known here."""
    back = run.rollout.rolls_back if run.verb == ROLLBACK else ""
    return store.chain_state(back) if back in {one.id for one in store.runs()} else None
