"""The single errors inside the group that a task group raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


@contextmanager
def ungrouped(kind: type[E]) -> Iterator[None]:
    """Raise the first of a group's errors by itself, where all of them are of one kind."""
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
