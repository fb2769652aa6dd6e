"""What the engine may rely on in the Functions port."""

from __future__ import annotations

import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.function.fields import function_request
from orchestrator.model import LATEST, TagHeld, Version
from orchestrator.sandbox.memory.faults import THROTTLED, Fate, Fault, Trouble
from orchestrator.sandbox.memory.quotas import FUNCTIONS, PER_FUNCTION, Quotas
from orchestrator.version.body import delete_version_request, remove_tag_request, set_tag_request, version_request
from tests.clouds import FOLDER, body
from tests.contract.conftest import OnCloud, Ports

KEY = "0f9d2e0e-6d5b-4c3e-9a51-3f3c6c1f6f10"


def test_a_function_is_made_and_found(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        begun = await ports.functions.send(function_request(FOLDER, "first", {"team": "media"}), idempotency_key=KEY)
        done = await ports.finished(begun)
        function_id = str(begun.metadata["functionId"])
        assert (begun.done, done.done, done.error) == (False, True, None)
        (found,) = await ports.functions.list_functions(FOLDER)
        assert found == await ports.functions.get_function(function_id)
        assert (found.id, found.folder_id, found.name, found.status) == (function_id, FOLDER, "first", "ACTIVE")
        assert found.labels == {"team": "media"}

    on_cloud(main)


def test_an_empty_folder_has_nothing(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        assert await ports.functions.list_functions(FOLDER) == ()
        assert await ports.functions.list_versions(FOLDER) == ()

    on_cloud(main)


def test_listings_are_complete(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.settle()
        for number in range(1201):
            version = {"id": f"d4e{number:04}", "functionId": function_id, "status": "ACTIVE"}
            ports.cloud.state.put_version({**version, "createdAt": "2027-01-15T08:00:00Z"})
        found = await ports.functions.list_versions(FOLDER)
        assert [version.id for version in found] == [f"d4e{number:04}" for number in range(1201)]

    on_cloud(main)


def test_a_version_is_made_tracked_and_read_back(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        sent = body(function_id, tag=["stable"], environment={"A": "1"}, description="d")
        begun = await ports.functions.send(version_request(sent), idempotency_key=KEY)
        version_id = begun.metadata["functionVersionId"]
        assert begun.created_at is not None
        assert begun.request_id
        (creating,) = await ports.functions.list_versions(FOLDER, filter='status="CREATING"')
        assert creating.id == version_id
        done = await ports.finished(begun)
        assert done.response is not None
        assert done.response["id"] == version_id
        found = await ports.functions.get_version(str(version_id))
        assert found == await ports.functions.version_by_tag(function_id, "$latest")
        assert (found,) == await ports.functions.list_versions(FOLDER)
        _check_version(found, function_id)
        assert await ports.functions.list_versions(FOLDER, filter='status="CREATING"') == ()

    on_cloud(main)


def _check_version(version: Version, function_id: str) -> None:
    assert (version.function_id, version.status, version.description) == (function_id, "ACTIVE", "d")
    assert version.tags == ("$latest", "stable")
    assert version.raw["environment"] == {"A": "1"}
    assert version.created_at is not None


def test_the_same_key_never_makes_a_second_version(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        first = await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        again = await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        assert again.id == first.id
        await ports.finished(first)
        assert (await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)).done
        assert len(await ports.functions.list_versions(FOLDER)) == 1

    on_cloud(main)


def test_a_lost_answer_is_found_again_by_its_key(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.faults.fail_next("createVersion", Trouble(lost=True))
        with pytest.raises(CloudError) as lost:
            await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        assert (lost.value.code, lost.value.http_status, lost.value.sent) == (None, None, True)
        assert lost.value.call == "createVersion"
        again = await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        _, lost_operation = await ports.functions.list_operations(function_id)
        assert again.id == lost_operation.id
        await ports.finished(again)
        assert len(await ports.functions.list_versions(FOLDER)) == 1

    on_cloud(main)


def test_the_same_key_with_another_body_is_refused(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(version_request(body(function_id, description="d")), idempotency_key=KEY)
        assert refused.value.code is Code.INVALID_ARGUMENT

    on_cloud(main)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(Code.UNAVAILABLE, "try again in a few seconds"), 503),
        (Fault(Code.RESOURCE_EXHAUSTED, THROTTLED), 429),
        (Fault(Code.PERMISSION_DENIED, "Permission denied"), 403),
        (Fault(Code.INTERNAL, "Internal error"), 500),
        (Fault(Code.ABORTED, "Conflict"), 409),
        (Fault(Code.FAILED_PRECONDITION, "Not now"), 400),
    ],
)
def test_a_refusal_is_reported_by_code_and_status(on_cloud: OnCloud, fault: Fault, status: int) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.faults.fail_next("createVersion", Trouble(refusal=fault))
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        error = refused.value
        assert (error.message, error.code, error.http_status, error.sent) == (fault.message, fault.code, status, True)
        assert error.call == "createVersion"
        assert error.request_id
        assert error.server_trace_id
        assert error.client_request_id
        assert await ports.functions.list_versions(FOLDER) == ()

    on_cloud(main)


def test_a_bad_body_is_refused_with_the_field_named(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        with pytest.raises(CloudError, match=r"resources\.memory") as refused:
            await ports.functions.send(
                version_request(body(function_id, resources={"memory": "134217729"})), idempotency_key=KEY
            )
        assert (refused.value.code, refused.value.http_status) == (Code.INVALID_ARGUMENT, 400)

    on_cloud(main)


def test_a_full_quota_is_reported_with_its_name(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        first = await ports.functions.send(version_request(body(function_id)), idempotency_key=KEY)
        with pytest.raises(CloudError, match="active operations") as refused:
            await ports.functions.send(version_request(body(function_id)), idempotency_key="another")
        error = refused.value
        assert (error.code, error.http_status, error.quota) == (Code.RESOURCE_EXHAUSTED, 429, PER_FUNCTION)
        await ports.finished(first)
        assert await ports.functions.send(version_request(body(function_id)), idempotency_key="another")

    on_cloud(main, quotas=Quotas(operations_per_function=1))


def test_a_full_cloud_is_reported_with_the_static_quotas_name(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        with pytest.raises(CloudError) as refused:
            await ports.function(FOLDER)
        assert (refused.value.code, refused.value.quota) == (Code.RESOURCE_EXHAUSTED, FUNCTIONS)

    on_cloud(main, quotas=Quotas(functions_per_cloud=0))


def test_a_name_that_is_taken_is_refused(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        await ports.function(FOLDER)
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(function_request(FOLDER, "first", {}), idempotency_key="another")
        assert (refused.value.code, refused.value.http_status) == (Code.ALREADY_EXISTS, 409)

    on_cloud(main)


@pytest.mark.parametrize("id", ["d4enone", "../..", "a b", "d4e:setTag", "ид", "%2e%2e"])
def test_what_does_not_exist_is_not_found(on_cloud: OnCloud, id: str) -> None:
    async def main(ports: Ports) -> None:
        for ask in (ports.functions.get_function, ports.functions.get_version, ports.functions.list_operations):
            with pytest.raises(CloudError) as refused:
                await ask(id)
            assert (refused.value.code, refused.value.http_status) == (Code.NOT_FOUND, 404), ask
        with pytest.raises(CloudError) as refused:
            await ports.functions.version_by_tag(id, "$latest")
        assert refused.value.code is Code.NOT_FOUND

    on_cloud(main)


def test_operations_of_a_function_are_listed(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        ports.cloud.faults.settle_next("createVersion", Fate(), Fate(error=Fault(Code.INVALID_ARGUMENT, "broken")))
        done = [await ports.version(function_id, f"key {number}") for number in range(2)]
        created, *versions = await ports.functions.list_operations(function_id)
        assert created.description == "Create function"
        assert [operation.id for operation in versions] == [operation.id for operation in done]
        assert [operation.error.message if operation.error else "" for operation in versions] == ["", "broken"]

    on_cloud(main)


def test_runtimes_are_listed(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        assert {"python312", "nodejs22"} <= set(await ports.functions.list_runtimes())

    on_cloud(main)


async def _two_versions(ports: Ports) -> tuple[str, str, str]:
    function_id = await ports.function(FOLDER)
    first, second = [(await ports.version(function_id, f"key {number}")).version_id for number in range(2)]
    return function_id, first, second


def test_a_tag_moves_and_is_taken_away(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id, first, second = await _two_versions(ports)
        for version_id in (first, second):
            begun = await ports.functions.send(set_tag_request(version_id, "stable"), idempotency_key=version_id)
            assert (begun.done, begun.version_id, begun.makes_version) == (False, version_id, False)
            done = await ports.finished(begun)
            assert done.response is not None
            assert (done.response["id"], "stable" in done.response["tags"]) == (version_id, True)
        assert (await ports.functions.version_by_tag(function_id, "stable")).id == second
        assert (await ports.functions.get_version(first)).tags == ()
        begun = await ports.functions.send(remove_tag_request(second, "stable"), idempotency_key="remove")
        assert (await ports.finished(begun)).error is None
        assert (await ports.functions.get_version(second)).tags == (LATEST,)
        with pytest.raises(CloudError) as gone:
            await ports.functions.version_by_tag(function_id, "stable")
        assert gone.value.code is Code.NOT_FOUND
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(remove_tag_request(second, "stable"), idempotency_key="again")
        assert (refused.value.code, refused.value.call) == (Code.NOT_FOUND, "removeTag")

    on_cloud(main)


def test_a_version_is_deleted_unless_it_has_a_tag(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id, first, second = await _two_versions(ports)
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(delete_version_request(second), idempotency_key="latest")
        assert (refused.value.code, refused.value.call) == (Code.FAILED_PRECONDITION, "deleteVersion")
        await ports.finished(await ports.functions.send(set_tag_request(first, "stable"), idempotency_key="tag"))
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(delete_version_request(first), idempotency_key="tagged")
        assert refused.value.code is Code.FAILED_PRECONDITION
        await ports.finished(await ports.functions.send(remove_tag_request(first, "stable"), idempotency_key="untag"))
        begun = await ports.functions.send(delete_version_request(first), idempotency_key="go")
        assert (begun.done, begun.version_id, begun.deletes_version) == (False, first, True)
        done = await ports.finished(begun)
        assert (done.error, done.made_id) == (None, "")
        assert [one.id for one in await ports.functions.list_versions(FOLDER, function_id=function_id)] == [second]
        again = await ports.functions.send(delete_version_request(first), idempotency_key="go")
        assert (again.id, again.done) == (begun.id, True)
        with pytest.raises(CloudError) as gone:
            await ports.functions.send(delete_version_request(first), idempotency_key="another key")
        assert gone.value.code is Code.NOT_FOUND

    on_cloud(main)


def test_a_move_of_a_tag_is_made_once_and_takes_a_slot(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        _, first, second = await _two_versions(ports)
        ports.cloud.faults.settle_next("setTag", Fate(duration_s=0.4))
        ports.cloud.faults.fail_next("setTag", Trouble(lost=True))
        with pytest.raises(CloudError):
            await ports.functions.send(set_tag_request(first, "stable"), idempotency_key=KEY)
        begun = await ports.functions.send(set_tag_request(first, "stable"), idempotency_key=KEY)
        for request in (set_tag_request(second, "canary"), remove_tag_request(first, "stable")):
            with pytest.raises(CloudError) as refused:
                await ports.functions.send(request, idempotency_key="another")
            if request.call == "setTag":
                assert (refused.value.code, refused.value.quota) == (Code.RESOURCE_EXHAUSTED, PER_FUNCTION)
        await ports.finished(begun)
        assert (await ports.functions.get_version(first)).tags == ("stable",)

    on_cloud(main, quotas=Quotas(operations_per_function=1))


@pytest.mark.parametrize("tag", ["$latest", "Stable", ""])
def test_what_is_no_tag_is_not_set(on_cloud: OnCloud, tag: str) -> None:
    async def main(ports: Ports) -> None:
        _, first, _ = await _two_versions(ports)
        for make in (set_tag_request, remove_tag_request):
            with pytest.raises(CloudError) as refused:
                await ports.functions.send(make(first, tag), idempotency_key=KEY)
            assert (refused.value.code, refused.value.http_status) == (Code.INVALID_ARGUMENT, 400)

    on_cloud(main)


def test_the_history_of_tags_tells_who_had_which_and_when(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id, first, second = await _two_versions(ports)
        for version_id in (first, second):
            await ports.finished(
                await ports.functions.send(set_tag_request(version_id, "stable"), idempotency_key=version_id)
            )
        await ports.finished(await ports.functions.send(remove_tag_request(second, "stable"), idempotency_key="r"))
        history = await ports.functions.tag_history(function_id)
        held = {(row.tag, row.version_id): row for row in history}
        assert len(held) == len(history) == 4
        latest, stable = ([held[tag, version_id] for version_id in (first, second)] for tag in (LATEST, "stable"))
        assert latest[0].to_at == latest[1].from_at
        assert stable[0].to_at == stable[1].from_at
        assert (latest[1].to_at, stable[1].to_at is None) == (None, False)
        assert latest[0].from_at < latest[1].from_at < stable[0].from_at < stable[1].from_at

    on_cloud(main)


def test_a_history_of_tags_is_complete(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await ports.function(FOLDER)
        assert await ports.functions.tag_history(function_id) == ()
        for number in range(1201):
            at = f"2027-01-15T08:{number // 60:02}:{number % 60:02}.000000001Z"
            ports.cloud.state.move_tags(function_id, {"stable": f"d4e{number:04}"}, at)
        history = await ports.functions.tag_history(function_id)
        assert [row.version_id for row in history] == [f"d4e{number:04}" for number in range(1201)]
        assert [row for row in history if row.to_at is None] == [TagHeld("stable", "d4e1200", history[-1].from_at)]

    on_cloud(main)
