"""What each call sends, word for word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from orchestrator.cloud.functions import HttpDirectory, HttpFunctions, HttpOperations
from orchestrator.cloud.http import HttpClient
from orchestrator.function.access import ROLE, access_request
from orchestrator.function.fields import function_request, update_request
from orchestrator.function.scaling import scaling_request
from orchestrator.model import Function
from orchestrator.version.body import delete_version_request, remove_tag_request, set_tag_request, version_request
from tests.flow.httpserver import Seen, answer, client_of, serving
from tests.protobuf import RuleBrokenError, parse_access, parse_deletion, parse_scaling, parse_tagging

KEY = "8c2f6a3e-0000-5000-8000-000000000001"
BODY = {
    "functionId": "d4e1",
    "runtime": "python312",
    "entrypoint": "index.handler",
    "resources": {"memory": "134217728"},
    "executionTimeout": "10s",
    "package": {"bucketName": "b", "objectName": "functions/aa.zip", "sha256": "aa"},
    "environment": {"ГОРОД": "Москва"},
    "tag": ["stable"],
}
POLICY = {"provisioned": 1, "zone_instances": 10, "zone_requests": 20}
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Authorization": "Bearer t1.secret-token",
    "User-Agent": "orchestrator/1.2.3",
}
POST_HEADERS = {**HEADERS, "Content-Type": "application/json", "Idempotency-Key": KEY}
DELETE_HEADERS = HEADERS | {"Idempotency-Key": KEY}
ROWS: list[tuple[str, Callable[[HttpClient], Awaitable[object]], dict[str, Any]]] = [
    (
        "list_functions",
        lambda client: HttpFunctions(client).list_functions("b1g1"),
        {"method": "GET", "target": "/functions/v1/functions?folderId=b1g1&pageSize=1000"},
    ),
    (
        "get_function",
        lambda client: HttpFunctions(client).get_function("d4e1"),
        {"method": "GET", "target": "/functions/v1/functions/d4e1"},
    ),
    (
        "get_function with an odd id",
        lambda client: HttpFunctions(client).get_function("../x?y#z %й"),
        {"method": "GET", "target": "/functions/v1/functions/..%2Fx%3Fy%23z%20%25%D0%B9"},
    ),
    (
        "list_versions",
        lambda client: HttpFunctions(client).list_versions("b1g1"),
        {"method": "GET", "target": "/functions/v1/versions?folderId=b1g1&pageSize=1000"},
    ),
    (
        "list_versions with a filter",
        lambda client: HttpFunctions(client).list_versions("b1g1", filter='status="CREATING"'),
        {
            "method": "GET",
            "target": "/functions/v1/versions?folderId=b1g1&filter=status%3D%22CREATING%22&pageSize=1000",
        },
    ),
    (
        "get_version",
        lambda client: HttpFunctions(client).get_version("d4ev"),
        {"method": "GET", "target": "/functions/v1/versions/d4ev"},
    ),
    (
        "version_by_tag",
        lambda client: HttpFunctions(client).version_by_tag("d4e1", "$latest"),
        {"method": "GET", "target": "/functions/v1/versions:byTag?functionId=d4e1&tag=%24latest"},
    ),
    (
        "list_runtimes",
        lambda client: HttpFunctions(client).list_runtimes(),
        {"method": "GET", "target": "/functions/v1/runtimes"},
    ),
    (
        "create_function",
        lambda client: HttpFunctions(client).send(
            function_request("b1g1", "thumb", {"team": "media"}), idempotency_key=KEY
        ),
        {
            "method": "POST",
            "target": "/functions/v1/functions",
            "headers": POST_HEADERS,
            "body": {"folderId": "b1g1", "name": "thumb", "labels": {"team": "media"}},
        },
    ),
    (
        "create_function without labels",
        lambda client: HttpFunctions(client).send(function_request("b1g1", "thumb", {}), idempotency_key=KEY),
        {
            "method": "POST",
            "target": "/functions/v1/functions",
            "headers": POST_HEADERS,
            "body": {"folderId": "b1g1", "name": "thumb"},
        },
    ),
    (
        "update_function",
        lambda client: HttpFunctions(client).send(
            update_request(Function("d4e/1", "b1g1", "thumb"), {"labels": {"team": "media"}, "description": "d"})
            or pytest.fail("nothing changes"),
            idempotency_key=KEY,
        ),
        {
            "method": "PATCH",
            "target": "/functions/v1/functions/d4e%2F1",
            "headers": POST_HEADERS,
            "body": {"updateMask": "labels,description", "labels": {"team": "media"}, "description": "d"},
        },
    ),
    (
        "create_version",
        lambda client: HttpFunctions(client).send(version_request(BODY), idempotency_key=KEY),
        {"method": "POST", "target": "/functions/v1/versions", "headers": POST_HEADERS, "body": BODY},
    ),
    (
        "set_tag",
        lambda client: HttpFunctions(client).send(set_tag_request("d4e/v", "stable"), idempotency_key=KEY),
        {
            "method": "POST",
            "target": "/functions/v1/versions/d4e%2Fv:setTag",
            "headers": POST_HEADERS,
            "body": {"tag": "stable"},
        },
    ),
    (
        "remove_tag",
        lambda client: HttpFunctions(client).send(remove_tag_request("d4ev", "stable"), idempotency_key=KEY),
        {
            "method": "POST",
            "target": "/functions/v1/versions/d4ev:removeTag",
            "headers": POST_HEADERS,
            "body": {"tag": "stable"},
        },
    ),
    (
        "delete_version",
        lambda client: HttpFunctions(client).send(delete_version_request("d4e/v"), idempotency_key=KEY),
        {"method": "DELETE", "target": "/functions/v1/versions/d4e%2Fv", "headers": DELETE_HEADERS},
    ),
    (
        "tag_history",
        lambda client: HttpFunctions(client).tag_history("d4e1"),
        {"method": "GET", "target": "/functions/v1/functions/d4e1:tagHistory?pageSize=1000"},
    ),
    (
        "list_scaling",
        lambda client: HttpFunctions(client).list_scaling("d4e/1"),
        {"method": "GET", "target": "/functions/v1/functions/d4e%2F1/scalingPolicies?pageSize=1000"},
    ),
    (
        "list_access",
        lambda client: HttpFunctions(client).list_access("d4e/1"),
        {"method": "GET", "target": "/functions/v1/functions/d4e%2F1:listAccessBindings?pageSize=1000"},
    ),
    (
        "set_scaling",
        lambda client: HttpFunctions(client).send(
            scaling_request("d4e/1", "$latest", POLICY | {"zone_requests": 0}), idempotency_key=KEY
        ),
        {
            "method": "POST",
            "target": "/functions/v1/functions/d4e%2F1:setScalingPolicy",
            "headers": POST_HEADERS,
            "body": {"tag": "$latest", "provisionedInstancesCount": "1", "zoneInstancesLimit": "10"},
        },
    ),
    (
        "remove_scaling",
        lambda client: HttpFunctions(client).send(scaling_request("d4e1", "stable", None), idempotency_key=KEY),
        {
            "method": "POST",
            "target": "/functions/v1/functions/d4e1:removeScalingPolicy",
            "headers": POST_HEADERS,
            "body": {"tag": "stable"},
        },
    ),
    (
        "update_access",
        lambda client: HttpFunctions(client).send(
            access_request("d4e/1", {"serverless.functions.invoker": None, ROLE: True}), idempotency_key=KEY
        ),
        {
            "method": "POST",
            "target": "/functions/v1/functions/d4e%2F1:updateAccessBindings",
            "headers": POST_HEADERS,
            "body": {
                "accessBindingDeltas": [
                    {
                        "action": "ADD",
                        "accessBinding": {
                            "roleId": "functions.functionInvoker",
                            "subject": {"id": "allUsers", "type": "system"},
                        },
                    },
                    {
                        "action": "REMOVE",
                        "accessBinding": {
                            "roleId": "serverless.functions.invoker",
                            "subject": {"id": "allUsers", "type": "system"},
                        },
                    },
                ]
            },
        },
    ),
    (
        "list_operations",
        lambda client: HttpFunctions(client).list_operations("d4e1"),
        {"method": "GET", "target": "/functions/v1/functions/d4e1/operations?pageSize=1000"},
    ),
    (
        "get operation",
        lambda client: HttpOperations(client).get("d4eop"),
        {"method": "GET", "target": "/operations/d4eop"},
    ),
    (
        "cloud_of",
        lambda client: HttpDirectory(client).cloud_of("b1g1"),
        {"method": "GET", "target": "/resource-manager/v1/folders/b1g1"},
    ),
    (
        "quotas",
        lambda client: HttpDirectory(client).quotas("b1gc"),
        {
            "method": "GET",
            "target": "/quota-manager/v1/quotaLimits?resource.id=b1gc&resource.type=resource-manager.cloud"
            "&service=serverless-functions&pageSize=1000",
        },
    ),
    (
        "secret_by_name",
        lambda client: HttpDirectory(client).secret_by_name("b1g1", "db"),
        {"method": "GET", "target": "/lockbox/v1/secrets?folderId=b1g1&pageSize=1000"},
    ),
    (
        "latest_secret_version",
        lambda client: HttpDirectory(client).latest_secret_version("e6q1"),
        {"method": "GET", "target": "/lockbox/v1/secrets/e6q1"},
    ),
    (
        "secret_versions",
        lambda client: HttpDirectory(client).secret_versions("e6q1"),
        {"method": "GET", "target": "/lockbox/v1/secrets/e6q1/versions?pageSize=1000"},
    ),
    (
        "service_account_by_name",
        lambda client: HttpDirectory(client).service_account_by_name("b1g1", "deployer"),
        {
            "method": "GET",
            "target": "/iam/v1/serviceAccounts?folderId=b1g1&filter=name%3D%22deployer%22&pageSize=1000",
        },
    ),
    (
        "service_account",
        lambda client: HttpDirectory(client).service_account("aje/1"),
        {"method": "GET", "target": "/iam/v1/serviceAccounts/aje%2F1"},
    ),
]


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_call_is_sent_word_for_word(
    call: Callable[[HttpClient], Awaitable[object]], expected: dict[str, Any]
) -> None:
    async def main() -> list[Seen]:
        async with serving(lambda _: answer({"id": "x", "currentVersion": {"id": "v"}})) as server:
            async with client_of(server.url) as client:
                await call(client)
            return server.seen

    (seen,) = anyio.run(main)
    varying = {"Host", "x-client-request-id", "Content-Length"}
    assert {
        "method": seen.method,
        "target": seen.target,
        "headers": {name: value for name, value in seen.headers.items() if name not in varying},
        "body": seen.body,
    } == {"headers": HEADERS, "body": None, **expected}
    assert varying - {"Content-Length"} <= set(seen.headers)


@pytest.mark.parametrize("version_id", ["d4e0123456789abcdefg", "d4ev"])
def test_a_deletion_is_what_the_protobufs_say_and_never_by_force(version_id: str) -> None:
    request = delete_version_request(version_id)
    parsed = parse_deletion(request.path.rpartition("/")[2], request.body)
    assert (parsed.function_version_id, parsed.force) == (version_id, False)
    with pytest.raises(RuleBrokenError):
        parse_deletion(version_id, {"tag": "stable"})


@pytest.mark.parametrize("tag", ["stable", "orc-a", "v1_2"])
def test_moves_of_tags_are_what_the_protobufs_say(tag: str) -> None:
    for request in (set_tag_request("d4ev", tag), remove_tag_request("d4ev", tag)):
        assert parse_tagging(request.call, "d4ev", request.body).tag == tag
    with pytest.raises(RuleBrokenError, match="tag"):
        parse_tagging("setTag", "d4ev", set_tag_request("d4ev", "$latest").body)


@pytest.mark.parametrize("tag", ["$latest", "stable"])
def test_policies_are_what_the_protobufs_say(tag: str) -> None:
    request = scaling_request("d4e1", tag, POLICY)
    parsed = parse_scaling(request.call, "d4e1", request.body)
    found = [getattr(parsed, name) for name in ("provisioned_instances_count", "zone_instances_limit")]
    assert (parsed.function_id, parsed.tag, found, parsed.zone_requests_limit) == ("d4e1", tag, [1, 10], 20)
    request = scaling_request("d4e1", tag, None)
    assert (request.call, parse_scaling(request.call, "d4e1", request.body).tag) == ("removeScalingPolicy", tag)
    with pytest.raises(RuleBrokenError, match="tag"):
        parse_scaling("setScalingPolicy", "d4e1", scaling_request("d4e1", "$last", POLICY).body)


def test_updates_of_bindings_are_what_the_protobufs_say() -> None:
    parsed = parse_access("d4e1", access_request("d4e1", {ROLE: True}).body)
    (delta,) = parsed.access_binding_deltas
    subject = delta.access_binding.subject
    assert (parsed.resource_id, delta.action, delta.access_binding.role_id) == ("d4e1", 1, ROLE)
    assert (subject.id, subject.type) == ("allUsers", "system")
    with pytest.raises(RuleBrokenError, match="role_id"):
        parse_access("d4e1", access_request("d4e1", {"": True}).body)
