"""Work that is done once per key, however many ask for it at the same time."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from orchestrator.errors import PackageError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Flight(Generic[V]):
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    result: list[V] = field(default_factory=list)  # empty until there is one
    error: PackageError | None = None


class SingleFlight(Generic[K, V]):
    """Keeps the result, or the `PackageError`, of each key for good. Where the one who works is cancelled, the next
    who waits begins anew.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def do(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Give the result of `work`, done now or before. Raises its `PackageError`, a copy for each caller."""
        flight = self._flights.setdefault(key, _Flight())
        async with flight.lock:
            if not flight.result and flight.error is None:
                try:
                    flight.result.append(await work())
                except PackageError as error:
                    flight.error = error
        if flight.error is not None:
            raise copy.copy(flight.error) from flight.error.__cause__
        return flight.result[0]
