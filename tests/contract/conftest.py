"""The same cloud behind the same ports, in two forms: in memory on virtual time, and over HTTP through the real
adapters.

Also S3 servers, each shared by all tests of this process: every test uses its own keys.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import pytest

from orchestrator.cloud.connect import connect
from orchestrator.function.fields import function_request
from orchestrator.model import CloudAddress, Operation
from orchestrator.ports import Directory, Functions, Invocations, Operations
from orchestrator.prediction import virtual_time
from orchestrator.sandbox.http.server import Options, open_sandbox
from orchestrator.sandbox.memory.adapters import MemoryFunctions, MemoryOperations, Wire
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.directory_adapter import MemoryDirectory
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.invocations import MemoryInvocations
from orchestrator.version.body import version_request
from tests import idle_time
from tests.clouds import START_S, body
from tests.contract import s3_servers
from tests.contract.seaweed import seaweed

OPERATION_S = 0.2
CALLER = "ajetest"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports under test, and the cloud behind them for what only a test may do."""

    cloud: MemoryCloud
    functions: Functions
    operations: Operations
    directory: Directory
    invocations: Invocations  # as the account `CALLER`

    async def finished(self, operation: Operation) -> Operation:
        """Poll an Operation until it is done."""
        with anyio.fail_after(60):
            while not operation.done:
                await anyio.sleep(OPERATION_S / 4)
                operation = await self.operations.get(operation.id)
        return operation

    async def function(self, folder_id: str, name: str = "first") -> str:
        """Create a Function and wait for it."""
        begun = await self.functions.send(function_request(folder_id, name, {}), idempotency_key=f"function {name}")
        return str((await self.finished(begun)).metadata["functionId"])

    async def version(self, function_id: str, key: str, **fields: Any) -> Operation:
        """Create a Version and wait for it."""
        begun = await self.functions.send(version_request(body(function_id, **fields)), idempotency_key=key)
        return await self.finished(begun)


Program = Callable[[Ports], Awaitable[None]]


class OnCloud(Protocol):
    """Runs a program on fresh ports. `setup` is passed to the cloud: quotas, settings, faults, seeds."""

    def __call__(self, program: Program, **setup: Any) -> None: ...


def _in_memory(program: Program, **setup: Any) -> None:
    async def main() -> None:
        cloud = MemoryCloud(
            clock=lambda: START_S + anyio.current_time(),
            rng=random.Random(1),
            durations=Distribution.parse(f"fixed:{OPERATION_S}"),
            **setup,
        )
        wire = Wire(cloud)
        invocations = MemoryInvocations(cloud, subject=CALLER)
        ports = MemoryFunctions(wire), MemoryOperations(wire), MemoryDirectory(wire), invocations
        await program(Ports(cloud, *ports))

    virtual_time.run(main)


def _over_http(program: Program, **setup: Any) -> None:
    async def main() -> None:
        options = Options(
            clock=lambda: START_S + anyio.current_time(), durations=Distribution.parse(f"fixed:{OPERATION_S}"), **setup
        )
        async with open_sandbox(options) as sandbox:
            environ = {"YC_IAM_TOKEN": sandbox.tokens.issue(CALLER)[0]}
            async with connect(CloudAddress(endpoint=sandbox.url), environ, version="0") as connection:
                invocations = connection.invocations(sandbox.invoke_url)
                ports = connection.functions, connection.operations, connection.directory, invocations
                await program(Ports(sandbox.cloud, *ports))

    idle_time.run(main)


@pytest.fixture(params=[_in_memory, _over_http], ids=["memory", "http"])
def on_cloud(request: pytest.FixtureRequest) -> OnCloud:
    run: OnCloud = request.param
    return run


@pytest.fixture(scope="session", name="seaweedfs")
def _seaweedfs() -> Iterator[s3_servers.Service]:
    with seaweed() as running:
        yield running


@pytest.fixture(scope="session", name="sandbox")
def _sandbox() -> Iterator[s3_servers.Service]:
    with s3_servers.sandbox() as running:
        yield running


@pytest.fixture(scope="session", name="sandbox_on_disk")
def _sandbox_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_servers.Service]:
    with s3_servers.sandbox(tmp_path_factory.mktemp("objects")) as running:
        yield running
