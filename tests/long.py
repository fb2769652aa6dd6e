"""What `make test` runs of a suite that is long, and what is left for `make long`.

Short is the one case that shows a behaviour, and a few of each table or set of seeds: as much as one test may take of a
`make test` that has to stay under 6 minutes on 2 cores. Long are the further seeds, and the rows of a table whose rule
a cheaper test holds for each row already: no behaviour is shown by long cases alone, and none is dropped.
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
    """Give all cases of a parametrized test: the first `short` as they are, the others marked `long`.

    So nothing is run twice, and nothing is left out by who runs both.
    """
    left = iter(cases)
    return [*islice(left, short), *(_marked(case) for case in left)]


def left_out(items: Sequence[pytest.Item], every: int) -> set[str]:
    """Name the long cases that a share of the seeds leaves out: of each test all seeds but each `every`-th.

    A seed is what a test calls `seed`. Mutants, steps, rows and files are none, and all of them stay; so does at least
    one long seed of each test.
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
