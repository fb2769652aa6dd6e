"""Which Versions of a Function may be deleted, and why the others stay. Pure: all Versions, and what runs say, are
passed in.

| the first that applies to a Version                                     | it    | why        |
| ---                                                                     | ---   | ---        |
| its Function's last run failed, was stopped, or has not ended           | stays | LAST_RUN   |
| is `$latest`                                                            | stays | LATEST     |
| has a tag                                                               | stays | TAGGED     |
| is CREATING or DELETING, or has an unknown status                       | stays | CHANGING   |
| its Function has an unfinished Operation                                | stays | OPERATION  |
| is named in the manifest                                                | stays | NAMED      |
| is the base, or the result, of one of the last K runs that touched it   | stays | RUN        |
| was made between that base and that result: the run overwrote it unseen | stays | RUN        |
| is one of the N newest of its Function, by any maker                    | stays | NEWEST     |
| was not made by this tool, without `--all`                              | stays | OTHERS     |
| is evidence about one that stays, or about what was withdrawn           | stays | EVIDENCE   |
| is under 90 days old, and the bucket has records of fewer than K runs   | stays | UNRECORDED |
| none                                                                    | goes  | OLD        |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orchestrator.model import LATEST, Version
from orchestrator.model.decode import number
from orchestrator.planning.prune.evidence import evidence
from orchestrator.version.history import Whole, history_of, whole
from orchestrator.version.stamp import read_back_mark, read_stamp

KEEP = 5  # versions of each function
RUNS = 10  # of each function, whose versions stay
UNRECORDED_DAYS = 90  # a Version this young stays, if the records of runs cannot show whether one needs it
_MAY_GO = ("ACTIVE", "OBSOLETE")


class Why(StrEnum):
    """Why a Version stays, or is deleted. The values are published."""

    LAST_RUN = "last run"
    LATEST = "$latest"
    TAGGED = "tagged"
    CHANGING = "being made or deleted"
    OPERATION = "unfinished operation"
    NAMED = "named in the manifest"
    RUN = "of a recent run"
    NEWEST = "newest"
    OTHERS = "made by others"
    EVIDENCE = "evidence"
    UNRECORDED = "without records"
    NEW_SINCE = "not of this run"  # of a resumed run: its deletion was not agreed to
    OLD = "old"


@dataclass(frozen=True, slots=True)
class PrunePolicy:
    """`keep`: how many of the newest Versions of a Function stay. `runs`: the Versions of how many last runs stay.
    `all`: delete what others made, too. `only`: what to prune, of "versions", "packages", "records"; () for everything
    possible.
    """

    keep: int = KEEP
    runs: int = RUNS
    all: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownNeeds:
    """What is known of one Function besides its Versions.

    `needed`: IDs of the Versions that the last K runs found or made. `spans`: for each of these runs its base and the
    Version that it made. `recorded`: the bucket has records of that many. `left_alone`: why nothing of it is deleted,
    "" if it may be. `operation`: the ID of an unfinished one, "" for none. `made_again`: someone else created the
    Function again, so the stamps of its Versions were copied.
    """

    needed: frozenset[str] = frozenset()
    recorded: bool = False
    left_alone: str = ""
    operation: str = ""
    made_again: bool = False
    spans: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class JudgedVersion:
    """One Version. `size_bytes`: of its image, 0 if unknown. `detail`: for example its tags."""

    version_id: str
    created_at: datetime | None
    size_bytes: int
    why: Why
    detail: str = ""

    @property
    def goes(self) -> bool:
        """Whether it is deleted."""
        return self.why is Why.OLD


@dataclass(frozen=True, slots=True)
class _Judge:
    versions: Sequence[Version]
    latest: Version | None
    policy: PrunePolicy
    known: KnownNeeds
    named: Collection[str]
    now: datetime
    newest: frozenset[str]
    ours: frozenset[str]
    overwritten: frozenset[str]

    def first(self, version: Version) -> tuple[Why, str]:
        """Return why a Version stays whatever the others are; OLD if there is no reason."""
        known = self.known
        tags = [tag for tag in version.tags if tag != LATEST]
        if known.left_alone:
            return Why.LAST_RUN, known.left_alone
        if LATEST in version.tags or (self.latest is not None and version.id == self.latest.id):
            return Why.LATEST, ""
        if tags:
            return Why.TAGGED, ", ".join(tags)
        if version.status not in _MAY_GO:
            return Why.CHANGING, version.status
        if known.operation:
            return Why.OPERATION, known.operation
        if version.id in self.named:
            return Why.NAMED, ""
        if version.id in known.needed or version.id in self.overwritten:
            return Why.RUN, ""
        if version.id in self.newest:
            return Why.NEWEST, ""
        if not self.policy.all and version.id not in self.ours:
            return Why.OTHERS, ""
        return Why.OLD, ""

    def too_young(self, version: Version) -> bool:
        """Return whether an unrecorded run may need it."""
        made = version.created_at
        return not self.known.recorded and (made is None or self.now - made <= timedelta(days=UNRECORDED_DAYS))


def judged(
    versions: Sequence[Version],
    latest: Version | None,
    policy: PrunePolicy,
    known: KnownNeeds,
    *,
    named: Collection[str] = (),
    now: datetime,
) -> tuple[JudgedVersion, ...]:
    """Judge all Versions of one Function, the newest first. `named`: IDs in the manifest."""
    order = _newest_first(versions, latest)
    usable = [version.id for version in order if version.status in _MAY_GO]
    newest = frozenset(usable[: policy.keep])
    between = frozenset(_between(order, known.spans))
    judge = _Judge(order, latest, policy, known, named, now, newest, _ours(order, known), between)
    whys = {version.id: judge.first(version) for version in order}
    goes = [version for version in order if whys[version.id][0] is Why.OLD]
    young = {version.id for version in goes if judge.too_young(version)}
    kept = {version.id for version in order if whys[version.id][0] is not Why.OLD or version.id in young}
    # plans need to know who made them
    asked = {one.id for one in order if one.tags or one.id in named or one is latest}
    later = max(policy.runs, RUNS)
    tells = evidence(versions, latest, kept, asked, later=later) if len(kept) < len(order) else frozenset[str]()
    whys |= dict.fromkeys(young, (Why.UNRECORDED, ""))
    whys |= dict.fromkeys(tells, (Why.EVIDENCE, ""))
    return tuple(_rows(order, whys))


def _ours(order: Sequence[Version], known: KnownNeeds) -> frozenset[str]:
    """Return the IDs of those that this tool has made: they have a stamp that no older one has, see `version.history`.
    Copies by a rollback may share one.
    """
    found, said = list[str](), set[Whole]()
    for version in () if known.made_again else reversed(order):
        stamp = read_stamp(version.description)
        if stamp is not None and (read_back_mark(version.description) or whole(stamp) not in said):
            found.append(version.id)
        said |= {whole(stamp)} if stamp is not None else set()
    return frozenset(found)


def _between(order: Sequence[Version], spans: Collection[tuple[str, str]]) -> Iterator[str]:
    """Yield the IDs of those made after the base of a run and before its result: no plan has seen them."""
    place = {version.id: at for at, version in enumerate(order)}
    for base, made in spans:
        if base in place and made in place:
            yield from (version.id for version in order[place[made] + 1 : place[base]])


def _newest_first(versions: Sequence[Version], latest: Version | None) -> list[Version]:
    """Return the Versions by the time of their request, the newest first, including those being made."""
    ended = history_of(versions, latest).versions
    listed = {version.id for version in ended}
    making = [version for version in versions if version.id not in listed]
    return [*sorted(making, key=_made, reverse=True), *reversed(ended)]


def _made(version: Version) -> datetime:
    return version.created_at or datetime.max.replace(tzinfo=UTC)


def _rows(order: Sequence[Version], whys: dict[str, tuple[Why, str]]) -> Iterator[JudgedVersion]:
    for version in order:
        why, detail = whys[version.id]
        size = number(version.raw.get("imageSize"))
        yield JudgedVersion(version.id, version.created_at, int(size) if size is not None else 0, why, detail)
