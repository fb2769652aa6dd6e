"""Where the time of a run went, as values of its account: see `values`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of the time that the runs took; all parts together are that time. `part`: see `spent.PARTS`. `scope` and
    `limit`: what bound it, for the part "bound".
    """

    part: str
    scope: str
    limit: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late Operations were seen as done, over those for which the cloud reported how long they took.
    `cloud_s`: the sum of their lengths by the cloud; `seen_s`: the sum from acceptance until they were seen as done;
    `late_s`: the difference.
    """

    operations: int
    cloud_s: float
    seen_s: float
    late_s: float
    worst_s: float


@dataclass(frozen=True, slots=True)
class WouldGive:
    """How long the run would have taken with another limit. The same Operations, with the same lengths, are put into so
    many slots in the same order, wave after wave (list scheduling). What that saves is subtracted from the actual time.
    """

    scope: str
    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LongestChain:
    """The function whose own work took longest: no limit can make a run shorter than that."""

    function: str
    work_s: float
