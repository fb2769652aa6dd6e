"""A Function's own settings are changes of its unit: requested, followed, read back, and resumed like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.errors import Code
from orchestrator.journal.events import OperationDone, Requested
from orchestrator.model import Action, Blocked, ChangeKind, Deployed, Failed, Limits, Unchanged
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Fate, Fault, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import body
from tests.engine import Bench, sources


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def declared(root: Path, **keys: str) -> str:
    return sources(root, 1) + "".join(f"{key} = {value}\n" for key, value in keys.items())


def live(bench: Bench) -> dict[str, Any]:
    (function,) = bench.cloud.functions.list({"folderId": "folder"})["functions"]
    return dict(function)


def asked(bench: Bench) -> list[str]:
    return [event.call for event in bench.events if isinstance(event, Requested)]


def test_a_label_that_is_declared_is_live_and_others_stay(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path, labels='{ team = "a" }', function_description='"ours"'))
    assert live(bench)["labels"] == {"team": "a"}
    assert live(bench)["description"] == "ours"
    bench.cloud.functions.update(live(bench)["id"], {"updateMask": "labels", "labels": {"team": "a", "by": "hand"}})
    bench.pass_time(60)
    versions = len(bench.versions())

    outcomes = bench.deploy(declared(tmp_path, labels='{ team = "b" }'))
    assert bench.plan.units[0].action is Action.UPDATE
    assert bench.plan.units[0].reason == "label team: a → b"
    assert isinstance(outcomes["f000"], Deployed)
    assert outcomes["f000"].read_back
    assert asked(bench) == [ChangeKind.UPDATE]
    assert sum(isinstance(event, OperationDone) for event in bench.events) == 1
    assert live(bench)["labels"] == {"team": "b", "by": "hand"}
    assert live(bench)["description"] == "ours"
    assert len(bench.versions()) == versions

    assert isinstance(bench.deploy(declared(tmp_path, labels='{ team = "b" }'))["f000"], Unchanged)
    bench.deploy(declared(tmp_path, labels='{ team = "b" }', labels_exact="true"))
    assert live(bench)["labels"] == {"team": "b"}


def test_labels_that_are_not_declared_are_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    bench.cloud.functions.update(live(bench)["id"], {"updateMask": "labels", "labels": {"by": "hand"}})
    bench.pass_time(60)
    assert isinstance(bench.deploy(declared(tmp_path))["f000"], Unchanged)
    assert live(bench)["labels"] == {"by": "hand"}


def test_settings_and_a_version_change_in_one_unit(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    outcomes = bench.deploy(declared(tmp_path, labels='{ team = "a" }', timeout='"20s"'))
    assert bench.plan.units[0].action is Action.VERSION
    assert bench.plan.units[0].reason == "timeout 10s → 20s; label team: none → a"
    assert asked(bench) == [ChangeKind.UPDATE, ChangeKind.VERSION]
    assert isinstance(outcomes["f000"], Deployed)


def test_a_label_that_came_back_by_hand_is_set_again(bench: Bench, tmp_path: Path) -> None:
    """The same update has the same key, but the result of the former one does not count for this one."""
    bench.deploy(declared(tmp_path, labels='{ team = "a" }'))
    for _ in range(3):
        bench.deploy(declared(tmp_path, labels='{ team = "b" }'))
        assert live(bench)["labels"] == {"team": "b"}
        bench.cloud.functions.update(live(bench)["id"], {"updateMask": "labels", "labels": {"team": "a"}})
        bench.pass_time(60)


def test_a_refused_update_fails_in_its_own_step(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(declared(tmp_path))
    bench.faults.fail_next("update function", Trouble(refusal=Fault(Code.PERMISSION_DENIED, "no right to update")))
    outcome = bench.deploy(declared(tmp_path, labels='{ team = "a" }'))["f000"]
    assert isinstance(outcome, Failed)
    assert str(outcome.step) == "update"
    assert "no right to update" in outcome.failure.message


def test_labels_that_are_set_by_hand_while_a_function_waits_stay(tmp_path: Path) -> None:
    one_at_a_time = Limits(operations_per_folder=1, operations_per_cloud=1)
    bench = Bench(tmp_path, durations="fixed:10", limits=one_at_a_time)
    plain = sources(tmp_path, 3)
    bench.deploy(plain)
    functions = bench.cloud.functions.list({"folderId": "folder"})["functions"]

    async def by_hand(_stop: Stop) -> None:
        await anyio.sleep(2.0)  # the first is being made, the others wait
        bench.cloud.active.quotas = Quotas(100, 100, 100)
        for function in functions:
            if function["name"] != "f000":
                bench.faults.settle_next("update function", Fate(duration_s=0.5))
                bench.cloud.functions.update(function["id"], {"updateMask": "labels", "labels": {"by": "hand"}})
        bench.cloud.active.quotas = Quotas(10, 1, 1)

    labelled = plain.replace("create = true", 'create = true\nlabels = { team = "a" }')
    outcomes = bench.deploy(labelled, meanwhile=by_hand)
    assert all(isinstance(outcome, Deployed) for outcome in outcomes.values()), outcomes
    now = {one["name"]: one["labels"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    assert now["f001"] == now["f002"] == {"team": "a", "by": "hand"}


def test_a_label_that_somebody_has_set_otherwise_since_the_plan_is_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:10", limits=Limits(operations_per_folder=1, operations_per_cloud=1))
    plain = sources(tmp_path, 3).replace("create = true", 'create = true\nlabels = { team = "a" }')
    bench.deploy(plain)
    functions = {one["name"]: one["id"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    theirs = {"f001": {"team": "mine"}, "f002": {"team": "b", "by": "hand"}}  # another value, and the desired one

    async def by_hand(_stop: Stop) -> None:
        await anyio.sleep(2.0)
        bench.cloud.active.quotas = Quotas(100, 100, 100)
        for name, labels in theirs.items():
            bench.faults.settle_next("update function", Fate(duration_s=0.5))
            bench.cloud.functions.update(functions[name], {"updateMask": "labels", "labels": labels})
        bench.cloud.active.quotas = Quotas(10, 1, 1)

    outcomes = bench.deploy(plain.replace('"a"', '"b"'), meanwhile=by_hand)
    assert outcomes["f001"] == Blocked("changed since the plan: label team is mine now; check it, then plan again")
    assert isinstance(outcomes["f000"], Deployed)
    assert isinstance(outcomes["f002"], Deployed)
    now = {one["name"]: one["labels"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    assert now == {"f000": {"team": "b"}, **theirs}


def test_of_a_function_that_somebody_has_deployed_since_the_plan_nothing_is_changed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:10", limits=Limits(operations_per_folder=1, operations_per_cloud=1))
    plain = sources(tmp_path, 2)
    bench.deploy(plain)
    ids = {one["name"]: one["id"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}

    async def by_hand(_stop: Stop) -> None:
        bench.cloud.active.quotas = Quotas(100, 100, 100)
        bench.faults.settle_next("createVersion", Fate(duration_s=0.0))
        bench.cloud.versions.create(body(ids["f001"], environment={"FIX": "1"}))
        bench.cloud.active.quotas = Quotas(10, 1, 1)

    desired = plain.replace("create = true", 'create = true\nlabels = { team = "a" }').replace("128MB", "256MB")
    outcomes = bench.deploy(desired, meanwhile=by_hand)
    assert isinstance(outcomes["f000"], Deployed)
    assert isinstance(outcomes["f001"], Blocked)
    assert "changed since the plan" in outcomes["f001"].reason
    assert not [event for event in bench.events if isinstance(event, Requested) and event.key == "f001"]
    assert "labels" not in next(
        one for one in bench.cloud.functions.list({"folderId": "folder"})["functions"] if one["name"] == "f001"
    )
