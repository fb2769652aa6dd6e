"""What can be deleted from the bucket: everything is read first, then judged by the rules of each kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.app.session.identity import resume_line
from orchestrator.app.session.leftovers.named import named_in
from orchestrator.app.session.leftovers.stored import CLAIMS, BucketAccess, OurObjects, is_claim, read_stored
from orchestrator.app.session.session import Session
from orchestrator.coordination.claim import NO_RECORD
from orchestrator.coordination.left_behind import find_dead, held_long, judge_claim, since_of
from orchestrator.coordination.registry import Holder, decode
from orchestrator.coordination.shared_record import Shared
from orchestrator.errors import CloudError, StartError
from orchestrator.journal.digest import RunDigest, last_of_functions, newest_first, read_digest
from orchestrator.journal.record import RunRecord
from orchestrator.journal.retention import Kept, is_undone, retained
from orchestrator.journal.store import open_store
from orchestrator.model import BucketPackage, ListedObject, Manifest
from orchestrator.planning.prune.leftovers import (
    DUE_TIMES,
    NOTES,
    PACKAGES,
    RECORDS,
    Leftovers,
    StoredLeftovers,
    leftovers_of,
)
from orchestrator.planning.prune.packages import (
    CLOCKS_S,
    PACKAGE_NAME,
    JudgedPackage,
    Needs,
    PackageKept,
    RelyingRun,
    judge_packages,
    relying_runs,
)
from orchestrator.planning.saved.note import needed_by_plans
from orchestrator.ports import PUT_AGAIN_AFTER_S
from orchestrator.report.messages import with_facts

_NOTE_KEPT = "of a plan that is valid, or expired less than 30 days ago"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to prune. `packages`, `records`: whether to prune these. `runs`: how many of the last runs of each Function
    keep their records. `run_id`: of the command itself. `here`: the unfinished runs of this machine's journal. `say`:
    receives messages about waits. `as_of`: epoch seconds at which ages are judged, so that nothing is deleted that was
    too young when the plan was confirmed.
    """

    manifest: Manifest
    packages: bool = True
    records: bool = True
    runs: int = 10
    run_id: str = ""
    here: Sequence[RunDigest] = ()
    say: Callable[[str], None] = lambda _: None
    as_of: float = math.inf


async def find_leftovers(access: BucketAccess, asked: Asked) -> StoredLeftovers:
    """Find which packages, and which records of runs with their related objects, can be deleted.

    Raises `StartError` where anything cannot be read: then nothing is deleted.
    """
    try:
        stored = await read_stored(access, packages=asked.packages)
        registry = (await Shared(access.leases, decode).read()).record
        dead = await find_dead(access.leases, held_long(registry, stored.listing.at), asked.say)
    except CloudError as error:
        raise StartError(
            f"the bucket {access.bucket} cannot be read, so nothing in it is deleted: {with_facts(error)}",
            advice=error.advice or "give the account list and read access: storage.editor on the bucket",
        ) from error
    stored = replace(stored, listing=replace(stored.listing, at=min(stored.listing.at, asked.as_of)))
    gone = {one.run_id for one in dead}
    holders = [one for one in registry.holders if one.run_id not in gone and one.run_id != asked.run_id]
    digests = newest_first(stored.runs.values())
    found, going = list[Leftovers](), frozenset[str]()
    if asked.packages:
        flying = _flying(stored, digests, asked.here, holders)
        plans = needed_by_plans(stored.notes.values(), stored.listing.at)
        needs = Needs(_named(asked.manifest, access.bucket), plans, flying)
        found.append(_packages(judge_packages(stored.listing, access.key(""), needs), flying))
    if asked.records:
        records, going = _records(stored, digests, asked.runs)
        found += [records, _plan_notes(stored), _claims(stored, access.key(CLAIMS), asked.manifest)]
    beats = {one.run_id: one.beat for one in dead} if asked.records else {}
    return StoredLeftovers(access.bucket, tuple(found), going, beats)


