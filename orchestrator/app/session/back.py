"""Which run a rollback takes back, and its plan: made of what is live once all that the run asked for has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import Differs, Now, difference
from orchestrator.engine.in_flight import settle
from orchestrator.errors import CloudError, StartError
from orchestrator.journal.events import UnitPlanned
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store
from orchestrator.model import Action, Plan, Rollout, Unknown
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.former import read_former, read_touched, spec_of
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import Touched, touched_by
from orchestrator.planning.resume import accepted
from orchestrator.planning.selection import choose, expanded
from orchestrator.planning.sources import Sources
from orchestrator.report.messages import with_facts


def last_changed(store: Store, now: Now) -> RunState | None:
    """Find the newest chain of runs, of this manifest and installation, that changed something; None: there is none."""
    return next((run for run in _of_the_same(store, now) if touched_by(run)), None)


def _of_the_same(store: Store, now: Now) -> Iterator[RunState]:
    """Give the chains that went to this installation with this manifest, the newest first, whatever their folders."""
    for run in store.runs():
        if run.endpoint == now.endpoint and not run.taken_up_by:
            chain = store.chain_state(run.id)
            found = difference(chain, now)
            if found is None or found[0] is Differs.FOLDERS:
                yield chain


async def plan_back(session: Session, run: RunState, *, only: Iterable[str] | None = None) -> Planned:
    """Plan how what a chain of runs has changed comes back. What it left in flight is followed to its end before: of
    what is still not seen to end nothing is planned, its outcome is unknown. `only`: keys of functions, in place of
    what the options select.

    Raises `UsageError` where nothing is selected, `StartError`.
    """
    options, world = session.request.options, session.world
    session.messages.mention(f"reading what run {run.run_id} has changed, and what is live")
    settled = await settle(world, run.apply, session.stop, accepted(run.units))
    unknown = {key: outcome for key, outcome in settled.items() if isinstance(outcome, Unknown)}
    touched = touched_by(run)
    try:
        live = await read_touched(world, touched.values())
        chosen = _chosen(session, run, touched, live) if only is None else {key: touched[key] for key in only}
        wanted = [one for key, one in chosen.items() if key not in unknown]
        former = await read_former(world, wanted, live, lossy=frozenset(options.lossy))
    except CloudError as error:
        raise StartError(
            f"what is live cannot be read: {with_facts(error)}", advice=error.advice or "nothing was changed"
        ) from error
    units = taken_back(wanted, live, former)
    return Planned(
        Plan(units), live, Sources(), Rollout(), back=True, rolls_back=run.run_id,
        settled={key: outcome for key, outcome in unknown.items() if key in chosen},
        told=tuple(_told(session, chosen[key]) for key in unknown if key in chosen),
    )  # fmt: skip


def _told(session: Session, touched: Touched) -> UnitPlanned:
    """Tell of a unit that is not planned, since nobody knows yet what it stands at."""
    facts = touched.name, touched.folder_id, touched.function_id, Action.BLOCKED, "what was asked for has not ended"
    return UnitPlanned(session.world.clock(), touched.key, *facts, touched.base_version_id, "")


def _chosen(session: Session, run: RunState, touched: Mapping[str, Touched], live: LiveState) -> dict[str, Touched]:
    """Choose of what a run has changed what the options select, by the labels that are live. Raises `UsageError`."""
    options = session.request.options
    if not touched:
        return {}
    specs = {}
    for key, one in touched.items():
        function = live.by_id.get(one.function_id)
        specs[key] = replace(spec_of(one), labels=function.labels if function is not None else {})
    of = f"what run {run.run_id} has changed"
    known = session.request.manifest.functions
    return {key: touched[key] for key in choose(specs, expanded(options.patterns), options.labels, of=of, known=known)}
