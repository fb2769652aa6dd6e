"""`why FUNCTION`: collects what is known of one function, each part by itself. A part that cannot be read is reported,
and the others are still shown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import registry_place
from orchestrator.app.session.opening.request import read_surveyed
from orchestrator.app.session.planning import read_specs
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.app.session.taking_up import endpoint_of
from orchestrator.app.session.why.identifying import also_called, declared, identify, names_of_spec
from orchestrator.app.session.why.known import Known
from orchestrator.app.session.why.live_side import iso_utc, live_facts, lone_spec
from orchestrator.app.session.why.next_side import job_of, next_of, plan_it, rows_of
from orchestrator.app.session.why.of_runs import RUNS, JournalSide, past_elsewhere, runs_elsewhere
from orchestrator.coordination.registry import Holder, Registry, decode, digest
from orchestrator.coordination.shared_record import Shared
from orchestrator.errors import Exit
from orchestrator.journal.functions.function_runs import FunctionNames
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.model import LATEST, Action, Function, Version, VersionCopy
from orchestrator.planning.meant import find
from orchestrator.planning.own import with_declared
from orchestrator.planning.why.facts import (
    Explanation,
    Maker,
    Subject,
    WaitingFor,
    WaitsFor,
)
from orchestrator.planning.why.past_runs import maker_of, still_waited
from orchestrator.report.views import CommandResult, WhyView


async def tell_why(asked: str, invocation: Invocation) -> CommandResult:
    """Return everything known of the function `asked`, given by its key, name or ID.

    Raises `UsageError` where it is not known anywhere, `ManifestError` where the manifest cannot be read.
    """
    request, survey = read_surveyed(invocation)
    request = replace(request, identity=identity_of(request.options, request.manifest))
    spec = declared(asked, request.manifest)
    if others := also_called(asked, request.manifest):
        invocation.messages.say(others)
    names = names_of_spec(spec) if spec is not None else FunctionNames()
    binding = job_of(request)
    with JournalSide(request.state_dir, endpoint_of(request.options, request.manifest)) as journal:
        known = Known(request, survey, journal, spec, names, binding)
        await known.part("the live state and the next plan", lambda: _connect(invocation, known))
        await identify(asked, known)
        await _look(invocation, known)
        view = await _explained(known)
    blocked = known.unit is not None and known.unit.action is Action.BLOCKED
    return CommandResult(known.code or (Exit.FAILED if blocked else Exit.DONE), WhyView(view))


async def _connect(invocation: Invocation, known: Known) -> None:
    """Connect, where possible. The built-in sandbox has one user at a time."""
    if known.request.options.sandbox:
        await hold_lock(invocation, known.request)
    known.session = await open_session(invocation, known.request)


async def _look(invocation: Invocation, known: Known) -> None:
    """Read the live state of the function, plan it, and read the records of other machines."""
    session = known.session
    if session is None:
        return
    await known.part("the live state", lambda: _read_live(session, known))
    await known.part("the next plan", lambda: plan_it(session, invocation, known))
    await known.part("the run records in the bucket", lambda: _read_records(session, known))


async def _read_live(session: Session, known: Known) -> None:
    spec = known.spec or (lone_spec(known.function) if known.function is not None else None)
    if spec is None:
        return
    if spec.mistakes:  # its code is not known
        spec = replace(spec, code=VersionCopy(LATEST))
    live, _ = await read_specs(session, {spec.key: spec})
    known.live, unread = await with_declared(session.world, {spec.key: spec}, live)
    known.unknown += [one.message for one in unread.values()]
    found = find(spec, known.live)
    known.function = found if isinstance(found, Function) else None
    if known.function is not None:
        known.names = replace(known.names, function_id=known.function.id)
    else:
        known.absent.append(f"folder {spec.folder_id} has no function {spec.id or spec.name}")


async def _read_records(session: Session, known: Known) -> None:
    lost = partial(known.lacks, "a run record in the bucket")
    known.records = await runs_elsewhere(session, known.names.is_of, known.journal.ids(), lost)


async def _explained(known: Known) -> Explanation:
    """Put everything together."""
    found = Explanation(subject=_subject(known))
    session, live, function = known.session, known.live, known.function
    await known.part("the journal", partial(_tell_past, known))
    if session is not None:
        await known.part("the runs of other machines", lambda: _tell_others(session, known))
    if session is not None and live is not None and function is not None:
        await known.part("who made the live version", lambda: _tell_now(session, known))
    return replace(
        found,
        now=known.now,
        next_plan=next_of(known),
        rows=rows_of(known),
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

    def maker(version: Version) -> Maker | None:
        created_at = iso_utc(version.created_at)
        return maker_of(known.past, version.id, created_at) or known.journal.maker(version.id, created_at)

    def verdict(version_id: str) -> KnownVerdict | None:
        return known.journal.verdict(version_id) or next(
            (one for each in known.records if (one := each.verdict(version_id)) is not None), None
        )

    spec = known.unit.spec if known.unit is not None and known.binding is None else None
    known.now = await live_facts(session, live, function, spec, known=maker, verdict=verdict, held_by=known.held_by)


async def _tell_past(known: Known) -> None:
    """Read the runs in the journal of this machine."""
    known.past = known.journal.past(known.names, partial(known.lacks, "a run of the journal"))
    known.waiting = still_waited([*known.waiting, *known.journal.waiting(known.names, known.spec)], known.past)


async def _tell_others(session: Session, known: Known) -> None:
    """Add the runs of other machines, from their leases and their records in the bucket."""
    here = known.journal.ids()
    held = {holder.run_id: holder for holder in await _holders(session, known.names) if holder.run_id not in here}
    known.held_by = [*held]
    past = past_elsewhere(known.records, held)
    known.past = sorted([*known.past, *past], key=lambda one: one.started_at, reverse=True)[:RUNS]
    for holder in held.values():
        words = f"run {holder.run_id} of another machine holds its lease: {holder.who}, since {holder.since}"
        known.waiting.append(WaitingFor(holder.run_id, WaitsFor.LEASE, words, who=holder.who))
    taken_up = {each.run.resumes for each in known.records} | known.journal.taken_up()
    for each in known.records:
        who = held[each.run_id].who if each.run_id in held else ""
        if who or each.run_id not in taken_up:
            waiting = each.waiting(who=who)
            known.waiting += [waiting] if waiting is not None else []
    known.waiting = still_waited(known.waiting, known.past)


async def _holders(session: Session, names: FunctionNames) -> list[Holder]:
    place = registry_place(session)
    if place is None or not names.name:
        return []
    registry: Registry = (await Shared(place, decode).read()).record
    mine = digest(f"{names.folder_id}/{names.name}")
    return [holder for holder in registry.holders if mine in holder.functions]
