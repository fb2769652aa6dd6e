"""The bucket's part of a prune: what goes of it is planned beside the Versions, and deleted after them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from orchestrator.app.session.leftovers.judging import Asked, find_leftovers, unended_here
from orchestrator.app.session.leftovers.removing import remove_leftovers
from orchestrator.app.session.leftovers.stored import bucket_of
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.errors import Exit, UsageError
from orchestrator.model import Plan, Rollout
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.leftovers import Removed
from orchestrator.planning.prune.plan import PrunePlan
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.planning.sources import Sources
from orchestrator.report.views import CommandResult, ResultView, StorageView

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
    session: Session, policy: PrunePolicy, make_plan: Callable[[], Awaitable[Planned]], *, some: bool
) -> Planned:
    """Plan which Versions go, where these are wanted, and what of the bucket. `some`: see `prunable`.

    Raises as `make_plan` does, `UsageError`, and `StartError` where the bucket cannot be read.
    """
    wanted = prunable(policy.only, some=some)
    nothing = Planned(Plan(()), LiveState(), Sources(), Rollout(), prune=PrunePlan(()))
    planned = await make_plan() if VERSIONS in wanted else nothing
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
    )
    return replace(planned, stored=await find_leftovers(access, asked))


def removes(planned: Planned) -> bool:
    """Say whether anything of the bucket goes by this plan."""
    return planned.stored is not None and bool(planned.stored.goes.number or planned.stored.dead)


def storage_view(planned: Planned, *, whole: bool) -> StorageView | None:
    """Give what goes of the bucket to be shown; None where nobody has asked."""
    return StorageView(planned.stored, whole=whole) if planned.stored is not None else None


async def pruned_storage(session: Session, planned: Planned, result: CommandResult) -> CommandResult:
    """Delete what goes of the bucket once the Versions are gone, and add that to the result.

    What stopped these because some of them could not be deleted is no reason to stop here; what came from outside is.
    """
    access, found = bucket_of(session), planned.stored
    if found is None or access is None:
        return result
    outside = session.stop.called_off or session.stop.lost
    stop = session.stop if outside else session.stop.successor()
    removed = await remove_leftovers(access, found, stop, session.messages)
    view = result.view
    if isinstance(view, ResultView):
        view = replace(view, storage=StorageView(found, removed))
    return replace(result, exit=_worse(result.exit, _exit(removed, stopped=bool(stop.reason))), view=view)


def _exit(removed: Collection[Removed], *, stopped: bool) -> int:
    if stopped and any(one.left for one in removed):
        return Exit.INTERRUPTED
    return Exit.FAILED if any(one.failed or one.left for one in removed) else Exit.DONE


def _worse(one: int, other: int) -> int:
    return Exit.INTERRUPTED if Exit.INTERRUPTED in (one, other) else one or other
