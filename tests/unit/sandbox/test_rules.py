"""createVersion bodies that the memory cloud refuses, naming the field."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.version.runtimes import allows_concurrency
from tests import protobuf
from tests.clouds import Desk, body, inline

GIB = 1 << 30
TARGET: dict[str, Any] = {"emptyTarget": {}}
MOUNT = {"name": "m", "objectStorage": {"bucketId": "bucket"}}

# (changes to a good body, the field that the message names, whether the declared rules alone refuse it)
BAD: list[tuple[dict[str, Any], str, bool]] = [
    ({"colour": "red"}, "colour", True),
    ({"tags": ["a"]}, "tags", True),
    ({"resources": {"memory": "134217728", "cores": 1}}, "resources.cores", True),
    ({"functionId": None}, "functionId", True),
    ({"functionId": ""}, "functionId", True),
    ({"functionId": 7}, "functionId", True),
    ({"runtime": None}, "runtime", True),
    ({"runtime": "cobol85"}, "runtime", False),
    ({"entrypoint": None}, "entrypoint", True),
    ({"resources": None}, "resources", True),
    ({"resources": {}}, "resources.memory", False),
    ({"resources": {"memory": "128MB"}}, "resources.memory", True),
    ({"resources": {"memory": "134217727"}}, "resources.memory", True),
    ({"resources": {"memory": "8724152320"}}, "resources.memory", True),
    ({"resources": {"memory": "134217729"}}, "resources.memory", False),
    ({"description": "x" * 601}, "description", True),
    ({"executionTimeout": 10}, "executionTimeout", True),
    ({"executionTimeout": "10"}, "executionTimeout", True),
    ({"executionTimeout": "3601s"}, "executionTimeout", True),
    ({"executionTimeout": "-1s"}, "executionTimeout", True),
    ({"content": None}, "exactly one of package, content, versionId", True),
    ({"versionId": "d4e1", **inline("index.py")}, "exactly one of package, content, versionId", True),
    ({"content": "%%%"}, "content", False),  # the Python parser ignores what is not base64
    ({"content": base64.b64encode(bytes(3_670_017)).decode()}, "content", False),
    ({"package": {"bucketName": "b"}}, "package.objectName", True),
    ({"package": {"objectName": "o"}}, "package.bucketName", True),
    ({"package": {"bucketName": "b", "objectName": "o", "sha256": "abc"}}, "package.sha256", False),
    ({"environment": {"1A": "x"}}, "environment key '1A'", True),
    ({"environment": {"_A": "x"}}, "environment key '_A'", True),
    ({"environment": {"A-B": "x"}}, "environment key 'A-B'", True),
    ({"environment": {"A": 1}}, "environment.A", True),
    ({"environment": {"A": "x" * 4097}}, "environment.A", True),
    ({"environment": {"A": "x" * 4096}}, "environment", False),
    ({"environment": {"A": "я" * 2048}}, "environment", False),
    ({"environment": ["A"]}, "environment", True),
    ({"tag": "stable"}, "tag", True),
    ({"tag": ["$latest"]}, "tag[0]", True),
    ({"tag": ["ok", "Not"]}, "tag[1]", True),
    ({"tag": ["1a"]}, "tag[0]", True),
    ({"connectivity": {"subnetId": [""]}}, "connectivity.subnetId[0]", True),
    ({"connectivity": {"subnetId": ["a", "a"]}}, "connectivity.subnetId", True),
    ({"secrets": [{"id": "e6q", "variable": "A"}]}, "secrets[0].variable", True),
    (
        {
            "environment": {"A": "1"},
            "secrets": [{"id": "e6q", "versionId": "v", "key": "k", "environmentVariable": "A"}],
        },
        "secrets",
        False,
    ),
    ({"logOptions": {"logGroupId": "9bad"}}, "logOptions.logGroupId", True),
    ({"logOptions": {"logGroupId": "a" * 65}}, "logOptions.logGroupId", True),
    ({"logOptions": {"logGroupId": "a", "folderId": "b"}}, "logOptions", True),
    ({"logOptions": {"minLevel": "LOUD"}}, "logOptions.minLevel", True),
    ({"logOptions": {"disabled": "yes"}}, "logOptions.disabled", True),
    ({"storageMounts": [{"bucketId": "ab", "mountPointName": "m"}]}, "storageMounts[0].bucketId", True),
    ({"storageMounts": [{"bucketId": "a" * 64, "mountPointName": "m"}]}, "storageMounts[0].bucketId", True),
    ({"storageMounts": [{"bucketId": "a_b", "mountPointName": "m"}]}, "storageMounts[0].bucketId", True),
    ({"storageMounts": [{"bucketId": "bucket"}]}, "storageMounts[0].mountPointName", True),
    ({"mounts": [{"name": "m"}]}, "mounts[0]", True),
    ({"mounts": [{**MOUNT, "name": "a b"}]}, "mounts[0].name", True),
    ({"mounts": [{**MOUNT, "name": "a.b"}]}, "mounts[0].name", True),
    ({"mounts": [{**MOUNT, "name": "a" * 101}]}, "mounts[0].name", True),
    ({"mounts": [{**MOUNT, "mode": "WRITE"}]}, "mounts[0].mode", True),
    ({"mounts": [{**MOUNT, "ephemeralDiskSpec": {"size": "1"}}]}, "mounts[0]", True),
    ({"mounts": [{"name": "m", "ephemeralDiskSpec": {"size": "0"}}]}, "mounts[0].ephemeralDiskSpec.size", False),
    ({"asyncInvocationConfig": {"successTarget": TARGET}}, "asyncInvocationConfig.failureTarget", True),
    (
        {"asyncInvocationConfig": {"successTarget": {}, "failureTarget": TARGET}},
        "asyncInvocationConfig.successTarget",
        True,
    ),
    (
        {"asyncInvocationConfig": {"retriesCount": 101, "successTarget": TARGET, "failureTarget": TARGET}},
        "asyncInvocationConfig.retriesCount",
        True,
    ),
    (
        {"asyncInvocationConfig": {"successTarget": {"ymqTarget": {"queueArn": "q"}}, "failureTarget": TARGET}},
        "asyncInvocationConfig.successTarget.ymqTarget.serviceAccountId",
        True,
    ),
    ({"tmpfsSize": str(GIB // 2)}, "tmpfsSize", False),
    ({"tmpfsSize": str(GIB // 2), "resources": {"memory": str(GIB - GIB // 8)}}, "tmpfsSize", False),
    ({"tmpfsSize": str(GIB // 2 - 1), "resources": {"memory": str(GIB)}}, "tmpfsSize", False),
    ({"tmpfsSize": str(GIB), "resources": {"memory": str(GIB)}}, "tmpfsSize", False),
    ({"concurrency": "17"}, "concurrency", True),
    ({"concurrency": "2"}, "concurrency", False),
    ({"metadataOptions": {"gceHttpEndpoint": "ON"}}, "metadataOptions.gceHttpEndpoint", True),
]


@pytest.mark.parametrize(("fields", "field", "declared"), BAD)
def test_a_body_that_breaks_a_rule_is_refused_by_name(fields: dict[str, Any], field: str, declared: bool) -> None:
    desk = Desk()
    function_id = desk.function()
    sent = body(function_id, **fields)
    with pytest.raises(Fault) as refused:
        desk.cloud.versions.create(sent)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert field in refused.value.message
    assert refused.value.details[0]["fieldViolations"][0]["description"] in refused.value.message
    if declared:
        with pytest.raises(protobuf.RuleBrokenError):
            protobuf.parse_create_version(sent)
    else:
        protobuf.parse_create_version(sent)


@pytest.mark.parametrize("sent", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_refused(sent: object) -> None:
    with pytest.raises(Fault, match="must be an object"):
        Desk().cloud.versions.create(sent)


GOOD: list[dict[str, Any]] = [
    {"resources": {"memory": 134217728}},
    {"resources": {"memory": str(8 * GIB)}},
    {"executionTimeout": None},
    {"executionTimeout": "3600s"},
    {"executionTimeout": "0.000000001s"},
    {"description": "я" * 600},
    {"environment": {"A": "x" * 4095}},
    {"concurrency": "1"},
    {"concurrency": "16", "runtime": "nodejs22"},
    {"tmpfsSize": str(3 * GIB // 4), "resources": {"memory": str(GIB)}},
    {"tmpfsSize": "0"},
    {"tag": []},
    {"logOptions": {"logGroupId": ""}},
    {"description": None, "serviceAccountId": ""},
    {"metadataOptions": {"gceHttpEndpoint": "METADATA_OPTION_UNSPECIFIED"}},
]


@pytest.mark.parametrize("fields", GOOD)
def test_a_body_at_the_edge_of_the_rules_is_accepted(fields: dict[str, Any]) -> None:
    desk = Desk()
    assert desk.version(desk.function(), **fields)


@pytest.mark.parametrize(
    ("runtime", "allowed"),
    [
        ("nodejs22", True), ("golang123", True), ("java21", True), ("bash-2204", True), ("kotlin20", True),
        ("python312", False), ("php82", False), ("dotnet8", False), ("r43", False),
    ],
)  # fmt: skip
def test_concurrency_is_for_some_languages(runtime: str, allowed: bool) -> None:
    """The sandbox and the program agree on which."""
    desk = Desk()
    sent = body(desk.function(), runtime=runtime, concurrency="2")
    assert allows_concurrency(runtime) is allowed
    if allowed:
        assert desk.begin(sent)["id"]
        return
    with pytest.raises(Fault, match="concurrency"):
        desk.begin(sent)


def test_a_zip_of_exactly_the_inline_limit_is_accepted() -> None:
    desk = Desk()
    sent = body(desk.function(), content=base64.b64encode(bytes(3_670_016)).decode())
    assert desk.begin(sent)["id"]
