"""What a simulation of a plan says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """What a run cannot be faster than. `what`: "folder ID", "cloud ID", "requests per second" or "the longest"."""

    what: str
    limit: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long a plan takes, from its first call until its last Operation is seen done; packaging and uploads run
    ahead of that and are not counted. `busy`: Operations that run at once, on average. `raised`: the same with a
    higher limit, as (limit, seconds); None where no quota bounds it. `learned`: from lengths that were seen, else
    guessed.
    """

    functions: int
    seconds: float
    p90_s: float
    busy: float
    bound: Bound | None
    raised: tuple[int, float] | None
    learned: bool
