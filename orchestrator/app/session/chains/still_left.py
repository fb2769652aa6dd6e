"""What chains of runs left that no later one has done: for `resume`, --failed and --undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from orchestrator.app.session.options import ROLLBACK
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Deployed, Pruned, Unchanged


def still_left(
    chains: Iterable[RunState], left_of: Callable[[RunState], Mapping[str, UnitState]], *, back: bool = False
) -> Iterator[tuple[RunState, dict[str, UnitState]]]:
    """Yield each chain, newest first, with what it left that no later one has made or found unchanged. Only chains of
    the same verb with the same parameters and variables count: a job that copies live versions, for example, does not
    do the work of a deploy. Work selected as left by a former run counts whatever its values were.

    A deploy of all functions ends the search: what earlier deploys left was left by it too, or is not desired any more.
    `back`: what was rolled back since counts as left. Rollbacks themselves leave nothing.
    """
    taken: dict[str, set[tuple[str, str]]] = {}  # by run ID: what was rolled back of it
    done: dict[object, set[tuple[str, str]]] = {}
    tried = dict[str, set[tuple[str, str]]]()  # by verb: what was done as left by a former run
    settled = set[str]()  # verbs for which nothing older counts
    for run in chains:
        if run.verb in settled:
            continue
        selection = run.identity.selection
        given = frozenset(selection.parameters.items()), frozenset(selection.variables.items())
        ended = done.setdefault((run.verb, *given), set())
        units = {} if run.given_up else dict(left_of(run))
        if back:
            names = set[tuple[str, str]]().union(*(taken.get(link.run_id, ()) for link in run.chain))
            units |= {key: unit for key, unit in run.units.items() if not names.isdisjoint(names_of(unit))}
        if back and run.verb == ROLLBACK:
            taken.setdefault(run.rollout.rolls_back, set()).update(_back_again(run, units))
            continue
        over = ended | tried.get(run.verb, set())
        yield run, {key: unit for key, unit in units.items() if over.isdisjoint(names_of(unit))}
        if run.verb == "deploy" and is_whole(run.identity) and run.total <= len(run.units):
            settled.add(run.verb)
        is_done = [unit for unit in run.units.values() if isinstance(unit.outcome, Deployed | Pruned | Unchanged)]
        of_them = tried.setdefault(run.verb, set()) if selection.left_by else ended
        of_them.update(name for unit in is_done for name in names_of(unit))


def _back_again(run: RunState, again: Mapping[str, UnitState]) -> set[tuple[str, str]]:
    """Return the names that a rollback has undone, except those that a rollback of it restored (`again`)."""
    is_back = [unit for unit in run.units.values() if isinstance(unit.outcome, Deployed | Unchanged)]
    return {name for unit in is_back if unit.key not in again for name in names_of(unit)}


def is_whole(identity: Identity) -> bool:
    """Return whether a command selected all functions, whatever a former run has left."""
    return identity.selection.is_whole
