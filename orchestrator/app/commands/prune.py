"""`prune [FUNCTIONS]`: old Versions are deleted, but for those that somebody may still need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from orchestrator.app.session.about import about, nothing_left
from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.choosing import selected
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import PRUNE, read_options
from orchestrator.app.session.pruning.planning import parameters_of, plan_prune, policy_of
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def prune_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `prune` as typed. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    keep, runs, everything = given.pop("keep"), given.pop("runs"), given.pop("everything")
    parameters = parameters_of(PrunePolicy(keep, runs, all=everything))
    return invoke(read_options(PRUNE, {**given, "parameters": parameters}), messages, _prune)


async def _prune(invocation: Invocation) -> CommandResult:
    options = invocation.options
    with invocation.stop.interruptible():
        request = read_request(invocation)
        specs = None if options.failed or options.undone else selected(request)  # what is wrong is told first
        if options.sandbox or not options.dry_run:
            await hold_lock(invocation, request)
        request = await about(invocation, request)
        if (nothing := nothing_left(invocation, request)) is not None:
            return nothing
        specs = selected(request) if specs is None else specs
        begin(invocation, request)
        session = await open_session(invocation, request)
    policy = policy_of(options.parameters)
    return await carry_out(session, partial(plan_prune, session, specs, policy))
