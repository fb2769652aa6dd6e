"""Scaling policies and access bindings of Functions, in both clouds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.function.access import ROLE, access_request, roles_of
from orchestrator.function.scaling import scaling_request
from orchestrator.model import AccessBinding, ApiRequest, Operation, ScalingPolicy
from orchestrator.sandbox.memory.quotas import PROVISIONED, Quotas
from tests.clouds import FOLDER
from tests.contract.conftest import OPERATION_S, OnCloud, Ports

_KEYS = (f"key {number}" for number in count())
_ONE = {"provisioned": 1, "zone_instances": 10, "zone_requests": 20}
_LIVE = ScalingPolicy("$latest", 1, 10, 20)


async def _function(ports: Ports, **fields: Any) -> str:
    function_id = await ports.function(FOLDER)
    assert (await ports.version(function_id, next(_KEYS), **fields)).error is None
    return function_id


async def _sent(ports: Ports, request: ApiRequest, key: str = "") -> Operation:
    return await ports.finished(await ports.functions.send(request, idempotency_key=key or next(_KEYS)))


async def _refused(ports: Ports, call: str, function_id: str, body: Mapping[str, Any]) -> CloudError:
    path = f"/functions/v1/functions/{function_id}:{call}"
    with pytest.raises(CloudError) as refused:
        await ports.functions.send(ApiRequest(call, "POST", path, body), idempotency_key=next(_KEYS))
    return refused.value


def test_a_policy_is_set_read_replaced_and_removed(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports, tag=["stable"])
        assert await ports.functions.list_scaling(function_id) == ()
        done = await _sent(ports, scaling_request(function_id, "$latest", _ONE))
        assert (done.error, done.function_id, (done.response or {})["tag"]) == (None, function_id, "$latest")
        assert await ports.functions.list_scaling(function_id) == (_LIVE,)
        await _sent(ports, scaling_request(function_id, "stable", {**_ONE, "provisioned": 0}))
        await _sent(ports, scaling_request(function_id, "$latest", {**_ONE, "zone_instances": 0}))
        latest, stable = await ports.functions.list_scaling(function_id)
        assert (latest, stable) == (ScalingPolicy("$latest", 1, 0, 20), ScalingPolicy("stable", 0, 10, 20))
        assert (await _sent(ports, scaling_request(function_id, "$latest", None))).error is None
        assert await ports.functions.list_scaling(function_id) == (stable,)

    on_cloud(main)


def test_the_same_key_sets_a_policy_once(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        request = scaling_request(function_id, "$latest", _ONE)
        first = await _sent(ports, request, "one")
        await _sent(ports, scaling_request(function_id, "$latest", None))
        assert (await _sent(ports, request, "one")).id == first.id
        assert await ports.functions.list_scaling(function_id) == ()

    on_cloud(main)


def test_policies_that_cannot_be_are_refused(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        for body, field in (
            ({"provisionedInstancesCount": "1"}, "tag"),
            ({"tag": "Stable"}, "tag"),
            ({"tag": "$last"}, "tag"),
            ({"tag": "$latest", "zoneInstancesLimit": "-1"}, "zoneInstancesLimit"),
            ({"tag": "$latest", "zoneRequestsLimit": "many"}, "zoneRequestsLimit"),
            ({"tag": "$latest", "zone_requests": "1"}, "zone_requests"),
        ):
            error = await _refused(ports, "setScalingPolicy", function_id, body)
            assert (error.code, field in error.message) == (Code.INVALID_ARGUMENT, True), error.message
        for call in ("setScalingPolicy", "removeScalingPolicy"):  # a tag without a Version; a missing policy
            error = await _refused(ports, call, function_id, {"tag": "stable"})
            assert (error.code, "stable" in error.message) == (Code.NOT_FOUND, True)
            assert (await _refused(ports, call, "d4enone", {"tag": "$latest"})).code is Code.NOT_FOUND
        assert (await _refused(ports, "removeScalingPolicy", function_id, {})).code is Code.INVALID_ARGUMENT
        with pytest.raises(CloudError) as unknown:
            await ports.functions.list_scaling("d4enone")
        assert unknown.value.code is Code.NOT_FOUND
        assert await ports.functions.list_scaling(function_id) == ()

    on_cloud(main)


def test_provisioned_instances_are_limited_by_the_cloud_and_the_quota_manager_tells(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        await _sent(ports, scaling_request(function_id, "$latest", {**_ONE, "provisioned": 3}))
        with pytest.raises(CloudError) as refused:
            await ports.functions.send(
                scaling_request(function_id, "$latest", {**_ONE, "provisioned": 5}), idempotency_key=next(_KEYS)
            )
        assert (refused.value.code, refused.value.quota) == (Code.RESOURCE_EXHAUSTED, PROVISIONED)
        reported = {one.id: one for one in await ports.directory.quotas("sandbox-cloud")}[PROVISIONED]
        assert (reported.limit, reported.usage) == (4.0, 3.0)
        await _sent(ports, scaling_request(function_id, "$latest", {**_ONE, "provisioned": 4}))

    on_cloud(main, quotas=Quotas(provisioned_per_cloud=4))


def test_a_function_that_goes_takes_its_policies_and_bindings_with_it(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        await _sent(ports, scaling_request(function_id, "$latest", {**_ONE, "provisioned": 2}))
        await _sent(ports, access_request(function_id, {ROLE: True}))
        ports.cloud.functions.delete(function_id)
        ports.cloud.settle()
        while function_id in ports.cloud.state.functions:
            ports.cloud.settle()
            await anyio.sleep(OPERATION_S / 4)
            await ports.functions.list_functions(FOLDER)
        reported = {one.id: one for one in await ports.directory.quotas("sandbox-cloud")}[PROVISIONED]
        assert reported.usage == 0.0

    on_cloud(main)


def test_everybody_may_invoke_and_bindings_of_others_stay(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        robot = {"roleId": "functions.viewer", "subject": {"id": "ajerobot", "type": "serviceAccount"}}
        deltas = {"accessBindingDeltas": [{"action": "ADD", "accessBinding": robot}]}
        path = f"/functions/v1/functions/{function_id}:updateAccessBindings"
        await _sent(ports, ApiRequest("updateAccessBindings", "POST", path, deltas))
        theirs = AccessBinding("functions.viewer", "ajerobot", "serviceAccount")
        assert roles_of(await ports.functions.list_access(function_id)) == {}
        for _ in range(2):  # an existing one is not an error
            done = await _sent(ports, access_request(function_id, {ROLE: True}))
            assert done.error is None
        everybody = AccessBinding(ROLE, "allUsers", "system")
        assert await ports.functions.list_access(function_id) == (theirs, everybody)
        assert roles_of(await ports.functions.list_access(function_id)) == {ROLE: True}
        for _ in range(2):  # nor is one that does not exist
            done = await _sent(ports, access_request(function_id, {ROLE: None}))
            assert done.error is None
            assert await ports.functions.list_access(function_id) == (theirs,)

    on_cloud(main)


def test_bindings_that_cannot_be_are_refused(on_cloud: OnCloud) -> None:
    async def main(ports: Ports) -> None:
        function_id = await _function(ports)
        sound = access_request(function_id, {ROLE: True}).body["accessBindingDeltas"][0]
        binding = sound["accessBinding"]
        for deltas in (
            [],
            [sound] * 1001,
            [{"accessBinding": binding}],
            [{**sound, "action": "SET"}],
            [{"action": "ADD"}],
            [{**sound, "accessBinding": {**binding, "roleId": ""}}],
            [{**sound, "accessBinding": {**binding, "subject": {"id": "allUsers"}}}],
            [{**sound, "accessBinding": {**binding, "subject": {"id": "allUsers", "type": "userAccount"}}}],
            [{**sound, "accessBinding": {**binding, "subject": {"id": "ajerobot", "type": "system"}}}],
        ):
            error = await _refused(ports, "updateAccessBindings", function_id, {"accessBindingDeltas": deltas})
            assert (error.code, "accessBinding" in error.message) == (Code.INVALID_ARGUMENT, True), error.message
        error = await _refused(ports, "updateAccessBindings", "d4enone", {"accessBindingDeltas": [sound]})
        assert error.code is Code.NOT_FOUND
        assert await ports.functions.list_access(function_id) == ()

    on_cloud(main)
