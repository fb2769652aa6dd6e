"""The content of a bucket: listed completely or not at all, deleted as listed, and put again before it becomes too
old.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import anyio
import pytest

from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError
from orchestrator.model import BucketListing, ListedObject, StoredObject
from orchestrator.ports import PUT_AGAIN_AFTER_S
from orchestrator.resilience.policy import ErrorClass, judge
from tests.contract.s3_servers import (
    ACCESS_KEY,
    BUCKET,
    SECRET_KEY,
    Memory,
    Scripted,
    Stores,
    answer,
    package,
    refusal,
    scripted,
)

KEYS = StaticKeys(ACCESS_KEY, SECRET_KEY)
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
THERE = answer("412 Precondition Failed")
STORED = answer("200 OK", "", 'ETag: "0"')


@pytest.fixture(name="memory")
def _memory() -> Memory:
    return Memory()


@pytest.fixture(params=["memory", "sandbox", "sandbox_on_disk", "seaweedfs"])
def stores(request: pytest.FixtureRequest) -> Stores:
    return cast("Stores", request.getfixturevalue(request.param))


def test_all_objects_that_begin_so_are_listed_page_by_page(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in ("orchestrator.cloud.s3.contents.PAGE_OBJECTS", "orchestrator.sandbox.memory.adapters._PAGE_SIZE"):
        monkeypatch.setattr(where, 3)
    prefix, what = f"functions/{uuid4().hex}/", package(tmp_path)
    names = sorted(f"{prefix}{name}" for name in ("a b+c", "ünï", "%41", "d/e", "1", "2", "3"))

    async def main() -> tuple[BucketListing, BucketListing]:
        async with stores.store() as store:
            for name in (*names, f"{prefix[:-1]}-beside"):
                await store.put_once(BUCKET, name, what)
            return await store.contents(BUCKET, prefix), await store.contents(BUCKET, f"{prefix}none")

    found, none = anyio.run(main)
    assert sorted(one.key for one in found.objects) == names
    assert {one.size_bytes for one in found.objects} == {what.size_bytes}
    assert all(abs(found.at - one.modified_at) < 60 for one in found.objects)
    assert none.objects == ()


def test_what_was_listed_is_deleted_alone(stores: Stores, tmp_path: Path) -> None:
    prefix, what = f"functions/{uuid4().hex}/", package(tmp_path)

    async def main() -> list[bool]:
        async with stores.store() as store:
            for name in ("gone", "kept", "put again"):
                await store.put_once(BUCKET, f"{prefix}{name}", what)
            listed = {one.key.removeprefix(prefix): one for one in (await store.contents(BUCKET, prefix)).objects}
            again = listed["put again"]
            before = ListedObject(again.key, again.size_bytes, again.modified_at - 60)  # as it was a minute ago
            return [await store.delete(BUCKET, one) for one in (listed["gone"], listed["gone"], before)]

    assert anyio.run(main) == [True, True, False]
    assert stores.keys(prefix) == [f"{prefix}kept", f"{prefix}put again"]


def page(*keys: str, token: str = "", truncated: bool | None = None, prefix: str = "f/") -> str:
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    cut = str(bool(token) if truncated is None else truncated).lower()
    objects = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-07-01T00:00:00.000Z</LastModified><ETag>0</ETag>"
        "<Size>1</Size></Contents>"
        for key in keys
    )
    return (
        f"<?xml version='1.0'?><ListBucketResult><Name>b</Name><Prefix>{prefix}</Prefix>"
        f"<IsTruncated>{cut}</IsTruncated>{more}{objects}</ListBucketResult>"
    )


DATE = f"Date: {format_datetime(NOW, usegmt=True)}"
XML = "Content-Type: application/xml"


def listing(*answers: bytes) -> BucketListing | CloudError:
    async def main(url: str) -> BucketListing | CloudError:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store:
            try:
                return await store.contents("b", "f/")
            except CloudError as error:
                return error

    with scripted(*answers) as server:
        return anyio.run(main, server.url)


def ok(body: str, *headers: str) -> bytes:
    return answer("200 OK", body, *(headers or (XML, DATE)))


def test_the_storage_s_clock_is_that_of_the_first_page() -> None:
    later = f"Date: {format_datetime(NOW + timedelta(minutes=1), usegmt=True)}"
    found = listing(ok(page("f/1", token="t")), ok(page("f/2"), XML, later))
    assert isinstance(found, BucketListing)
    assert ([one.key for one in found.objects], found.at) == (["f/1", "f/2"], NOW.timestamp())


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([ok(page("f/1", token="t")), refusal("503 Unavailable", "ServiceUnavailable")], "unavailable"),
        ([ok(page("f/1", token="t")), ok("<html></html>", "Content-Type: text/html", DATE)], "HTML page"),
        ([ok(page("f/1", truncated=True))], "cut off"),
        ([ok(page("f/1", token="t")), ok(page("f/2", token="t"))], "does not end"),
        ([ok(page("f/1"), XML)], "storage's time"),
        ([ok(page("g/1"))], "objects outside the prefix"),
        ([ok("<?xml version='1.0'?><Other></Other>")], "is not S3"),
        ([ok("")], "is not S3"),
    ],
)
def test_a_listing_that_is_not_whole_is_an_error(answers: list[bytes], said: str) -> None:
    found = listing(*answers)
    assert isinstance(found, CloudError)
    assert said in found.message
    assert found.call == "list objects"


def test_a_listing_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cloud.bounds.PAGES_MAX", 3)
    found = listing(*(ok(page(f"f/{number}", token=f"t{number}")) for number in range(4)))
    assert isinstance(found, CloudError)
    assert "does not end" in found.message


def head(days: float, size_bytes: int = 3000, *headers: str) -> bytes:
    """Return the response to a HEAD of an object that was put this many days ago. Its Content-Length belongs to no
    body.
    """
    modified = format_datetime(NOW - timedelta(days=days), usegmt=True)
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {size_bytes}", 'ETag: "0-1"', f"Last-Modified: {modified}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def put(server: Scripted, folder: Path) -> StoredObject | CloudError:
    async def main() -> StoredObject | CloudError:
        async with S3ObjectStore(server.url, credentials=KEYS, environ={}) as store:
            try:
                return await store.put_once("b", "k.zip", package(folder))
            except CloudError as error:
                return error

    return anyio.run(main)


@pytest.mark.parametrize(
    ("answers", "calls", "existed"),
    [
        ([THERE, head(14.9, 3000, DATE)], "PUT HEAD", True),
        ([THERE, head(15.1, 3000, DATE), STORED], "PUT HEAD PUT", False),
        ([THERE, head(15.1)], "PUT HEAD", True),  # without the storage's time
        ([THERE, head(1, 2999, DATE), STORED], "PUT HEAD PUT", False),  # different content
        ([THERE, answer("404 Not Found"), STORED], "PUT HEAD PUT", False),  # deleted at this moment
        ([THERE, answer("403 Forbidden")], "PUT HEAD", True),  # without permission, nothing is known
        ([STORED], "PUT", False),
    ],
)
def test_what_is_there_is_put_again_where_it_is_old_or_other(
    answers: list[bytes], calls: str, *, existed: bool, tmp_path: Path
) -> None:
    with scripted(*answers) as server:
        stored = put(server, tmp_path)
    assert isinstance(stored, StoredObject)
    assert stored.existed is existed
    assert " ".join(one.split()[0] for one in server.heads) == calls
    if calls.endswith("HEAD PUT"):
        assert "if-none-match" not in server.headers()


def test_a_look_that_fails_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    with scripted(THERE, refusal("503 Slow Down", "SlowDown")) as server:
        error = put(server, tmp_path)
    assert isinstance(error, CloudError)
    assert (error.call, judge(error)) == ("head object", ErrorClass.UNSURE)


@pytest.mark.parametrize(
    ("answers", "deleted"),
    [
        ([head(31), answer("204 No Content")], True),
        ([head(30.9)], False),
        ([answer("404 Not Found")], True),
        ([head(31), refusal("404 Not Found", "NoSuchKey")], True),
        ([head(31), refusal("403 Forbidden", "AccessDenied")], "storage.editor"),
        ([answer("403 Forbidden")], "denied"),
        ([head(31), refusal("404 Not Found", "NoSuchBucket")], "does not exist"),
    ],
)
def test_an_object_is_deleted_as_it_was_listed(answers: list[bytes], deleted: bool | str) -> None:
    listed = ListedObject("k.zip", 3000, (NOW - timedelta(days=31)).timestamp() + 0.25)

    async def main(url: str) -> bool | str:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store:
            try:
                return await store.delete("b", listed)
            except CloudError as error:
                return f"{error.message}: {error.advice}"

    with scripted(*answers) as server:
        found = anyio.run(main, server.url)
    assert found is deleted if isinstance(deleted, bool) else deleted in str(found)


def test_memory_puts_again_what_was_put_long_ago(tmp_path: Path) -> None:
    memory, what = Memory(), package(tmp_path)
    body = what.path.read_bytes()
    memory.objects.put(BUCKET, "new.zip", body, modified_at=-PUT_AGAIN_AFTER_S)
    memory.objects.put(BUCKET, "old.zip", body, modified_at=-PUT_AGAIN_AFTER_S - 1)

    async def main() -> list[bool]:
        async with memory.store() as store:
            return [(await store.put_once(BUCKET, f"{name}.zip", what)).existed for name in ("new", "old")]

    assert anyio.run(main) == [True, False]
    assert [one.modified_at for one in memory.objects.list(BUCKET).objects] == [-PUT_AGAIN_AFTER_S, 0.0]
