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
from orchestrator.version.stamp import JOB_MARK, fingerprint, read_stamp

_FOLDERS_MAX = 20  # that are looked through for a function which the manifest does not have


@dataclass(frozen=True, slots=True)
class Found:
    """A live Function that somebody names; else the names of those there are, to see what was meant."""

    function: Function | None = None
    near: tuple[str, ...] = ()


async def find_live(session: Session, asked: str, folders: Iterable[str]) -> Found:
    """Look for a Function by its id, then by its name in some folders. Raises `CloudError`, and `UsageError` where
    several folders have one of that name.
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
        raise UsageError(f'"{asked}" is the name of several live functions', advice=f"name one by its id: {ids}")
    if found:
        return Found(found[0])
    names = [one.name for folder_id in some for one in await read(partial(functions.list_functions, folder_id))]
    return Found(None, tuple(names))


def lone_spec(function: Function) -> FunctionSpec:
    """Make the spec by which a Function is read that nobody declares."""
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
    """Tell what is live. `known`: the run that made a Version, as far as runs are known here; `verdict`: what its
    verification has said; `held_by`: ids of runs that are under way elsewhere and hold the function. Raises
    `CloudError`.
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
    """Say in words that somebody made the live Version, or edited it; "" where nothing tells so. `spec`: what is wanted
    of it, with names resolved; None: nothing is known of that, so an edit of its settings is not seen.
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
    """Give the id of the run that had begun when a Version was made, "" for none: an id begins with that time, in UTC.
    A run's record is written at each wave, so that of one which is under way may not tell of the Version yet.
    """
    at = f"{created_at.astimezone(UTC):%Y%m%dT%H%M%S}" if created_at is not None else ""
    return next((run_id for run_id in sorted(run_ids, reverse=True) if run_id[: len(at)] <= at != ""), "")


async def _asked(session: Session, function: Function, latest: Version) -> Maker:
    """Ask the cloud who has made a Version, where no run is known that has. Raises `CloudError`."""
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
    """Write a time as ISO 8601 in UTC, "" for none."""
    return at.astimezone(UTC).isoformat(timespec="seconds") if at is not None else ""
