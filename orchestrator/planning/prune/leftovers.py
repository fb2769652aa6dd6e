"""What may be deleted from the bucket, by kind, and what is kept and why. Values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.model import ListedObject

# kinds
PACKAGES, RECORDS, NOTES, DUE_TIMES = "packages", "records of runs", "notes of saved plans", "due times of jobs"


@dataclass(frozen=True, slots=True)
class Total:
    """A number of objects and their size."""

    number: int = 0
    size_bytes: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.number + other.number, self.size_bytes + other.size_bytes)


NOTHING = Total()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Objects of one kind. `goes`: those that may be deleted. `kept`: the total of the others, by the reason. `held`:
    messages about what keeps some that would be deleted otherwise, and how to release them.
    """

    kind: str
    goes: tuple[ListedObject, ...] = ()
    kept: Mapping[str, Total] = field(default_factory=dict)
    held: tuple[str, ...] = ()

    @property
    def before(self) -> Total:
        """The total now."""
        return sum(self.kept.values(), total_of(self.goes))

    @property
    def after(self) -> Total:
        """The total after the prune."""
        return sum(self.kept.values(), NOTHING)


@dataclass(slots=True)
class Removed:
    """The result of deleting the objects of one kind. `again`: keys that were written again since they were listed, and
    stay. `failed`: keys that could not be deleted, and why. `left`: the number of objects that were not reached.
    """

    kind: str
    gone: Total = NOTHING
    again: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True, slots=True)
class StoredLeftovers:
    """What may be deleted from a bucket, by kind. `run_ids`: of the runs whose records are deleted. `dead`: runs that
    were killed and still hold a lease, each with its last heartbeat.
    """

    bucket: str
    kinds: tuple[Leftovers, ...] = ()
    run_ids: frozenset[str] = frozenset()
    dead: Mapping[str, int] = field(default_factory=dict)

    @property
    def goes(self) -> Total:
        """The total to delete, of all kinds."""
        return sum((total_of(kind.goes) for kind in self.kinds), NOTHING)


def total_of(objects: Iterable[ListedObject]) -> Total:
    """Return the total of these objects."""
    return sum((Total(1, one.size_bytes) for one in objects), NOTHING)


def leftovers_of(kind: str, judged: Iterable[tuple[ListedObject, str]], held: Iterable[str] = ()) -> Leftovers:
    """Return the leftovers of a kind. `judged`: each object with why it is kept, "" if it is deleted."""
    goes, kept = list[ListedObject](), dict[str, Total]()
    for one, why in judged:
        if why:
            kept[why] = kept.get(why, NOTHING) + Total(1, one.size_bytes)
        else:
            goes.append(one)
    return Leftovers(kind, tuple(goes), kept, tuple(held))
