"""From a request to a plan: reading the live state, the desired state of a job, and the sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from anyio import to_thread

from orchestrator.app.session.chains.rollbacks import known_rollbacks, rollbacks_of_withdrawn
from orchestrator.app.session.choosing import check_agreed, only_left
from orchestrator.app.session.opening.bucket import check_bucket
from orchestrator.app.session.opening.own_cloud import check_own_cloud
from orchestrator.app.session.options import Names
from orchestrator.app.session.records.opened import opened_by_runs
from orchestrator.app.session.records.replaced import with_replaced
from orchestrator.app.session.records.verdicts import verifying_of
from orchestrator.app.session.session import Session
from orchestrator.engine.knowledge import find_limits
from orchestrator.errors import CloudError, StartError
from orchestrator.job.binding import Binding, live_part_of, marked, part_of
from orchestrator.job.contract import Desired
from orchestrator.journal.events import UnitPlanned
from orchestrator.journal.kept.trees import KnownTrees
from orchestrator.manifest.findings import require_sound
from orchestrator.model import (
    LATEST,
    Change,
    ChangeKind,
    Failure,
    FunctionSpec,
    Outcome,
    Plan,
    Prediction,
    Rollout,
    SourceCode,
    Undeclared,
)
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.planning.back.known_rollbacks import not_over_rollbacks, unended
from orchestrator.planning.back.way_back import with_ways_back
from orchestrator.planning.back.withdrawn import without_withdrawn
from orchestrator.planning.foresee import foresee
from orchestrator.planning.live import read_live, undeclared
from orchestrator.planning.names import resolve_names
from orchestrator.planning.own import with_declared
from orchestrator.planning.planner import build
from orchestrator.planning.prune.leftovers import StoredLeftovers
from orchestrator.planning.prune.plan import PrunePlan
from orchestrator.planning.resume import forced_of
from orchestrator.planning.rollout import canary_first, without_pauses
from orchestrator.planning.selection import choose, expanded, require_promote
from orchestrator.planning.sources import Sources, objects_of_unknown_state, read_sources
from orchestrator.planning.verifying import NOT_VERIFYING, Verifying
from orchestrator.prediction.predict import predict
from orchestrator.report.messages import with_facts
from orchestrator.report.plain_text import counted
from orchestrator.version.adoption import NOTHING, Adoption
from orchestrator.version.stamp import forced_digest

_NAMED_MAX = 5  # functions that a warning names


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its inputs. `back`: it undoes a run, or manual changes; `rolls_back`: the ID of that run. `settled`:
    known outcomes of units that are `reported` but not in the plan. `forced`: see `planner.build`. `saved`: a
    description of the saved plan that it applies.
    """

    plan: Plan
    live: LiveState
    sources: Sources
    rollout: Rollout
    undeclared: tuple[Undeclared, ...] = ()  # in searched folders, but not in the manifest
    disabled: int = 0  # functions that a plan of all excludes
    left_out: int = 0  # enabled functions that the selection excludes
    warnings: tuple[str, ...] = ()  # about possible failures, printed already
    adopt: Adoption = NOTHING
    back: bool = False
    rolls_back: str = ""
    settled: Mapping[str, Outcome] = field(default_factory=dict)
    reported: tuple[UnitPlanned, ...] = ()
    verifying: Verifying = NOT_VERIFYING
    forced: str = ""
    saved: str = ""
    desired: Mapping[str, FunctionSpec] = field(default_factory=dict)  # desired by a job, with unresolved names
    prune: PrunePlan | None = None  # of a prune: every Version, and why it is deleted or kept

    @property
    def prunes_after(self) -> bool:
        """Whether a prune of the same functions follows the run."""
        return self.rollout.prune_after and not self.back

    stored: StoredLeftovers | None = None  # of a prune: what is deleted from the bucket


async def plan_functions(session: Session, specs: Mapping[str, FunctionSpec]) -> Planned:
    """Plan what the manifest declares."""
    options, manifest = session.request.options, session.request.manifest
    declared = manifest.functions
    whole = not (options.patterns or options.labels or session.request.left)
    listed = {spec.folder_id for spec in specs.values()} if whole else set[str]()
    live, desired = await read_specs(session, specs, listed=listed)
    forced = forced_digest(options.run_key or session.run_id) if options.force else ""
    if session.request.left is not None and not forced:  # what was left undone in such a run is a forced version
        forced = forced_of(session.request.left.units)
    check_agreed(options, declared.values())
    planned = await plan_desired(session, desired, live, forced=forced, adopt=options.adopt)
    disabled = sum(not spec.enabled for spec in declared.values())
    if not whole:
        return replace(planned, left_out=len(declared) - disabled - len(specs))
    return replace(planned, undeclared=undeclared(declared.values(), live, manifest.of_others), disabled=disabled)


