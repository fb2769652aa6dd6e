"""What every ObjectStore promises, held against the sandbox's S3 and against an independent S3 server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from anyio import from_thread

from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError, Code
from orchestrator.model import Package, StoredObject
from tests.contract.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Service, package, sandbox
from tests.contract.seaweed import seaweed

LARGE_BYTES = 128 * 1024 * 1024  # the largest package that the cloud takes


@pytest.fixture(scope="module", params=["sandbox", "sandbox on disk", "seaweedfs"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    on_disk = tmp_path_factory.mktemp("objects") if request.param == "sandbox on disk" else None
    with seaweed() if request.param == "seaweedfs" else sandbox(on_disk) as running:
        yield running


@pytest.fixture
def key() -> str:
    return f"functions/{uuid4().hex}.zip"


def put(store: S3ObjectStore, key: str, what: Package, bucket: str = BUCKET) -> StoredObject:
    async def main() -> StoredObject:
        async with store:
            return await store.put_once(bucket, key, what)

    return anyio.run(main)


def refused(store: S3ObjectStore, key: str, what: Package, bucket: str = BUCKET) -> CloudError:
    """The error of a put, which is also the error of a check."""

    async def main() -> CloudError:
        async with store:
            with pytest.raises(CloudError) as checked:
                await store.check(bucket)
            with pytest.raises(CloudError) as caught:
                await store.put_once(bucket, key, what)
            assert checked.value.code is caught.value.code
            return caught.value

    return anyio.run(main)


def test_a_new_object_is_stored_whole(service: Service, key: str, tmp_path: Path) -> None:
    what = package(tmp_path)
    assert put(service.store(), key, what) == StoredObject(BUCKET, key, what.sha256, what.size_bytes, existed=False)
    assert service.sha256(key) == what.sha256


def test_an_object_that_is_there_is_left_alone(service: Service, key: str, tmp_path: Path) -> None:
    first = package(tmp_path)
    put(service.store(), key, first)
    again = put(service.store(), key, package(tmp_path, fill=b"another"))
    assert again.existed
    assert service.sha256(key) == first.sha256


@pytest.mark.parametrize("name", ["plain", "a b+c", "ünï/ко́д", "(1)~'!$&=@,;", "%41%2F"])
def test_any_name_of_an_object_is_kept(service: Service, key: str, name: str, tmp_path: Path) -> None:
    what = package(tmp_path)
    put(service.store(), f"{key}/{name}", what)
    assert service.sha256(f"{key}/{name}") == what.sha256


def test_the_bucket_is_found(service: Service) -> None:
    async def main() -> None:
        async with service.store() as store:
            await store.check(BUCKET)

    anyio.run(main)


def test_a_missing_bucket_is_named(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store(), key, package(tmp_path), bucket="no-such-bucket")
    assert (error.code, error.http_status, error.sent) == (Code.NOT_FOUND, 404, True)
    assert "the bucket no-such-bucket does not exist" in error.message
    assert "no-such-bucket" in error.advice


def test_a_wrong_secret_key_is_told(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store(ACCESS_KEY, "wrong"), key, package(tmp_path))
    assert (error.code, error.http_status) == (Code.PERMISSION_DENIED, 403)
    assert "YC_STORAGE_SECRET_KEY" in error.advice
    assert error.request_id
    assert service.sha256(key) is None


def test_an_unknown_access_key_is_told(service: Service, key: str, tmp_path: Path) -> None:
    error = refused(service.store("unknown", SECRET_KEY), key, package(tmp_path))
    assert (error.code, error.http_status) == (Code.PERMISSION_DENIED, 403)
    assert "YC_STORAGE_ACCESS_KEY" in error.advice


def test_identical_packages_at_once_are_uploaded_once(service: Service, key: str, tmp_path: Path) -> None:
    what = package(tmp_path, 3_000_000)
    starts: list[int] = []
    results: list[StoredObject] = []

    async def main() -> None:
        async with service.store() as store, anyio.create_task_group() as group:

            async def one(number: int) -> None:
                def progress(sent_bytes: int) -> None:
                    if sent_bytes == what.size_bytes:
                        starts.append(number)

                results.append(await store.put_once(BUCKET, key, what, progress))

            for number in range(20):
                group.start_soon(one, number)

    anyio.run(main)
    assert len(starts) == 1
    assert sorted(each.existed for each in results) == [False] + [True] * 19


def test_many_packages_at_once_all_arrive(service: Service, key: str, tmp_path: Path) -> None:
    packages = [package(tmp_path, 20_000, fill=b"%d" % number) for number in range(60)]

    async def main() -> None:
        async with service.store() as store, anyio.create_task_group() as group:
            for each in packages:
                group.start_soon(store.put_once, BUCKET, f"{key}/{each.sha256}", each)

    anyio.run(main)
    assert service.keys(key) == sorted(f"{key}/{each.sha256}" for each in packages)


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
                from_thread.run_sync(begun.set)
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
        thread.join(30)
    assert [thread for thread in workers if thread.is_alive()] == []
    assert service.keys(key) == [f"{key}.next"]


def test_those_who_wait_take_over_from_a_cancelled_upload(service: Service, key: str, tmp_path: Path) -> None:
    what = package(tmp_path, LARGE_BYTES // 4)
    results: list[StoredObject] = []

    async def main() -> None:
        begun = anyio.Event()
        first = anyio.CancelScope()

        def progress(_: int) -> None:
            from_thread.run_sync(begun.set)

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
