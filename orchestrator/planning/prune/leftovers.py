"""What in the bucket may go, by kinds, and what is kept and why. Values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.model import ListedObject

# kinds
PACKAGES, RECORDS, NOTES, DUE_TIMES = "packages", "records of runs", "notes of saved plans", "due times of jobs"


@dataclass(frozen=True, slots=True)
class Total:
    """How much something is."""

    number: int = 0
    size_bytes: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.number + other.number, self.size_bytes + other.size_bytes)


NOTHING = Total()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Objects of one kind. `goes`: those that may be deleted; `kept`: how much of the others, by why they are kept;
    `held`: sentences on what keeps some that would go else, and how to let go of it.
    """

    kind: str
    goes: tuple[ListedObject, ...] = ()
    kept: Mapping[str, Total] = field(default_factory=dict)
    held: tuple[str, ...] = ()

    @property
    def before(self) -> Total:
        """How much there is now."""
        return sum(self.kept.values(), total_of(self.goes))

    @property
    def after(self) -> Total:
        """How much there is once it is pruned."""
        return sum(self.kept.values(), NOTHING)


@dataclass(slots=True)
class Removed:
    """What became of the objects of one kind that may go. `again`: keys that were put again since they were listed, and
    stay; `failed`: keys that could not be deleted, and why; `left`: how many were not come to.
    """

    kind: str
    gone: Total = NOTHING
    again: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True, slots=True)
class StoredLeftovers:
    """What in a bucket may go, by kinds. `run_ids`: of the runs whose records do; `dead`: runs that have died and hold
    a lease, each with its last beat.
    """

    bucket: str
    kinds: tuple[Leftovers, ...] = ()
    run_ids: frozenset[str] = frozenset()
    dead: Mapping[str, int] = field(default_factory=dict)

    @property
    def goes(self) -> Total:
        """How much goes of all kinds."""
        return sum((total_of(kind.goes) for kind in self.kinds), NOTHING)


def total_of(objects: Iterable[ListedObject]) -> Total:
    """Add objects up."""
    return sum((Total(1, one.size_bytes) for one in objects), NOTHING)


def leftovers_of(kind: str, judged: Iterable[tuple[ListedObject, str]], held: Iterable[str] = ()) -> Leftovers:
    """Put objects of a kind together. `judged`: each with why it is kept, "" where it goes."""
    goes, kept = list[ListedObject](), dict[str, Total]()
    for one, why in judged:
        if why:
            kept[why] = kept.get(why, NOTHING) + Total(1, one.size_bytes)
        else:
            goes.append(one)
    return Leftovers(kind, tuple(goes), kept, tuple(held))