async def read_specs(
    session: Session, specs: Mapping[str, FunctionSpec], *, listed: Iterable[str] = (), sources_read: bool = False
) -> tuple[LiveState, Desired]:
    """Read the live state of functions of the manifest. `listed`: see `read_live`. `sources_read`: their sources need
    not be read for the plan.
    """
    made_here = 0 if sources_read else sum(isinstance(spec.code, SourceCode) for spec in specs.values())
    what, of = counted(made_here, "function"), f" of {counted(len(specs), 'function')}"
    of = of if made_here < len(specs) else ""
    session.messages.mention(f"reading {f'the sources of {what}, and ' if made_here else ''}the live state{of}")
    session.hide(specs.values())
    return await _live(session, specs.values(), listed=listed), Desired(specs, session.request.manifest.rollout)


async def job_desires(session: Session, binding: Binding) -> tuple[LiveState, Desired]:
    """Return what a job desires, given everything that is live in its folders. Raises `JobError`, `StartError`."""
    manifest = session.request.manifest
    part = part_of(manifest, binding.spec)
    folders = binding.job.folders(part, binding.given)
    session.messages.mention(f"reading the live state of {counted(len(folders), 'folder')}")
    session.hide(manifest.functions.values())
    live = await _live(session, (), whole=folders, runtimes=True)
    desired = binding.job.desired(part, live_part_of(live, manifest, binding.spec), binding.given)
    for warning in desired.warnings:
        session.messages.warn(warning)
    session.hide(desired.specs.values())
    return live, desired


def specs_of_job(session: Session, binding: Binding, desired: Desired) -> Mapping[str, FunctionSpec]:
    """Return the selected part of what a job desires. Raises `UsageError`."""
    options = session.request.options
    specs, of = desired.specs, f'the work of job "{binding.name}"'
    if options.patterns or options.labels:
        known = session.request.manifest.functions
        specs = choose(specs, expanded(options.patterns), options.labels, of=of, known=known)
    return specs if session.request.left is None else only_left(specs, session.request.left, of)


async def plan_job(
    session: Session, binding: Binding, live: LiveState, desired: Desired, *, run_key: str = ""
) -> Planned:
    """Plan the selected part of what a job desires, as `job_desires` returned it."""
    options, specs = session.request.options, specs_of_job(session, binding, desired)
    forced = forced_digest(options.run_key or run_key or session.run_id) if desired.force else ""
    adopt, declared = options.adopt | binding.adopt, session.request.manifest.functions
    check_agreed(replace(options, adopt=adopt), [*desired.specs.values(), *declared.values()])
    jobs = marked(binding.name, session.request.manifest, specs)
    planned = await plan_desired(session, replace(desired, specs=specs), live, forced=forced, adopt=adopt, jobs=jobs)
    return replace(planned, desired=specs)


def cannot_read(error: CloudError) -> StartError:
    """Return the error of a live state that cannot be read, so that nothing can be planned."""
    return StartError(
        f"the live state cannot be read: {with_facts(error)}", advice=error.advice or "nothing was changed"
    )


async def _live(
    session: Session,
    specs: Iterable[FunctionSpec],
    *,
    whole: Iterable[str] = (),
    listed: Iterable[str] = (),
    runtimes: bool = False,
) -> LiveState:
    try:
        left = session.request.manifest.functions.values()
        live = await read_live(session.world, specs, whole=whole, listed=listed, runtimes=runtimes, left=left)
    except CloudError as error:
        raise cannot_read(error) from error
    await check_own_cloud(session, live.clouds)
    homeless = sorted(folder_id for folder_id, cloud_id in live.clouds.items() if cloud_id == UNKNOWN_CLOUD)
    if len(homeless) > 1:
        session.messages.warn(
            f"the cloud of the folders {', '.join(homeless)} is not visible: they are assumed to share one quota;"
            " set YC_CLOUD_ID to confirm this, or give the account resource-manager.viewer"
        )
    return live


