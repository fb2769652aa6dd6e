"""`prune [FUNCTIONS]`: deletes old Versions that nothing needs, and old packages and records in the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.app.session.about import about, as_last, as_then_left, nothing_left
from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.choosing import selected
from orchestrator.app.session.chosen import request_to_change
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.leftovers.storage import VERSIONS, prunable, with_storage
from orchestrator.app.session.options import PRUNE, read_options, storage_of
from orchestrator.app.session.pruning.planning import parameters_of, plan_prune, policy_of
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.errors import UsageError
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def prune_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `prune`. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    keep, runs, everything, only = (given.pop(name) for name in ("keep", "runs", "everything", "only"))
    parameters = parameters_of(PrunePolicy(keep, runs, all=everything, only=tuple(only)))
    return invoke(read_options(PRUNE, {**given, "parameters": parameters}), messages, _prune)


async def _prune(invocation: Invocation) -> CommandResult:
    options = invocation.options
    policy = policy_of(options.parameters)
    some = bool(options.patterns or options.labels or options.failed or options.undone)
    desired = prunable(policy.only, some=some)
    with invocation.stop.interruptible():
        invocation = replace(invocation, options=as_last(options))
        request = request_to_change(invocation)
        if VERSIONS not in desired and not storage_of(request.manifest, options.bucket).bucket:
            raise UsageError("there is no bucket to prune", advice="set [storage] bucket, or use --bucket")
        chosen = VERSIONS in desired and not (options.failed or options.undone)
        specs = selected(request) if chosen else None  # report mistakes first
        if options.sandbox or not options.dry_run:
            await hold_lock(invocation, request)
        request = await about(invocation, request)
        if (nothing := nothing_left(invocation, request)) is not None:
            return nothing
        request = as_then_left(invocation, request, options) or request
        specs = selected(request) if specs is None and VERSIONS in desired else specs or {}
        begin(invocation, request)
        session = await open_session(invocation, request)
    versions = partial(plan_prune, session, specs, policy)
    return await carry_out(session, partial(with_storage, session, policy, versions, some=some))
