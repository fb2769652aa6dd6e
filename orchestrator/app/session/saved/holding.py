"""A saved plan that limits a run: read, checked for changes, and compared with what is planned now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from orchestrator.app.session.identity import resume_line
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.saved.desired import AGAIN, check_desired, functions_then
from orchestrator.app.session.saved.files import check_sealed, check_unexpired, plan_bytes, read_plan
from orchestrator.app.session.saved.keys import known_key, place_of_key
from orchestrator.app.session.saved.packages import SavedPackages
from orchestrator.app.session.saved.today import resolved_today
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, UsageError
from orchestrator.journal.state import RunState
from orchestrator.model import FunctionSpec, Version
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.planning.saved.held import Today, held, new_bases
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.planning.sources import Sources
from orchestrator.resilience.groups import each

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Holding:
    """A saved plan that is unchanged and still desired. `session`: for applying it; `specs`: its functions from the
    manifest; `sources`: their contents.
    """

    saved: SavedPlan
    key: PlanKey
    session: Session
    specs: Mapping[str, FunctionSpec]
    sources: Sources

    async def held(self, planned: Planned) -> Planned:
        """Keep of a plan of these functions, or of some of them, what the saved one contains."""
        keys = {unit.key for unit in planned.plan.units}
        saved = replace(self.saved, units=tuple(unit for unit in self.saved.units if unit.key in keys))
        authors = await self._authors(new_bases(saved, planned.plan, planned.live, self.key))
        today = Today(planned.live, self.key, resolved_today(self.session, planned), authors)
        return replace(planned, plan=held(saved, planned.plan, today), saved=whose(saved))

    async def _authors(self, versions: Mapping[str, Version]) -> dict[str, str]:
        """Return who made Versions, by their IDs, where that is known."""
        found: dict[str, str] = {}
        world = self.session.world

        async def look(key: str) -> None:
            version = versions[key]
            try:
                operations = await world.read(partial(world.functions.list_operations, version.function_id))
            except CloudError:  # it is only additional information
                return
            by = [one.created_by for one in operations if one.makes_version and one.version_id == version.id]
            found.update({version.id: by[0]} if by else {})

        await each(versions, look, at_once=_AT_ONCE)
        return found


async def hold_to(session: Session, saved: SavedPlan, path: Path, *, begun: bool = False) -> Holding:
    """Check that a plan is unchanged, belongs to this installation and is still desired. `begun`: see `functions_then`.
    Raises `UsageError`, `ManifestError`, `StartError`.
    """
    key = await known_key(session)
    if key is None or key.id != saved.key_id:
        here = f"the key here is {key.id}" if key is not None else "there is none here"
        raise UsageError(
            f"plan {saved.id} was made with the key {saved.key_id}, and {here} ({place_of_key(session)}): it cannot be"
            " checked whether the plan and its values are unchanged",
            advice="apply it with the bucket that it was made with ([storage] bucket, --bucket), or"
            " without one, with its state folder (--state)",
        )
    check_sealed(path, saved, key)
    if saved.endpoint != session.endpoint:
        raise UsageError(
            f"plan {saved.id} is for {saved.endpoint}, and this command uses {session.endpoint}", advice=AGAIN
        )
    if saved.uploaded:
        packager = SavedPackages(saved, session.request.manifest.functions, session.world.packager)
        session = replace(session, world=replace(session.world, packager=packager))
    specs = functions_then(session.request, saved, begun=begun)
    return Holding(saved, key, session, specs, await check_desired(session, saved, key, specs))


def name_plan(options: RunOptions, before: RunState) -> None:
    """Use the file that --plan names as the plan of the run. Raises `UsageError` where the run applies another plan, or
    none.
    """
    if options.plan is None:
        return
    then = before.identity.selection.plan
    if not then:
        raise UsageError(f"--plan: run {before.run_id} does not apply a saved plan", advice="remove --plan")
    saved = read_plan(options.plan, plan_bytes(options.plan))
    if saved.id != then:
        raise UsageError(
            f"{options.plan} is plan {saved.id}, but run {before.run_id} applies plan {then}",
            advice="choose the file of that plan",
        )
    selection = replace(before.identity.selection, plan_file=str(options.plan.absolute()))
    before.identity = replace(before.identity, selection=selection)


def plan_of_run(before: RunState, goes_on: str = "") -> SavedPlan | None:
    """Return the saved plan that a run applies, so that the rest follows it; None where there is none. `goes_on`: the
    command line that continues the run, if it is not `resume`.

    Raises `UsageError` where its file is gone, is another one, or has expired.
    """
    selection = before.identity.selection
    if not selection.plan:
        return None
    path, saved = Path(selection.plan_file), None
    try:
        saved = _read_again(path, selection.plan)
        check_unexpired(path, saved, datetime.now(UTC))
    except UsageError as error:
        line = f"{goes_on or resume_line(before.run_id)} --plan FILE"
        file = f"continue with its file, wherever it is: `{line}`; without it, " if saved is None else ""
        raise UsageError(
            f"run {before.run_id} applies plan {selection.plan} and nothing else: {error.message}",
            advice=f"{file}plan again: `orchestrator plan --out FILE`; or give up the rest:"
            f" `{resume_line(before.run_id, '--give-up')}`",
        ) from error
    return saved


def _read_again(path: Path, plan_id: str) -> SavedPlan:
    saved = read_plan(path, plan_bytes(path))
    if saved.id != plan_id:
        raise UsageError(f"{path} now contains plan {saved.id}")
    return saved


async def held_as_then(session: Session, before: RunState, goes_on: str = "") -> tuple[Session, Holding | None]:
    """Limit the rest of a run to the saved plan that it applies, with the options of that plan. After a breach nothing
    is done any more, so nothing is limited. `goes_on`: see `plan_of_run`. Raises `UsageError`, `StartError`.
    """
    saved = plan_of_run(before, goes_on) if not before.breach else None
    if saved is None:
        return session, None
    holding = await hold_to(session, saved, Path(before.identity.selection.plan_file), begun=True)
    then, options = saved.options, session.request.options
    options = replace(
        options, again=(*options.again, *then.again), no_way_back=(*options.no_way_back, *then.no_way_back),
        no_verify=options.no_verify or then.no_verify, now=options.now or then.now,
    )  # fmt: skip
    session = replace(holding.session, request=replace(session.request, options=options))
    return session, replace(holding, session=session)


def whose(saved: SavedPlan) -> str:
    """Return which plan it is, who made it and when."""
    identity = saved.identity
    by = f" by {identity.user}" if identity.user else ""
    return f"plan {saved.id}, made{by}{f' on {identity.host}' if identity.host else ''} at {saved.made_at}"
