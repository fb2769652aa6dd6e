"""What a simulation says of a plan: how long it takes, what limits it, and how long its rollback would take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound of a run's duration. `what`: "folder ID", "cloud ID", "requests per second", "verifications at
    once" or "the longest".
    """

    what: str
    limit: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long a plan takes, from its first call until its last Operation is known to be done and its last Version is
    verified. Packaging and uploads run ahead of that and are not counted.

    `seconds`, `p90_s`: including the pauses between waves, `paused_s`, but not what cannot be predicted: the
    `approvals` that it waits for, and the `gates`, which take at most `gates_most_s` together. `busy`: average number
    of simultaneous Operations, outside pauses. `raised`: the same with a higher limit, as (limit, seconds), None if no
    limit matters. `learned`: from observed durations, otherwise guessed. `verified`: functions that are verified, in
    `verify_each_s` on average, which is `verify_learned` or guessed. `rollback_s`: how long a rollback of all of it
    would take, from its first call to the end of its last Operation; None if nothing can be rolled back.
    """

    functions: int
    seconds: float
    p90_s: float
    busy: float
    bound: Bound | None
    raised: tuple[int, float] | None
    learned: bool
    waves: int = 1
    paused_s: float = 0.0
    approvals: int = 0
    gates: int = 0
    gates_most_s: float = 0.0
    verified: int = 0
    verify_each_s: float = 0.0
    verify_learned: bool = True
    rollback_s: float | None = None
