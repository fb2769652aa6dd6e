"""What a command that makes a plan is about, and what --failed or --undone selects for it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.app.session.chains.left import about_the_same, left_by_last
from orchestrator.app.session.chains.still_left import is_whole, still_left
from orchestrator.app.session.cut_off import check_not_cut_off
from orchestrator.app.session.identity import identity_of, line_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.records.fetching import fetch
from orchestrator.app.session.taking_up import Now, endpoint_of, parameters_then, with_disabled
from orchestrator.job.binding import Binding
from orchestrator.journal.identity import Identity
from orchestrator.journal.store import open_store
from orchestrator.model import Plan
from orchestrator.planning.resume import named_now, undone
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import CommandResult, PlanView

_NAMED = 5


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
    fetched = await fetch(invocation)  # what another machine has left, or given up, counts as well
    check_not_cut_off(options, now)
    return replace(request, left=left_by_last(options, now, elsewhere=fetched.said))


def as_left(invocation: Invocation, request: Request) -> Request | None:
    """Let --failed or --undone of a job be about what its run was about: with the parameters that it had, but for what
    is typed now. None where they are those that are typed. Raises `UsageError` as `parameters_then` does.
    """
    options, left = request.options, request.left
    if left is None or left.run.verb != options.verb:
        return None
    line = line_of(options.verb, Identity(str(options.config)), left.run.endpoint, f"--{left.option}")
    parameters = parameters_then(left.run, options.parameters, line)
    if parameters == options.parameters:
        return None
    kept = [f"{name}={value}" for name, value in parameters.items() if name not in options.parameters]
    invocation.messages.mention(f"with the parameters of run {left.run.run_id}: {', '.join(kept)}")
    return replace(request, options=replace(options, parameters=parameters))


def nothing_left(invocation: Invocation, request: Request) -> CommandResult | None:
    """Say so where --failed or --undone selects nothing, and give the result; None where there is something.

    | nothing failed, or was left undone, and                        | a run, and its plan, end with |
    | ---                                                            | ---                           |
    | nothing else of the last run is undone, or it was given up     | 0                             |
    | something else of it is undone                                 | see `ways_on`                 |

    A name, a pattern or a label that selects nothing is a slip, and an error; so is one that selects nothing of what
    failed. That nothing has failed is none.
    """
    left = request.left
    if left is None or left.units:
        return None
    invocation.messages.say(left.said)
    return CommandResult(left.exit, PlanView(Plan(())) if request.options.dry_run else None)


def disabled(request: Request) -> str:
    """Say how many functions a plan of all that there are leaves out, and what a former run has left of them: "" where
    there are none. They are settled by a run of all, since nobody wants them any more.
    """
    off = {key: spec for key, spec in request.manifest.functions.items() if not spec.enabled}
    if not off or not is_whole(request.identity):
        return ""
    said = f"left out: {counted(len(off), 'function')} with enabled = false"
    now = Now("", endpoint_of(request.options, request.manifest), with_disabled(request.identity, request.manifest),
              request.state_dir)  # fmt: skip
    with open_store(request.state_dir, read_only=True) as store:
        deploys = (run for run in about_the_same(store, now) if run.verb == "deploy")
        for run, left in still_left(deploys, undone):
            of_it, _ = named_now(left, off)
            if of_it:
                return f"{said}; of what run {run.run_id} left undone a run of all gives up: {named(of_it, _NAMED)}"
    return said
