"""`promote [RUN]`: continues a paused run. The rest of it is planned again, shown and confirmed.

The run records who continued it. If it paused because of a breach, it gets a new budget of failures.
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
    """Run `promote`. Raises `OrchestratorError` where it cannot start."""
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
        if not options.sandbox:  # another machine may have continued it, or rolled it back
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
            messages.say("another run may have made changes in the meantime: planning again")
            foreseen = await _shown(going)
        result = await go_on(going, lease, foreseen)
    if result.exit is not Exit.INTERRUPTED:
        await say_due(session, binding)
    return await prune_after(session, result, carry_out, desired=wants_prune(session, binding))


async def _asked(run_id: str, invocation: Invocation) -> str:
    """Return the ID of the run, from the journal, or else from the bucket's records."""
    state_dir = state_dir_of(invocation.options.config, invocation.options.state_dir)

    def find(store: Store) -> str:
        environment = invocation.options.environment
        return last_paused(store, state_dir, environment) if run_id == "last" else store.find(run_id)

    return await find_run(invocation, run_id, find)


def _paused(options: RunOptions, asked: str) -> RunState:
    """Return the chain of a paused run. Raises `UsageError`."""
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
    early = f"; {as_duration(round(left_s))} of the pause are skipped" if left_s >= 1 else ""
    return f"run {run_id} is paused: {paused.reason}{early}"


async def _shown(going: Going) -> PlannedLeft:
    """Plan the rest, show it, and prompt."""
    session, options = going.session, going.session.request.options
    foreseen = await plan_left(going)
    planned = foreseen.planned
    before = going.before
    chain = ChainWaves({key: unit.turn for key, unit in going.left.items()}, before.turns, before.rollout.canary)
    view = PlanView(planned.plan, rollout=planned.rollout, warnings=planned.warnings, chain=chain)
    session.messages.plan(replace(view, skips_verification=options.no_verify))
    going.beside.show()
    what = f"run {going.approves} continues with {counted(len(going.left), 'function')}: {where_to(session, planned)}"
    await agree(session, what, Question.PROMOTE)
    return foreseen