def unended_here(session: Session) -> list[RunDigest]:
    """Return the unfinished runs of this machine's journal: their records may not have been written.

    Raises `JournalError`.
    """
    found = list[RunDigest]()
    with open_store(session.request.state_dir, read_only=True) as store:
        for run in store.runs():
            if run.id == session.run_id or not is_undone(run) or run.endpoint != session.endpoint:
                continue
            record = RunRecord()
            for event in store.events(run.id):
                record(event)
            found.append(read_digest(record.encode(), run.ended_at or run.started_at))
    return found


def _flying(
    stored: OurObjects, digests: Sequence[RunDigest], here: Sequence[RunDigest], holders: Sequence[Holder]
) -> tuple[RelyingRun, ...]:
    """Return the runs that may still need packages: by their records, this machine's journal and the leases, and all
    runs with an unreadable record.
    """
    known = {one.run.id for one in digests}
    digests = newest_first([*digests, *(one for one in here if one.run.id not in known)])
    found = list(relying_runs(digests, (one.run_id for one in holders)))
    digested = {one.run.id for one in digests}
    found += [
        RelyingRun(one.run_id, _since(since_of(one)), math.inf, "holds a lease")
        for one in holders
        if one.run_id not in digested
    ]
    for listed, why in stored.unreadable.items():
        run_id = Path(listed.key).stem
        began = datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        found.append(
            RelyingRun(run_id, _since(began.timestamp()), math.inf, f"has a record that cannot be read: {why}")
        )
    return tuple(found)


def _since(began: float) -> float:
    return began - PUT_AGAIN_AFTER_S - CLOCKS_S if began < math.inf else -math.inf


def _named(manifest: Manifest, bucket: str) -> frozenset[str]:
    """Return the names of packages that a manifest mentions: in its functions, and anywhere in its text, such as
    another environment or a disabled table.
    """
    codes = (spec.code for spec in manifest.functions.values())
    keys = {code.object for code in codes if isinstance(code, BucketPackage) and code.bucket == bucket}
    return named_in(manifest, PACKAGE_NAME) | keys


def _packages(judged_packages: Sequence[JudgedPackage], flying: Iterable[RelyingRun]) -> Leftovers:
    held = list[str]()
    for run in flying:
        kept = [one for one in judged_packages if run.run_id in one.by and one.why is PackageKept.RUN]
        if kept:
            give_up = resume_line(run.run_id, "--give-up")
            ways = f"continue it with `{resume_line(run.run_id)}`, or give it up with `{give_up}`"
            what = "package" if len(kept) == 1 else "packages"
            held.append(f"{len(kept)} {what} kept for run {run.run_id}, which {run.why}: {ways}")
    return leftovers_of(PACKAGES, ((one.listed, one.why) for one in judged_packages), held)


def _records(stored: OurObjects, digests: Sequence[RunDigest], runs: int) -> tuple[Leftovers, frozenset[str]]:
    """Judge the records of runs by the rule of the journal, with the time of their last write."""
    dated = [replace(one.run, started_at=one.written_at) for one in digests]
    why = retained(dated, stored.listing.at, last_of_functions(digests, runs))
    rows = [(listed, str(why[one.run.id])) for listed, one in stored.runs.items()]
    unread = [(listed, "cannot be read") for listed in stored.unreadable]
    going = frozenset(run_id for run_id, reason in why.items() if reason is Kept.NOT)
    said = [f"{listed.key}: {reason}" for listed, reason in stored.unreadable.items()]
    return leftovers_of(RECORDS, [*rows, *unread], said), going


def _plan_notes(stored: OurObjects) -> Leftovers:
    at = stored.listing.at
    rows = ((listed, "" if note.goes(at) else _NOTE_KEPT) for listed, note in stored.notes.items())
    return leftovers_of(NOTES, rows)


def _claims(stored: OurObjects, folder: str, manifest: Manifest) -> Leftovers:
    rows = list[tuple[ListedObject, str]]()
    for listed in stored.listing.objects:
        if is_claim(listed.key, folder):
            declared = Path(listed.key).stem in manifest.jobs
            record = stored.claims.get(listed, NO_RECORD)
            rows.append((listed, judge_claim(record, stored.listing.at - listed.modified_at, declared=declared)))
    return leftovers_of(DUE_TIMES, rows)
