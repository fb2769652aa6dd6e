"""What every ObjectStore guarantees, tested with memory, the sandbox's S3, and an independent S3 server."""

from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast
from uuid import uuid4

import anyio
import pytest

from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError, Code
from orchestrator.model import Package, StoredObject
from orchestrator.ports import ObjectStore
from tests.contract.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Memory, Service, Stores, package

LARGE_BYTES = 128 * 1024 * 1024  # the largest package that the cloud accepts


@pytest.fixture(name="memory")
def _memory() -> Memory:
    return Memory()


SERVED = ["sandbox", "sandbox_on_disk", "seaweedfs"]


@pytest.fixture(params=SERVED)
def service(request: pytest.FixtureRequest) -> Service:
    """A service for puts through boto3."""
    return cast("Service", request.getfixturevalue(request.param))


@pytest.fixture(params=["memory", *SERVED])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Every source of an ObjectStore: those services, and the memory of simulations."""
    return cast("Stores", request.getfixturevalue(request.param))


@pytest.fixture
def key() -> str:
    return f"functions/{uuid4().hex}.zip"


def put(stores: Stores, key: str, what: Package, bucket: str = BUCKET) -> StoredObject:
    async def main() -> StoredObject:
        async with stores.store() as store:
            return await store.put_once(bucket, key, what)

    return anyio.run(main)


def refused(
    opening: AbstractAsyncContextManager[ObjectStore], key: str, what: Package, bucket: str = BUCKET
) -> CloudError:
    """Return the error of a put, which is also the error of a check."""

    async def main() -> CloudError:
        async with opening as store:
            with pytest.raises(CloudError) as checked:
                await store.check(bucket)
            with pytest.raises(CloudError) as caught:
                await store.put_once(bucket, key, what)
            assert checked.value.code is caught.value.code
            return caught.value

    return anyio.run(main)


def test_an_etag_tells_one_state_of_an_object_from_another(stores: Stores, key: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = package(tmp_path / "a", fill=b"one"), package(tmp_path / "b", fill=b"other")

    async def main() -> list[str | None]:
        async with stores.store() as store:
            for at, what in ((key, one), (f"{key}.again", one), (f"{key}.other", other)):
                await store.put_once(BUCKET, at, what)
            asked = ((BUCKET, key), (BUCKET, f"{key}.again"), (BUCKET, f"{key}.other"), (BUCKET, f"{key}.none"))
            return [await store.etag(*place) for place in (*asked, ("no-such-bucket", key))]

    first, again, different, *nothing = anyio.run(main)
    assert first == again
    assert first not in (None, different)
    assert nothing == [None, None]
    assert '"' not in str(first)


def test_a_new_object_is_stored_whole(stores: Stores, key: str, tmp_path: Path) -> None:
    what = package(tmp_path)
    assert put(stores, key, what) == StoredObject(BUCKET, key, what.sha256, what.size_bytes, existed=False)
    assert stores.sha256(key) == what.sha256


def test_an_object_that_is_there_is_left_alone(stores: Stores, key: str, tmp_path: Path) -> None:
    first = package(tmp_path)
    put(stores, key, first)
    again = put(stores, key, first)
    assert again.existed
    assert stores.sha256(key) == first.sha256


@pytest.mark.parametrize(("size_bytes", "fill"), [(3000, b"another"), (2999, b"zip"), (0, b"")])
def test_other_bytes_under_its_key_are_replaced(
    stores: Stores, key: str, size_bytes: int, fill: bytes, tmp_path: Path
) -> None:
    put(stores, key, package(tmp_path, size_bytes, fill))
    what = package(tmp_path)
    assert put(stores, key, what) == StoredObject(BUCKET, key, what.sha256, what.size_bytes, existed=False)
    assert stores.sha256(key) == what.sha256
    assert put(stores, key, what).existed


@pytest.mark.parametrize("name", ["plain", "a b+c", "ünï/ко́д", "(1)~'!$&=@,;", "%41%2F"])
def test_any_name_of_an_object_is_kept(stores: Stores, key: str, name: str, tmp_path: Path) -> None:
    what = package(tmp_path)
    put(stores, f"{key}/{name}", what)
    assert stores.sha256(f"{key}/{name}") == what.sha256


def test_the_bucket_is_found(stores: Stores) -> None:
    async def main() -> None:
        async with stores.store() as store:
            await store.check(BUCKET)

    anyio.run(main)


def test_a_missing_bucket_is_not_found(stores: Stores, key: str, tmp_path: Path) -> None:
    assert refused(stores.store(), key, package(tmp_path), bucket="no-such-bucket").code is Code.NOT_FOUND


def test_a_missing_bucket_is_named(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store(), key, package(tmp_path), bucket="no-such-bucket")
    assert (error.code, error.http_status, error.sent) == (Code.NOT_FOUND, 404, True)
    assert "the bucket no-such-bucket does not exist" in error.message
    assert "no-such-bucket" in error.advice


def test_a_wrong_secret_key_is_reported(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store(ACCESS_KEY, "wrong"), key, package(tmp_path))
    assert (error.code, error.http_status) == (Code.PERMISSION_DENIED, 403)
    assert "YC_STORAGE_SECRET_KEY" in error.advice
    assert error.request_id
    assert service.sha256(key) is None


def test_an_unknown_access_key_is_reported(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store("unknown", SECRET_KEY), key, package(tmp_path))
    assert (error.code, error.http_status) == (Code.PERMISSION_DENIED, 403)
    assert "YC_STORAGE_ACCESS_KEY" in error.advice


def test_identical_packages_at_once_make_one_object(stores: Stores, key: str, tmp_path: Path) -> None:
    what, results = package(tmp_path), list[StoredObject]()

    async def one(store: ObjectStore) -> None:
        results.append(await store.put_once(BUCKET, key, what))

    async def main() -> None:
        async with stores.store() as store, anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one, store)

    anyio.run(main)
    assert sorted(each.existed for each in results) == [False] + [True] * 19


def test_identical_packages_at_once_are_sent_once(service: Service, key: str, tmp_path: Path) -> None:
    what, whole = package(tmp_path, 3_000_000), list[int]()

    def progress(sent_bytes: int) -> None:
        if sent_bytes == what.size_bytes:
            whole.append(sent_bytes)

    async def main() -> None:
        async with service.store() as store, anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(store.put_once, BUCKET, key, what, progress)

    anyio.run(main)
    assert len(whole) == 1


def test_progress_reaches_the_size(stores: Stores, key: str, tmp_path: Path) -> None:
    what, seen = package(tmp_path, 3_000_000), list[int]()

    async def main() -> None:
        async with stores.store() as store:
            await store.put_once(BUCKET, key, what, seen.append)

    anyio.run(main)
    assert seen == sorted(set(seen))
    assert seen[-1] == what.size_bytes


def test_many_packages_at_once_all_arrive(stores: Stores, key: str, tmp_path: Path) -> None:
    packages = [package(tmp_path, 20_000, fill=b"%d" % number) for number in range(60)]

    async def main() -> None:
        async with stores.store() as store, anyio.create_task_group() as group:
            for each in packages:
                group.start_soon(store.put_once, BUCKET, f"{key}/{each.sha256}", each)

    anyio.run(main)
    assert stores.keys(key) == sorted(f"{key}/{each.sha256}" for each in packages)


def test_the_largest_package_arrives_with_its_digest(service: Service, key: str, tmp_path: Path) -> None:
    what = package(tmp_path, LARGE_BYTES)
    seen: list[int] = []

    async def main() -> None:
        async with service.store() as store:
            await store.put_once(BUCKET, key, what, seen.append)

    anyio.run(main)
    assert service.sha256(key) == what.sha256
    assert seen == sorted(set(seen))
    assert seen[-1] == LARGE_BYTES


def test_an_upload_cancelled_midway_leaves_neither_object_nor_thread(
    service: Service, key: str, tmp_path: Path
) -> None:
    what = package(tmp_path, LARGE_BYTES)
    seen: list[int] = []

    async def main() -> None:
        begun = anyio.Event()

        def progress(sent_bytes: int) -> None:
            if not seen:
                begun.set()
            seen.append(sent_bytes)

        async with service.store() as store:
            async with anyio.create_task_group() as group:
                group.start_soon(store.put_once, BUCKET, key, what, progress)
                await begun.wait()
                group.cancel_scope.cancel()
            assert store._limiter.borrowed_tokens == 0
            await store.put_once(BUCKET, f"{key}.next", package(tmp_path))

    anyio.run(main)
    assert 0 < seen[-1] < LARGE_BYTES
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("AnyIO worker")]
    for thread in workers:
        thread.join(60)
    assert [thread for thread in workers if thread.is_alive()] == []
    assert service.keys(key) == [f"{key}.next"]


def test_those_who_wait_take_over_from_a_cancelled_upload(service: Service, key: str, tmp_path: Path) -> None:
    what = package(tmp_path, LARGE_BYTES // 4)
    results: list[StoredObject] = []

    async def main() -> None:
        begun = anyio.Event()
        first = anyio.CancelScope()

        def progress(_: int) -> None:
            begun.set()

        async def cancelled(store: S3ObjectStore) -> None:
            with first:
                await store.put_once(BUCKET, key, what, progress)

        async def waiting(store: S3ObjectStore) -> None:
            results.append(await store.put_once(BUCKET, key, what))

        async with service.store() as store, anyio.create_task_group() as group:
            group.start_soon(cancelled, store)
            await begun.wait()
            group.start_soon(waiting, store)
            group.start_soon(waiting, store)
            await anyio.wait_all_tasks_blocked()
            first.cancel()

    anyio.run(main)
    assert sorted(each.existed for each in results) == [False, True]
    assert service.sha256(key) == what.sha256
