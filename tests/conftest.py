"""What holds for all tests."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from tests.long import left_out

# Time is no property of what is tested: a machine with other work on it takes longer, and is not wrong.
# Drawn from a fixed seed, so that a change fails for its own reasons only; `make draws` looks for new cases.
settings.register_profile("timeless", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None)
settings.load_profile("timeless")

# Nothing of what is collected goes away before the end: looking for garbage in it took half of the time of collecting.
gc.disable()


@pytest.fixture
def anyio_backend() -> str:
    """The backend of production: with older versions of anyio its plugin runs each test on trio, too, there or not."""
    return "asyncio"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each worker begin with test modules that no other begins with, where all are going to be collected.

    Each of them needs every module, and what pytest has made of a module's asserts is kept beside it: in a fresh clone
    all of them would otherwise compile the same modules at the same time, which takes longer than all else of it.
    """
    config = session.config
    worker: dict[str, object] | None = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    here = Path(__file__).parent
    modules = sorted(here.rglob("test_*.py"))
    for path in modules[int(str(worker["workerid"]).removeprefix("gw")) :: int(str(worker["workercount"]))]:
        with suppress(Exception, pytest.skip.Exception):  # which is told when it is collected
            importlib.import_module(".".join(path.relative_to(here.parent).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage again once all is collected, though no more in what was collected."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after the order was drawn, and what is left out was taken out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of what waits for processes and clocks, and end with what is short.

    A worker is dealt a run of neighbours, and takes over from others once it has none left: nobody should begin
    something that takes half a minute when all others are done.
    """
    every = int(os.environ.get("SEEDS_EVERY", "1"))
    if every > 1:
        out = left_out(items, every)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in out])
        items[:] = [item for item in items if item.nodeid not in out]
    workers = int(getattr(config, "workerinput", {"workercount": 1})["workercount"])
    waiting = [item for item in items if "/e2e/" in str(item.path)]
    others = [item for item in items if "/e2e/" not in str(item.path)]
    items[:] = [
        item
        for number in range(workers)
        for kind in (waiting, others)
        for item in kind[number * len(kind) // workers : (number + 1) * len(kind) // workers]
    ]
