"""Calls that may be sent again as they are: reads, and puts under a content-addressed key."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import anyio

from orchestrator import policy
from orchestrator.errors import CloudError

T = TypeVar("T")
OnRetry = Callable[[int, float, CloudError], None]  # attempt, wait_s, why


async def retried(call: Callable[[], Awaitable[T]], *, rng: random.Random, on_retry: OnRetry | None = None) -> T:
    """Call until it succeeds; raise the `CloudError` that is not worth another try."""
    for attempt in count(1):
        try:
            return await call()
        except CloudError as error:
            if not policy.worth_retrying(error, attempt):
                raise
            wait_s = policy.backoff_s(attempt, rng, error.retry_after_s)
            if on_retry is not None:
                on_retry(attempt, wait_s, error)
            await anyio.sleep(wait_s)
    raise AssertionError  # count() never ends
