"""The quotas of a cloud (cloud-api#quotas): how many Operations may be unfinished, how many objects may exist, and how
many calls may run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Fault

# The IDs for a folder's Operations and for Functions come from public code; the others are spelled by analogy
# (cloud-api#quotas).
PER_FUNCTION = "serverless.concurrentFunctionOperations"
PER_FOLDER = "serverless.concurrentFolderOperations"
PER_CLOUD = "serverless.concurrentCloudOperations"
FUNCTIONS = "serverless.functions.count"
TAGS = "serverless.functions.tags"
PROVISIONED = "serverless.provisionedInstances.count"
_ACTIVE = "The limit on maximum number of active operations has exceeded."


@dataclass(frozen=True, slots=True)
class Quotas:
    """The defaults of the docs, except the number of functions (10 there), which would be too small for a sandbox."""

    operations_per_function: int = 10
    operations_per_folder: int = 15
    operations_per_cloud: int = 20
    functions_per_cloud: int = 100_000
    tags_per_function: int = 10
    calls_per_zone: int = 10  # that run at once
    instances_per_zone: int = 10
    provisioned_per_cloud: int = 2
    requests_per_second: float | None = None  # of calls that begin an Operation; None: unlimited

    @staticmethod
    def parse(texts: Iterable[str]) -> dict[str, int]:
        """Parse "operations_per_folder=60" …. Raises `ValueError` that says what is allowed."""
        names = [field.name for field in fields(Quotas)]
        found = {}
        for text in texts:
            name, _, value = text.partition("=")
            if name not in names or not value.isdecimal():
                raise ValueError(f'"{text}" is not a quota: write NAME=NUMBER, where NAME is one of {", ".join(names)}')
            found[name] = int(value)
        return found


class Requests:
    """Counts calls that begin an Operation, and refuses those that come too fast: a bucket of one second's calls."""

    def __init__(self) -> None:
        self._full_at = 0.0

    def admit(self, per_second: float | None, now: float) -> None:
        """Raise `Fault` RESOURCE_EXHAUSTED if a call comes too early."""
        if per_second is None:
            return
        if self._full_at - now > 1.0:
            raise Fault(Code.RESOURCE_EXHAUSTED, f"rate quota limit exceed: allowed {per_second:g} requests")
        self._full_at = max(self._full_at, now) + 1.0 / per_second


class ActiveOperations:
    """Counts unfinished Operations of every kind, and refuses one too many."""

    def __init__(self, quotas: Quotas) -> None:
        self.quotas = quotas
        self._counts: Counter[tuple[str, str]] = Counter()

    def usage(self, metric: str, owner_id: str) -> int:
        return self._counts[metric, owner_id]

    def admit(self, function_id: str, folder_id: str, cloud_id: str) -> None:
        """Raise `Fault` RESOURCE_EXHAUSTED if one more would be too many. The widest quota is checked last."""
        limits = (
            (PER_FUNCTION, function_id, self.quotas.operations_per_function),
            (PER_FOLDER, folder_id, self.quotas.operations_per_folder),
            (PER_CLOUD, cloud_id, self.quotas.operations_per_cloud),
        )
        for metric, owner_id, limit in limits:
            refuse_beyond(metric, limit, self._counts[metric, owner_id], _ACTIVE)

    def add(self, function_id: str, folder_id: str, cloud_id: str) -> None:
        self._count(function_id, folder_id, cloud_id, 1)

    def remove(self, function_id: str, folder_id: str, cloud_id: str) -> None:
        self._count(function_id, folder_id, cloud_id, -1)

    def _count(self, function_id: str, folder_id: str, cloud_id: str, change: int) -> None:
        for owner in ((PER_FUNCTION, function_id), (PER_FOLDER, folder_id), (PER_CLOUD, cloud_id)):
            self._counts[owner] += change
            if not self._counts[owner]:
                del self._counts[owner]


class BusyError(Exception):
    """One call too many."""


class Zone:
    """Counts the calls that run. An instance serves as many at once as its version's `concurrency`."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, int]] = Counter()  # (version ID, concurrency) → calls

    @contextmanager
    def call(self, version_id: str, concurrency: int, quotas: Quotas, live_calls: int) -> Iterator[None]:
        """Reserve a place for one call, for the length of a block. Raises `BusyError`."""
        key = (version_id, max(1, concurrency))
        self._calls[key] += 1
        try:
            calls = live_calls + self._calls.total()
            instances = live_calls + sum(-(-count // at_once) for (_, at_once), count in self._calls.items())
            if calls > quotas.calls_per_zone or instances > quotas.instances_per_zone:
                raise BusyError
            yield
        finally:
            self._calls[key] -= 1
            if not self._calls[key]:
                del self._calls[key]


def refuse_beyond(metric: str, limit: int, usage: int, message: str, *, more: int = 1) -> None:
    """Raise `Fault` with a QuotaFailure if `usage` + `more` exceeds `limit`."""
    if usage + more <= limit:
        return
    violation: dict[str, Any] = {
        "metric": {"name": metric, "limit": str(limit), "usage": str(usage)},
        "required": str(usage + more),
    }
    failure = {"@type": "type.googleapis.com/yandex.cloud.quota.QuotaFailure", "violations": [violation]}
    raise Fault(Code.RESOURCE_EXHAUSTED, message, [failure])
