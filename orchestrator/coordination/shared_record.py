"""A record that several machines change by compare-and-set alone: what to write is decided on what was read.

A write whose answer was lost is found again by reading: what is there is either what we wrote, or another's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import anyio

from orchestrator.ports import Records
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.retry import retried


class Encodable(Protocol):
    """The content of a record."""

    def encode(self) -> bytes:
        """Write it as it is stored; equal records are stored as the same bytes."""
        ...


A = TypeVar("A")
R = TypeVar("R", bound=Encodable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record is, and how one run reaches it."""

    records: Records
    key: str
    boottime_s: Callable[[], float]
    rng: random.Random
    outage: Outage

    async def safely(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call again and again: a write that went through without an answer then finds another etag."""
        return await retried(call, rng=self.rng, outage=self.outage)


@dataclass(frozen=True, slots=True)
class Copy(Generic[R]):
    """A record as it was read or written. `etag` None: it is not there yet."""

    record: R
    etag: str | None
    written_at_s: float = -math.inf  # when we began to write it, on our clock: from then on others may see it
    answered: bool = False  # whether that write was answered, so that no earlier try can have put it there


@dataclass(frozen=True, slots=True)
class Shared(Generic[R]):
    """A record that several machines change. `decode`: what the stored bytes mean; None: there is no record yet."""

    place: RecordPlace
    decode: Callable[[bytes | None, str], R]

    async def read(self) -> Copy[R]:
        """Read it. Raises `CloudError`, `JournalError`, and `StartError` where it cannot be understood."""
        place = self.place
        body, etag = await place.safely(partial(place.records.read, place.key)) or (None, None)
        return Copy(self.decode(body, place.key), etag)

    async def write(self, record: R, over: Copy[R]) -> Copy[R]:
        """Write `record` over what was read, and give what is there then.

        That is `record`, whether or not the answer to its write was lost, or else what somebody else has written.
        Raises as `read` does: then it is not known which.
        """
        place, body = self.place, record.encode()
        began_at_s = place.boottime_s()
        if over.etag is None:
            etag = await place.safely(partial(place.records.create, place.key, body))
        else:
            etag = await place.safely(partial(place.records.replace, place.key, body, over.etag))
        if etag is not None:
            return Copy(record, etag, began_at_s, answered=True)
        found = await self.read()
        return Copy(record, found.etag, began_at_s) if found.record == record else found


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in a moment. `why` is said the first time."""

    why: str


@dataclass(frozen=True, slots=True)
class Write(Generic[R, A]):
    """Write this record over the one that was read; once it is there, this is the answer."""

    record: R
    answer: A


@dataclass(frozen=True, slots=True)
class Final(Generic[A]):
    """There is nothing to write."""

    answer: A


Step = Wait | Write[R, A] | Final[A]


async def ask(
    shared: Shared[R], decide: Callable[[R], Step[R, A]], *, look_s: float, say: Callable[[str], None]
) -> tuple[A, Copy[R]]:
    """Do what `decide` says of the record, until there is an answer; give it with the record as it is then.

    Raises as `Shared.read` and `decide` do.
    """
    copy, waited = await shared.read(), False
    while True:
        step = decide(copy.record)
        if isinstance(step, Final):
            return step.answer, copy
        if isinstance(step, Write):
            copy = await shared.write(step.record, copy)
            if copy.record == step.record:
                return step.answer, copy
            continue
        if not waited:
            say(step.why)
            waited = True
        await anyio.sleep(look_s)
        copy = await shared.read()
