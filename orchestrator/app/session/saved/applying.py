"""`deploy --plan FILE`: applies a saved plan and nothing else.

| difference                                       | result                                           |
| ---                                              | ---                                              |
| the file: no plan, changed, expired, from a newer program, another key or installation | exit 2, nothing done |
| what is desired: a setting, a value, a source, the rollout, the selection | exit 2, nothing done, each is listed |
| the live state of a function                     | that one is blocked, the others continue         |
| none, or the function is already up to date      | done                                             |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.chosen import request_to_change
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.planning import Planned, plan_desired, read_specs
from orchestrator.app.session.saved.desired import functions_then
from orchestrator.app.session.saved.files import check_unexpired, plan_bytes, read_plan
from orchestrator.app.session.saved.holding import Holding, hold_to
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.app.session.taking_up import choice_then
from orchestrator.journal.identity import Identity
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.report.history import who
from orchestrator.report.views import CommandResult
from orchestrator.version.adoption import adoption_of


async def apply_saved(invocation: Invocation) -> CommandResult:
    """Apply the plan that --plan names. Raises `UsageError` where it cannot be applied as it is."""
    path = invocation.options.plan or Path()
    saved = read_plan(path, plan_bytes(path))
    check_unexpired(path, saved, datetime.now(UTC))
    invocation = replace(invocation, options=_with_saved(invocation.options, saved))
    options = invocation.options
    with invocation.stop.interruptible():
        request = request_to_change(invocation, has_sources=False)  # the plan shows whether they exist
        functions_then(request, saved)  # report mistakes there first
        if options.sandbox or not options.dry_run:
            await hold_lock(invocation, request)
        request = replace(request, identity=_about_saved(request, saved, path))
        begin(invocation, request)
        session = await open_session(invocation, request)
        holding = await hold_to(session, saved, path)
    return await carry_out(holding.session, partial(_plan_saved, holding))


def _with_saved(options: RunOptions, saved: SavedPlan) -> RunOptions:
    """Return the options that the plan was made with. Raises `UsageError`."""
    then = saved.options
    line = f"orchestrator deploy --plan {options.plan}"
    options = choice_then(saved.identity, f"plan {saved.id}", options, line)
    return replace(
        options, patterns=then.patterns, labels=then.labels, adopt=adoption_of(then.adopt), again=then.again,
        no_way_back=then.no_way_back, no_verify=then.no_verify, now=then.now,
    )  # fmt: skip


def _about_saved(request: Request, saved: SavedPlan, path: Path) -> Identity:
    """Return the scope of a run that applies a saved plan."""
    identity = identity_of(request.options, request.manifest)
    selection = replace(
        saved.identity.selection, plan=saved.id, plan_file=str(path.absolute()), plan_by=who(saved.identity),
        plan_at=saved.made_at, plan_commit=saved.identity.commit,
    )  # fmt: skip
    return replace(identity, selection=selection)


async def _plan_saved(holding: Holding) -> Planned:
    """Plan again, and keep of that what the saved plan contains."""
    session, forced = holding.session, holding.saved.options.forced
    live, desired = await read_specs(session, holding.specs, sources_read=True)
    adopt = session.request.options.adopt
    planned = await plan_desired(session, desired, live, forced=forced, adopt=adopt, sources=holding.sources)
    return await holding.held(planned)
