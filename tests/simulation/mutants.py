"""Rules broken on purpose: each must be caught by one of the seeds that pass on the real program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Break = Callable[[pytest.MonkeyPatch], None]


def must_be_caught(
    broken: Break,
    seeds: list[int],
    live_through: Callable[[int, Path], None],
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    by: tuple[type[BaseException], ...] = (AssertionError, BaseExceptionGroup),
) -> None:
    """Break a rule, and run seeds until one of them fails as expected: with (`by`) one of these exceptions."""
    broken(patch)
    for seed in dict.fromkeys(seeds):
        root = folder / str(seed)
        root.mkdir()
        try:
            live_through(seed, root)
        except by:
            return
    pytest.fail(f"{getattr(broken, '__name__', broken)} went through {len(set(seeds))} seeds")
