"""`[rollout] prune_after`: a follow-up run that prunes the functions of a successful run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from orchestrator.app.session.execution import following
from orchestrator.app.session.options import PRUNE
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.pruning.planning import parameters_of, plan_prune
from orchestrator.app.session.session import Session
from orchestrator.errors import Exit, OrchestratorError
from orchestrator.job.binding import Binding
from orchestrator.journal.identity import Selection
from orchestrator.model import Function
from orchestrator.planning.prune.plan import nothing_wanted
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.report.summary import headline
from orchestrator.report.views import CommandResult, ResultView
from orchestrator.resilience.stop import StoppedError

CarryOut = Callable[[Session, Callable[[], Awaitable[Planned]]], Awaitable[CommandResult]]


def wants_prune(session: Session, binding: Binding | None) -> bool:
    """Return whether a prune follows a run of the manifest, or of this job."""
    rollout = session.request.manifest.rollout if binding is None else binding.given["rollout"]
    return bool(rollout.prune_after)


async def prune_after(session: Session, result: CommandResult, carry_out: CarryOut, *, desired: bool) -> CommandResult:
    """Prune the functions of a run that ended with exit 0, where this is `desired`. Return the result of that run even
    if the prune fails, which is reported.
    """
    view = result.view
    if not desired or result.exit != Exit.DONE or not isinstance(view, ResultView) or session.stop.reason:
        return result
    policy, state = PrunePolicy(), view.state
    after = following(session, PRUNE)
    request = after.request
    parameters = parameters_of(policy)
    identity = replace(request.identity, selection=Selection(tuple(sorted(state.units)), parameters=parameters))
    options = replace(request.options, yes=True, due=False, parameters=parameters)
    after = replace(after, request=replace(request, options=options, identity=identity))
    specs = {
        key: nothing_wanted(key, Function(unit.function_id, unit.folder_id, unit.name))
        for key, unit in state.units.items()
        if unit.function_id
    }
    session.messages.say(f"run {state.run_id} succeeded: pruning its functions (prune_after)")
    try:
        found = await carry_out(after, partial(plan_prune, after, specs, policy))
    except StoppedError as error:
        session.messages.warn(f"not pruned: {error}")
    except OrchestratorError as error:
        session.messages.warn(f"not pruned: {error.message}")
    else:
        summary = headline(found.view.state) if isinstance(found.view, ResultView) else ""
        (session.messages.mention if found.exit == Exit.DONE else session.messages.warn)(f"prune: {summary}")
    return result
