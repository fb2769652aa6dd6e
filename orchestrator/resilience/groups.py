"""Task groups: the same work on many items, and the single errors inside a raised group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import anyio

from orchestrator.errors import OrchestratorError
from orchestrator.resilience.stop import StoppedError

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Do the same work for each item, with `at_once` tasks."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)

    with ungrouped(OrchestratorError):
        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(worker)


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run something in the background while the block lasts. Errors of both are raised unchanged."""
    with ungrouped(OrchestratorError), ungrouped(StoppedError):
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            yield
            group.cancel_scope.cancel()


@contextmanager
def ungrouped(kind: type[E]) -> Iterator[None]:
    """Raise the first error of a group by itself if all of them are of one kind."""
    try:
        yield
    except BaseExceptionGroup as group:
        found, rest = group.split(kind)
        if found is None or rest is not None:
            raise
        raise next(_leaves(found)) from None


def _leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
