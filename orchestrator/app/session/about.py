"""The scope of a command that plans, and what --failed or --undone selects for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from orchestrator.app.session.chains.left import about_the_same, left_by_last
from orchestrator.app.session.chains.still_left import is_whole, still_left
from orchestrator.app.session.chosen import request_to_change
from orchestrator.app.session.cut_off import check_not_cut_off
from orchestrator.app.session.identity import identity_of, line_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import PRUNE, RunOptions, state_dir_of
from orchestrator.app.session.records.fetching import fetch
from orchestrator.app.session.taking_up import (
    Now,
    check_same,
    endpoint_of,
    parameters_then,
    variables_then,
    with_disabled,
)
from orchestrator.job.binding import Binding
from orchestrator.journal.identity import HIDDEN, NONE, Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.store import has_journal, open_store
from orchestrator.manifest.load import default_environment
from orchestrator.model import Plan
from orchestrator.planning.resume import named_now, undone
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import CommandResult, PlanView

_NAMED = 5


async def about(invocation: Invocation, request: Request, binding: Binding | None = None) -> Request:
    """Set the scope of a run with these options, and what --failed or --undone selects from the journal and the
    bucket's records.

    Raises `UsageError` where the last run had a different scope.
    """
    options = request.options
    identity = identity_of(options, request.manifest, binding)
    request = replace(request, identity=identity)
    option = identity.selection.left_by
    if not option:
        return request
    about_now = with_disabled(identity, request.manifest)
    now = Now(options.verb, endpoint_of(options, request.manifest), about_now, request.state_dir, option)
    fetched = await fetch(invocation)  # work of other machines, left undone or given up, counts too
    check_not_cut_off(options, now)
    left = left_by_last(options, now, elsewhere=fetched.said)
    if left.newer:
        what = "no failures" if option == "failed" else "nothing undone"
        invocation.messages.mention(
            f"--{option} selects from run {left.run.run_id}: the last run, {left.newer}, has {what}"
        )
    return replace(request, left=left)


def as_last(options: RunOptions) -> RunOptions:
    """Where an unnamed former run sets the scope, use its variables before the manifest is read, since folders may
    depend on them. Secret variables and those given now are not taken from it.
    """
    if not options.by_former_run or not has_journal(state_dir := state_dir_of(options.config, options.state_dir)):
        return options
    manifest = os.path.abspath(options.config)  # noqa: PTH100 - as in an identity
    only = options.verb if options.job or options.verb == PRUNE else ""
    with open_store(state_dir, read_only=True) as store:
        runs = [run for run in store.runs() if run.identity.manifest == manifest and only in ("", run.verb)]
    if not any(run.identity.selection.variables for run in runs):
        return options
    environment = options.environment or default_environment(options.config) or NONE
    then = next((run.identity.selection.variables for run in runs if run.identity.is_in(environment)), {})
    known = {name: value for name, value in then.items() if value != HIDDEN and name not in options.variables}
    return replace(options, variables={**known, **options.variables}, taken_over=frozenset(known))


def as_then_left(invocation: Invocation, request: Request, typed: RunOptions) -> Request | None:
    """Give --failed or --undone the scope of the run that it selects from: its variables, and its job with parameters,
    except for values given now. Return None where the request has them already.

    Raises `UsageError` as `parameters_then` does, and where these variables change the scope.
    """
    options, left = request.options, request.left
    if left is None:
        return None
    run = left.run
    where = Identity(str(options.config), environment=request.identity.environment, outside=request.identity.outside)
    line = line_of(options.verb, where, run.endpoint, f"--{left.option}")
    desired = variables_then(run.identity, f"run {run.run_id}", typed, line)
    _mention(invocation, "variables", run, {name: desired.variables[name] for name in sorted(desired.taken_over)})
    desired = replace(options, variables=desired.variables, taken_over=desired.taken_over)
    if options.job and run.verb == options.verb:
        parameters = parameters_then(run, options.parameters, line)
        _mention(invocation, "parameters", run, {k: v for k, v in parameters.items() if k not in options.parameters})
        desired = replace(desired, parameters=parameters)
    if desired.variables != options.variables:
        again = replace(request_to_change(replace(invocation, options=desired)), left=left)
        return again if options.job else still_about(again, identity_of(desired, again.manifest))
    return replace(request, options=desired) if desired.parameters != options.parameters else None


def still_about(request: Request, identity: Identity) -> Request:
    """Return the request, read again, with this identity. Raises `UsageError` where that differs from the run that it
    selects from.
    """
    options, left = request.options, request.left
    if left is not None:
        about_now = with_disabled(identity, request.manifest)
        here = endpoint_of(options, request.manifest)
        check_same(left.run, Now(options.verb, here, about_now, request.state_dir, left.option))
    return replace(request, identity=identity)


def _mention(invocation: Invocation, what: str, run: RunState, kept: Mapping[str, str]) -> None:
    if kept:
        text = ", ".join(f"{name}={value}" for name, value in kept.items())
        invocation.messages.mention(f"using the {what} of run {run.run_id}: {text}")


def nothing_left(invocation: Invocation, request: Request) -> CommandResult | None:
    """Report that --failed or --undone selects nothing, and return the result; None where it selects something.

    | nothing failed, or was left undone, and                        | a run, and its plan, end with |
    | ---                                                            | ---                           |
    | nothing else of the last run is undone, or it was given up     | 0                             |
    | something else of it is undone                                 | see `ways_on`                 |

    A name, a pattern or a label that selects nothing is an error, also among the functions that failed. That none
    failed is no error.
    """
    left = request.left
    if left is None or left.units:
        return None
    invocation.messages.say(left.said)
    return CommandResult(left.exit, PlanView(Plan(())) if request.options.dry_run else None)


def disabled(request: Request) -> str:
    """Return how many functions a plan of all excludes because they are disabled, and what a former run left undone of
    them; "" where there are none. A run of all functions gives these up, since they are not desired any more.
    """
    off = {key: spec for key, spec in request.manifest.functions.items() if not spec.enabled}
    if not off or not is_whole(request.identity):
        return ""
    said = f"skipped: {counted(len(off), 'function')} with enabled = false"
    now = Now("", endpoint_of(request.options, request.manifest), with_disabled(request.identity, request.manifest),
              request.state_dir)  # fmt: skip
    with open_store(request.state_dir, read_only=True) as store:
        deploys = (run for run in about_the_same(store, now) if run.verb == "deploy")
        for run, left in still_left(deploys, undone):
            of_it, _ = named_now(left, off)
            if of_it:
                ones = named(of_it, _NAMED)
                return f"{said}; a run of all functions gives up what run {run.run_id} left undone of {ones}"
    return said
