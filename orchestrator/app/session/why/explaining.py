"""`why FUNCTION`: what is known of one function is put together, each part by itself: what cannot be found out is said,
and the rest is told all the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import registry_place
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.planning import plan_desired, read_specs
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.app.session.taking_up import endpoint_of
from orchestrator.app.session.why.identifying import declared, identify, names_of_spec
from orchestrator.app.session.why.known import Known
from orchestrator.app.session.why.live_side import live_facts, lone_spec
from orchestrator.app.session.why.of_runs import RUNS, JournalSide, paused_or_live, recorded_runs
from orchestrator.coordination.registry import Holder, Registry, decode, digest
from orchestrator.coordination.shared_record import Shared
from orchestrator.errors import Exit
from orchestrator.job.contract import Desired
from orchestrator.journal.function_runs import FunctionNames
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.manifest.origins.of_function import origins_in
from orchestrator.model import Action, Function, SourceCode, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.meant import find
from orchestrator.planning.why.facts import (
    Explanation,
    Maker,
    NextPlan,
    SettingRow,
    Subject,
    WaitingFor,
    WaitsFor,
)
from orchestrator.planning.why.setting_rows import is_as_made, setting_rows
from orchestrator.report.verifying_text import then_words
from orchestrator.report.views import CommandResult, WhyView


async def tell_why(asked: str, invocation: Invocation) -> CommandResult:
    """Tell all that is known of the function called `asked`: by its key, its name or its id.

    Raises `UsageError` where nobody knows it, `ManifestError` where the manifest cannot be read.
    """
    request = read_request(invocation)
    request = replace(request, identity=identity_of(request.options, request.manifest))
    spec = declared(asked, request.manifest)
    journal = JournalSide(request.state_dir, endpoint_of(request.options, request.manifest))
    names = names_of_spec(spec) if spec is not None else FunctionNames()
    known = Known(request, journal, spec, names)
    await known.part("what is live, and what the next plan would do", lambda: _connect(invocation, known))
    await identify(asked, known)
    await _look(invocation, known)
    view = await _told(known)
    blocked = known.unit is not None and known.unit.action is Action.BLOCKED
    return CommandResult(known.code or (Exit.FAILED if blocked else Exit.DONE), WhyView(view))


async def _connect(invocation: Invocation, known: Known) -> None:
    """Connect, where that can be done. The embedded sandbox is one run's at a time."""
    if known.request.options.sandbox:
        await hold_lock(invocation, known.request)
    known.session = await open_session(invocation, known.request)


async def _look(invocation: Invocation, known: Known) -> None:
    """Read what is live of the function, plan it, and see what other machines know of it."""
    session = known.session
    if session is None:
        return
    await known.part("what is live", lambda: _read_live(session, known))
    if known.live is not None and known.spec is not None and known.spec.enabled:
        await known.part("what the next plan would do", lambda: _plan(session, invocation, known))
    await known.part("the records of runs in the bucket", lambda: _read_records(session, known))


async def _read_live(session: Session, known: Known) -> None:
    spec = known.spec or (lone_spec(known.function) if known.function is not None else None)
    if spec is None:
        return
    known.live, _ = await read_specs(session, {spec.key: spec})
    found = find(spec, known.live)
    known.function = found if isinstance(found, Function) else None
    if known.function is not None:
        known.names = replace(known.names, function_id=known.function.id)
    else:
        known.absent.append(f"folder {spec.folder_id} has no function {spec.id or spec.name}")


async def _plan(session: Session, invocation: Invocation, known: Known) -> None:
    """Plan the function alone, as `plan` does: a build runs under the lock, so not beside a run of this machine."""
    spec = known.spec
    if spec is None or known.live is None:
        return
    builds = isinstance(spec.code, SourceCode) and spec.code.build is not None
    if builds and not session.request.options.sandbox:
        await hold_lock(invocation, known.request)
    desired = Desired({spec.key: spec}, known.request.manifest.rollout)
    adopt = known.request.options.adopt
    planned = await plan_desired(session, desired, known.live, forced="", adopt=adopt)
    known.unit = planned.plan.units[0]


async def _read_records(session: Session, known: Known) -> None:
    known.records = await recorded_runs(session, known.names.is_of, known.journal.ids())


