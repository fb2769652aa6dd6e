"""What every store of records guarantees: in memory, in files, in the sandbox's and in an independent object
storage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from orchestrator.cloud.storage import S3Records
from orchestrator.coordination.due_files import FileRecords
from orchestrator.errors import CloudError, JournalError
from orchestrator.ports import Records
from tests.contract.s3_servers import BUCKET, Service
from tests.memory_records import MemoryRecords

Open = Callable[[], AbstractAsyncContextManager[Records]]


@pytest.fixture(params=["memory", "files", "sandbox", "seaweedfs"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Every store of records."""

    @asynccontextmanager
    async def one() -> AsyncIterator[Records]:
        if request.param == "memory":
            yield MemoryRecords()
        elif request.param == "files":
            yield FileRecords(tmp_path / "state")
        else:
            service: Service = request.getfixturevalue(request.param)
            async with service.store() as store:
                yield S3Records(store, BUCKET)

    return one


def held(opened: Open, promise: Callable[[Records, str], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened() as records:
            await promise(records, f"functions/claims/any-folder/{uuid4()}.json")

    anyio.run(main)


def test_a_record_is_read_as_it_was_written(opened: Open) -> None:
    async def promise(records: Records, key: str) -> None:
        assert await records.read(key) is None
        etag = await records.create(key, b'{"a": 1}')
        assert etag is not None
        assert await records.read(key) == (b'{"a": 1}', etag)

    held(opened, promise)


def test_a_record_is_created_once(opened: Open) -> None:
    async def promise(records: Records, key: str) -> None:
        assert await records.create(key, b"one") is not None
        assert await records.create(key, b"two") is None
        found = await records.read(key)
        assert found is not None
        assert found[0] == b"one"

    held(opened, promise)


def test_a_record_is_replaced_only_as_it_was_seen(opened: Open) -> None:
    async def promise(records: Records, key: str) -> None:
        first = await records.create(key, b"one")
        assert first is not None
        second = await records.replace(key, b"two", first)
        assert second not in (None, first)
        assert await records.replace(key, b"three", first) is None
        assert await records.read(key) == (b"two", second)

    held(opened, promise)


def test_a_record_that_is_not_there_cannot_be_replaced(opened: Open) -> None:
    async def promise(records: Records, key: str) -> None:
        etag = await records.create(f"{key}.other", b"one")
        assert etag is not None
        assert await records.replace(key, b"two", etag) is None
        assert await records.read(key) is None

    held(opened, promise)


def test_of_many_who_write_at_once_one_wins(opened: Open) -> None:
    async def promise(records: Records, key: str) -> None:
        etag = await records.create(key, b"0")
        assert etag is not None
        won: list[int] = []

        async def write(number: int) -> None:
            with suppress(CloudError):  # Object Storage may report that two writes collided (409)
                if await records.replace(key, b"%d" % number, etag) is not None:
                    won.append(number)

        async with anyio.create_task_group() as group:
            for number in range(1, 9):
                group.start_soon(write, number)
        assert len(won) == 1
        found = await records.read(key)
        assert found is not None
        assert found[0] == b"%d" % won[0]

    held(opened, promise)


def test_a_missing_bucket_is_an_error_and_no_missing_record(sandbox: Service) -> None:
    async def main() -> None:
        async with sandbox.store() as store:
            records = S3Records(store, "no-such-bucket")
            for call in (records.read("k"), records.create("k", b"1"), records.replace("k", b"1", '"etag"')):
                with pytest.raises(CloudError) as caught:
                    await call
                assert "the bucket no-such-bucket does not exist" in caught.value.message

    anyio.run(main)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "claims").write_text("in the way")

    async def main() -> None:
        with pytest.raises(JournalError, match="claims cannot be kept in"):
            await FileRecords(tmp_path / "state").read("k")

    anyio.run(main)
