"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Time is no property of what is tested: a machine with other work on it takes longer, and is not wrong.
# Drawn from a fixed seed, so that a change fails for its own reasons only; `make draws` looks for new cases.
settings.register_profile("timeless", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None)
settings.load_profile("timeless")


@pytest.hookimpl(trylast=True)  # after the order was drawn, and what is left out was taken out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of what waits for processes and clocks, and end with what is short.

    A worker is dealt a run of neighbours, and takes over from others once it has none left: nobody should begin
    something that takes half a minute when all others are done.
    """
    workers = int(getattr(config, "workerinput", {"workercount": 1})["workercount"])
    waiting = [item for item in items if "/e2e/" in str(item.path)]
    others = [item for item in items if "/e2e/" not in str(item.path)]
    items[:] = [
        item
        for number in range(workers)
        for kind in (waiting, others)
        for item in kind[number * len(kind) // workers : (number + 1) * len(kind) // workers]
    ]
