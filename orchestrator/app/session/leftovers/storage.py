"""The bucket's part of a prune: planned with the Versions, and deleted after them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from orchestrator.app.session.leftovers.judging import Asked, find_leftovers, unended_here
from orchestrator.app.session.leftovers.stored import bucket_of
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.errors import UsageError
from orchestrator.model import Plan, Rollout
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.plan import PrunePlan
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.planning.sources import Sources
from orchestrator.report.views import StorageView

VERSIONS, PACKAGES_OF, RECORDS_OF = "versions", "packages", "records"  # values of --only
PRUNABLE = (VERSIONS, PACKAGES_OF, RECORDS_OF)


def prunable(only: Collection[str], *, some: bool) -> frozenset[str]:
    """Return what is pruned. `only`: the value of the option; `some`: only some functions are selected.

    | --only | functions | pruned                                |
    | ---    | ---       | ---                                   |
    | none   | all       | versions, packages, records           |
    | none   | some      | versions: others have no function     |
    | given  | all       | what was given                        |
    | given  | some      | versions; for others `UsageError`     |
    """
    given = frozenset(only)
    if unknown := sorted(given - set(PRUNABLE)):
        raise UsageError(f'--only: unknown kind "{unknown[0]}"', advice=f"choose from {', '.join(PRUNABLE)}")
    if some and (others := sorted(given - {VERSIONS})):
        raise UsageError(
            f"--only {' and '.join(others)} cannot be combined with FUNCTIONS",
            advice="remove the functions, or --only",
        )
    return given or frozenset((VERSIONS,) if some else PRUNABLE)


async def with_storage(
    session: Session,
    policy: PrunePolicy,
    make_plan: Callable[[], Awaitable[Planned]],
    *,
    some: bool,
    as_of: float = math.inf,
) -> Planned:
    """Plan which Versions, if requested, and which objects of the bucket are deleted. `some`: see `prunable`; `as_of`:
    see `Asked`.

    Raises as `make_plan` does, `UsageError`, and `StartError` where the bucket cannot be read.
    """
    desired = prunable(policy.only, some=some)
    planned = await make_plan() if VERSIONS in desired else no_versions()
    access = bucket_of(session)
    if access is None or not desired - {VERSIONS}:
        return planned
    asked = Asked(
        session.request.manifest,
        packages=PACKAGES_OF in desired,
        records=RECORDS_OF in desired,
        runs=policy.runs,
        run_id=session.run_id,
        here=unended_here(session),
        say=session.messages.say,
        as_of=as_of,
    )
    return replace(planned, stored=await find_leftovers(access, asked))


def no_versions() -> Planned:
    """Return a plan that deletes no Version."""
    return Planned(Plan(()), LiveState(), Sources(), Rollout(), prune=PrunePlan(()))


def removes(planned: Planned) -> bool:
    """Return whether the plan deletes anything from the bucket."""
    return planned.stored is not None and bool(planned.stored.goes.number or planned.stored.dead)


def storage_view(planned: Planned, *, whole: bool) -> StorageView | None:
    """Return the objects of the bucket to show; None where the bucket is not pruned."""
    return StorageView(planned.stored, whole=whole) if planned.stored is not None else None
