"""What a simulation says of a plan: how long it takes, what bounds it, and how long it would take to be taken back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """What a run cannot be faster than. `what`: "folder ID", "cloud ID", "requests per second", "verifications at once"
    or "the longest".
    """

    what: str
    limit: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long a plan takes, from its first call until its last Operation is seen done and its last Version verified;
    packaging and uploads run ahead of that and are not counted.

    `seconds`, `p90_s`: with the pauses between waves, `paused_s`; without what nobody can foresee: the `approvals` that
    it waits for, and the `gates` that are asked, which take `gates_most_s` at most (all of them together). `busy`:
    Operations that run at once, on average, while it does not pause. `raised`: the same with a higher limit, as (limit,
    seconds); None where none bounds it. `learned`: from lengths that were seen, else guessed. `verified`: functions
    that are verified, in `verify_each_s` on average, which is `verify_learned` or guessed. `rollback_s`: how long a
    rollback of all of it would take, from its first call to the end of its last Operation; None where nothing of it
    could come back.
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
