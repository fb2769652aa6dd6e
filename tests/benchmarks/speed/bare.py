"""The bare calls of a run, in a separate process: boto3 puts, then aiohttp, JSON in and out, nothing else."""

from __future__ import annotations

import io
import json
import random
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

import aiohttp
import anyio
import boto3
import orjson
from botocore import UNSIGNED
from botocore.config import Config

from orchestrator.cloud.connect import connect
from orchestrator.model import CloudAddress
from orchestrator.report.logs import configure

WORKERS = 20
_VERSIONS = "/functions/v1/versions"
_LATE_S = 0.03  # after the end, so that a poll always sees it


async def run(task: dict[str, Any]) -> dict[str, Any]:
    """Make as many calls as `task["calls"]` says, over as long a time. Returns their CPU seconds and their number."""
    environ = {"YC_SERVICE_ACCOUNT_KEY_FILE": task["key_file"]}
    async with connect(CloudAddress(task["endpoint"]), environ, version="0", patience_s=10.0) as connection:
        token = await connection.token()
        versions = await connection.functions.list_versions(task["folder_id"])
        storage = connection.storage_endpoint
    size = task["package_bytes"]
    packages = [_package(number, size) for number in range(len(versions))] if size else []
    calls = Calls(task, token)
    began = time.process_time()
    s3: Any = _storage(storage, token) if size else None  # like a run, which opens its client with the first package
    for number, package in enumerate(packages):
        s3.put_object(Bucket=task["bucket"], Key=f"bare/{number}", Body=package, IfNoneMatch="*")
    puts_s = time.process_time() - began
    await calls.run([(version.function_id, version.id) for version in versions])
    return {"cpu_s": time.process_time() - began, "puts_s": puts_s, "calls": calls.made}


def _package(number: int, size_bytes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", f"def handler(event, context):\n    return {number}\n")
        archive.writestr("data.bin", random.Random(number).randbytes(size_bytes))
    return file.getvalue()


def _storage(endpoint: str, token: str) -> Any:
    config = Config(
        region_name="ru-central1", signature_version=UNSIGNED, s3={"addressing_style": "path"},
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    s3 = boto3.client("s3", endpoint_url=endpoint, config=config)

    def authorize(request: Any, **_: object) -> None:
        request.headers["Authorization"] = f"Bearer {token}"

    s3.meta.events.register("before-send.s3", authorize)
    return s3


class Calls:
    """Creates, polls and lists over one session."""

    def __init__(self, task: Mapping[str, Any], token: str) -> None:
        self.made = Counter[str]()
        self._task = task
        self._desired: dict[str, int] = task["calls"]
        self._creating = f"{_VERSIONS}?folderId={task['folder_id']}&filter=status%3D%22CREATING%22&pageSize=1000"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def run(self, functions: list[tuple[str, str]]) -> None:
        """Hold as many slots as the run did, and poll as often as it did."""
        polls, total = self._desired["get operation"], len(functions)
        queue = iter(enumerate(functions))
        async with aiohttp.ClientSession(headers=self._headers) as session:
            self._session = session

            async def work() -> None:
                for number, (function_id, version_id) in queue:
                    asked = polls * (number + 1) // total - polls * number // total
                    await self._one(number, function_id, version_id, asked)

            async with anyio.create_task_group() as listings:
                listings.start_soon(self._list)
                async with anyio.create_task_group() as workers:
                    for _ in range(WORKERS):
                        workers.start_soon(work)
                listings.cancel_scope.cancel()
            for _ in range(self._desired.get("listVersions", 0) - self.made["listVersions"]):
                await self._ask("listVersions", "GET", self._creating)
            for _ in range(self._desired.get("listVersions, all", 0)):
                await self._ask(
                    "listVersions, all", "GET", f"{_VERSIONS}?folderId={self._task['folder_id']}&pageSize=1000"
                )

    async def _one(self, number: int, function_id: str, version_id: str, polls: int) -> None:
        package = {"bucketName": self._task["bucket"], "objectName": f"bare/{number}"}
        code = {"package": package} if self._task["package_bytes"] else {"versionId": version_id}
        sent = {
            "functionId": function_id, "runtime": "python312", "entrypoint": "index.handler",
            "resources": {"memory": "134217728"}, "executionTimeout": "10s", **code,
        }  # fmt: skip
        key = {"Idempotency-Key": f"00000000-0000-4000-8000-{number:012d}"}
        operation = await self._ask("createVersion", "POST", _VERSIONS, orjson.dumps(sent), key)
        await anyio.sleep(self._task["length_s"] + _LATE_S)
        for _ in range(polls):
            operation = await self._ask("get operation", "GET", f"/operations/{operation['id']}")
        assert operation.get("done"), operation

    async def _list(self) -> None:
        desired = self._desired.get("listVersions", 0)
        began = anyio.current_time()
        for number in count(1) if desired else ():
            await anyio.sleep(began + number * self._task["makespan_s"] / desired - anyio.current_time())
            await self._ask("listVersions", "GET", self._creating)

    async def _ask(
        self, name: str, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        self.made[name] += 1
        async with self._session.request(method, self._task["endpoint"] + path, data=data, headers=headers) as answer:
            content = await answer.read()
            assert answer.status == 200, content
            return orjson.loads(content)


if __name__ == "__main__":
    configure("warning", "console", sys.stderr)  # as on a terminal
    json.dump(anyio.run(run, json.load(sys.stdin)), sys.stdout)
