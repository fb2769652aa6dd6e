"""Ways to make a Version of each of many functions: ours, and those of other tools according to their source.

All use the same ports over HTTP. A sentence describes each of the others, with where it was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from orchestrator.errors import CloudError, Code
from orchestrator.model import ApiRequest, Operation
from orchestrator.ports import Functions, Guard, Operations, unguarded
from orchestrator.version.body import version_request

Body = Mapping[str, Any]


@dataclass
class Counted:
    """The two ports, with their calls counted. Times of the event loop."""

    functions: Functions
    operations: Operations
    calls: dict[str, int] = field(default_factory=dict)
    first_at: float = 0.0
    last_at: float = 0.0  # when the last Operation was seen done
    refused: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)

    def count(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        self.count(request.call)
        self.first_at = self.first_at or anyio.current_time()
        try:
            operation = await self.functions.send(request, idempotency_key=idempotency_key, guard=guard)
        except CloudError as error:
            if error.code is Code.RESOURCE_EXHAUSTED:
                self.refused.append(anyio.current_time())
            raise
        self.accepted.append(anyio.current_time())
        return operation

    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> Any:
        self.count("listVersions" if filter else "listVersions, all")
        return await self.functions.list_versions(folder_id, filter=filter, function_id=function_id)

    async def get(self, operation_id: str) -> Operation:
        self.count("get operation")
        operation = await self.operations.get(operation_id)
        if operation.done:
            self.last_at = anyio.current_time()
            self.done.append(self.last_at)
        return operation

    def __getattr__(self, name: str) -> Any:
        self.count(name)  # every attribute is called as a method
        return getattr(self.functions, name)


async def _create(cloud: Counted, body: Body, number: int, back_off_s: Callable[[int], float]) -> Operation:
    attempt = 0
    while True:
        try:
            return await cloud.send(version_request(body), idempotency_key=f"00000000-0000-4000-8000-{number:012d}")
        except CloudError as error:
            if error.code is not Code.RESOURCE_EXHAUSTED:
                raise
            attempt += 1
            await anyio.sleep(back_off_s(attempt))


async def _wait(cloud: Counted, operation: Operation, poll_s: Callable[[int], float]) -> None:
    attempt = 0
    while not operation.done:
        await anyio.sleep(poll_s(attempt))
        attempt += 1
        operation = await cloud.get(operation.id)


async def _at_once(
    cloud: Counted, bodies: list[Body], workers: int, back_off_s: Callable[[int], float], poll_s: Callable[[int], float]
) -> None:
    queue = iter(enumerate(bodies))

    async def work() -> None:
        for number, body in queue:
            await _wait(cloud, await _create(cloud, body, number, back_off_s), poll_s)

    async with anyio.create_task_group() as group:
        for _ in range(min(workers, len(bodies))):
            group.start_soon(work)


def _second(_attempt: int) -> float:
    return 1.0


def _firebase_poll_s(attempt: int) -> float:
    return float((0.0, 0.5, 1, 2, 4, 8)[attempt]) if attempt < 6 else 10.0


def _firebase_back_off_s(attempt: int) -> float:
    return min(100.0, 20.0 * 2.0**attempt)


STRATEGIES: dict[str, Callable[[Counted, list[Body]], Awaitable[None]]] = {
    # Terraform's default parallelism, and the waiters of the SDKs.
    "poll every 1 s, 10 at once": partial(_at_once, workers=10, back_off_s=_second, poll_s=_second),
    "poll every 1 s, 20 at once": partial(_at_once, workers=20, back_off_s=_second, poll_s=_second),
    # firebase-tools: a queue of 40, polls after 0, 0.5, 1 … 10 s, back-off of 40, 80, 100 s in the slot.
    "firebase's schedule, 40 at once": partial(
        _at_once, workers=40, back_off_s=_firebase_back_off_s, poll_s=_firebase_poll_s
    ),
    # The serverless plugin: everything at once. Here refused calls are repeated, where it would fail.
    "unbounded gather": partial(_at_once, workers=1 << 30, back_off_s=_second, poll_s=_second),
}  # fmt: skip
OURS = "orchestrator"
