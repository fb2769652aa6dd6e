"""A record that several machines change only by compare-and-set: what to write depends on what was read.

If the response to a write is lost, reading shows the result: the record is either what we wrote, or another's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import anyio

from orchestrator.errors import StartError
from orchestrator.ports import Records
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.retry import retried

REFUSALS_MAX = 6  # of a write over an unchanged record
_PAUSE_S = 0.1  # after the first of them; doubled each time
_PROBE = b'{"what": "written by orchestrator to see that conditional writes are conditional"}'
_NO_ETAG = '"00000000000000000000000000000000"'


class Encodable(Protocol):
    """The content of a record."""

    def encode(self) -> bytes:
        """Return the bytes to store. Equal records have equal bytes."""
        ...


A = TypeVar("A")
R = TypeVar("R", bound=Encodable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record is, and how one run accesses it."""

    records: Records
    key: str
    boottime_s: Callable[[], float]
    rng: random.Random
    outage: Outage

    async def safely(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until it succeeds: after a write whose answer was lost, the repeated one finds another ETag."""
        return await retried(call, rng=self.rng, outage=self.outage)


@dataclass(frozen=True, slots=True)
class Copy(Generic[R]):
    """A record as it was read or written. `etag` None: it does not exist yet."""

    record: R
    etag: str | None
    written_at_s: float = -math.inf  # when we began to write it, on our clock: from then on others may see it
    answered: bool = False  # whether that write was answered, so that no earlier attempt can have written it


@dataclass(frozen=True, slots=True)
class Shared(Generic[R]):
    """A record that several machines change. `decode`: decodes the stored bytes; None: there is no record yet."""

    place: RecordPlace
    decode: Callable[[bytes | None, str], R]

    async def read(self) -> Copy[R]:
        """Read it. Raises `CloudError`, `JournalError`, and `StartError` if it is invalid."""
        place = self.place
        body, etag = await place.safely(partial(place.records.read, place.key)) or (None, None)
        return Copy(self.decode(body, place.key), etag)

    async def write(self, record: R, over: Copy[R]) -> Copy[R]:
        """Write `record` over what was read, and return what is stored then.

        That is `record`, even if the response to its write was lost, or else what another run has written. Raises as
        `read`: then it is not known which. Raises `StartError` if it is refused repeatedly although the stored record
        has not changed.
        """
        for attempt in range(REFUSALS_MAX):
            found = await self._written(record, over)
            if found.record != over.record or found.record == record:
                return found
            # Another run has changed it back and forth, or our ETag is not the stored one.
            await anyio.sleep(_PAUSE_S * 2**attempt)
            over = found
        raise StartError(
            f"{self.place.key} cannot be written: the storage reports a change, but there was none",
            advice="a proxy before the storage may rewrite ETags: add the storage to NO_PROXY",
        )

    async def _written(self, record: R, over: Copy[R]) -> Copy[R]:
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


async def conditions_hold(place: RecordPlace, probe: str) -> bool:
    """Check that conditional writes are conditional: on an object of its own, one of each kind that must be refused.

    Raises as `Shared.read`, without `StartError`.
    """
    records = place.records
    create = partial(records.create, probe, _PROBE)
    made = await place.safely(create) is not None  # written by the first run ever; from then on it must be refused
    if made and await place.safely(create) is not None:
        return False
    return await place.safely(partial(records.replace, probe, _PROBE, _NO_ETAG)) is None


@dataclass(frozen=True, slots=True)
class Wait:
    """Check again in a moment. `why` is reported the first time."""

    why: str


@dataclass(frozen=True, slots=True)
class Write(Generic[R, A]):
    """Write this record over the one that was read. Once it is stored, this is the answer."""

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
    """Do what `decide` returns for the record, until there is an answer. Returns it with the latest record.

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
