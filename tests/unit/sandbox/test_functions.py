"""Functions of the memory cloud, its listings, and its look-ups in other services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Fate, Fault
from orchestrator.sandbox.memory.lookups import CLOUD, SERVICE
from orchestrator.sandbox.memory.quotas import FUNCTIONS, PER_CLOUD, Quotas
from tests import protobuf
from tests.clouds import FOLDER, Desk, body


def test_a_function_is_creating_and_then_active() -> None:
    desk = Desk()
    sent = {"folderId": FOLDER, "name": "first", "description": "d", "labels": {"team": "media"}}
    protobuf.parse_create_function(sent)
    operation = desk.cloud.functions.create(sent)
    protobuf.parse_operation(operation)
    function_id = operation["metadata"]["functionId"]
    assert desk.cloud.functions.get(function_id)["status"] == "CREATING"
    with pytest.raises(Fault, match="is CREATING"):
        desk.begin(body(function_id))
    done = desk.end(operation)
    function = desk.cloud.functions.get(function_id)
    protobuf.parse_function(function)
    assert done["response"] == {"@type": done["response"]["@type"], **function}
    assert function["status"] == "ACTIVE"
    assert {name: function[name] for name in sent} == sent


def test_a_function_that_could_not_be_made_is_gone() -> None:
    desk = Desk()
    desk.cloud.faults.settle_next("create function", Fate(error=Fault(Code.INTERNAL, "Internal error")))
    operation = desk.cloud.functions.create({"folderId": FOLDER, "name": "first"})
    assert desk.end(operation)["error"] == {"code": 13, "message": "Internal error"}
    assert desk.cloud.functions.list({"folderId": FOLDER}) == {}
    assert desk.function("first")


def test_a_name_is_taken_once_per_folder() -> None:
    desk = Desk()
    desk.function("first")
    desk.function("first", folder_id="b1gother")
    with pytest.raises(Fault, match="already exists") as refused:
        desk.cloud.functions.create({"folderId": FOLDER, "name": "first"})
    assert refused.value.code is Code.ALREADY_EXISTS


def test_a_name_is_free_again_once_its_function_has_another_or_is_gone() -> None:
    desk = Desk()
    first, second = desk.function("first"), desk.function("second")
    with pytest.raises(Fault, match="already exists"):
        desk.cloud.functions.update(second, {"updateMask": "name", "name": "first"})
    desk.end(desk.cloud.functions.update(first, {"updateMask": "name", "name": "third"}))
    desk.end(desk.cloud.functions.delete(second))
    assert {desk.function("first"), desk.function("second")}.isdisjoint({first, second})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"folderId": None}, "folderId"),
        ({"name": "Upper"}, "name"),
        ({"name": "ab"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": "abc-"}, "name"),
        ({"labels": {"Team": "x"}}, "labels key 'Team'"),
        ({"labels": {"team": "X"}}, "labels.team"),
        ({"labels": {f"a{number}": "" for number in range(65)}}, "labels"),
        ({"tags": []}, "tags"),
    ],
)
def test_a_function_that_breaks_a_rule_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Fault) as refused:
        Desk().cloud.functions.create({"folderId": FOLDER, "name": "first", **fields})
    assert f"error: {field}: " in refused.value.message


def test_functions_may_have_no_name() -> None:
    desk = Desk()
    first, second = (desk.cloud.functions.create({"folderId": FOLDER, "name": ""}) for _ in range(2))
    assert first["metadata"]["functionId"] != second["metadata"]["functionId"]


def test_a_cloud_has_a_number_of_functions() -> None:
    desk = Desk(quotas=Quotas(functions_per_cloud=1), settings=CloudSettings(clouds={"b1gother": "other"}))
    desk.function()
    with pytest.raises(Fault, match="number of functions") as refused:
        desk.cloud.functions.create({"folderId": FOLDER, "name": "second"})
    assert refused.value.details[0]["violations"][0]["metric"]["name"] == FUNCTIONS
    assert desk.function(folder_id="b1gother")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {"updateMask": "description", "description": "new", "name": "other"},
            {"description": "new", "labels": {"a": "1"}},
        ),
        ({"updateMask": "labels"}, {"description": "old", "labels": None}),
        ({"name": "first", "labels": {"b": "2"}}, {"description": None, "labels": {"b": "2"}}),
        ({"updateMask": "name,labels", "name": "second"}, {"name": "second", "description": "old", "labels": None}),
    ],
)
def test_an_update_without_a_mask_resets_what_it_leaves_out(sent: dict[str, Any], expected: dict[str, Any]) -> None:
    desk = Desk()
    first = {"folderId": FOLDER, "name": "first", "description": "old", "labels": {"a": "1"}}
    function_id = desk.end(desk.cloud.functions.create(first))["metadata"]["functionId"]
    desk.end(desk.cloud.functions.update(function_id, sent))
    function = desk.cloud.functions.get(function_id)
    assert {name: function.get(name) for name in ("name", *expected)} == {"name": "first", **expected}


def test_a_deleted_function_is_gone_with_its_versions() -> None:
    desk = Desk()
    function_id = desk.function()
    version_id = desk.version(function_id)
    done = desk.end(desk.cloud.functions.delete(function_id))
    assert done["response"]["@type"].endswith("google.protobuf.Empty")
    with pytest.raises(Fault, match="not found"):
        desk.cloud.functions.get(function_id)
    with pytest.raises(Fault, match="not found"):
        desk.cloud.versions.get(version_id)
    assert desk.cloud.versions.list({"folderId": FOLDER}) == {}


def test_a_version_of_a_function_that_is_deleted_meanwhile_fails() -> None:
    desk = Desk()
    function_id = desk.function()
    operation = desk.begin(body(function_id))
    desk.cloud.functions.delete(function_id)
    assert desk.end(operation)["error"]["code"] == Code.NOT_FOUND


def _all_pages(ask: Callable[[dict[str, Any]], dict[str, Any]], query: dict[str, Any], field: str) -> list[list[str]]:
    pages, token = [], ""
    while True:
        answer = ask({**query, **({"pageToken": token} if token else {})})
        pages.append([item["name" if field == "functions" else "id"] for item in answer.get(field, [])])
        token = answer.get("nextPageToken", "")
        assert len(token) <= 100
        if not token:
            return pages


def test_listings_come_in_pages() -> None:
    desk = Desk()
    names = [f"function-{number}" for number in range(5)]
    for name in names:
        desk.function(name)
    desk.function("elsewhere", folder_id="b1gother")
    ask = desk.cloud.functions.list
    assert _all_pages(ask, {"folderId": FOLDER, "pageSize": "2"}, "functions") == [names[:2], names[2:4], names[4:]]
    assert _all_pages(ask, {"folderId": FOLDER, "pageSize": 5}, "functions") == [names]
    assert _all_pages(ask, {"folderId": "b1gnone"}, "functions") == [[]]


def test_a_page_holds_a_hundred_by_default() -> None:
    desk = Desk()
    for number in range(101):
        desk.function(f"function-{number}")
    assert len(desk.cloud.functions.list({"folderId": FOLDER})["functions"]) == 100


def test_what_comes_while_pages_are_read_is_neither_skipped_nor_doubled() -> None:
    desk = Desk()
    function_id = desk.function()
    made = [desk.version(function_id) for _ in range(3)]
    first = desk.cloud.versions.list({"folderId": FOLDER, "pageSize": "2"})
    desk.end(desk.cloud.versions.delete(made[0]))
    made.append(desk.version(function_id))
    second = desk.cloud.versions.list({"folderId": FOLDER, "pageSize": "2", "pageToken": first["nextPageToken"]})
    assert [version["id"] for version in (*first["versions"], *second["versions"])] == made


@pytest.mark.parametrize("filter", ['name="second"', "name = 'second'", ' name="second" '])
def test_functions_are_found_by_name(filter: str) -> None:
    desk = Desk()
    desk.function("first")
    second = desk.function("second")
    found = desk.cloud.functions.list({"folderId": FOLDER, "filter": filter})["functions"]
    assert [function["id"] for function in found] == [second]


def test_versions_are_found_by_runtime_and_status() -> None:
    desk = Desk()
    function_id, other = desk.function("first"), desk.function("second")
    old, new = desk.version(function_id, runtime="python39"), desk.version(function_id)
    third = desk.version(other)
    made = desk.begin(body(other))["metadata"]["functionVersionId"]

    def found(query: dict[str, Any]) -> list[str]:
        return [version["id"] for version in desk.cloud.versions.list(query).get("versions", [])]

    assert found({"folderId": FOLDER, "filter": 'runtime="python39"'}) == [old]
    assert found({"folderId": FOLDER, "filter": "status='ACTIVE' AND runtime = \"python312\""}) == [new, third]
    assert found({"folderId": FOLDER, "filter": 'status="CREATING"'}) == [made]
    assert found({"functionId": function_id, "pageSize": "1000"}) == [old, new]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "folderId, functionId"),
        ({"folderId": FOLDER, "functionId": "d4e"}, "folderId, functionId"),
        ({"folderId": FOLDER, "pageSize": "1001"}, "pageSize"),
        ({"folderId": FOLDER, "pageSize": "many"}, "pageSize"),
        ({"folderId": FOLDER, "pageToken": "nonsense"}, "pageToken"),
        ({"folderId": FOLDER, "filter": "name='x'"}, "filter"),
        ({"folderId": FOLDER, "filter": "status ACTIVE"}, "filter"),
        ({"folderId": FOLDER, "filter": 'status="' + "x" * 1000 + '"'}, "filter"),
        ({"folderId": FOLDER, "order": "asc"}, "order"),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(query: dict[str, Any], field: str) -> None:
    with pytest.raises(Fault, match=field) as refused:
        Desk().cloud.versions.list(query)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_a_token_holds_for_its_own_listing_only() -> None:
    desk = Desk()
    function_id = desk.function()
    for _ in range(2):
        desk.version(function_id)
    token = desk.cloud.versions.list({"folderId": FOLDER, "pageSize": "1"})["nextPageToken"]
    with pytest.raises(Fault, match="pageToken"):
        desk.cloud.versions.list({"folderId": "b1gother", "pageSize": "1", "pageToken": token})


def test_runtimes_are_listed() -> None:
    assert {"python312", "nodejs22", "bash-2204", "python37"} <= set(Desk().cloud.functions.runtimes()["runtimes"])


def test_a_folder_belongs_to_a_cloud() -> None:
    directory = Desk(settings=CloudSettings(clouds={"b1gother": "other"})).cloud.directory
    assert directory.folder("b1gany")["cloudId"] == "sandbox-cloud"
    assert directory.folder("b1gother")["cloudId"] == "other"


def test_an_unknown_folder_can_be_made_unknown() -> None:
    cloud = Desk(settings=CloudSettings(clouds={"b1gmine": "mine"}, default_cloud=None)).cloud
    with pytest.raises(Fault, match="Folder b1g not found"):
        cloud.directory.folder("b1g")
    with pytest.raises(Fault, match="Folder b1g not found"):
        cloud.functions.list({"folderId": "b1g"})


def test_quota_limits_tell_limits_and_usage() -> None:
    desk = Desk(quotas=Quotas(operations_per_cloud=7))
    desk.begin(body(desk.function()))
    query = {"resource.id": "sandbox-cloud", "resource.type": CLOUD, "service": SERVICE}
    limits = {item["quotaId"]: item for item in desk.cloud.directory.quota_limits(query)["quotaLimits"]}
    assert limits[PER_CLOUD] == {"quotaId": PER_CLOUD, "limit": 7.0, "usage": 1.0}
    assert "quotaLimits" not in desk.cloud.directory.quota_limits({**query, "service": "compute"})
    with pytest.raises(Fault, match="not found"):
        desk.cloud.directory.quota_limits({**query, "resource.id": "elsewhere"})


def test_secrets_and_service_accounts_are_looked_up() -> None:
    desk = Desk()
    desk.cloud.seeds.add_secret(FOLDER, "token", id="e6q1", version_id="e6qv1", keys=["token"])
    desk.cloud.seeds.add_secret(FOLDER, "token", id="e6q1", version_id="e6qv2", keys=["token"])
    desk.cloud.seeds.add_service_account(FOLDER, "runner", id="aje1")
    desk.cloud.seeds.add_service_account(FOLDER, "other", id="aje2")
    directory = desk.cloud.directory
    (secret,) = directory.secrets({"folderId": FOLDER})["secrets"]
    assert secret == directory.secret("e6q1")
    assert (secret["currentVersion"]["id"], secret["currentVersion"]["payloadEntryKeys"]) == ("e6qv2", ["token"])
    (account,) = directory.service_accounts({"folderId": FOLDER, "filter": 'name="runner"'})["serviceAccounts"]
    assert account["id"] == "aje1"
    assert directory.secrets({"folderId": "b1gother"}) == {}
    with pytest.raises(Fault, match="Secret e6q9 not found"):
        directory.secret("e6q9")
