"""Calls that may be repeated unchanged: reads, and puts under a content-addressed key."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from orchestrator.errors import CloudError
from orchestrator.resilience import policy
from orchestrator.resilience.outage import Outage

T = TypeVar("T")
OnRetry = Callable[[int, float, CloudError], None]  # attempt, wait_s, why


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    rng: random.Random,
    outage: Outage,
    on_retry: OnRetry | None = None,
) -> T:
    """Call until it succeeds. Raises the `CloudError` that is not worth a retry. Attempts during an outage do not
    count.

    Raises `InterruptedRunError` if an outage lasts too long, or if all waits together would.
    """
    # Counted by class: many refusals must not prevent the retry of one lost answer.
    tries = Counter[policy.ErrorClass]()
    since: float | None = None  # when the first attempt failed
    while True:
        try:
            return await heard(call, outage)
        except CloudError as error:
            lost = outage.on
            since = None if lost else (since if since is not None else anyio.current_time())
            verdict = policy.judge(error)
            tries[verdict] += not lost
            if not lost and not policy.worth_retrying(error, tries[verdict]):
                raise
            wait_s = 0.0 if lost else policy.backoff_s(tries[verdict], rng, error.retry_after_s)
            if on_retry is not None:
                on_retry(tries.total(), wait_s, error)
            if not await outage.sleep(wait_s, error.message, since=since):
                raise


async def heard(call: Callable[[], Awaitable[T]], outage: Outage) -> T:
    """Make one call when the cloud can be reached, and record how it went."""
    await outage.gate()
    try:
        found = await call()
    except CloudError as error:
        outage.failed(error)
        raise
    outage.answered()
    return found


async def retry_until(call: Callable[[], Awaitable[T]], *, for_s: float, waits: Callable[[float, str], None]) -> T:
    """Call until it succeeds, for at most `for_s`: one 503 at the start is no reason to give up. `waits`: called for
    long waits, as in `Outage`.

    Raises the last `CloudError`, or a permanent one.
    """
    outage = Outage(for_s, pauses=False)
    outage.waits = waits
    until, rng, attempt = anyio.current_time() + for_s, random.Random(), 1
    while True:
        try:
            return await call()
        except CloudError as error:
            wait_s = policy.backoff_s(attempt, rng, error.retry_after_s)
            if not policy.worth_retrying(error, attempt) or anyio.current_time() + wait_s > until:
                raise
            if not await outage.sleep(wait_s, error.message):
                raise
        attempt += 1
