"""What is ours in the bucket, read whole so that it can be judged, or not at all."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from orchestrator.app.session.leasing import registry_place
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.session import Session
from orchestrator.coordination.claim import Record, decode_claim
from orchestrator.coordination.left_behind import CLAIM_KEPT_S
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.engine.world import World
from orchestrator.errors import StartError
from orchestrator.journal.digest import EndedRuns, Names, RunDigest, read_digest
from orchestrator.model import BucketListing, ListedObject
from orchestrator.planning.prune.leftovers import DUE_TIMES, NOTES, NOTHING, PACKAGES, RECORDS, Total
from orchestrator.planning.prune.packages import PACKAGE_NAME
from orchestrator.planning.saved.note import PlanNote, read_note
from orchestrator.ports import ObjectStore, Records
from orchestrator.resilience.groups import each

RUNS, CLAIMS, PLANS = "runs/", "claims/", "plans/"  # below the prefix
INDEX = f"{RUNS}index.json"
_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}\.json")
_PLAN_KEY = "key"  # with which saved plans are signed: no note
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """The bucket of one command. `leases`: where the registry of leases is in it; `ended`: what the command has read of
    it already.
    """

    world: World
    store: ObjectStore
    records: Records
    bucket: str
    leases: RecordPlace
    ended: EndedRuns = field(default_factory=EndedRuns)

    def key(self, name: str) -> str:
        """Name an object of ours."""
        return f"{self.world.storage.prefix}{name}"


def bucket_of(session: Session) -> BucketAccess | None:
    """Reach the bucket; None where there is none."""
    world, records, leases = session.world, bucket_records(session.world), registry_place(session)
    if records is None or world.store is None or world.storage.bucket is None or leases is None:
        return None
    return BucketAccess(world, world.store, records, world.storage.bucket, leases, session.ended_runs)


@dataclass(frozen=True, slots=True)
class OurObjects:
    """What is ours in a bucket. `listing`: all of it; by their objects: what the records of runs tell, notes of saved
    plans, and the records of due times, which may go by their age. `unreadable`: why the record of a run is not
    understood.
    """

    listing: BucketListing
    runs: dict[ListedObject, RunDigest] = field(default_factory=dict)
    unreadable: dict[ListedObject, str] = field(default_factory=dict)
    notes: dict[ListedObject, PlanNote] = field(default_factory=dict)
    claims: dict[ListedObject, Record] = field(default_factory=dict)
    names: dict[Names, Names] = field(default_factory=dict)  # that the runs share


async def read_stored(access: BucketAccess, *, packages: bool) -> OurObjects:
    """Read it. `packages`: these as well, not only what is kept of runs. What was removed meanwhile is left out.

    Raises `CloudError` where a page or an object cannot be read, `StartError` for the note of a plan, or the record of
    a due time, that cannot be understood: nothing may be removed then.
    """
    world, prefix = access.world, access.key("")
    listing = await _listed(access, packages=packages)
    found = OurObjects(listing, names=access.ended.names)

    async def read(one: ListedObject) -> None:
        if (known := access.ended.of(one)) is not None:
            found.runs[one] = known
            return
        body = await world.read(partial(access.records.read, one.key))
        if body is not None:
            _understand(found, one, prefix, body[0])

    await each([one for one in listing.objects if _is_read(one, prefix, listing.at)], read, at_once=_AT_ONCE)
    return found


async def count_stored(access: BucketAccess, *, packages: bool) -> dict[str, Total]:
    """Count what is ours by kinds, as it is now. Raises `CloudError`."""
    found, prefix = dict[str, Total](), access.key("")
    for one in (await _listed(access, packages=packages)).objects:
        if kind := _kind_of(one.key, prefix):
            found[kind] = found.get(kind, NOTHING) + Total(1, one.size_bytes)
    return found


def is_claim(key: str, folder: str) -> bool:
    """Say whether an object has the due times of a job. `folder`: where these are."""
    return key.startswith(folder) and key.endswith(".json")


def _kind_of(key: str, prefix: str) -> str:
    name = key.removeprefix(prefix)
    if PACKAGE_NAME.fullmatch(name):
        return PACKAGES
    if is_claim(key, f"{prefix}{CLAIMS}"):
        return DUE_TIMES
    if name.startswith(PLANS):
        return NOTES if name != f"{PLANS}{_PLAN_KEY}" else ""
    return RECORDS if name.startswith(RUNS) and _RUN.fullmatch(name.removeprefix(RUNS)) else ""


async def _listed(access: BucketAccess, *, packages: bool) -> BucketListing:
    """List what is ours: below a prefix all of it; in a bucket without one no more than may be ours."""
    ends: Iterable[str] = (RUNS, CLAIMS, PLANS)
    if packages:
        ends = ("",) if access.key("") else (*string.digits, *"abcdef", *ends)
    asked = [partial(access.store.contents, access.bucket, access.key(end)) for end in ends]
    pages = [await access.world.read(one) for one in asked]
    objects = {one.key: one for page in pages for one in page.objects}
    return BucketListing(tuple(objects.values()), min(page.at for page in pages))


def _is_read(one: ListedObject, prefix: str, at: float) -> bool:
    name = one.key.removeprefix(prefix)
    if name.startswith(CLAIMS):
        return at - one.modified_at > CLAIM_KEPT_S
    if name.startswith(PLANS):
        return name != f"{PLANS}{_PLAN_KEY}"
    return name.startswith(RUNS) and _RUN.fullmatch(name.removeprefix(RUNS)) is not None


def _understand(found: OurObjects, one: ListedObject, prefix: str, body: bytes) -> None:
    name = one.key.removeprefix(prefix)
    if name.startswith(CLAIMS):
        found.claims[one] = decode_claim(body, one.key)
        return
    try:
        if name.startswith(PLANS):
            found.notes[one] = read_note(body)
        else:
            found.runs[one] = read_digest(body, one.modified_at, found.names)
    except ValueError as error:
        if name.startswith(PLANS):
            raise StartError(
                f"the note of a saved plan {one.key} cannot be read: {error}",
                advice="upgrade orchestrator; or delete it, once no plan needs its packages",
            ) from error
        found.unreadable[one] = str(error)
