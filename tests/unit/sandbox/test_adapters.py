"""The memory ports: their latency, the object store, and that a run on them takes the same course every time."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.function.fields import function_request
from orchestrator.model import Package
from orchestrator.prediction import virtual_time
from orchestrator.sandbox.memory.adapters import MemoryFunctions, MemoryObjectStore, MemoryOperations, Wire
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.faults import STORM, Faults, Trouble
from orchestrator.sandbox.memory.objects import Objects
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.body import version_request
from tests.clouds import FOLDER, START_S, body

PACKAGE = Package(Path("nowhere"), "0" * 64, 20_000_000, "tree")


def cloud(faults: Faults | None = None, quotas: Quotas | None = None) -> MemoryCloud:
    return MemoryCloud(clock=lambda: START_S + anyio.current_time(), rng=random.Random(3), faults=faults, quotas=quotas)


def test_a_call_takes_its_latency_and_its_delay() -> None:
    async def main() -> tuple[float, float]:
        memory = cloud()
        functions = MemoryFunctions(Wire(memory, latency_s=0.1))
        await functions.list_runtimes()
        first = anyio.current_time()
        memory.faults.fail_next("listRuntimes", Trouble(delay_s=5))
        await functions.list_runtimes()
        return first, anyio.current_time() - first

    assert virtual_time.run(main) == pytest.approx((0.1, 5.1))


def test_a_package_is_put_once() -> None:
    async def main() -> None:
        wire = Wire(cloud(), latency_s=0.0)
        objects = Objects(buckets=["packages"])
        store = MemoryObjectStore(wire, objects, bytes_per_s=10e6, read=lambda _package: b"zip")
        sent: list[int] = []
        first = await store.put_once("packages", "key", PACKAGE, sent.append)
        assert anyio.current_time() == pytest.approx(2.0)
        second = await store.put_once("packages", "key", PACKAGE, sent.append)
        assert (first.existed, second.existed, sent) == (False, True, [20_000_000] * 2)
        assert objects.get("packages", "key") == b"zip"

    virtual_time.run(main)


def test_two_who_put_at_once_find_one_object() -> None:
    async def main() -> None:
        store = MemoryObjectStore(Wire(cloud()), Objects(buckets=["packages"]), read=lambda _package: b"zip")
        existed: list[bool] = []

        async def put() -> None:
            existed.append((await store.put_once("packages", "key", PACKAGE)).existed)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put)
            tasks.start_soon(put)
        assert sorted(existed) == [False, True]

    virtual_time.run(main)


def test_a_missing_bucket_is_not_found() -> None:
    async def main() -> None:
        store = MemoryObjectStore(Wire(cloud()), Objects())
        with pytest.raises(CloudError, match="NoSuchBucket") as refused:
            await store.check("packages")
        assert (refused.value.code, refused.value.http_status) == (Code.NOT_FOUND, 404)

    virtual_time.run(main)


def _course(seed: int) -> list[str]:
    """Run fifty functions under faults, each call repeated until it is answered."""

    async def main() -> list[str]:
        memory = cloud(Faults(STORM, seed=seed), Quotas(operations_per_folder=5))
        wire = Wire(memory)
        functions, operations = MemoryFunctions(wire), MemoryOperations(wire)
        reported: list[str] = []

        async def one(number: int) -> None:
            name = f"name-{number}"
            while True:
                try:
                    operation = await functions.send(function_request(FOLDER, name, {}), idempotency_key=name)
                    while not operation.done:
                        await anyio.sleep(0.1)
                        operation = await operations.get(operation.id)
                except CloudError as error:
                    reported.append(f"{anyio.current_time():.6f} {name} {error.message}")
                    await anyio.sleep(0.5)
                else:
                    reported.append(f"{anyio.current_time():.6f} {name} {operation.id}")
                    return

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one, number)
        assert len(memory.functions.list({"folderId": FOLDER})["functions"]) == 50
        return reported

    return virtual_time.run(main)


def test_the_same_seed_takes_the_same_course() -> None:
    first = _course(1)
    assert first == _course(1)
    assert first != _course(2)


def test_versions_made_in_bad_weather_are_made_once_each() -> None:
    async def main() -> None:
        memory = cloud(Faults(STORM, seed=4))
        functions = MemoryFunctions(Wire(memory))
        memory.functions.create({"folderId": FOLDER, "name": "first"})
        await anyio.sleep(5)
        function_id = memory.functions.list({"folderId": FOLDER})["functions"][0]["id"]
        for number in range(100):
            sent = body(function_id, description=str(number))
            while True:
                try:
                    operation = await functions.send(version_request(sent), idempotency_key=str(number))
                    break
                except CloudError:
                    await anyio.sleep(0.5)
            await anyio.sleep(10)
            assert operation.metadata["functionVersionId"]
        assert len(memory.operations.list(function_id, {"pageSize": 1000})["operations"]) == 1 + 100

    virtual_time.run(main)
