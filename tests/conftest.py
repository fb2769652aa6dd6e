"""Settings of all tests."""

from __future__ import annotations

import gc
import importlib
import os
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests import idle_time
from tests.long import left_out
from tests.surroundings import neutral

# Tests do not assert time: a busy machine takes longer, and is not wrong. Examples are drawn from a fixed seed, so that
# a change fails only for its own reasons. `make draws` looks for new cases.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("timeless", **PATIENT, derandomize=True)
settings.register_profile("fresh", **PATIENT)
settings.load_profile("timeless")

# Nothing that is collected is freed before the end: garbage collection took half of the time of collecting.
gc.disable()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """The backend of production. With older versions of anyio, its plugin would run each test on trio too."""
    return "asyncio", idle_time.OPTIONS


def _draw_the_same_everywhere() -> None:
    """Draw no constants of our own modules: Hypothesis knows those that are imported so far, which depends on the order
    of tests, and any changed word would change all examples.
    """
    if settings.default is not None and settings.default.derandomize:
        none = providers._local_constants
        vars(providers)["_get_local_constants"] = lambda: none


def _ignore_no_signal_for_others() -> None:
    """Let no process inherit that a signal is ignored, as in a shell's background or below nohup: tests send them."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python's own, restored in processes
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # a handler is not inherited


def pytest_sessionstart(session: pytest.Session) -> None:
    """Prepare the process, then import some test modules."""
    kept = neutral(os.environ)
    os.environ.clear()
    os.environ.update(kept)
    _ignore_no_signal_for_others()
    _draw_the_same_everywhere()
    _import_a_share(session)


def _import_a_share(session: pytest.Session) -> None:
    """Let each worker begin with different test modules, if all are going to be collected.

    Each worker needs every module, and pytest stores its rewritten asserts beside a module. In a fresh clone, all
    workers would otherwise compile the same modules at the same time, which takes longer than the rest.
    """
    config = session.config
    worker: dict[str, object] | None = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    here = Path(__file__).parent
    modules = sorted(here.rglob("test_*.py"))
    for path in modules[int(str(worker["workerid"]).removeprefix("gw")) :: int(str(worker["workercount"]))]:
        with suppress(Exception, pytest.skip.Exception):  # reported when it is collected
            importlib.import_module(".".join(path.relative_to(here.parent).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage again when all tests are collected, but not among these."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after the order was drawn, and deselected tests were removed
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of what waits for processes and clocks, and end with what is short.

    A worker gets a block of neighbours, and takes tests from others when it has none left: no worker should start a
    test of half a minute when all others are done.
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
