"""What a command that makes a plan is about, and what --failed or --undone selects for it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.app.session.cut_off import check_not_cut_off
from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.recording import fetch
from orchestrator.app.session.session import Request
from orchestrator.app.session.taking_up import Now, endpoint_of, left_by_last, with_disabled
from orchestrator.errors import Exit
from orchestrator.job.binding import Binding
from orchestrator.model import Plan
from orchestrator.report.views import CommandResult, PlanView


async def about(invocation: Invocation, request: Request, binding: Binding | None = None) -> Request:
    """Say what a run with these options is about, and what --failed or --undone selects: of the journal, and of the
    bucket's records.

    Raises `UsageError` where the last run was about something else.
    """
    options = request.options
    identity = identity_of(options, request.manifest, binding)
    request = replace(request, identity=identity)
    option = identity.selection.left_by
    if not option:
        return request
    about_now = with_disabled(identity, request.manifest)
    now = Now(options.verb, endpoint_of(options, request.manifest), about_now, request.state_dir, option)
    await fetch(invocation)  # what another machine has left, or given up, counts as well
    check_not_cut_off(options, now)
    return replace(request, left=left_by_last(options, now))


def nothing_left(invocation: Invocation, request: Request) -> CommandResult | None:
    """Say so where --failed or --undone selects nothing, and give the result; None where there is something."""
    left = request.left
    if left is None or left.units:
        return None
    invocation.messages.say(left.said)
    if request.options.dry_run:
        return CommandResult(Exit.DONE, PlanView(Plan(())))
    return CommandResult(left.exit)
