"""Runs that wait for a user: an unattended due run must not decide for them."""

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
Name = tuple[str, str]  # of a Function: its folder, and its ID or name


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits. `verb`: the verb of the run; `names`: the Functions that it left; `said`: how to continue;
    `back`: it is being rolled back.
    """

    verb: str
    names: frozenset[Name]
    said: str
    back: bool = False

    def keeps(self, verb: str, plan: Plan) -> bool:
        """Return whether it keeps a due run of this verb, with this plan, from starting.

        | the run that waits                            | the due run is                            | starts |
        | ---                                           | ---                                       | ---    |
        | any                                           | of the same job                           | no     |
        | is paused, of another command or job          | about to change a Function that it left   | no     |
        | is being rolled back, of another command or job | about a Function that it has to restore | no     |
        | any                                           | about others                              | yes    |
        """
        units = [unit for unit in plan.units if self.back or unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
        about = {(unit.spec.folder_id, name) for unit in units for name in (unit.function_id, unit.spec.name) if name}
        return self.verb == verb or not self.names.isdisjoint(about)


def waits_for(state_dir: Path, endpoint: str, identity: Identity, verb: str, plan: Plan = _NO_PLAN) -> list[str]:
    """Return the messages of the runs that keep a due run of this verb from starting. `plan`: empty before it is
    made.
    """
    with open_store(state_dir, read_only=True) as store:
        now = Now("", endpoint, identity, state_dir)
        return [one.said for one in waiting(store, now) if one.keeps(verb, plan)]


def waiting(store: Store, now: Now) -> Iterator[Waiting]:
    """Yield the runs that wait for a user.

    | a run                                                   | waits, for              |
    | ---                                                     | ---                     |
    | is paused, and can still continue                       | `promote` or `rollback` |
    | must be rolled back after a breach, and is not yet      | `resume`                |
    | is a rollback that was cut off                          | `resume`                |
    | either of these; a later run has done all that was left | no one                  |
    | either of these; given up                               | no one                  |
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
            if of is None or not of.owes_rollback:  # otherwise that run waits, with everything that it changed
                said = f"the rollback of run {run.rollout.rolls_back or run.run_id} is not finished"
                names = frozenset(name for one in left for name in one)
                verb = of.verb if of is not None else run.verb
                yield Waiting(verb, names, f"{said}: continue it with `{resume_line(run.run_id)}`", back=True)
        came = (unit for unit in run.units.values() if isinstance(unit.outcome, Deployed | Unchanged))
        done.update(name for unit in came for name in names_of(unit))


def _to_take_back(run: RunState) -> list[set[Name]]:
    """Return the names of each Function that a run, or its rollback, has still to restore."""
    if run.owes_rollback:
        touched = touched_by(run).values()
        return [{(one.folder_id, name) for name in (one.function_id, one.name) if name} for one in touched]
    return [set(names_of(unit)) for unit in left_of(run).values()] if run.verb == ROLLBACK else []


def _taken_back(store: Store, run: RunState) -> RunState | None:
    """Return the chain of the run that a rollback undoes, where it is known here."""
    back = run.rollout.rolls_back if run.verb == ROLLBACK else ""
    return store.chain_state(back) if back in {one.id for one in store.runs()} else None
