"""Scaling policies as changes of a function's unit: planned, made, read back, resumed and rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.errors import Code
from orchestrator.journal.events import OperationDone, Requested
from orchestrator.model import Action, Blocked, ChangeKind, Deployed, Failed, Rollout, Unchanged, WayBackKind
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench, sources

POLICY = {"provisioned": 1, "zone_instances": 10, "zone_requests": 20}


def declared(tmp_path: Path, *lines: str, count: int = 1) -> str:
    return sources(tmp_path, count) + "\n".join(lines) + "\n"


def scaling(**tags: str) -> str:
    rows = ", ".join(f'"{tag.replace("latest", "$latest")}" = {{ {policy} }}' for tag, policy in tags.items())
    return f"scaling = {{ {rows} }}"


ONE = "provisioned = 1, zone_instances = 10, zone_requests = 20"


@pytest.fixture(name="bench")
def _bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def policies(bench: Bench, number: int = 0) -> dict[str, Any]:
    function_id = list(bench.cloud.state.functions)[number]
    shown = {"provisionedInstancesCount": "p", "zoneInstancesLimit": "i", "zoneRequestsLimit": "r"}
    return {
        tag: {shown[name]: int(value) for name, value in policy.items() if name in shown}
        for tag, policy in (bench.cloud.state.scaling.get(function_id) or {}).items()
    }


def set_by_hand(bench: Bench, tag: str, **fields: str) -> None:
    bench.cloud.scaling.seed(next(iter(bench.cloud.state.functions)), {"tag": tag, **fields})


def kinds(bench: Bench) -> list[ChangeKind]:
    return [change.kind for unit in bench.plan.units for change in unit.changes]


def test_a_new_function_gets_its_policy_once_its_version_is_there(bench: Bench, tmp_path: Path) -> None:
    outcomes = bench.deploy(declared(tmp_path, scaling(latest=ONE)))
    assert isinstance(outcomes["f000"], Deployed)
    assert outcomes["f000"].read_back
    assert kinds(bench) == [ChangeKind.FUNCTION, ChangeKind.VERSION, ChangeKind.SCALING]
    assert policies(bench) == {"$latest": {"p": 1, "i": 10, "r": 20}}
    (requested,) = [one for one in bench.events if isinstance(one, Requested) and one.call == ChangeKind.SCALING]
    assert requested.idempotency_key
    assert sum(isinstance(one, OperationDone) for one in bench.events) == 3
    assert bench.plan.units[0].reason.endswith(
        "scaling of $latest: none → provisioned 1, zone_instances 10, zone_requests 20"
    )
    assert isinstance(bench.deploy(declared(tmp_path, scaling(latest=ONE)))["f000"], Unchanged)


def test_a_policy_alone_makes_no_version(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    outcomes = bench.deploy(declared(tmp_path, scaling(latest="zone_instances = 3")))
    (unit,) = bench.plan.units
    assert (unit.action, unit.reason) == (Action.UPDATE, "scaling of $latest: none → zone_instances 3")
    assert unit.way_back is not None
    assert (unit.way_back.kind, unit.way_back.is_whole) == (WayBackKind.TAGS, True)
    assert isinstance(outcomes["f000"], Deployed)
    assert len(bench.versions()) == 1
    assert policies(bench) == {"$latest": {"i": 3}}


def test_what_is_not_declared_stays(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path, 'tags = ["stable", "old"]'))
    set_by_hand(bench, "old", zoneRequestsLimit="7")
    set_by_hand(bench, "stable", zoneRequestsLimit="7", zoneInstancesLimit="1")
    tags = 'tags = ["stable", "old"]'
    bench.deploy(declared(tmp_path, tags, scaling(stable="zone_instances = 2")))
    assert policies(bench) == {"old": {"r": 7}, "stable": {"i": 2, "r": 7}}
    bench.deploy(declared(tmp_path, tags, "scaling = {}"))
    bench.deploy(declared(tmp_path, tags))
    assert policies(bench) == {"old": {"r": 7}, "stable": {"i": 2, "r": 7}}
    bench.deploy(declared(tmp_path, tags, scaling(stable="zone_instances = 2"), "scaling_exact = true"))
    assert policies(bench) == {"stable": {"i": 2, "r": 7}}
    bench.deploy(declared(tmp_path, tags, scaling(stable="provisioned = 0, zone_instances = 0, zone_requests = 0")))
    assert policies(bench) == {}
    assert isinstance(bench.deploy(declared(tmp_path, tags, scaling(stable="zone_instances = 0")))["f000"], Unchanged)


def test_nothing_is_read_that_nobody_declares(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path, count=3))
    bench.wire.calls.clear()
    bench.deploy(declared(tmp_path, count=3))
    assert "listScalingPolicies" not in bench.wire.calls
    bench.deploy(declared(tmp_path, "scaling = {}", count=3))
    assert "listScalingPolicies" not in bench.wire.calls
    bench.deploy(declared(tmp_path, scaling(latest=ONE), count=3))  # of the last of three
    # for the plan; right before it is set; read back
    assert bench.wire.calls["listScalingPolicies"] == 3
    bench.wire.calls.clear()
    bench.deploy(declared(tmp_path, scaling(latest=ONE), count=3))
    assert bench.wire.calls["listScalingPolicies"] == 1


def test_a_tag_that_comes_with_the_version_is_there_before_its_policy(bench: Bench, tmp_path: Path) -> None:
    lines = 'promote = ["stable"]', "verify = { payload = {} }", scaling(latest="zone_requests = 5", stable=ONE)
    bench.cloud.seeds.calls.answer(200, {})
    outcomes = bench.deploy(declared(tmp_path, *lines))
    assert isinstance(outcomes["f000"], Deployed), outcomes
    assert kinds(bench)[2:] == [ChangeKind.VERIFY, ChangeKind.TAG, ChangeKind.SCALING, ChangeKind.SCALING]
    assert policies(bench) == {"$latest": {"r": 5}, "stable": {"p": 1, "i": 10, "r": 20}}


def test_the_policy_of_a_tag_that_no_version_has_is_the_clouds_to_take(bench: Bench, tmp_path: Path) -> None:
    outcomes = bench.deploy(declared(tmp_path, scaling(stable=ONE)))
    assert any("no version has the tag stable" in said for said in bench.plan.units[0].warnings)
    assert isinstance(outcomes["f000"], Failed)
    assert outcomes["f000"].failure.kind == Code.NOT_FOUND.name
    bench.deploy(declared(tmp_path, scaling(latest=ONE)))
    assert not bench.plan.units[0].warnings


def test_in_two_phases_policies_wait_for_the_second(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    head, tail = declared(tmp_path, count=2).split("[functions.f001]")
    bench.cloud.seeds.calls.answer(200, {})
    more = 'promote = ["stable"]\nverify = { payload = {} }\n'
    text = f"{head}{more}{scaling(stable='zone_requests = 5')}\n[functions.f001]{tail}{more}"
    outcomes = bench.deploy(text, rollout=Rollout(two_phase=True))
    assert all(isinstance(one, Deployed) for one in outcomes.values()), outcomes
    asked = [one.call for one in bench.events if isinstance(one, Requested)]
    assert asked.index(ChangeKind.SCALING) > max(n for n, kind in enumerate(asked) if kind == ChangeKind.VERSION)


def by_hand_before_it_is_set(bench: Bench, act: Callable[[], None]) -> Callable[[Stop], Any]:
    async def meanwhile(_stop: Stop) -> None:
        while not any(isinstance(one, Requested) for one in bench.events):  # noqa: ASYNC110 - events of a run, not ours
            await anyio.sleep(0.05)
        act()

    return meanwhile


def test_what_somebody_changes_meanwhile_is_not_overwritten(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    outcomes = bench.deploy(
        declared(tmp_path, scaling(latest=ONE), 'description = "new"'),
        meanwhile=by_hand_before_it_is_set(bench, lambda: set_by_hand(bench, "$latest", zoneInstancesLimit="4")),
    )
    assert isinstance(outcomes["f000"], Blocked), outcomes
    assert "changed since the plan: scaling of $latest is zone_instances 4 now" in outcomes["f000"].reason
    assert policies(bench) == {"$latest": {"i": 4}}


def test_what_is_set_already_is_not_set_again(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    fields = {"zoneInstancesLimit": "10", "zoneRequestsLimit": "20", "provisionedInstancesCount": "1"}
    outcomes = bench.deploy(
        declared(tmp_path, scaling(latest=ONE), 'description = "new"'),
        meanwhile=by_hand_before_it_is_set(bench, lambda: set_by_hand(bench, "$latest", **fields)),
    )
    assert isinstance(outcomes["f000"], Deployed), outcomes
    assert "setScalingPolicy" not in bench.wire.calls


@pytest.mark.parametrize("trouble", [Trouble(lost=True), Trouble(refusal=Fault(Code.UNAVAILABLE, "again"))])
def test_a_lost_answer_sets_it_once(bench: Bench, tmp_path: Path, trouble: Trouble) -> None:
    bench.faults.fail_next("setScalingPolicy", trouble)
    outcomes = bench.deploy(declared(tmp_path, scaling(latest=ONE)))
    assert isinstance(outcomes["f000"], Deployed)
    assert bench.wire.calls["setScalingPolicy"] == 2
    begun = [one for one in bench.cloud.state.operations.values() if "scaling" in one["json"]["description"]]
    assert len(begun) == 1


def test_it_takes_a_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quotas=Quotas(operations_per_folder=1, provisioned_per_cloud=9))
    text = declared(tmp_path, scaling(latest=ONE), count=2)
    bench.deploy(text)
    assert not any(isinstance(one, Failed) for one in bench.result.outcomes.values())
    refused = {"$latest": {"p": 1, "i": 10, "r": 20}}
    assert policies(bench, 1) == refused


def test_what_cannot_be_read_blocks_the_function_alone(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path, count=2))
    for _ in range(20):
        bench.faults.fail_next("listScalingPolicies", Trouble(refusal=Fault(Code.PERMISSION_DENIED, "no right")))
    outcomes = bench.deploy(declared(tmp_path, scaling(latest=ONE), count=2))
    assert isinstance(outcomes["f000"], Unchanged)
    assert isinstance(outcomes["f001"], Blocked)
    assert "its scaling policies cannot be read: no right" in outcomes["f001"].reason


def test_a_moved_tag_takes_its_provisioned_instances_along_and_the_plan_says_so(bench: Bench, tmp_path: Path) -> None:
    lines = 'tags = ["stable"]', scaling(stable="provisioned = 1", latest="zone_requests = 5")
    bench.deploy(declared(tmp_path, *lines))
    assert not bench.plan.units[0].warnings  # there is no former version whose instances could end
    bench.deploy(declared(tmp_path, *lines, 'description = "new"'))
    (said,) = bench.plan.units[0].warnings
    assert said.startswith("the tag stable starts 1 provisioned instance again with the new version")
    more = scaling(stable="provisioned = 2", latest="provisioned = 0")
    bench.deploy(declared(tmp_path, lines[0], more, 'description = "newer"'))
    (said,) = bench.plan.units[0].warnings
    assert said.startswith("the tag stable starts 1 provisioned instance again")
    none = scaling(stable="provisioned = 0, zone_requests = 1", latest="provisioned = 0")
    bench.deploy(declared(tmp_path, lines[0], none, 'description = "newest"'))
    assert not bench.plan.units[0].warnings  # they end
    bench.deploy(declared(tmp_path, lines[0], more, 'description = "last"'))
    assert not bench.plan.units[0].warnings  # there are none by then
    bench.deploy(declared(tmp_path, lines[0], more, 'description = "last"', "labels = { team = 'a' }"))
    assert not bench.plan.units[0].warnings


def test_room_for_provisioned_instances_is_foreseen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    head, tail = declared(tmp_path, scaling(latest="provisioned = 2"), count=2).split("[functions.f001]")
    text = f"{head}{scaling(latest=ONE)}\n[functions.f001]{tail}"
    outcomes = bench.deploy(text)
    assert isinstance(outcomes["f000"], Deployed)
    assert isinstance(outcomes["f001"], Blocked)
    assert "2 more provisioned instances" in outcomes["f001"].reason
    assert "room for 1" in outcomes["f001"].reason
    again = bench.deploy(text.replace("provisioned = 2", "provisioned = 1"))
    assert isinstance(again["f001"], Deployed)


ROLLED: list[tuple[Mapping[str, str] | None, str, dict[str, Any]]] = [
    (None, ONE, {}),  # none before: it is removed
    ({"zoneRequestsLimit": "7"}, ONE, {"$latest": {"r": 7}}),
    ({"zoneRequestsLimit": "7"}, "zone_requests = 0", {"$latest": {"r": 7}}),  # removed: it is set again
]


@pytest.mark.parametrize(("before", "line", "after"), ROLLED)
def test_a_rollback_gives_the_former_policy_back(
    bench: Bench, tmp_path: Path, before: Mapping[str, str] | None, line: str, after: dict[str, Any]
) -> None:
    bench.deploy(declared(tmp_path))
    if before is not None:
        set_by_hand(bench, "$latest", **before)
    bench.deploy(declared(tmp_path, scaling(latest=line)))
    assert policies(bench) != after
    events = list(bench.events)
    outcomes = bench.roll_back(events)
    assert isinstance(outcomes["f000"], Deployed), outcomes
    assert policies(bench) == after
    assert bench.plan.units[0].reason == "scaling back"
    assert isinstance(bench.roll_back(events)["f000"], Unchanged)


def test_a_rollback_leaves_alone_what_somebody_has_set_since(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    bench.deploy(declared(tmp_path, scaling(latest=ONE)))
    events = list(bench.events)
    set_by_hand(bench, "$latest", zoneInstancesLimit="4")
    outcomes = bench.roll_back(events)
    assert isinstance(outcomes["f000"], Blocked)
    assert "its scaling of $latest was changed since" in outcomes["f000"].reason
    assert policies(bench) == {"$latest": {"i": 4}}