async def _told(known: Known) -> Explanation:
    """Put together what was found out."""
    found = Explanation(subject=_subject(known))
    session, live, function = known.session, known.live, known.function
    if session is not None and live is not None and function is not None:
        await known.part("who has made the live version", lambda: _tell_now(session, known))
    journal_part = partial(_tell_past, known)
    await known.part("the journal", journal_part)
    if session is not None:
        await known.part("the leases in the bucket", lambda: _tell_leases(session, known))
    rows = _rows(known)
    return replace(
        found,
        now=known.now,
        next_plan=_next(known.unit) if known.unit is not None else None,
        rows=rows,
        waiting=tuple(known.waiting),
        past=tuple(known.past),
        absent=tuple(known.absent),
        unknown=tuple(known.unknown),
    )


def _subject(known: Known) -> Subject:
    spec, names = known.spec, known.names
    place = spec.place if spec is not None else None
    key = names.key or names.name or names.function_id
    disabled = spec is not None and not spec.enabled
    return Subject(key, names.name, names.folder_id, names.function_id, place, disabled)


async def _tell_now(session: Session, known: Known) -> None:
    live, function = known.live, known.function
    if live is None or function is None:
        return

    def maker(version_id: str) -> Maker | None:
        made = known.journal.maker(version_id)
        return made or next((one for each in known.records if (one := each.maker(version_id)) is not None), None)

    def verdict(version_id: str) -> KnownVerdict | None:
        return known.journal.verdict(version_id) or next(
            (one for each in known.records if (one := each.verdict(version_id)) is not None), None
        )

    spec = known.unit.spec if known.unit is not None else known.spec
    known.now = await live_facts(session, live, function, spec, known=maker, verdict=verdict)


async def _tell_past(known: Known) -> None:
    """Read what the journal knows, and lay the records of other machines beside it."""
    past = known.journal.past(known.names)
    packs = known.spec is not None and isinstance(known.spec.code, SourceCode)
    known.waiting += known.journal.waiting(known.names, packs=packs)
    known.past = past


async def _tell_leases(session: Session, known: Known) -> None:
    """See which run of another machine holds the function, and how far that has come by its record."""
    holders = await _holders(session, known.names)
    held = {holder.run_id: holder for holder in holders}
    told = [one for each in known.records if (one := each.past(alive=each.run_id in held)) is not None]
    known.past = sorted([*known.past, *told], key=lambda one: (one.started_at, one.run_id), reverse=True)[:RUNS]
    mine = {one.run_id for one in known.waiting}
    for run_id, holder in held.items():
        if run_id in mine or run_id in known.journal.ids():
            continue
        record = next((each for each in known.records if each.run_id == run_id), None)
        waiting = (
            paused_or_live(record.events, record.names.key, packs=False, paused=False, who=holder.who)
            if record is not None
            else None
        )
        words = f"run {run_id} of another machine holds it: {holder.who}, since {holder.since}"
        known.waiting.append(WaitingFor(run_id, WaitsFor.LEASE, words, who=holder.who))
        if waiting is not None:
            known.waiting.append(waiting)


async def _holders(session: Session, names: FunctionNames) -> list[Holder]:
    place = registry_place(session)
    if place is None or not names.name:
        return []
    registry: Registry = (await Shared(place, decode).read()).record
    mine = digest(f"{names.folder_id}/{names.name}")
    return [holder for holder in registry.holders if mine in holder.functions]


def _rows(known: Known) -> tuple[SettingRow, ...]:
    if known.spec is None:
        return ()
    options = known.request
    origins = origins_in(options.manifest.path, options.environ, known.spec.key)
    unit, live, function = known.unit, known.live or LiveState(), known.function
    spec = unit.spec if unit is not None else known.spec
    if spec.mistakes:
        return ()
    latest = live.latest(function.id) if function is not None else None
    settings = unit.fingerprint.settings if unit is not None and unit.fingerprint is not None else ""
    return setting_rows(spec, origins, live, function, as_made=is_as_made(settings, latest))


def _next(unit: Unit) -> NextPlan:
    failure = unit.failure
    return NextPlan(
        action=str(unit.action),
        reason=unit.reason,
        advice=failure.advice if failure is not None else "",
        detail=failure.detail if failure is not None else "",
        then=then_words(unit),
        way_back=str(unit.way_back.kind) + (f": {unit.way_back.why}" if unit.way_back.why else "")
        if unit.way_back is not None
        else "",
        warnings=unit.warnings,
    )
