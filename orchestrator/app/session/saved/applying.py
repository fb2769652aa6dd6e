"""`deploy --plan FILE`: what a saved plan says is carried out, and nothing else.

| what is otherwise                                | becomes                                          |
| ---                                              | ---                                              |
| the file: no plan, changed, expired, of a newer program, of another key or installation | exit 2, nothing done |
| what is desired: a setting, a value, a source, the rollout, the selection | exit 2, nothing done, each is named |
| the live state of a function                     | that one is blocked, the others go on            |
| nothing, or all of a function is live already    | done                                             |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.choosing import selected
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request, read_request
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.planning import Planned, plan_desired, read_specs
from orchestrator.app.session.saved.files import check_sealed, check_unexpired, plan_bytes, read_plan
from orchestrator.app.session.saved.keys import known_key, place_of_key
from orchestrator.app.session.saved.packages import SavedPackages
from orchestrator.app.session.saved.today import facts_today, resolved_today, run_facts
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.errors import CloudError, UsageError
from orchestrator.journal.identity import Identity
from orchestrator.model import FunctionSpec, Version
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.planning.saved.held import Today, differing, held, new_bases
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import CommandResult
from orchestrator.resilience.groups import each
from orchestrator.version.adoption import adoption_of

_AT_ONCE = 8
_NAMED = 5  # functions of one difference
_AGAIN = "nothing is done; plan again, and have that plan looked at: `orchestrator plan --out FILE`"


async def apply_saved(invocation: Invocation) -> CommandResult:
    """Carry out the plan that --plan names. Raises `UsageError` where it cannot be done as it stands."""
    path = invocation.options.plan or Path()
    saved = read_plan(path, plan_bytes(path))
    check_unexpired(path, saved, datetime.now(UTC))
    invocation = replace(invocation, options=with_saved(invocation.options, saved))
    options = invocation.options
    with invocation.stop.interruptible():
        request = read_request(invocation, has_sources=not saved.uploaded)
        specs = selected_then(request, saved)
        if options.sandbox or not options.dry_run:
            await hold_lock(invocation, request)
        request = replace(request, identity=about_saved(request, saved, path))
        begin(invocation, request)
        session = await open_session(invocation, request)
        key = await check_saved(session, saved, path)
    if saved.uploaded:
        packager = SavedPackages(saved, specs, session.world.packager)
        session = replace(session, world=replace(session.world, packager=packager))
    return await carry_out(session, partial(plan_saved, session, saved, key, specs))


def with_saved(options: RunOptions, saved: SavedPlan) -> RunOptions:
    """Give the options that a plan was made with. Raises `UsageError`."""
    then = saved.options
    return replace(
        options, patterns=then.patterns, labels=then.labels, adopt=adoption_of(then.adopt), again=then.again,
        no_way_back=then.no_way_back, no_verify=then.no_verify, now=then.now,
    )  # fmt: skip


def selected_then(request: Request, saved: SavedPlan) -> dict[str, FunctionSpec]:
    """Choose the functions as the plan did. Raises `UsageError`, `ManifestError`."""
    specs, only = selected(request), saved.options.only
    return specs if only is None else {key: spec for key, spec in specs.items() if key in only}


def about_saved(request: Request, saved: SavedPlan, path: Path) -> Identity:
    """Say what a run is about that carries out a saved plan."""
    identity = identity_of(request.options, request.manifest)
    selection = replace(saved.identity.selection, plan=saved.id, plan_file=str(path.absolute()))
    return replace(identity, selection=selection)


async def check_saved(session: Session, saved: SavedPlan, path: Path) -> PlanKey:
    """See that a plan is as it was made, and of this installation. Gives its key. Raises `UsageError`, `StartError`."""
    key = await known_key(session)
    if key is None or key.id != saved.key_id:
        here = f"the key here is {key.id}" if key is not None else "there is none here"
        raise UsageError(
            f"plan {saved.id} was made with the key {saved.key_id}, and {here} ({place_of_key(session)}): whether it is"
            " as it was made, and values are as they were, cannot be told",
            advice="apply it with the bucket that it was made with ([storage] bucket, --bucket), or where there was"
            " none with that state folder (--state)",
        )
    check_sealed(path, saved, key)
    if saved.endpoint != session.endpoint:
        raise UsageError(f"plan {saved.id} is of {saved.endpoint}, and this goes to {session.endpoint}", advice=_AGAIN)
    return key


async def plan_saved(session: Session, saved: SavedPlan, key: PlanKey, specs: Mapping[str, FunctionSpec]) -> Planned:
    """Plan once more, and leave of that what the saved plan says. Raises `UsageError` where another thing is desired
    by now.
    """
    live, desired = await read_specs(session, specs)
    adopt = session.request.options.adopt
    planned = await plan_desired(session, desired, live, forced=saved.options.forced, adopt=adopt)
    facts = facts_today(session, planned, uploaded=saved.uploaded)
    differs = differing(saved, key, run_facts(session), facts, planned.sources.prepared)
    if differs:
        for words, keys in differs.items():
            session.messages.say(f"{named(keys, _NAMED)}: {words}" if keys else words)
        raise UsageError(
            f"plan {saved.id} is not what is wanted any more: {counted(len(differs), 'difference')}", advice=_AGAIN
        )
    authors = await _authors(session, new_bases(saved, planned.plan, planned.live, key))
    today = Today(planned.live, key, resolved_today(session, planned), authors)
    return replace(planned, plan=held(saved, planned.plan, today), saved=whose(saved))


def whose(saved: SavedPlan) -> str:
    """Say which plan it is, who made it and when."""
    identity = saved.identity
    by = f" by {identity.user}" if identity.user else ""
    return f"plan {saved.id}, made{by}{f' on {identity.host}' if identity.host else ''} at {saved.made_at}"


async def _authors(session: Session, versions: Mapping[str, Version]) -> dict[str, str]:
    """Find who made Versions, by their ids, where somebody tells."""
    found: dict[str, str] = {}
    world = session.world

    async def look(key: str) -> None:
        version = versions[key]
        try:
            operations = await world.read(partial(world.functions.list_operations, version.function_id))
        except CloudError:  # it only says more
            return
        by = [one.created_by for one in operations if one.makes_version and one.version_id == version.id]
        found.update({version.id: by[0]} if by else {})

    await each(versions, look, at_once=_AT_ONCE)
    return found
