"""What `make test` runs of a long suite, and what is left for `make long`.

Short are the one case that shows a behaviour, and a few cases of each table or set of seeds: `make test` must stay
under 6 minutes on 2 cores. Long are further seeds, and rows of a table whose rule a cheaper test checks for each row
already. No behaviour is shown only by long cases, and none is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

LONG = pytest.mark.long
_NONE = SimpleNamespace(params=())


def short_first(short: int, cases: Iterable[Any]) -> list[Any]:
    """Return all cases of a parametrized test: the first `short` unmarked, the others marked `long`.

    Running both sets runs every case exactly once.
    """
    left = iter(cases)
    return [*islice(left, short), *(_marked(case) for case in left)]


def left_out(items: Sequence[pytest.Item], every: int) -> set[str]:
    """Return the long cases that a share of the seeds omits: for each test, all seeds except each `every`-th.

    A seed is what a test calls `seed`. Mutants, steps, rows and files are not seeds, and all of them stay. So does at
    least one long seed of each test.
    """
    seen: Counter[str] = Counter()
    out: set[str] = set()
    for item in sorted(items, key=lambda item: item.nodeid):  # the same ones whatever order was drawn
        if item.get_closest_marker(LONG.name) is None or "seed" not in getattr(item, "callspec", _NONE).params:
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] % every:
            out.add(item.nodeid)
        seen[test] += 1
    return out


def _marked(case: Any) -> Any:
    return pytest.param(*case if isinstance(case, tuple) else (case,), marks=LONG)
