"""Which packages in the bucket may be deleted, and what keeps the others. Pure.

A Version keeps its own code: once it is made, its package is not read again, and a rollback copies a Version. Only
packages that a run is about to use must stay, on this machine or another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.errors import Exit
from orchestrator.journal.digest import RunDigest, chains
from orchestrator.journal.retention import DAY_S, is_undone
from orchestrator.model import BucketListing, ListedObject
from orchestrator.ports import PACKAGE_KEPT_S, PUT_AGAIN_AFTER_S

PACKAGE_NAME = re.compile(r"[0-9a-f]{64}\.zip")
CLOCKS_S = DAY_S  # largest difference between the clocks of machines and of the storage
_SILENT_S = PACKAGE_KEPT_S  # longest time for a run without writing its record: much longer than a wave takes


class PackageKept(StrEnum):
    """Why a package is kept, the first reason that applies. `NOT`: it is deleted."""

    NOT = ""
    YOUNG = f"put in the last {PACKAGE_KEPT_S / DAY_S:.0f} days"
    NAMED = "named in the manifest"
    PLAN = "needed by a saved plan"
    RUN = "needed by a run that has not come to its end"


@dataclass(frozen=True, slots=True)
class RelyingRun:
    """A run that may still need packages: those written from `since` to `until`, in epoch seconds. `why`: its state, in
    a few words.
    """

    run_id: str
    since: float
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What keeps packages. `named`: keys, or the last parts of keys, that the manifest has. `plans`: keys that saved
    plans need, and the plan.
    """

    named: frozenset[str] = frozenset()
    plans: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[RelyingRun, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedPackage:
    """A package, why it is kept, and for which plan or runs."""

    listed: ListedObject
    why: PackageKept
    by: tuple[str, ...] = ()


def judge_packages(listing: BucketListing, prefix: str, needs: Needs) -> tuple[JudgedPackage, ...]:
    """Return why each package below `prefix` is kept. Other objects are left out: they are not ours.

    | an object                                                           | is deleted |
    | ---                                                                 | ---        |
    | whose key is not exactly `PREFIX<64 hex digits>.zip`                | never      |
    | written less than `PACKAGE_KEPT_S` ago, by the storage's clock      | never      |
    | that the manifest names (`package`, or anywhere in its text)        | never      |
    | that a saved plan needs, which has not expired                      | never      |
    | written while a run in flight could rely on it (see `relying_runs`) | never      |
    | other                                                               | yes        |
    """
    return tuple(
        _judged(one, one.key.removeprefix(prefix), listing.at, needs)
        for one in listing.objects
        if one.key.startswith(prefix) and PACKAGE_NAME.fullmatch(one.key.removeprefix(prefix))
    )


def _judged(one: ListedObject, name: str, at: float, needs: Needs) -> JudgedPackage:
    if at - one.modified_at <= PACKAGE_KEPT_S:
        return JudgedPackage(one, PackageKept.YOUNG)
    if not needs.named.isdisjoint((one.key, name)):
        return JudgedPackage(one, PackageKept.NAMED)
    if one.key in needs.plans:
        return JudgedPackage(one, PackageKept.PLAN, (needs.plans[one.key],))
    runs = tuple(run.run_id for run in needs.runs if run.since <= one.modified_at <= run.until)
    return JudgedPackage(one, PackageKept.RUN, runs) if runs else JudgedPackage(one, PackageKept.NOT)


def relying_runs(digests: Sequence[RunDigest], alive: Iterable[str] = ()) -> tuple[RelyingRun, ...]:
    """Return the runs that may still need packages, according to their records, the newest first. `alive`: IDs of those
    that hold a lease.

    A run relies on what it found or wrote: nothing older than `PUT_AGAIN_AFTER_S` before it began.

    | the last run of a chain                                      | needs what was written until           |
    | ---                                                          | ---                                    |
    | holds a lease                                                | now                                    |
    | has not ended                                                | `PACKAGE_KEPT_S` after its last record |
    | is paused or interrupted, or has left something undone       | its end                                |
    | any of these without a lease; later runs have done all of it | nothing                                |
    | any of these without a lease; was given up                   | nothing                                |
    | other                                                        | nothing                                |

    A deploy that reached all functions has done everything that earlier deploys of the same manifest left.
    """
    holders = frozenset(alive)
    done, settled, found = set[str](), set[tuple[object, ...]](), list[RelyingRun]()
    for chain in chains(digests):
        last, first = chain[0], chain[-1]
        since = min(min(one.run.started_at, one.written_at) for one in chain) - PUT_AGAIN_AFTER_S - CLOCKS_S
        living = holders.intersection(one.run.id for one in chain)
        came = frozenset[str]().union(*(one.done for one in chain))
        left = frozenset[str]().union(*(one.left for one in chain)) - came
        identity = first.run.identity
        about = first.run.endpoint, identity.place or identity.manifest or first.run.manifest, identity.environment
        over = last.run.given_up or (first.run.verb == "deploy" and about in settled) or bool(left and left <= done)
        if living:
            found.append(RelyingRun(last.run.id, since, float("inf"), "is in progress"))
        elif is_undone(last.run) and not over:
            silent_s = _SILENT_S if last.run.ended_at is None else CLOCKS_S
            found.append(RelyingRun(last.run.id, since, last.written_at + silent_s, _how(last)))
        done |= came
        if first.run.verb == "deploy" and identity.selection.is_whole and _all_came(last):
            settled.add(about)
    return tuple(found)


def _all_came(last: RunDigest) -> bool:
    return last.run.exit_code in (Exit.DONE, Exit.FAILED) and not is_undone(last.run)


def _how(last: RunDigest) -> str:
    if last.run.ended_at is None:
        return "has not ended"
    return "is paused or interrupted" if last.run.exit_code == Exit.INTERRUPTED else "has left something undone"
