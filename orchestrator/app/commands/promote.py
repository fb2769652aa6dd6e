"""`promote [RUN]`: a paused run goes on, since somebody says so. What is left of it is planned anew, shown and asked.

Who has let it go on stands in its record. A breach that it paused for is past then: the budget of failures is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.chain import chain_of
from orchestrator.app.session.chains.finding import find_run, say_where
from orchestrator.app.session.chains.going_on import Going, PlannedLeft, as_then, go_on, going_on, plan_left, request_of
from orchestrator.app.session.chains.paused import check_paused, last_paused
from orchestrator.app.session.chosen import agree
from orchestrator.app.session.due.due_done import say_due
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.leasing import leased, leases_of, look, where_to
from orchestrator.app.session.options import RunOptions, read_options, state_dir_of
from orchestrator.app.session.pruning.after import prune_after, wants_prune
from orchestrator.app.session.records.fetching import read_runs
from orchestrator.app.session.saved.holding import name_plan
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.app.session.taking_up import Now
from orchestrator.errors import Exit
from orchestrator.journal.runs import RolloutState
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.model.units import as_duration
from orchestrator.planning.rollout import ChainWaves
from orchestrator.report.display.displays import Question
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, PlanView


def promote_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `promote` as typed. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    run_id = given.pop("run")
    options = read_options("promote", given)
    options = replace(options, state_dir=state_dir_of(options.config, options.state_dir))
    return invoke(options, messages, partial(_promote, run_id))


async def _promote(run_id: str, invocation: Invocation) -> CommandResult:
    stop, messages = invocation.stop, invocation.messages
    asked = await _asked(run_id, invocation)
    before = _paused(invocation.options, asked)
    options = as_then(invocation.options, before)
    say_where(messages, before, invocation.options, options)
    invocation = replace(invocation, options=options)
    with stop.interruptible():
        request, binding = request_of(invocation, before)
        await hold_lock(invocation, request)
        session = await open_session(invocation, request)
        if not options.sandbox:  # another machine may have let it go on, or taken it back
            await read_runs(session, Now("", session.endpoint, request.identity, request.state_dir), named=asked)
        before = _paused(options, asked)
    approves = before.run_id
    messages.say(_said(before.rollout, approves, session.world.clock()))
    before.approve()
    going = await going_on(session, binding, before, approves=approves)
    leases = leases_of(session)
    with stop.interruptible():
        looked = await look(leases)
    foreseen = await _shown(going)
    async with leased(session, leases, going.functions, looked) as lease:
        if lease is not None and not lease.fresh:
            messages.say("another run may have changed something meanwhile: planning again")
            foreseen = await _shown(going)
        result = await go_on(going, lease, foreseen)
    if result.exit is not Exit.INTERRUPTED:
        await say_due(session, binding)
    return await prune_after(session, result, carry_out, wanted=wants_prune(session, binding))


async def _asked(run_id: str, invocation: Invocation) -> str:
    """Find the run in the journal, or in the bucket's records where that has none of the kind."""
    state_dir = state_dir_of(invocation.options.config, invocation.options.state_dir)

    def find(store: Store) -> str:
        environment = invocation.options.environment
        return last_paused(store, state_dir, environment) if run_id == "last" else store.find(run_id)

    return await find_run(invocation, run_id, find)


def _paused(options: RunOptions, asked: str) -> RunState:
    """Read the chain of a run, which waits. Raises `UsageError`."""
    before, state_dir = chain_of(options, asked), state_dir_of(options.config, options.state_dir)
    name_plan(options, before)
    with open_store(state_dir, read_only=True) as store:
        check_paused(store, before, state_dir)
    return before


def _said(rollout: RolloutState, run_id: str, now: float) -> str:
    paused = rollout.paused
    if paused is None:
        return ""
    left_s = paused.until - now
    early = f"; {as_duration(round(left_s))} of its pause are left, which are not waited for" if left_s >= 1 else ""
    return f"run {run_id} is paused: {paused.reason}{early}"


async def _shown(going: Going) -> PlannedLeft:
    """Plan what is left, show it, and ask."""
    session, options = going.session, going.session.request.options
    foreseen = await plan_left(going)
    planned = foreseen.planned
    before = going.before
    chain = ChainWaves({key: unit.turn for key, unit in going.left.items()}, before.turns, before.rollout.canary)
    view = PlanView(planned.plan, rollout=planned.rollout, warnings=planned.warnings, chain=chain)
    session.messages.plan(replace(view, skips_verification=options.no_verify))
    going.beside.show()
    what = f"run {going.approves} goes on with {counted(len(going.left), 'function')}: {where_to(session, planned)}"
    await agree(session, what, Question.PROMOTE)
    return foreseen
