"""What former runs left undone: selected by --failed and --undone, and reported by runs of some functions only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.app.session.chains.still_left import is_whole, still_left
from orchestrator.app.session.identity import line_of, next_step, paused_ways, resume_line, undone_line
from orchestrator.app.session.options import PRUNE, RunOptions
from orchestrator.app.session.taking_up import Differs, Now, check_same, difference
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Unknown
from orchestrator.model.command_line import command_line
from orchestrator.planning.resume import failed, left_of, undone
from orchestrator.report.plain_text import counted


@dataclass(frozen=True, slots=True)
class Left:
    """What the earlier chain left: the functions that an option selects. `said`: why there are none. `newer`: the last
    run, where it has none and they are of an older one.
    """

    run: RunState
    option: str
    units: Mapping[str, UnitState] = field(default_factory=dict)
    said: str = ""
    exit: Exit = Exit.DONE
    newer: str = ""


def left_by_last(options: RunOptions, now: Now, *, elsewhere: str = "") -> Left:
    """Find the scope of --failed or --undone: the newest chain that left something which no later one has done.

    Options given on the command line select among the runs (an installation, a manifest). Everything else must be as in
    the last run. Raises `UsageError` where there is no such run, or its scope differs. `elsewhere`: what is known of
    runs with another scope.
    """
    with open_store(now.state_dir, read_only=True) as store:
        found = list(still_left(_chosen(store, options, now, elsewhere), undone, back=True))
    for run, left in found:
        units = {key: unit for key, unit in left.items() if now.option == "undone" or key in failed(run)}
        if units:
            return Left(run, now.option, units, newer="" if run is found[0][0] else found[0][0].run_id)
    newest = found[0][0]
    run, left = next((one for one in found if one[1]), found[0])
    what = "failed" if now.option == "failed" else "was left undone"
    if run.given_up:
        return Left(run, now.option, said=f"what the last run, {run.run_id}, left undone was given up: nothing to do")
    others = len(left) + (max(0, run.total - len(run.units)) if run is newest else 0)
    if others:
        there = f"{counted(others, 'function')} of it {'is' if others == 1 else 'are'} undone"
        ways, code = ways_on(run, left)
        said = f"nothing {what} in the last run, {run.run_id}, but {there}: {ways}"
        return Left(run, now.option, said=said, exit=code)
    return Left(run, now.option, said=f"nothing {what} in the last run, {run.run_id}: nothing to do")


def ways_on(run: RunState, left: Mapping[str, UnitState]) -> tuple[str, Exit]:
    """Return how to continue what a chain has left, and the exit code of a command that finds this and does nothing.

    | of the chain                                | the way on                               | exit |
    | ---                                         | ---                                      | ---  |
    | it was rolled back completely               | --undone: a new run                      | 1    |
    | paused                                      | `promote`, or `rollback`                 | 3    |
    | stopped for good, and an end is unknown     | `resume` to see it, then its own command | 3    |
    | stopped for good                            | its own command: a new run               | 1    |
    | some of what is left can be resumed         | `resume`, or --undone                    | 3    |
    | all of what is left has failed              | --undone                                 | 1    |
    | what is left is not in the journal          | its own command                          | 1    |
    """
    selects = f"select {'it' if len(left) == 1 else 'them'} with `{undone_line(run)}`"
    if run.taken_back.whole is not None and left:
        return f"run {run.taken_back.whole.id} rolled it back; {selects}", Exit.FAILED
    if run.rollout.paused is not None:
        return paused_ways(run.run_id), Exit.INTERRUPTED
    if run.breach:
        unknown = any(isinstance(unit.outcome, Unknown) for unit in run.units.values())
        return f"it was stopped for good; {next_step(run)}", Exit.INTERRUPTED if unknown else Exit.FAILED
    if not left:
        return f"do the rest with `{line_of(run.verb, run.identity, run.endpoint)}`", Exit.FAILED
    if left_of(run).keys().isdisjoint(left):
        return selects, Exit.FAILED
    goes_on = f"continue with `{resume_line(run.run_id)}`"
    return (
        f"{goes_on}, or {selects}" if run.verb == "deploy" or run.identity.selection.job else goes_on,
        Exit.INTERRUPTED,
    )


def about_the_same(store: Store, now: Now) -> Iterator[RunState]:
    """Yield the chains with the same scope, newest first."""
    return (run for run in _candidates(store, now) if difference(run, now) is None)


def left_elsewhere(state_dir: Path, endpoint: str, identity: Identity, left: Left | None = None) -> str:
    """Return what other runs have left undone, before a run of some functions only; "" where there is nothing.

    `left`: what --failed or --undone selects for this run.
    """
    if is_whole(identity):
        return ""
    own = {name for unit in left.units.values() for name in names_of(unit)} if left is not None else set()
    found = list[tuple[RunState, dict[str, UnitState]]]()
    with open_store(state_dir, read_only=True) as store:
        for run, units in still_left(about_the_same(store, Now("", endpoint, identity, state_dir)), undone):
            others = {key: unit for key, unit in units.items() if own.isdisjoint(names_of(unit))}
            found += [(run, others)] if others else []
    if not found:
        return ""
    run, units = found[0]
    ways, _ = ways_on(run, units)
    older = f"; so {'has' if len(found) == 2 else 'have'} {counted(len(found) - 1, 'older run')}"
    others_too = f"{older}: `{command_line('runs')}` lists them" if len(found) > 1 else ""
    more = " more" if left is not None and left.run.run_id == run.run_id else ""
    return f"run {run.run_id} has left {counted(len(units), f'{more} function'.strip())} undone: {ways}{others_too}"


def _chosen(store: Store, options: RunOptions, now: Now, elsewhere: str) -> Iterator[RunState]:
    """Yield the runs with the same scope, newest first. Only given options select: an installation, variables, -c. A
    default manifest selects nothing, so the last run must be of that one.
    """
    first: RunState | None = None
    candidates = _candidates(store, now)
    for run in candidates:
        found = difference(run, now)
        if found is None:
            yield run
            yield from (one for one in candidates if difference(one, now) is None)
            return
        if found[0] is Differs.MANIFEST and not options.config_given:
            check_same(run, now)
        first = first or run
    if first is None:
        what = "failures" if now.option == "failed" else "undone functions"
        raise UsageError(
            f"there is no run with {what} to select",
            advice=f"remove --{now.option}{f'; {elsewhere}' if elsewhere else ''}",
        )
    check_same(first, now)
    yield first


def _candidates(store: Store, now: Now) -> Iterator[RunState]:
    """Yield the candidate chains, newest first. A job or a prune considers its own runs only, and no other verb
    considers those of a prune. Of another installation only the newest is included, to report it.
    """
    desired = now.verb if now.verb.startswith("run ") or now.verb == PRUNE else ""
    others = (PRUNE,) if now.option and not desired else ()
    runs = [run for run in store.runs() if not run.taken_up_by and desired in ("", run.verb) and run.verb not in others]
    here = [run for run in runs if run.endpoint == now.endpoint]
    for run in here or runs[:1]:
        yield store.chain_state(run.id)


def last_chain(state_dir: Path, endpoint: str, *, verb: str, environment: str) -> RunState | None:
    """Return the last run at this endpoint, in this environment, of this verb, with its resumes; None where there is
    none.
    """
    desired = (endpoint, environment, verb)
    with open_store(state_dir, read_only=True) as store:
        runs = ((run.id, (run.endpoint, run.identity.environment, run.verb)) for run in store.runs())
        found = next((run_id for run_id, of in runs if of == desired), None)
        return store.chain_state(found) if found is not None else None
