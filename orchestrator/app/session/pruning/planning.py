"""From the functions of a prune to its plan: what is live, what runs need, and what the manifest mentions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.app.session.leftovers.named import named_in
from orchestrator.app.session.leftovers.storage import with_storage
from orchestrator.app.session.options import given_of
from orchestrator.app.session.planning import Planned, cannot_read, job_desires, plan_job, specs_of_job
from orchestrator.app.session.pruning.known_runs import read_runs_of
from orchestrator.app.session.records.replaced import with_replaced
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError, UsageError
from orchestrator.job.binding import Binding
from orchestrator.model import FunctionSpec, Manifest, Rollout, VersionCopy
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.planning.live import read_live
from orchestrator.planning.prune.finding import find_prunable, pruned_functions
from orchestrator.planning.prune.plan import PrunePlan, Usage, only, units_of
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.planning.sources import Sources
from orchestrator.report.plain_text import counted

_MEANINGLESS = ("rollout", "adopt")  # keys of every job's table that have no effect on a prune
_NO_OPTIONS = ("run_key", "adopt", "again", "no_way_back", "now", "no_verify")
_NO_WAY_BACK = "with `runs` 0 the last run may become impossible to roll back: its previous version may be deleted"
_ID = re.compile(r"\b[a-z0-9]{20}\b")  # the form of the cloud's IDs


async def plan_prune(
    session: Session,
    specs: Mapping[str, FunctionSpec],
    policy: PrunePolicy,
    *,
    live: LiveState | None = None,
    agreed: Mapping[str, Iterable[str]] | None = None,
) -> Planned:
    """Plan which Versions of these functions are deleted. `live`: the live state if it was just read. `agreed`: what
    may be deleted, by Function ID; None for whatever the rule selects. Raises `JournalError`, `StartError`.
    """
    session.messages.mention(f"reading all versions of {counted(len(specs), 'function')} and the runs that need them")
    world = session.world
    try:
        if live is None:
            live = await read_live(world, specs.values(), fresh=True)
        live = await with_replaced(session, specs.values(), live)
        found = pruned_functions(specs, live)
        runs = await read_runs_of(session, found, policy)
        now = world.server_time() or datetime.fromtimestamp(world.clock(), UTC)
        named = _named(session.request.manifest)
        functions = await find_prunable(world, found, live, policy, runs.known, named=named, now=now)
    except CloudError as error:
        raise cannot_read(error) from error
    plan = PrunePlan(functions, runs.notes)
    if plan.goes and not policy.runs:
        plan = replace(plan, notes=(*plan.notes, _NO_WAY_BACK))
    if agreed is not None:
        plan = only(plan, agreed)
    plan = replace(plan, usage=await used(session, live, plan)) if plan.goes else plan
    units = units_of(plan, live, session.request.manifest.functions)
    return Planned(units, live, Sources(), Rollout(), prune=plan)


async def plan_any_job(session: Session, binding: Binding, *, run_key: str = "") -> Planned:
    """Plan a job of any kind. Raises `JobError`, `StartError`, `UsageError`."""
    live, desired = await job_desires(session, binding)
    if desired.prune is None:
        return await plan_job(session, binding, live, desired, run_key=run_key)
    for name in _MEANINGLESS:
        if name in binding.spec.parameters:
            place = f"{binding.spec.place.file}:{binding.spec.place.line}"
            raise UsageError(f"{place}: jobs.{binding.name}.{name}: a prune does not support this", advice="remove it")
    options = session.request.options
    if options.simulate:
        raise UsageError("a prune cannot be simulated", advice="remove --simulate")
    if given := given_of(options, _NO_OPTIONS):
        what = ", ".join(given)
        raise UsageError(f"{what} has no effect on job {binding.name}, which is a prune", advice="remove it")
    specs = specs_of_job(session, binding, desired)
    some = bool(options.patterns or options.labels or session.request.left)
    versions = partial(plan_prune, session, specs, desired.prune, live=live)
    return await with_storage(session, desired.prune, versions, some=some)


def _named(manifest: Manifest) -> frozenset[str]:
    """Return the IDs in a manifest: those of its functions' code, and anything in its text with the form of an ID.
    Raises `StartError`.
    """
    codes = (spec.code for spec in manifest.functions.values())
    return named_in(manifest, _ID) | {code.version_id for code in codes if isinstance(code, VersionCopy)}


async def used(session: Session, live: LiveState, prune: PrunePlan) -> tuple[Usage, ...]:
    """Return the usage of the quotas that count Versions; unreadable quotas are skipped."""
    world, found, goes = session.world, list[Usage](), Counter[str]()
    for one in prune.functions:
        goes[live.clouds.get(one.function.folder_id, UNKNOWN_CLOUD)] += len(one.goes)
    for cloud_id in sorted({*live.clouds.values()} - {UNKNOWN_CLOUD}):
        with suppress(CloudError, InterruptedRunError):
            for quota in await world.read(partial(world.directory.quotas, cloud_id)):
                if "version" in quota.id.lower():
                    found.append(Usage(cloud_id, quota.id, quota.usage, quota.limit, goes[cloud_id]))
    return tuple(found)


def parameters_of(policy: PrunePolicy) -> dict[str, str]:
    """Return a policy as parameters, which `policy_of` reads."""
    only = {"only": ",".join(policy.only)} if policy.only else {}
    return {"keep": str(policy.keep), "runs": str(policy.runs), **({"all": "true"} if policy.all else {}), **only}


def policy_of(parameters: Mapping[str, str]) -> PrunePolicy:
    """Return the policy from the parameters stored in a run."""
    known = PrunePolicy()
    return PrunePolicy(
        int(parameters.get("keep", known.keep)),
        int(parameters.get("runs", known.runs)),
        all=parameters.get("all") == "true",
        only=tuple(name.strip() for name in parameters.get("only", "").split(",") if name.strip()),
    )
