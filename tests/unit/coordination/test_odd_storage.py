"""A storage, or a proxy before it, that ignores the conditions of writes is detected, and in bounded time."""

from __future__ import annotations

import random
from dataclasses import replace

import anyio
import pytest

from orchestrator.coordination.claim import NO_RECORD, Record, decode_claim
from orchestrator.coordination.lease import Leases
from orchestrator.coordination.registry import NOT_LOOKED
from orchestrator.coordination.shared_record import Copy, RecordPlace, Shared, conditions_hold
from orchestrator.errors import StartError
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from tests.memory_records import MemoryRecords

KEY, PROBE = "functions/leases.json", "functions/conditions.json"


class Rewriting(MemoryRecords):
    """Returns ETags that the storage does not know: weak, or with a suffix, like proxies that compress."""

    async def read(self, key: str) -> tuple[bytes, str] | None:
        found = await super().read(key)
        return None if found is None else (found[0], f"W/{found[1]}")


class Deaf(MemoryRecords):
    """Writes whatever the condition. `to`: the kind of condition that it ignores."""

    def __init__(self, *to: str) -> None:
        super().__init__()
        self._to = to

    async def create(self, key: str, body: bytes) -> str | None:
        return self._put(key, body) if "If-None-Match" in self._to else await super().create(key, body)

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        return self._put(key, body) if "If-Match" in self._to else await super().replace(key, body, etag)


def place(records: MemoryRecords) -> RecordPlace:
    return RecordPlace(records, KEY, anyio.current_time, random.Random(1), Outage())


@pytest.mark.parametrize("runs", [1, 3])
def test_a_storage_that_heeds_conditions_is_believed(runs: int) -> None:
    async def main() -> None:
        records = MemoryRecords()
        for _ in range(runs):
            assert await conditions_hold(place(records), PROBE)
        assert list(records.objects) == [PROBE]  # the check changes nothing else

    run(main)


@pytest.mark.parametrize("to", [("If-Match",), ("If-None-Match",), ("If-Match", "If-None-Match")])
def test_a_storage_that_ignores_conditions_is_found_out(to: tuple[str, ...]) -> None:
    async def main() -> None:
        assert not await conditions_hold(place(Deaf(*to)), PROBE)

    run(main)


def test_etags_that_are_rewritten_end_in_an_error() -> None:
    async def main() -> None:
        records = Rewriting()
        leases = Leases(place(records), "one", "folder", "us", anyio.current_time, lambda _said: None)
        await records.create(KEY, b'{"schema": 1, "fencing": 3, "leases": []}')
        with pytest.raises(StartError, match=f"{KEY} cannot be written: the storage reports") as caught:
            await leases.acquire({"f": "folder/f"}, looked=NOT_LOOKED, timeout_s=0)
        assert "NO_PROXY" in caught.value.advice
        assert anyio.current_time() < 10

    run(main)


def test_a_write_that_others_win_is_theirs_at_once() -> None:
    """Nothing is odd: the record has changed since it was read."""

    async def main() -> None:
        records = MemoryRecords()
        shared = Shared(place(records), decode_claim)
        read = await shared.write(Record("2027-01-01T00:00:00Z"), Copy(NO_RECORD, None))
        theirs = await shared.write(Record("2028-01-01T00:00:00Z"), read)
        lost = await shared.write(Record("2026-01-01T00:00:00Z"), read)
        assert lost.record == theirs.record
        assert anyio.current_time() == 0.0

    run(main)


def test_a_write_over_what_was_changed_and_changed_back_goes_through() -> None:
    async def main() -> None:
        records = MemoryRecords()
        shared = Shared(place(records), decode_claim)
        read = await shared.write(Record("2027-01-01T00:00:00Z"), Copy(NO_RECORD, None))
        stale = replace(read, etag="an older one")
        assert (await shared.write(Record("2028-01-01T00:00:00Z"), stale)).record == Record("2028-01-01T00:00:00Z")
        assert anyio.current_time() < 1

    run(main)
