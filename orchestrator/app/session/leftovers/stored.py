"""Our objects in the bucket: read completely so that they can be judged, or not at all."""

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
_PLAN_KEY = "key"  # signs saved plans, and is not a note
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """The bucket of one command. `leases`: where the registry of leases is in it; `ended`: records that the command has
    read already.
    """

    world: World
    store: ObjectStore
    records: Records
    bucket: str
    leases: RecordPlace
    ended: EndedRuns = field(default_factory=EndedRuns)

    def key(self, name: str) -> str:
        """Return the key of one of our objects."""
        return f"{self.world.storage.prefix}{name}"


def bucket_of(session: Session) -> BucketAccess | None:
    """Return the bucket, or None where there is none."""
    world, records, leases = session.world, bucket_records(session.world), registry_place(session)
    if records is None or world.store is None or world.storage.bucket is None or leases is None:
        return None
    return BucketAccess(world, world.store, records, world.storage.bucket, leases, session.ended_runs)


@dataclass(frozen=True, slots=True)
class OurObjects:
    """Our objects in a bucket. `listing`: all of them. By object: summaries of the records of runs, notes of saved
    plans, and records of due times that are old enough to be deleted. `unreadable`: why the record of a run cannot be
    read.
    """

    listing: BucketListing
    runs: dict[ListedObject, RunDigest] = field(default_factory=dict)
    unreadable: dict[ListedObject, str] = field(default_factory=dict)
    notes: dict[ListedObject, PlanNote] = field(default_factory=dict)
    claims: dict[ListedObject, Record] = field(default_factory=dict)
    names: dict[Names, Names] = field(default_factory=dict)  # shared by the runs


async def read_stored(access: BucketAccess, *, packages: bool) -> OurObjects:
    """Read our objects. `packages`: include packages, not only what is stored of runs. Objects that were deleted in the
    meantime are skipped.

    Raises `CloudError` where a page or an object cannot be read, `StartError` for an unreadable plan note or due-time
    record: nothing may be deleted then.
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
    """Count our objects by kind, as they are now. Raises `CloudError`."""
    found, prefix = dict[str, Total](), access.key("")
    for one in (await _listed(access, packages=packages)).objects:
        if kind := _kind_of(one.key, prefix):
            found[kind] = found.get(kind, NOTHING) + Total(1, one.size_bytes)
    return found


def is_claim(key: str, folder: str) -> bool:
    """Return whether an object holds the due times of a job. `folder`: where these are."""
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
    """List our objects: all objects below a prefix, or in a bucket without a prefix only those that may be ours."""
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
                advice="upgrade orchestrator, or delete the note when no plan needs its packages",
            ) from error
        found.unreadable[one] = str(error)
