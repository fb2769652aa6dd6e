"""The bucket's part of a prune: what goes of it is planned beside the Versions, and deleted after them."""

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

VERSIONS, PACKAGES_OF, RECORDS_OF = "versions", "packages", "records"  # what --only names
PRUNABLE = (VERSIONS, PACKAGES_OF, RECORDS_OF)


def prunable(only: Collection[str], *, some: bool) -> frozenset[str]:
    """Say what is pruned. `only`: what was asked for; `some`: only some functions are selected.

    | --only | functions | pruned                                |
    | ---    | ---       | ---                                   |
    | none   | all       | versions, packages, records           |
    | none   | some      | versions: the rest is of no function  |
    | given  | all       | what was given                        |
    | given  | some      | versions; for others `UsageError`     |
    """
    given = frozenset(only)
    if unknown := sorted(given - set(PRUNABLE)):
        raise UsageError(f'--only: there is no "{unknown[0]}" to prune', advice=f"write {', '.join(PRUNABLE)}")
    if some and (others := sorted(given - {VERSIONS})):
        raise UsageError(
            f"{' and '.join(others)} are of no function, so --only cannot go with some functions",
            advice="leave the functions out, or --only",
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
    """Plan which Versions go, where these are wanted, and what of the bucket. `some`: see `prunable`; `as_of`: see
    `Asked`.

    Raises as `make_plan` does, `UsageError`, and `StartError` where the bucket cannot be read.
    """
    wanted = prunable(policy.only, some=some)
    planned = await make_plan() if VERSIONS in wanted else no_versions()
    access = bucket_of(session)
    if access is None or not wanted - {VERSIONS}:
        return planned
    asked = Asked(
        session.request.manifest,
        packages=PACKAGES_OF in wanted,
        records=RECORDS_OF in wanted,
        runs=policy.runs,
        run_id=session.run_id,
        here=unended_here(session),
        say=session.messages.say,
        as_of=as_of,
    )
    return replace(planned, stored=await find_leftovers(access, asked))


def no_versions() -> Planned:
    """Plan that no Version goes."""
    return Planned(Plan(()), LiveState(), Sources(), Rollout(), prune=PrunePlan(()))


def removes(planned: Planned) -> bool:
    """Say whether anything of the bucket goes by this plan."""
    return planned.stored is not None and bool(planned.stored.goes.number or planned.stored.dead)


def storage_view(planned: Planned, *, whole: bool) -> StorageView | None:
    """Give what goes of the bucket to be shown; None where nobody has asked."""
    return StorageView(planned.stored, whole=whole) if planned.stored is not None else None