async def plan_desired(
    session: Session,
    desired: Desired,
    live: LiveState,
    *,
    forced: str,
    adopt: Adoption,
    jobs: Mapping[str, str] = MappingProxyType({}),
    going_on: bool = False,
    sources: Sources | None = None,
) -> Planned:
    """Plan the desired state. `forced`, `adopt`, `jobs`: see `planner.build`. `going_on`: resuming a run, which reports
    its own ways to finish its rollback. `sources`: their contents, if read already. Raises `ManifestError`,
    `StartError`.
    """
    require_sound(desired.specs.values())
    require_promote(desired.specs.values(), desired.rollout)
    world = session.world
    if any(isinstance(spec.code, SourceCode) for spec in desired.specs.values()):
        # After a first call: a refused token is best reported by the API's own client.
        await check_bucket(world, session.request.manifest)
    try:
        resolved = await resolve_names(world, desired.specs, live)
    except CloudError as error:
        raise StartError(f"names cannot be resolved: {with_facts(error)}", advice=error.advice) from error
    sources = sources if sources is not None else await read_sources(world, resolved.specs)
    failures = {key: Failure(reason, kind="job") for key, reason in desired.failures.items()} | resolved.failures
    live = await with_replaced(session, resolved.specs.values(), live)
    live, unread = await with_declared(world, resolved.specs, live)
    failures |= unread
    opened = await opened_by_runs(session, resolved.specs.values(), live)
    verifying = await verifying_of(session, resolved.specs.values(), live, desired.rollout)
    with KnownTrees(session.request.state_dir) as trees:
        plan = build(
            resolved.specs, live, sources.prepared, failures, forced=forced, adopt=adopt, jobs=jobs,
            verifying=verifying, packed=trees.files, opened=opened,
            job_names=session.request.manifest.jobs,
        )  # fmt: skip
    session.hide(unit.spec for unit in plan.units if unit.spec.as_live)  # they have live values
    options, rollout = session.request.options, desired.rollout
    again = Names((*options.again, *session.again))
    journal = session.request.state_dir, session.endpoint
    plan = without_withdrawn(plan, live, again=again, rollbacks=rollbacks_of_withdrawn(*journal, plan, live))
    moved = {unit.function_id for unit in plan.units if unit.function_id and any(map(_takes_tags, unit.changes))}
    rollbacks = known_rollbacks(*journal, tags_of=moved)
    if not going_on:
        for said in unended(plan, rollbacks, again=again):
            session.messages.warn(said)
        plan = not_over_rollbacks(plan, rollbacks, again=again)
    inline = world.storage.bucket is None
    foreseen = await foresee(world, plan, live, world.limits, inline=inline, adopt=adopt, known=rollbacks, again=again)
    demanded = rollout.on_breach == "rollback" or rollout.two_phase
    plan = await with_ways_back(world, foreseen.plan, live, demanded=demanded, agreed=Names(options.no_way_back))
    warnings = (*foreseen.warnings, *_doubtful_objects(objects_of_unknown_state(plan, live)))
    for warning in warnings:
        session.messages.warn(warning)
    rollout = without_pauses(rollout) if options.now else rollout
    plan = canary_first(plan, rollout)
    return Planned(plan, live, sources, rollout, warnings=warnings, adopt=adopt, verifying=verifying, forced=forced)


def _takes_tags(change: Change) -> bool:
    """Return whether a change takes a tag, or may take it, from the Version that has it."""
    if change.kind is ChangeKind.TAG:
        return True
    return change.kind is ChangeKind.VERSION and any(held for tag, held in change.before.items() if tag != LATEST)


def _doubtful_objects(keys: Sequence[str]) -> tuple[str, ...]:
    """Return a warning for functions whose zip in a bucket may differ from the live one, which cannot be checked."""
    if not keys:
        return ()
    names = ", ".join(keys[:_NAMED_MAX]) + (f" and {len(keys) - _NAMED_MAX} more" if len(keys) > _NAMED_MAX else "")
    doubt = (
        f"could not check whether the package of {names} was overwritten: the object is not accessible, or the"
        " live version is older than this check; declare `sha256`, or deploy again with --force"
    )
    return (doubt,)


async def predicted(session: Session, planned: Planned) -> Prediction:
    """Predict the duration of a plan. The simulation has its own clock, and its event loop its own thread."""
    session.messages.mention("simulating the plan")
    world = session.world
    limits = await find_limits(world.directory, planned.live.clouds, world.limits, world.knowledge)
    allowed = {scope: limit.allowed for scope, limit in limits.items()}
    simulated = partial(predict, planned.plan, planned.live, world.limits, planned.rollout, world.knowledge, allowed)
    return await to_thread.run_sync(simulated)
