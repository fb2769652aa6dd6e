"""`run NAME`: runs a job of the manifest; with --due only when it is due, with --status shows its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from orchestrator.app.session.about import about, as_last, as_then_left, nothing_left, still_about
from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.chains.left import last_chain
from orchestrator.app.session.chosen import check_chosen
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.due.due_done import count_as_done
from orchestrator.app.session.due.due_run import not_begun, plan_due, run_if_due
from orchestrator.app.session.identity import identity_of, line_of
from orchestrator.app.session.importing.job_manifest import JobManifest
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import Request, read_request
from orchestrator.app.session.options import RunOptions, read_options
from orchestrator.app.session.planning import job_desires
from orchestrator.app.session.pruning.planning import plan_any_job
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.coordination.claim import Claim
from orchestrator.errors import Exit
from orchestrator.job.binding import Binding, bind
from orchestrator.report.display.board import statuses
from orchestrator.report.messages import Messages
from orchestrator.report.views import BoardView, CommandResult


def run_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `run NAME`. Raises `OrchestratorError` where it cannot start."""
    return invoke(read_options("run", given), messages, _run)


async def _run(invocation: Invocation) -> CommandResult:
    options, stop = invocation.options, invocation.stop
    with stop.interruptible():
        invocation = replace(invocation, options=as_last(options))
        request = read_request(invocation)
        check_chosen(request.options, request.manifest)
        if options.due and options.job in request.manifest.jobs_elsewhere:
            return _of_others(invocation, request)
        now = datetime.now(UTC)
        binding = bind(request.manifest, options.job, options.parameters, now, board_only=options.status)
        # A board and a due time can be read while a run holds the lock. The sandbox has one user.
        if options.sandbox or not (options.status or options.due):
            await hold_lock(invocation, request)
        request = await about(invocation, request, binding)
        if (nothing := nothing_left(invocation, request)) is not None:
            return nothing
        request, binding = _as_left(invocation, request, options, binding)
        if not (options.status or options.due):  # the claim of a due time shows that it was cut off
            begin(invocation, request)
        session = await open_session(invocation, request)
        if options.status:
            return await _board(session, binding)
    beside = JobManifest(session)
    if not options.due:
        result = await carry_out(session, beside.looking(partial(plan_any_job, session, binding)), beside)
        await count_as_done(session, binding, result)
        return result
    ran: CommandResult | None = None  # None while nothing is due

    async def work(claim: Claim) -> CommandResult:
        nonlocal ran
        with stop.interruptible():
            if not options.sandbox:
                await hold_lock(invocation, request)
            ran = await not_begun(session, claim)
        if ran is None:
            make_plan = partial(plan_due, session, binding, claim)
            ran = await carry_out(session, beside.looking(make_plan), beside)
        return ran

    code = await run_if_due(session, binding, work)
    return ran or CommandResult(code)


def _as_left(invocation: Invocation, request: Request, typed: RunOptions, binding: Binding) -> tuple[Request, Binding]:
    """Bind the job again where --failed or --undone selects a run of it with other values than the given ones."""
    again = as_then_left(invocation, request, typed)
    if again is None:
        return request, binding
    binding = bind(again.manifest, typed.job, again.options.parameters, datetime.now(UTC))
    return still_about(again, identity_of(again.options, again.manifest, binding)), binding


def _of_others(invocation: Invocation, request: Request) -> CommandResult:
    """Report that the job is due in other environments only."""
    job = request.options.job
    where = ", ".join(request.manifest.jobs_elsewhere[job])
    invocation.messages.say(f'job "{job}" exists only in {where}: nothing is due here')
    return CommandResult(Exit.DONE)


async def _board(session: Session, binding: Binding) -> CommandResult:
    _, desired = await job_desires(session, binding)
    if desired.board is None:
        line = line_of(session.request.options.verb, session.request.identity, session.endpoint, "--dry-run")
        why = f'job "{binding.name}" has no board: {binding.spec.run} does not report the state of its functions'
        return CommandResult(Exit.DONE, BoardView((), f"{why}; `{line}` shows what it would do"))
    request = session.request
    environment = request.manifest.environment
    last = last_chain(request.state_dir, session.endpoint, verb=request.options.verb, environment=environment)
    return CommandResult(Exit.DONE, BoardView(statuses(desired.board, last)))
