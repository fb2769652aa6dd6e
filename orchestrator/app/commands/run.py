"""`run NAME`: a job of the manifest carried out, when it is due with --due, or shown on a board with --status."""

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
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import read_options
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
    """Run `run NAME` as typed. Raises `OrchestratorError` where it cannot start."""
    return invoke(read_options("run", given), messages, _run)


async def _run(invocation: Invocation) -> CommandResult:
    options, stop = invocation.options, invocation.stop
    with stop.interruptible():
        invocation = replace(invocation, options=as_last(options))
        request = read_request(invocation)
        check_chosen(request.options, request.manifest)
        now = datetime.now(UTC)
        binding = bind(request.manifest, options.job, options.parameters, now, board_only=options.status)
        # A board can be looked at, and a due time asked for, while a run holds the lock; the sandbox has one user.
        if options.sandbox or not (options.status or options.due):
            await hold_lock(invocation, request)
        request = await about(invocation, request, binding)
        if (nothing := nothing_left(invocation, request)) is not None:
            return nothing
        if (again := as_then_left(invocation, request, options)) is not None:
            binding = bind(again.manifest, options.job, again.options.parameters, now)
            request = still_about(again, identity_of(again.options, again.manifest, binding))
        if not (options.status or options.due):  # of a due time the claim tells that it was cut off
            begin(invocation, request)
        session = await open_session(invocation, request)
        if options.status:
            return await _board(session, binding)
    beside = JobManifest(session)
    if not options.due:
        result = await carry_out(session, beside.looking(partial(plan_any_job, session, binding)), beside)
        await count_as_done(session, binding, result)
        return result
    ran: CommandResult | None = None  # while nothing is due

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


async def _board(session: Session, binding: Binding) -> CommandResult:
    _, desired = await job_desires(session, binding)
    if desired.board is None:
        line = line_of(session.request.options.verb, session.request.identity, session.endpoint, "--dry-run")
        why = f'job "{binding.name}" has no board: {binding.spec.run} does not say how its functions stand'
        return CommandResult(Exit.DONE, BoardView((), f"{why}; `{line}` shows what it would do"))
    request = session.request
    environment = request.manifest.environment
    last = last_chain(request.state_dir, session.endpoint, verb=request.options.verb, environment=environment)
    return CommandResult(Exit.DONE, BoardView(statuses(desired.board, last)))
