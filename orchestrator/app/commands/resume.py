"""`resume [RUN]`: resumes an interrupted run: follows the calls in flight, and plans the rest again.

--give-up leaves the rest undone for good. After a breach nothing new starts: only the calls in flight are followed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.chain import chain_of, give_up, last_left, nothing_left
from orchestrator.app.session.chains.finding import find_run, say_where
from orchestrator.app.session.chains.going_on import as_then, go_on, going_on, request_of
from orchestrator.app.session.chosen import agree_again
from orchestrator.app.session.cut_off import check_resume
from orchestrator.app.session.identity import paused_ways
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.leasing import leased, leases_of
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import ROLLBACK, SANDBOX, RunOptions, read_options, state_dir_of, storage_of
from orchestrator.app.session.pruning.after import prune_after, wants_prune
from orchestrator.app.session.pruning.going_on import prune_on
from orchestrator.app.session.records.fetching import read_runs
from orchestrator.app.session.records.recording import record_given_up
from orchestrator.app.session.saved.holding import name_plan
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.app.session.taking_back import is_left, of_its_run, take_back
from orchestrator.app.session.taking_up import Now, check_not_taken_back
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.errors import Exit, OrchestratorError, UsageError
from orchestrator.journal.identity import Selection
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store
from orchestrator.planning.resume import prunes
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult


def resume_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `resume`. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    run_id, giving_up = given.pop("run"), given.pop("give_up")
    options = read_options("resume", given)
    if giving_up and options.plan is not None:
        raise UsageError("--give-up cannot be combined with --plan", advice="remove --plan")
    options = replace(options, state_dir=state_dir_of(options.config, options.state_dir))
    return invoke(options, messages, partial(_run, run_id, _give_up if giving_up else _resume))


async def _run(
    run_id: str, work: Callable[[str, Invocation], Awaitable[CommandResult]], invocation: Invocation
) -> CommandResult:
    """Find the run in the journal, or else in the bucket's records, and resume it."""
    state_dir = state_dir_of(invocation.options.config, invocation.options.state_dir)
    if run_id == "last" and await check_resume(invocation, giving_up=work is _give_up):
        return CommandResult(Exit.DONE)
    environment = invocation.options.environment
    asked = await find_run(invocation, run_id, lambda store: _asked(store, run_id, state_dir, environment))
    return await work(asked, invocation)


def _asked(store: Store, run_id: str, state_dir: Path, environment: str) -> str:
    asked = store.find(run_id, environment)
    return last_left(store, asked, state_dir) if run_id == "last" else asked


async def _give_up(asked: str, invocation: Invocation) -> CommandResult:
    """Give up what a chain has left undone, here and for other machines."""
    before, started, said = await give_up(asked, invocation)
    if started is None or before.endpoint == SANDBOX:
        return CommandResult(Exit.DONE)
    plain = replace(before, identity=replace(before.identity, selection=Selection()))  # nothing of its job runs
    try:
        invocation = replace(invocation, options=as_then(invocation.options, plain))
        request = read_request(invocation)
        if storage_of(request.manifest, invocation.options.bucket).bucket is not None:
            await record_given_up(await open_session(invocation, request), before, started, *said)
    except OrchestratorError as error:
        invocation.messages.warn(
            f"other machines may still resume it, since its record could not be written: {error.message}"
        )
    return CommandResult(Exit.DONE)


def _check(before: RunState) -> None:
    """Raise `UsageError` where the run is paused, which only `promote` ends, or was rolled back."""
    check_not_taken_back(before)
    paused = before.rollout.paused
    if paused is not None and not before.given_up:
        raise UsageError(f"run {before.run_id} is paused: {paused.reason}", advice=paused_ways(before.run_id))


def _chain(options: RunOptions, asked: str) -> RunState:
    """Return the chain of a run. Raises `UsageError` where --plan is not the plan of it."""
    before = chain_of(options, asked)
    name_plan(options, before)
    return before


async def _resume(asked: str, invocation: Invocation) -> CommandResult:
    stop, messages = invocation.stop, invocation.messages
    before = _chain(invocation.options, asked)
    if before.run_id != asked:
        messages.say(f"run {asked} was resumed by run {before.run_id}")
    before, of = of_its_run(invocation.options, before)
    _check(before)
    if not is_left(before):
        return nothing_left(before, messages)
    asked = before.run_id
    options = as_then(invocation.options, before)
    say_where(messages, before, invocation.options, options)
    invocation = replace(invocation, options=options)
    with stop.interruptible():
        request, binding = request_of(invocation, before)
        await hold_lock(invocation, request)
        before = _chain(options, asked)  # the run that held the lock until now may have resumed it
        _check(before)
        if not is_left(before):
            return nothing_left(before, messages)
        session = await open_session(invocation, request)
        if not options.sandbox:  # another machine may have resumed it, or given it up
            await read_runs(session, Now("", session.endpoint, request.identity, request.state_dir), named=asked)
            before = _chain(options, asked)
            _check(before)
            if not is_left(before):
                return nothing_left(before, messages)
    await agree_again(session, f"run {before.run_id} continues with the rest")
    if of is not None or before.verb == ROLLBACK:
        return await take_back(session, before, of)
    if prunes(before):
        return await prune_on(session, before, binding)
    going = await going_on(session, binding, before)
    messages.say(f"resuming run {before.run_id}: {counted(len(going.left), 'function')}")
    if before.breach:
        messages.say(f"it was stopped: {before.breach}; nothing new starts")
    async with leased(session, leases_of(session), going.functions, NOT_LOOKED) as lease:
        result = await go_on(going, lease)
    return await prune_after(session, result, carry_out, desired=wants_prune(session, binding))
