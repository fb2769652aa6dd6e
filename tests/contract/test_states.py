"""Later states of what versions depend on, as the ports see them: what a rollback may meet."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, SecretVersion
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.version.body import version_request
from tests.clouds import FOLDER, START_S, body
from tests.contract.conftest import OnCloud, Ports

_KEYS = (f"key {number}" for number in count())


async def refused(ports: Ports, function_id: str, **fields: Any) -> tuple[Code | None, str]:
    """Request a Version that is refused, and check that nothing was created. Returns the code and the message."""
    before = await ports.functions.list_versions(FOLDER)
    with pytest.raises(CloudError) as found:
        await ports.functions.send(version_request(body(function_id, **fields)), idempotency_key=next(_KEYS))
    assert await ports.functions.list_versions(FOLDER) == before
    return found.value.code, found.value.message


async def made(ports: Ports, function_id: str, **fields: Any) -> str:
    done = await ports.version(function_id, next(_KEYS), **fields)
    assert done.error is None
    return done.version_id


def test_a_retired_runtime_makes_no_version_and_its_old_ones_go_on(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id, runtime="python39")
        ports.cloud.seeds.retire_runtime("python39")
        assert "python39" not in await ports.functions.list_runtimes()
        for source in ({}, {"versionId": old}):
            code, message = await refused(ports, function_id, runtime="python39", **source)
            assert (code, "runtime" in message) == (Code.INVALID_ARGUMENT, True)
        assert (await ports.functions.version_by_tag(function_id, LATEST)).id == old
        assert [version.runtime for version in await ports.functions.list_versions(FOLDER)] == ["python39"]
        await made(ports, function_id, versionId=old)  # its code works with another runtime

    on_cloud(main)


def test_a_runtime_retires_at_its_time(on_cloud: OnCloud) -> None:
    seeds = Seeds()
    seeds.retire_runtime("python39", datetime.fromtimestamp(START_S - 1e9, UTC))
    seeds.retire_runtime("python38", datetime(2999, 1, 1, tzinfo=UTC))

    async def main(ports: Ports) -> None:
        runtimes = await ports.functions.list_runtimes()
        assert ("python39" in runtimes, "python38" in runtimes) == (False, True)
        await made(ports, await ports.function(FOLDER), runtime="python38")

    on_cloud(main, seeds=seeds)


@pytest.mark.parametrize("status", ["DESTROYED", "SCHEDULED_FOR_DESTRUCTION"])
def test_a_destroyed_version_of_a_secret_makes_no_version(on_cloud: OnCloud, status: str) -> None:
    seeds = Seeds()
    for number in (1, 2):
        seeds.add_secret(FOLDER, "token", id="e6q1", version_id=f"e6qv{number}")

    def naming(version_id: str) -> dict[str, Any]:
        return {"secrets": [{"id": "e6q1", "versionId": version_id, "key": "value", "environmentVariable": "TOKEN"}]}

    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id, **naming("e6qv1"))
        seeds.destroy_secret_version("e6q1", "e6qv1", status)
        assert await ports.directory.secret_versions("e6q1") == (
            SecretVersion("e6qv1", status, ("value",)),
            SecretVersion("e6qv2", "ACTIVE", ("value",)),
        )
        code, message = await refused(ports, function_id, versionId=old, **naming("e6qv1"))
        assert (code, message) == (Code.NOT_FOUND, "Secret e6q1 or its version e6qv1 not found")
        assert (await ports.functions.get_version(old)).is_active
        await made(ports, function_id, **naming("e6qv2"))
        seeds.destroy_secret_version("e6q1", "e6qv2")
        with pytest.raises(CloudError, match="no current version") as found:
            await ports.directory.latest_secret_version("e6q1")
        assert found.value.code is Code.FAILED_PRECONDITION

    on_cloud(main, seeds=seeds)


_QUEUE = {"queueArn": "yrn:yc:ymq:ru-central1:b1g:q", "serviceAccountId": "aje1"}
_ASYNC: dict[str, Any] = {"successTarget": {"emptyTarget": {}}, "failureTarget": {"emptyTarget": {}}}


@pytest.mark.parametrize(
    "fields",
    [
        {"serviceAccountId": "aje1"},
        {"namedServiceAccounts": {"db": "aje1"}},
        {"asyncInvocationConfig": {**_ASYNC, "serviceAccountId": "aje1"}},
        {"asyncInvocationConfig": {**_ASYNC, "failureTarget": {"ymqTarget": _QUEUE}}},
    ],
)
def test_an_account_that_is_gone_makes_no_version(on_cloud: OnCloud, fields: dict[str, Any]) -> None:
    seeds = Seeds()
    seeds.add_service_account(FOLDER, "runner", id="aje1")

    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id, **fields)
        seeds.remove_service_account("aje1")
        assert await ports.directory.service_account("aje1") is None
        assert await refused(ports, function_id, versionId=old, **fields) == (
            Code.INVALID_ARGUMENT,
            "Service account aje1 is not available",
        )
        await made(ports, function_id, versionId=old)

    on_cloud(main, seeds=seeds)


@pytest.mark.parametrize("copies", [False, True])
def test_an_obsolete_version_is_copied_where_the_seeds_say_so(on_cloud: OnCloud, copies: bool) -> None:
    seeds = Seeds()
    seeds.obsolete_copies = copies

    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id)
        await made(ports, function_id, description="newer")
        ports.cloud.versions.age(old, "OBSOLETE")
        assert (await ports.functions.get_version(old)).status == "OBSOLETE"
        assert {version.id for version in await ports.functions.list_versions(FOLDER)} >= {old}
        if copies:
            await made(ports, function_id, versionId=old)
        else:
            code, message = await refused(ports, function_id, versionId=old)
            assert (code, message) == (Code.FAILED_PRECONDITION, f"Version {old} is OBSOLETE")

    on_cloud(main, seeds=seeds)


def test_a_version_that_is_gone_is_known_to_operations_and_history_alone(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id)
        newer = await made(ports, function_id, description="newer")
        ports.cloud.versions.age(old, "GONE")
        with pytest.raises(CloudError) as found:
            await ports.functions.get_version(old)
        assert found.value.code is Code.NOT_FOUND
        assert [version.id for version in await ports.functions.list_versions(FOLDER)] == [newer]
        assert (await refused(ports, function_id, versionId=old))[0] is Code.NOT_FOUND
        assert old in {operation.version_id for operation in await ports.functions.list_operations(function_id)}
        assert old in {row.version_id for row in await ports.functions.tag_history(function_id)}

    on_cloud(main)


def test_a_field_of_the_clouds_own_is_in_every_version(on_cloud: OnCloud) -> None:
    seeds = Seeds()

    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        old = await made(ports, function_id)
        seeds.add_field("isolation", "vm")
        found = await ports.functions.get_version(old)
        assert found.raw["isolation"] == "vm"
        assert found == await ports.functions.version_by_tag(function_id, LATEST)
        assert (found,) == await ports.functions.list_versions(FOLDER)
        copy = await made(ports, function_id, versionId=old, isolation="none")  # ignored
        assert (await ports.functions.get_version(copy)).raw["isolation"] == "vm"
        seeds.add_field("isolation", "vm", "refused")
        assert await refused(ports, function_id, versionId=old, isolation="vm") == (
            Code.INVALID_ARGUMENT,
            "Request validation error: isolation: unknown field",
        )
        seeds.add_field("isolation", "vm", "accepted")
        copy = await made(ports, function_id, versionId=old, isolation="none")
        assert (await ports.functions.get_version(copy)).raw["isolation"] == "none"

    on_cloud(main, seeds=seeds)


def test_a_field_of_a_users_is_in_that_version_alone(on_cloud: OnCloud) -> None:
    seeds = Seeds()
    seeds.add_field("gpu", sent_back="accepted")

    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        with_gpu = await made(ports, function_id, gpu={"cores": "1"})
        without = await made(ports, function_id)
        assert (await ports.functions.get_version(with_gpu)).raw["gpu"] == {"cores": "1"}
        assert "gpu" not in (await ports.functions.get_version(without)).raw
        copy = await made(ports, function_id, versionId=with_gpu, gpu={"cores": "1"})
        assert (await ports.functions.get_version(copy)).raw["gpu"] == {"cores": "1"}
        seeds.add_field("gpu", sent_back="refused")
        assert (await refused(ports, function_id, gpu={"cores": "1"}))[0] is Code.INVALID_ARGUMENT
        assert (await ports.functions.get_version(with_gpu)).raw["gpu"] == {"cores": "1"}

    on_cloud(main, seeds=seeds)
