"""From what a prune is about to its plan: reading all Versions, what runs need of them, and what is under way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.app.session.planning import Planned, cannot_read
from orchestrator.app.session.pruning.known_runs import read_runs_of
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.model import Function, FunctionSpec, Manifest, Rollout, Version, VersionCopy
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.planning.live import read_live
from orchestrator.planning.prune.plan import FunctionPrune, PrunePlan, Usage, only, units_of
from orchestrator.planning.prune.rule import KnownNeeds, Policy, judged
from orchestrator.planning.sources import Sources
from orchestrator.report.plain_text import counted
from orchestrator.resilience.groups import each

_AT_ONCE = 8
_ID = re.compile(r"\b[a-z0-9]{20}\b")  # as the cloud makes them


async def plan_prune(
    session: Session,
    specs: Mapping[str, FunctionSpec],
    policy: Policy,
    *,
    live: LiveState | None = None,
    agreed: Mapping[str, Iterable[str]] | None = None,
) -> Planned:
    """Plan which Versions of these functions go. `live`: what was read of them already; `agreed`: those that may go, by
    the Function's id; None: whatever the rule says. Raises `JournalError`, `StartError`.
    """
    session.messages.mention(f"reading all versions of {counted(len(specs), 'function')}, and what runs need of them")
    world = session.world
    try:
        if live is None:
            live = await read_live(world, specs.values(), fresh=True)
        functions = dict(_found(specs, live))
        versions = _by_function(functions.values(), live)
        names = {name: one.id for one in functions.values() for name in _names(one)}
        ids = {version.id: version.id for some in versions.values() for version in some}
        runs = await read_runs_of(session, names, ids, policy)
        prune = _judged(session, functions, versions, live, policy, runs.known)
        busy = await _under_way(session, [one.function.id for one in prune if one.goes])
        known = {one.function.id: replace(runs.known[one.function.id], operation=busy[one.function.id])
                 for one in prune if one.function.id in busy}  # fmt: skip
        if known:
            prune = _judged(session, functions, versions, live, policy, {**runs.known, **known})
    except CloudError as error:
        raise cannot_read(error) from error
    plan = PrunePlan(prune, runs.notes)
    if agreed is not None:
        plan = only(plan, agreed)
    plan = replace(plan, usage=await used(session, live)) if plan.goes else plan
    units = units_of(plan, live, session.request.manifest.functions)
    return Planned(units, live, Sources(), Rollout(), prune=plan)


def _found(specs: Mapping[str, FunctionSpec], live: LiveState) -> Iterable[tuple[str, Function]]:
    """Give the Functions that there are, by key, each once."""
    seen = set[str]()
    for key, spec in specs.items():
        by_name = live.by_name.get((spec.folder_id, spec.name))
        function = live.by_id.get(spec.id) if spec.id is not None else by_name
        if function is not None and function.id not in seen:
            seen.add(function.id)
            yield key, function


def _by_function(functions: Iterable[Function], live: LiveState) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {function.id: [] for function in functions}
    for version in live.versions.values():
        if version.function_id in found:
            found[version.function_id].append(version)
    return found


def _names(function: Function) -> list[tuple[str, str]]:
    return [(function.folder_id, name) for name in (function.id, function.name) if name]


def _judged(
    session: Session,
    functions: Mapping[str, Function],
    versions: Mapping[str, list[Version]],
    live: LiveState,
    policy: Policy,
    known: Mapping[str, KnownNeeds],
) -> tuple[FunctionPrune, ...]:
    named, now = named_in(session.request.manifest), _now(session)
    return tuple(
        FunctionPrune(
            key,
            one,
            judged(versions[one.id], live.latest(one.id), policy, known[one.id], named=named, now=now),
        )
        for key, one in functions.items()
    )


def _now(session: Session) -> datetime:
    return session.world.server_time() or datetime.fromtimestamp(session.world.clock(), UTC)


def named_in(manifest: Manifest) -> frozenset[str]:
    """Give the ids that a manifest names, whatever of: those of its functions' code, and whatever looks like one in its
    files, so that those of another environment, of a function with a mistake or in a comment stay as well.
    """
    codes = (spec.code for spec in manifest.functions.values())
    found = {code.version_id for code in codes if isinstance(code, VersionCopy)}
    for path in manifest.files:
        with suppress(OSError, UnicodeDecodeError):  # it was read before
            found.update(_ID.findall(path.read_text("utf-8")))
    return frozenset(found)


async def _under_way(session: Session, function_ids: Iterable[str]) -> dict[str, str]:
    """Give the ids of Operations that have not ended, by Function; deletions need nothing. Raises `CloudError`."""
    world, found = session.world, dict[str, str]()

    async def look(function_id: str) -> None:
        for operation in await world.read(partial(world.functions.list_operations, function_id)):
            if not operation.done and not operation.deletes_version:
                found[function_id] = operation.id

    await each(function_ids, look, at_once=_AT_ONCE)
    return found


async def used(session: Session, live: LiveState) -> tuple[Usage, ...]:
    """Ask how much is used of the quotas that count Versions; what is not told is left out."""
    world, found = session.world, list[Usage]()
    for cloud_id in sorted({*live.clouds.values()} - {UNKNOWN_CLOUD}):
        with suppress(CloudError, InterruptedRunError):
            for quota in await world.read(partial(world.directory.quotas, cloud_id)):
                if "version" in quota.id.lower():
                    found.append(Usage(cloud_id, quota.id, quota.usage, quota.limit))
    return tuple(found)


def policy_of(parameters: Mapping[str, str]) -> Policy:
    """Read what was typed, as a run remembers it."""
    known = Policy()
    return Policy(
        int(parameters.get("keep", known.keep)),
        int(parameters.get("runs", known.runs)),
        all=parameters.get("all") == "true",
    )
