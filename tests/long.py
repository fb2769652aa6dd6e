"""What `make test` runs of a suite that is long, and what is left for `make long`.

Short is the one case that shows a behaviour, and a few of each table or set of seeds: as much as one test may take of a
`make test` that has to stay under 6 minutes on 2 cores. Long are the further seeds, and the rows of a table whose rule
a cheaper test holds for each row already: no behaviour is shown by long cases alone, and none is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pytest

LONG = pytest.mark.long


def short_first(short: int, cases: Iterable[Any]) -> list[Any]:
    """Give all cases of a parametrized test: the first `short` as they are, the others marked `long`.

    So nothing is run twice, and nothing is left out by who runs both.
    """
    left = iter(cases)
    return [*islice(left, short), *(_marked(case) for case in left)]


def _marked(case: Any) -> Any:
    return pytest.param(*case if isinstance(case, tuple) else (case,), marks=LONG)
