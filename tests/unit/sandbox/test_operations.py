"""Operations of the memory cloud: their states, the quotas on unfinished ones, Idempotency-Keys, random faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.cloud_state import State
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import BUILD_FAILED, Fate, Fault, Faults, Rates, Trouble
from orchestrator.sandbox.memory.own_services import ANYBODY, INVOKER_ROLES
from orchestrator.sandbox.memory.quotas import PER_CLOUD, PER_FOLDER, PER_FUNCTION, Quotas
from tests import protobuf
from tests.clouds import FOLDER, Desk, body

KEY = "0f9d2e0e-6d5b-4c3e-9a51-3f3c6c1f6f10"


def test_times_of_an_operation_are_its_own_whenever_it_is_asked() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.clock.now = 1_800_000_100.0
    operation = desk.begin(body(function_id))
    desk.clock.now += 3600
    done = desk.operation(operation["id"])
    assert done["createdAt"] == "2027-01-15T08:01:40.000000000Z"
    assert done["modifiedAt"] == "2027-01-15T08:01:41.000000000Z"


def test_an_error_may_be_seen_before_done_and_still_holds_its_slot() -> None:
    desk = Desk(quotas=Quotas(operations_per_function=1))
    function_id = desk.function()
    failed = Fate(error=Fault(Code.INVALID_ARGUMENT, BUILD_FAILED), error_early=True, duration_s=10)
    desk.cloud.faults.settle_next("createVersion", failed)
    operation = desk.begin(body(function_id))
    desk.clock.now += 9
    early = desk.operation(operation["id"])
    assert early["error"]["message"] == BUILD_FAILED
    assert "done" not in early
    with pytest.raises(Fault, match="active operations"):
        desk.begin(body(function_id))
    desk.clock.now += 1
    assert desk.operation(operation["id"])["done"] is True
    assert desk.begin(body(function_id))["id"]


def test_an_operation_that_fails_at_once_is_done_at_once() -> None:
    desk = Desk()
    function_id = desk.function()
    failed = Fate(error=Fault(Code.INVALID_ARGUMENT, BUILD_FAILED), error_early=True, duration_s=0)
    desk.cloud.faults.settle_next("createVersion", failed)
    assert desk.operation(desk.begin(body(function_id))["id"])["done"] is True


def test_a_new_operation_may_not_be_known_yet() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.cloud.faults.settle_next("createVersion", Fate(hidden_s=0.5))
    operation = desk.begin(body(function_id))
    with pytest.raises(Fault) as refused:
        desk.operation(operation["id"])
    assert refused.value.code is Code.NOT_FOUND
    desk.clock.now += 0.5
    assert desk.operation(operation["id"])["id"] == operation["id"]


def test_an_operation_cannot_be_cancelled() -> None:
    desk = Desk()
    operation = desk.begin(body(desk.function()))
    with pytest.raises(Fault, match="can not be cancelled"):
        desk.cloud.operations.cancel(operation["id"])
    with pytest.raises(Fault, match="not found"):
        desk.cloud.operations.cancel("d4enone")


@pytest.mark.parametrize(
    ("quotas", "metric", "limit"),
    [
        (Quotas(), PER_FUNCTION, 10),
        (Quotas(operations_per_function=100), PER_FOLDER, 15),
        (Quotas(operations_per_function=100, operations_per_folder=100), PER_CLOUD, 20),
    ],
)
def test_unfinished_operations_are_limited(quotas: Quotas, metric: str, limit: int) -> None:
    desk = Desk(quotas=quotas)
    function_id = desk.function()
    for _ in range(limit):
        desk.begin(body(function_id))
    with pytest.raises(Fault, match=r"^The limit on maximum number of active operations has exceeded\.$") as refused:
        desk.begin(body(function_id))
    assert refused.value.code is Code.RESOURCE_EXHAUSTED
    (failure,) = refused.value.details
    assert failure["violations"] == [
        {"metric": {"name": metric, "limit": str(limit), "usage": str(limit)}, "required": str(limit + 1)}
    ]
    protobuf.parse_operation({"id": "d4e", "error": refused.value.status(), "done": True})


OPENED = {"action": "ADD", "accessBinding": {"roleId": INVOKER_ROLES[0], "subject": ANYBODY}}
KINDS: dict[str, Callable[[Desk, str, str], object]] = {
    "createVersion": lambda desk, function_id, _version_id: desk.begin(body(function_id)),
    "setTag": lambda desk, _function_id, version_id: desk.cloud.versions.set_tag(version_id, {"tag": "stable"}),
    "deleteVersion": lambda desk, _function_id, version_id: desk.cloud.versions.delete(version_id),
    "update": lambda desk, function_id, _version_id: desk.cloud.functions.update(
        function_id, {"updateMask": "description", "description": "d"}
    ),
    "setScalingPolicy": lambda desk, function_id, _version_id: desk.cloud.scaling.set(
        function_id, {"tag": "$latest", "zoneInstancesLimit": "2"}
    ),
    "updateAccessBindings": lambda desk, function_id, _version_id: desk.cloud.access.update(
        function_id, {"accessBindingDeltas": [OPENED]}
    ),
}


@pytest.mark.parametrize("begin", KINDS.values(), ids=KINDS.keys())
def test_operations_of_every_kind_count(begin: Callable[[Desk, str, str], object]) -> None:
    desk = Desk(quotas=Quotas(operations_per_function=1))
    function_id = desk.function()
    older, newer = desk.version(function_id), desk.version(function_id)
    begin(desk, function_id, older)
    with pytest.raises(Fault, match="active operations"):
        desk.cloud.versions.set_tag(newer, {"tag": "other"})


def test_folders_of_another_cloud_have_their_own_quota() -> None:
    settings = CloudSettings(clouds={"b1gother": "other-cloud"})
    desk = Desk(settings=settings, quotas=Quotas(operations_per_cloud=1))
    here, there = desk.function(), desk.function(folder_id="b1gother")
    desk.begin(body(here))
    desk.begin(body(there))
    with pytest.raises(Fault, match="active operations"):
        desk.begin(body(here))


def test_a_slot_is_free_once_the_operation_is_due() -> None:
    desk = Desk(quotas=Quotas(operations_per_function=1))
    function_id = desk.function()
    for _ in range(3):
        desk.begin(body(function_id))
        desk.clock.now += 1


def test_the_same_key_gives_the_first_operation_as_it_is_now() -> None:
    desk = Desk()
    function_id = desk.function()
    first = desk.begin(body(function_id), KEY)
    assert desk.begin(body(function_id), KEY) == first
    done = desk.end(first)
    assert desk.begin(body(function_id), KEY) == done
    assert len(desk.versions(function_id)) == 1


def test_without_a_key_a_repeated_call_creates_a_second_version() -> None:
    desk = Desk()
    function_id = desk.function()
    first, second = (desk.end(desk.begin(body(function_id))) for _ in range(2))
    assert first["id"] != second["id"]
    assert len(desk.versions(function_id)) == 2
    assert desk.latest(function_id) == second["metadata"]["functionVersionId"]


def test_a_failed_operation_is_replayed_too() -> None:
    desk = Desk(faults=Faults(failing_functions=["bad"]))
    function_id = desk.function("bad")
    done = desk.end(desk.begin(body(function_id), KEY))
    desk.cloud.faults.failing_functions.clear()
    assert desk.begin(body(function_id), KEY) == done


def test_the_same_key_with_another_body_is_refused() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.begin(body(function_id), KEY)
    with pytest.raises(Fault, match=f"{KEY} was used with another request") as refused:
        desk.begin(body(function_id, executionTimeout="11s"), KEY)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_keys_belong_to_a_method() -> None:
    desk = Desk()
    function_id = desk.function()
    version_id = desk.version(function_id)
    one = desk.begin(body(function_id), KEY)
    other = desk.cloud.versions.set_tag(version_id, {"tag": "stable"}, KEY)
    assert one["id"] != other["id"]


def test_a_refused_call_does_not_use_its_key() -> None:
    desk = Desk(quotas=Quotas(operations_per_function=1))
    function_id = desk.function()
    first = desk.begin(body(function_id))
    with pytest.raises(Fault, match="active operations"):
        desk.begin(body(function_id), KEY)
    desk.end(first)
    assert desk.begin(body(function_id), KEY)["id"] != first["id"]


def test_a_key_is_forgotten_after_its_lifetime() -> None:
    desk = Desk(settings=CloudSettings(key_lifetime_s=60))
    function_id = desk.function()
    first = desk.begin(body(function_id), KEY)
    desk.clock.now += 61
    assert desk.begin(body(function_id), KEY)["id"] != first["id"]


def test_operations_are_listed_by_function_and_by_done() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.version(function_id)
    running = desk.begin(body(function_id))

    def listed(filter: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = desk.cloud.operations.list(function_id, {"filter": filter})["operations"]
        return found

    assert [operation["description"] for operation in listed("")] == [
        "Create function",
        "Create function version",
        "Create function version",
    ]
    assert [operation["id"] for operation in listed("done=false")] == [running["id"]]
    assert len(listed('done = "true"')) == 2


def test_the_same_seed_draws_the_same_trouble() -> None:
    rates = Rates(unavailable=0.2, throttled=0.2, lost=0.2, delayed=0.2, hidden=0.2, error_early=0.2, failed=0.2)

    def course() -> list[object]:
        faults = Faults(rates, seed=7)
        troubles: list[object] = []
        for _ in range(50):
            trouble, fate = faults.trouble("createVersion"), faults.fate("createVersion", "f")
            refusal = trouble.refusal.status() if trouble.refusal else None
            error = fate.error.status() if fate.error else None
            troubles.append((refusal, trouble.lost, trouble.delay_s, error, fate.error_early, fate.hidden_s))
        return troubles

    assert course() == course()
    assert len({str(trouble) for trouble in course()}) > 10


def test_only_versions_have_builds_that_fail() -> None:
    faults = Faults(Rates(failed=1.0), failing_functions=["f"])
    assert faults.fate("setTag", "f").error is None
    assert faults.fate("createVersion", "g").error is not None


def test_scripted_trouble_comes_first_and_in_order() -> None:
    faults = Faults()
    faults.fail_next("createVersion", Trouble(lost=True))
    faults.fail_next("createVersion")
    assert faults.trouble("listVersions") == Trouble()
    assert faults.trouble("createVersion").lost
    refusal = faults.trouble("createVersion").refusal
    assert refusal is not None
    assert refusal.code is Code.UNAVAILABLE
    assert faults.trouble("createVersion") == Trouble()


def test_a_state_that_was_kept_goes_on() -> None:
    before = Desk()
    function_id = before.function()
    done = before.version(function_id, tag=["stable"])
    running = before.begin(body(function_id), KEY)
    kept = before.cloud.state.changes()
    assert before.cloud.state.changes() == []

    after = Desk(state=State(sorted(kept, key=lambda change: change[2])), quotas=Quotas(operations_per_function=1))
    after.clock.now = before.clock.now
    assert after.begin(body(function_id), KEY) == running
    with pytest.raises(Fault, match="active operations"):
        after.begin(body(function_id))
    assert after.latest(function_id) == done
    after.end(running)
    assert after.latest(function_id) == running["metadata"]["functionVersionId"]
    assert len(after.cloud.functions.list({"folderId": FOLDER})["functions"]) == 1
