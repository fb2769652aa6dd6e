"""Which run a rollback undoes, and its plan, which is made from the live state after all calls of the run have
ended.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from orchestrator.app.session.choosing import check_agreed
from orchestrator.app.session.options import Names, RunOptions
from orchestrator.app.session.planning import Planned, cannot_read
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import Differs, Now, difference
from orchestrator.app.session.typed import parse_time
from orchestrator.engine.bus import Emit
from orchestrator.engine.in_flight import settle
from orchestrator.errors import CloudError, Code, UsageError
from orchestrator.function.access import opens
from orchestrator.journal.events import OperationAccepted, UnitPlanned
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, has_journal, open_store
from orchestrator.journal.taken_back import is_named
from orchestrator.model import Action, ChangeKind, Plan, Rollout, Unknown, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.former import read_former, read_histories, read_touched, spec_of
from orchestrator.planning.back.past import back_to, back_to_time, of_function
from orchestrator.planning.back.rollback import Former, taken_back
from orchestrator.planning.back.touched import Touched, touched_by
from orchestrator.planning.live import read_live
from orchestrator.planning.resume import accepted, to_resume
from orchestrator.planning.selection import choose, expanded, select
from orchestrator.planning.sources import Sources
from orchestrator.report.plain_text import counted
from orchestrator.version.stamp import is_same, parse_fingerprint, read_stamp


def last_changed(store: Store, now: Now) -> RunState | None:
    """Return the newest chain of runs of this manifest and installation that changed something, or None."""
    return next((run for run in _of_the_same(store, now) if touched_by(run)), None)


def _of_the_same(store: Store, now: Now) -> Iterator[RunState]:
    """Yield the chains of this installation and manifest, newest first, whatever their folders."""
    for run in store.runs():
        if run.endpoint == now.endpoint and not run.taken_up_by:
            chain = store.chain_state(run.id)
            found = difference(chain, now)
            if found is None or found[0] is Differs.FOLDERS:
                yield chain


async def plan_back(
    session: Session, run: RunState, emit: Emit, *, begun: RunState | None = None, only: Container[str] | None = None
) -> Planned:
    """Plan how to undo the changes of a chain of runs. Its calls in flight are followed to their end first, and so are
    those of `begun`, an unfinished rollback of it. A function with a call that has still not ended is not planned: its
    outcome is unknown.

    `emit` receives these ends. `only`: keys of functions, in place of the selection in the options. Raises `UsageError`
    where nothing is selected, `StartError`, `StoppedError`.
    """
    options, world = session.request.options, session.world
    session.messages.mention(f"reading the changes of run {run.run_id} and the live state")
    try:
        await _look_for_unanswered(session, run, emit)
        settled = await settle(world, emit, session.stop, accepted(run.units))
        if begun is not None:
            settled |= await settle(world, begun.apply, session.stop, accepted(begun.units))
        unknown = {key: outcome for key, outcome in settled.items() if isinstance(outcome, Unknown)}
        touched = touched_by(run)
        check_agreed(options, (*touched.values(), *session.request.manifest.functions.values()))
        live = await read_touched(world, touched.values())
        if only is None:
            chosen = _chosen(session, run, touched, live)
        else:
            chosen = {key: one for key, one in touched.items() if key in only}
        desired = [one for key, one in chosen.items() if key not in unknown]
        former = _with_runs(session, await read_former(world, desired, live, **_agreed(options, begun)))
    except CloudError as error:
        raise cannot_read(error) from error
    former = replace(former, run_id=run.run_id, reaching=world.reaching)
    perhaps = {one.key for one in desired if one.perhaps}
    units = [
        unit for unit in taken_back(desired, live, former) if unit.changes or unit.failure or unit.key not in perhaps
    ]
    return Planned(
        Plan(tuple(units)), live, Sources(), Rollout(), back=True, rolls_back=run.run_id,
        settled={key: outcome for key, outcome in unknown.items() if key in chosen},
        reported=tuple(_reported(session, chosen[key]) for key in unknown if key in chosen),
    )  # fmt: skip


def _agreed(options: RunOptions, begun: RunState | None = None) -> dict[str, Names]:
    """Return the names of functions for which the user accepted a loss or public access. `begun`: an unfinished
    rollback that is resumed, with what was accepted then.
    """
    units = begun.units.values() if begun is not None else ()
    opened = (unit.key for unit in units if any(opens(state.change) for state in unit.changes))
    return {"lossy": Names(options.lossy), "wider": Names((*options.wider, *opened))}


def _with_runs(session: Session, former: Former) -> Former:
    """Add to each later deploy the run that made it, where the journal knows it."""
    if not former.deployed or not has_journal(session.request.state_dir):
        return former
    with open_store(session.request.state_dir, read_only=True) as store:
        runs = store.asked_for(session.endpoint, [*former.deployed])
    by = {version_id: f" by run {run_id}" for version_id, run_id in runs.items()}
    return replace(former, deployed={one: f"{by.get(one, '')}{said}" for one, said in former.deployed.items()})


async def _look_for_unanswered(session: Session, run: RunState, emit: Emit) -> None:
    """Find the Operations that create Versions which a run requested without receiving a response. A Version from
    before the run may carry the same mark, and is not one of them. Raises `CloudError`.
    """
    world = session.world
    for key, one in touched_by(run).items():
        digest = parse_fingerprint(run.units[key].fingerprint)
        if not one.unsure or one.perhaps or not one.function_id or digest is None:
            continue
        base = await _version(session, one.base_version_id) if one.base_version_id else None
        known = {"", one.base_version_id, *one.tags.values(), *one.made}
        for operation in await world.read(partial(world.functions.list_operations, one.function_id)):
            version_id = operation.version_id or ""
            if not operation.makes_version or version_id in known:
                continue
            version = await _version(session, version_id)
            if version is None or (base is not None and _is_older(version, base)):
                continue
            if is_same(read_stamp(version.description), digest):
                emit(
                    OperationAccepted(world.clock(), key, ChangeKind.VERSION, operation.id, one.function_id, version_id)
                )


def _is_older(version: Version, base: Version) -> bool:
    """Return whether a Version is older than the one that was `$latest` when the run began. Both times are the
    cloud's.
    """
    return version.created_at is not None and base.created_at is not None and version.created_at < base.created_at


async def _version(session: Session, version_id: str) -> Version | None:
    """Return a Version, or None where it is gone, or hidden while it is created. Raises `CloudError`."""
    world = session.world
    try:
        return await world.read(partial(world.functions.get_version, version_id))
    except CloudError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None


def _reported(session: Session, touched: Touched) -> UnitPlanned:
    """Emit and return a unit that is not planned, because its state is not known yet."""
    facts = touched.name, touched.folder_id, touched.function_id, Action.BLOCKED, "a call of the run has not ended"
    return UnitPlanned(session.world.clock(), touched.key, *facts, touched.base_version_id, "")


async def plan_past(session: Session, *, only: Container[str] | None = None) -> Planned:
    """Plan how functions of the manifest return to a Version (--to) or to a time (--since), by the cloud's own history.

    Raises `UsageError`, `StartError`.
    """
    options, world, manifest = session.request.options, session.world, session.request.manifest
    check_agreed(options, manifest.functions.values())
    specs = select(manifest, expanded(options.patterns), options.labels)
    specs = specs if only is None else {key: spec for key, spec in manifest.functions.items() if key in only}
    if options.to and len(specs) != 1:
        raise UsageError("--to needs exactly one function", advice="run `orchestrator rollback FUNCTION --to VERSION`")
    session.messages.mention(f"reading the live state and the history of {counted(len(specs), 'function')}")
    if options.since:
        session.messages.say("labels and descriptions are not changed: the cloud keeps no history of them")
    try:
        live = await read_live(world, specs.values(), fresh=True)
        there = [one for spec in specs.values() if (one := of_function(spec, live)) is not None]
        if options.to:
            await _check_version(session, options.to, there)
            desired = [back_to(one, options.to, live) for one in there]
        else:
            at = parse_time(options.since, world.clock())
            histories = await read_histories(world, [one.function_id for one in there])
            desired = [back_to_time(one, at, histories[one.function_id], live) for one in there]
        former = _with_runs(session, await read_former(world, desired, live, **_agreed(options)))
    except CloudError as error:
        raise cannot_read(error) from error
    return Planned(Plan(taken_back(desired, live, former)), live, Sources(), Rollout(), back=True)


async def _check_version(session: Session, version_id: str, there: list[Touched]) -> None:
    """Check that a Version belongs to the function. Raises `CloudError`, `UsageError`."""
    world = session.world
    try:
        found = await world.read(partial(world.functions.get_version, version_id))
    except CloudError as error:
        if error.code not in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):
            raise
        raise UsageError(
            f"--to {version_id}: there is no such version", advice="find versions with `orchestrator show RUN`"
        ) from error
    if found.function_id not in {one.function_id for one in there}:
        raise UsageError(f"--to {version_id}: this version belongs to another function", advice="select that function")


def unbegun_of(run: RunState) -> list[str]:
    """Return the keys of the functions that a run left without changing them."""
    touched = touched_by(run)
    return [key for key in to_resume(run) if key not in touched]


def _fits_any(pattern: str, keys: Iterable[str]) -> bool:
    return any(is_named(key, (pattern,)) for key in keys)


def _chosen(session: Session, run: RunState, touched: Mapping[str, Touched], live: LiveState) -> dict[str, Touched]:
    """Return the functions changed by a run that the options select, by their live labels. A function that the run did
    not start can be named too, and is reported by a rollback that has nothing else to do. Raises `UsageError`.
    """
    options, unbegun = session.request.options, unbegun_of(run)
    patterns = expanded(options.patterns)
    if not touched and not patterns and not options.labels:
        return {}
    specs = {}
    for key, one in touched.items():
        function = live.by_id.get(one.function_id)
        specs[key] = replace(spec_of(one), labels=function.labels if function is not None else {})
    of = f"the changes of run {run.run_id}"
    known = session.request.manifest.functions
    meant = tuple(one for one in patterns if _fits_any(one, specs) or not _fits_any(one, unbegun))
    if len(meant) < len(patterns) and all(one.startswith("!") for one in meant):
        return {}
    return {key: touched[key] for key in choose(specs, meant, options.labels, of=of, known=known)}
