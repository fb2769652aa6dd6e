"""The live side of one function: finding it where the manifest does not have it, and who made its Version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, Code, UsageError
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.model import LATEST, Function, FunctionSpec, Place, Settings, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.origin import origin
from orchestrator.planning.why.facts import LiveFacts, MadeBy, Maker
from orchestrator.version.history import EMPTY, histories
from orchestrator.version.stamp import JOB_MARK, fingerprint, job_of_mark, read_stamp

_FOLDERS_MAX = 20  # folders to search for a function that the manifest does not have


@dataclass(frozen=True, slots=True)
class Found:
    """A live Function that was found; else the names of the existing ones, as suggestions."""

    function: Function | None = None
    near: tuple[str, ...] = ()


async def find_live(session: Session, asked: str, folders: Iterable[str]) -> Found:
    """Find a Function by its ID, then by its name in some folders. Raises `CloudError`, and `UsageError` where several
    folders have the name.
    """
    functions, read = session.world.functions, session.world.read
    try:
        return Found(await read(partial(functions.get_function, asked)))
    except CloudError as error:
        if error.code not in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):
            raise
    some = list(folders)[:_FOLDERS_MAX]
    asked_for = [await read(partial(functions.find_function, folder_id, asked)) for folder_id in some]
    found = [one for one in asked_for if one is not None]
    if len(found) > 1:
        ids = ", ".join(f"{one.id} (folder {one.folder_id})" for one in found)
        raise UsageError(f'"{asked}" is the name of several live functions', advice=f"choose one by its ID: {ids}")
    if found:
        return Found(found[0])
    names = [one.name for folder_id in some for one in await read(partial(functions.list_functions, folder_id))]
    return Found(None, tuple(names))


def lone_spec(function: Function) -> FunctionSpec:
    """Return a spec for reading an undeclared Function."""
    return FunctionSpec(
        function.name, function.name, function.folder_id, Settings("", "", 0), VersionCopy(LATEST), Place("", 0),
        id=function.id,
    )  # fmt: skip


async def live_facts(
    session: Session,
    live: LiveState,
    function: Function,
    spec: FunctionSpec | None,
    *,
    known: Callable[[Version], Maker | None],
    verdict: Callable[[str], KnownVerdict | None],
    held_by: Iterable[str] = (),
) -> LiveFacts:
    """Return the live facts. `known`: the run that made a Version, if known here; `verdict`: the result of its
    verification; `held_by`: the IDs of running runs elsewhere with a lease on the function. Raises `CloudError`.
    """
    latest = live.latest(function.id)
    creating = tuple(version.id for version in live.creating.get(function.id, ()))
    if latest is None:
        return LiveFacts(status=function.status, creating=creating)
    maker = known(latest)
    doubt = by_hand(live, latest, spec)
    if maker is None or doubt:
        maker = replace(maker or await _asked(session, function, latest), how=doubt)
        maker = replace(maker, kind=MadeBy.HAND if doubt else maker.kind)
        if maker.kind is MadeBy.TOOL:
            maker = replace(maker, run_id=made_meanwhile(latest.created_at, held_by))
    stamp = read_stamp(latest.description)
    job = dict(stamp.marks).get(JOB_MARK, "") if stamp is not None else ""
    if job:
        job = job_of_mark(job, {*session.request.manifest.jobs, maker.verb.removeprefix("run ")})
    said = verdict(latest.id)
    return LiveFacts(
        status=function.status,
        version_id=latest.id,
        version_status=latest.status,
        created_at=iso_utc(latest.created_at),
        tags=tuple(sorted(latest.tags, key=lambda tag: (tag != LATEST, tag))),
        made_by=replace(maker, job=maker.job or job),
        verdict=str(said.verdict) if said is not None else "none",
        verdict_reason=said.reason if said is not None else "",
        verdict_run=said.run_id if said is not None else "",
        creating=creating,
    )


def by_hand(live: LiveState, latest: Version, spec: FunctionSpec | None) -> str:
    """Return a sentence where the live Version was made or edited by hand; "" without signs of that. `spec`: its
    desired state with resolved names; None hides edits of settings.
    """
    history = histories(live).get(latest.function_id, EMPTY)
    if spec is not None:
        made = origin(spec, fingerprint(spec.settings, ""), latest, history)
        return made.label if made.by_hand else ""
    if read_stamp(latest.description) is None:
        return "the live version was not made by this tool"
    doubt = history.doubt(latest)
    return f"{latest.id} was made by hand" if doubt is not None and not doubt.mine else ""


def made_meanwhile(created_at: datetime | None, run_ids: Iterable[str]) -> str:
    """Return the ID of the run that was in progress when a Version was made, "" for none: an ID begins with its start
    time in UTC. The record of a running run is written at each wave, so it may not contain the Version yet.
    """
    at = f"{created_at.astimezone(UTC):%Y%m%dT%H%M%S}" if created_at is not None else ""
    return next((run_id for run_id in sorted(run_ids, reverse=True) if run_id[: len(at)] <= at != ""), "")


async def _asked(session: Session, function: Function, latest: Version) -> Maker:
    """Return who made a Version by asking the cloud, where no known run has. Raises `CloudError`."""
    operations = await session.world.read(partial(session.world.functions.list_operations, function.id))
    made = (one for one in operations if one.makes_version and latest.id in (one.version_id, one.made_id))
    operation = next(made, None)
    ours = read_stamp(latest.description) is not None
    return Maker(
        MadeBy.TOOL if ours else MadeBy.HAND,
        operation_id=operation.id if operation is not None else "",
        account=operation.created_by if operation is not None else "",
    )


def iso_utc(at: datetime | None) -> str:
    """Return a time as ISO 8601 in UTC, "" for none."""
    return at.astimezone(UTC).isoformat(timespec="seconds") if at is not None else ""
