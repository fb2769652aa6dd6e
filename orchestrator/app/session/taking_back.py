"""Resuming a rollback: what is restored stays, and the rest is planned again."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.app.session.back import plan_back, plan_past
from orchestrator.app.session.chain import chain_of
from orchestrator.app.session.execution import execute_planned, journaled, result_of
from orchestrator.app.session.leasing import guarded, leased, leases_of, tell
from orchestrator.app.session.options import ROLLBACK, RunOptions
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.engine.in_flight import settle
from orchestrator.journal.state import RunState
from orchestrator.planning.resume import accepted, left_of, prunes_on, to_resume
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, PlanView


def is_left(before: RunState) -> bool:
    """Return whether something is left to resume: of the chain's own work, of its rollback, or of the bucket of a
    prune.
    """
    return bool(left_of(before)) or before.owes_rollback or prunes_on(before)


def of_its_run(options: RunOptions, before: RunState) -> tuple[RunState, RunState | None]:
    """Return the run to resume, and for a rollback by hand the run that it undoes. A rollback after a breach is resumed
    through that run, and ends with it.
    """
    if before.verb != ROLLBACK or not before.rollout.rolls_back:
        return before, None
    of = chain_of(options, before.rollout.rolls_back)
    if of.owes_rollback and of.rollout.rollback in {link.run_id for link in before.chain}:
        return of, None
    return before, of


async def take_back(session: Session, before: RunState, of: RunState | None) -> CommandResult:
    """Resume a rollback: what is restored stays, and the rest is planned again. `of`: the run that it undoes; None for
    a rollback to a Version or a time.
    """
    left = to_resume(before)
    session.messages.say(f"resuming run {before.run_id}: {counted(len(left), 'function')}")
    functions = {key: f"{unit.folder_id}/{unit.name}" for key, unit in before.units.items()}
    clouds = before.identity.clouds
    async with leased(session, leases_of(session), functions, NOT_LOOKED) as lease:
        with session.stop.interruptible():
            planned = await _planned(session, before, of)
        session.messages.plan(PlanView(planned.plan, back=True))
        units = len(planned.plan.units) + len(planned.settled)
        begun = journaled(session, units, clouds, before=before, rolls_back=planned.rolls_back)
        async with begun as (bus, state, recorder):
            tell(lease, len(functions), session, bus)
            within = guarded(session, lease)
            code = await execute_planned(within, planned, bus, recorder, state, settled=planned.settled)
    return result_of(session, code, state)


async def _planned(session: Session, before: RunState, of: RunState | None) -> Planned:
    if of is not None:
        return await plan_back(session, of, of.apply, begun=before, only=before.units)
    await settle(session.world, before.apply, session.stop, accepted(before.units))
    given, request = before.identity.selection.parameters, session.request
    options = replace(request.options, since=given.get("since", ""), to=given.get("to", ""))
    return await plan_past(replace(session, request=replace(request, options=options)), only=before.units)
