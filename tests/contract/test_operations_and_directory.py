"""What the engine may rely on in the Operations and Directory ports."""

from __future__ import annotations

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.model import SecretVersion, ServiceAccount
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import BUILD_FAILED, Fate, Fault
from orchestrator.sandbox.memory.quotas import FUNCTIONS, PER_CLOUD, PER_FOLDER, Quotas
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.version.body import version_request
from tests.clouds import FOLDER, body
from tests.contract.conftest import OPERATION_S, OnCloud, Ports

BROKEN = Fault(Code.INVALID_ARGUMENT, BUILD_FAILED, [{"@type": "type.googleapis.com/google.rpc.RequestInfo"}])


def test_a_running_operation_is_not_done(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.faults.settle_next("createVersion", Fate(duration_s=60))
        begun = await ports.functions.send(version_request(body(function_id)), idempotency_key="key")
        found = await ports.operations.get(begun.id)
        assert (found.id, found.done, found.error, found.response) == (begun.id, False, None, None)
        assert found.metadata == begun.metadata
        assert (found.description, found.created_at) == ("Create function version", begun.created_at)

    on_cloud(main)


def test_an_operation_that_is_done_tells_its_own_times(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        done = await ports.version(await ports.function(FOLDER), "key")
        assert done.created_at is not None
        assert done.modified_at is not None
        assert (done.modified_at - done.created_at).total_seconds() == pytest.approx(OPERATION_S, abs=1e-5)

    on_cloud(main)


def test_a_failed_operation_has_an_error_in_full(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        ports.cloud.faults.settle_next("createVersion", Fate(error=BROKEN))
        done = await ports.version(await ports.function(FOLDER), "key")
        assert done.error is not None
        assert (done.error.code, done.error.message) == (Code.INVALID_ARGUMENT, BUILD_FAILED)
        assert [dict(detail) for detail in done.error.details] == list(BROKEN.details)
        assert done.response is None
        assert await ports.functions.list_versions(FOLDER) == ()

    on_cloud(main)


def test_an_error_may_come_before_done(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        fate = Fate(error=BROKEN, error_early=True, duration_s=1.0)
        ports.cloud.faults.settle_next("createVersion", fate)
        operation = await ports.functions.send(version_request(body(function_id)), idempotency_key="key")
        with anyio.fail_after(60):
            while operation.error is None:
                await anyio.sleep(0.02)
                operation = await ports.operations.get(operation.id)
        assert not operation.done
        assert (await ports.finished(operation)).error == operation.error

    on_cloud(main)


def test_an_operation_that_is_unknown_is_not_found(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.faults.settle_next("createVersion", Fate(hidden_s=60, duration_s=60))
        begun = await ports.functions.send(version_request(body(function_id)), idempotency_key="key")
        for operation_id in (begun.id, "d4enone", "d4e/none"):
            with pytest.raises(CloudError) as refused:
                await ports.operations.get(operation_id)
            assert (refused.value.code, refused.value.http_status) == (Code.NOT_FOUND, 404)
            assert refused.value.call == "get operation"

    on_cloud(main)


def test_a_folder_tells_its_cloud_or_nothing(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        assert await ports.directory.cloud_of("b1gmine") == "my-cloud"
        assert await ports.directory.cloud_of("b1gother") is None

    on_cloud(main, settings=CloudSettings(clouds={"b1gmine": "my-cloud"}, default_cloud=None))


def test_the_folders_of_a_cloud_are_listed(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        await ports.function("b1gfound")
        assert await ports.directory.folders_of("my-cloud") == ("b1gmine",)
        assert await ports.directory.folders_of("default") == ("b1gfound",)
        assert await ports.directory.folders_of("elsewhere") == ()

    on_cloud(main, settings=CloudSettings(clouds={"b1gmine": "my-cloud"}, default_cloud="default"))


def test_quotas_of_a_cloud_are_reported(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        await ports.function(FOLDER)
        quotas = {quota.id: quota for quota in await ports.directory.quotas("sandbox-cloud")}
        assert (quotas[PER_FOLDER].limit, quotas[PER_CLOUD].limit) == (15, 3)
        assert (quotas[PER_CLOUD].usage, quotas[FUNCTIONS].usage) == (0, 1)
        with pytest.raises(CloudError):
            await ports.directory.quotas("elsewhere")

    on_cloud(main, quotas=Quotas(operations_per_cloud=3))


def test_secrets_and_service_accounts_are_found_by_name(on_cloud: OnCloud) -> None:
    seeds = Seeds()
    for number in range(3):
        seeds.add_secret(FOLDER, f"secret {number}", id=f"e6q{number}", version_id=f"e6qv{number}")
        seeds.add_service_account(FOLDER, f"account-{number}", id=f"aje{number}")
    seeds.add_secret(FOLDER, "secret 2", id="e6q2", version_id="e6qv9", keys=["user", "password"])

    async def main(ports: Ports) -> None:
        assert await ports.directory.secret_by_name(FOLDER, "secret 1") == "e6q1"
        assert await ports.directory.secret_by_name(FOLDER, "secret 9") is None
        assert await ports.directory.secret_by_name("b1gother", "secret 1") is None
        assert await ports.directory.latest_secret_version("e6q2") == "e6qv9"
        assert await ports.directory.secret_versions("e6q2") == (
            SecretVersion("e6qv2", "ACTIVE", ("value",)),
            SecretVersion("e6qv9", "ACTIVE", ("user", "password")),
        )
        with pytest.raises(CloudError) as unknown:
            await ports.directory.secret_versions("e6q9")
        assert unknown.value.code is Code.NOT_FOUND
        with pytest.raises(CloudError) as refused:
            await ports.directory.latest_secret_version("e6q9")
        assert refused.value.code is Code.NOT_FOUND
        assert await ports.directory.service_account_by_name(FOLDER, "account-2") == "aje2"
        assert await ports.directory.service_account_by_name(FOLDER, "account-9") is None
        assert await ports.directory.secrets_of(FOLDER) == tuple((f"secret {n}", f"e6q{n}") for n in range(3))
        assert await ports.directory.service_accounts_of(FOLDER) == tuple((f"account-{n}", f"aje{n}") for n in range(3))
        assert await ports.directory.secrets_of("b1gother") == ()

    on_cloud(main, seeds=seeds)


def test_a_service_account_is_found_by_id_or_gone_or_not_to_be_seen(on_cloud: OnCloud) -> None:
    seeds = Seeds()
    seeds.add_service_account(FOLDER, "kept", id="aje1")
    seeds.add_service_account(FOLDER, "removed", id="aje2")
    seeds.remove_service_account("aje2")

    async def main(ports: Ports) -> None:
        assert await ports.directory.service_account("aje1") == ServiceAccount("aje1", "kept", FOLDER, "ACTIVE")
        assert await ports.directory.service_account("aje2") is None
        assert await ports.directory.service_account_by_name(FOLDER, "removed") is None
        with pytest.raises(CloudError) as refused:
            await ports.directory.service_account("aje3")
        assert (refused.value.code, refused.value.call) == (Code.PERMISSION_DENIED, "get service account")

    on_cloud(main, seeds=seeds)
