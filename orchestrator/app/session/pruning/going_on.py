"""Resuming a prune: what is deleted stays deleted, and the rest of what was confirmed is judged again, Versions and
objects of the bucket.
"""

from __future__ import annotations

from orchestrator.app.session.chain import earlier_of, not_in_the_journal
from orchestrator.app.session.execution import execute_planned, journaled, result_of
from orchestrator.app.session.leasing import guarded, leased, leases_of, tell
from orchestrator.app.session.leftovers.storage import no_versions, storage_view, with_storage
from orchestrator.app.session.planning import Planned, job_desires
from orchestrator.app.session.pruning.ending import PruneEnd
from orchestrator.app.session.pruning.planning import plan_prune, policy_of
from orchestrator.app.session.session import Session
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.engine.in_flight import settle
from orchestrator.errors import UsageError
from orchestrator.job.binding import Binding
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import ChangeKind, Function, FunctionSpec, Outcome, Pruned, Unknown
from orchestrator.model.command_line import line_of_run
from orchestrator.planning.prune.plan import nothing_wanted
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.planning.resume import accepted, left_of
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, PruneView


async def prune_on(session: Session, before: RunState, binding: Binding | None) -> CommandResult:
    """Resume a prune. It deletes only what it was to delete, and of that only what the rule still selects."""
    left = left_of(before)
    session.messages.say(f"resuming run {before.run_id}: {counted(len(left), 'function')}")
    functions = {key: f"{unit.folder_id}/{unit.name}" for key, unit in left.items()}
    if said := not_in_the_journal(before):
        session.messages.say(said)
    async with leased(session, leases_of(session), functions, NOT_LOOKED) as lease:
        begun = journaled(session, len(left), before.identity.clouds, before=before)
        async with begun as (bus, state, recorder):
            tell(lease, len(functions), session, bus)
            settled = await settle(session.world, bus, session.stop, accepted(left))
            unknown = {key: outcome for key, outcome in settled.items() if isinstance(outcome, Unknown)}
            rest = {key: unit for key, unit in left.items() if key not in unknown}
            with session.stop.interruptible():
                policy = await _policy(session, before, binding)
                planned = await _planned(session, before, rest, policy)
            if planned.prune is not None:
                session.messages.plan(PruneView(planned.prune, storage=storage_view(planned, whole=False)))
            done = unknown | _gone(rest, planned)
            within, earlier = guarded(session, lease), earlier_of(before, left)
            end = PruneEnd(session, planned, bus.state)
            code = await execute_planned(
                within, planned, bus, recorder, state, settled=done, earlier=earlier, finish=end
            )
    return end.shown(result_of(session, code, state))


async def _policy(session: Session, before: RunState, binding: Binding | None) -> PrunePolicy:
    policy: PrunePolicy | None = policy_of(before.identity.selection.parameters)
    if binding is not None:
        _, desired = await job_desires(session, binding)
        policy = desired.prune
    if policy is None:
        raise UsageError(
            f"{before.verb}: the job is not a prune any more",
            advice=f"give up the rest: `{line_of_run('resume', '--give-up')}`",
        )
    return policy


async def _planned(session: Session, before: RunState, left: dict[str, UnitState], policy: PrunePolicy) -> Planned:
    """Plan what is left: confirmed Versions, and objects of the bucket that were old enough then."""
    selection = before.identity.selection
    some = bool(selection.patterns or selection.labels or selection.left_by)

    async def versions() -> Planned:
        specs = {key: _spec(unit) for key, unit in left.items()}
        agreed = {unit.function_id: _agreed(unit) for unit in left.values()}
        return await plan_prune(session, specs, policy, agreed=agreed) if left else no_versions()

    return await with_storage(session, policy, versions, some=some, as_of=before.chain[0].started_at)


def _spec(unit: UnitState) -> FunctionSpec:
    return nothing_wanted(unit.key, Function(unit.function_id, unit.folder_id, unit.name))


def _agreed(unit: UnitState) -> list[str]:
    changes = (state.change for state in unit.changes)
    return [version_id for one in changes if one.kind is ChangeKind.DELETE for version_id in one.before]


def _gone(left: dict[str, UnitState], planned: Planned) -> dict[str, Outcome]:
    """Return the outcomes of functions with nothing left to delete: everything is deleted, or what is there is needed
    by now.
    """
    there = {unit.key for unit in planned.plan.units}
    listed = planned.live.versions
    return {
        key: Pruned(sum(version_id not in listed for version_id in _agreed(unit)), read_back=True)
        for key, unit in left.items()
        if key not in there
    }
