"""Access without authentication as a change of a function's unit: granted last, removed first, never granted again by a
rollback alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.function.access import ROLE
from orchestrator.journal.events import Requested
from orchestrator.model import Action, Blocked, ChangeKind, Deployed, Failed, Rollout, Unchanged
from orchestrator.planning.own_changes import OPEN
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.sandbox.memory.own_services import INVOKER_ROLES, bindings_of, is_open
from orchestrator.version.adoption import Adoption
from tests.engine import Bench, sources

OPENS, CLOSES = "public = true", "public = false"
ROBOT = {"roleId": "functions.viewer", "subject": {"id": "ajerobot", "type": "serviceAccount"}}


@pytest.fixture(name="bench")
def _bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def declared(bench: Bench, *lines: str, count: int = 1) -> str:
    return sources(bench.root, count) + "\n".join(lines) + "\n"


def function_id(bench: Bench) -> str:
    return next(iter(bench.cloud.state.functions))


def is_public(bench: Bench) -> bool:
    return is_open(bench.cloud.state, function_id(bench))


def kinds(bench: Bench) -> list[ChangeKind]:
    return [change.kind for unit in bench.plan.units for change in unit.changes]


def test_a_new_function_is_opened_last_and_the_plan_warns(bench: Bench) -> None:
    outcomes = bench.deploy(declared(bench, OPENS, 'scaling = { "$latest" = { zone_instances = 2 } }'))
    assert outcomes["f000"] == Deployed(bench.versions()[0]["id"], read_back=True)
    assert kinds(bench) == [ChangeKind.FUNCTION, ChangeKind.VERSION, ChangeKind.SCALING, ChangeKind.ACCESS]
    (unit,) = bench.plan.units
    assert unit.warnings == (OPEN,)
    assert unit.reason.endswith("; public: no → yes")
    assert bindings_of(bench.cloud.state, function_id(bench)) == [
        {"roleId": ROLE, "subject": {"id": "allUsers", "type": "system"}}
    ]
    (requested,) = [one for one in bench.events if isinstance(one, Requested) and one.call == ChangeKind.ACCESS]
    assert requested.idempotency_key
    assert isinstance(bench.deploy(declared(bench, OPENS))["f000"], Unchanged)
    assert not bench.plan.units[0].warnings


@pytest.mark.parametrize("roles", [INVOKER_ROLES[:1], INVOKER_ROLES[1:], INVOKER_ROLES])
def test_either_role_of_everybody_is_public(bench: Bench, roles: tuple[str, ...]) -> None:
    bench.deploy(declared(bench))
    bench.cloud.access.open(function_id(bench), roles)
    assert isinstance(bench.deploy(declared(bench, OPENS))["f000"], Unchanged)
    bench.opened.add(function_id(bench))
    assert isinstance(bench.deploy(declared(bench, CLOSES))["f000"], Deployed)
    assert bindings_of(bench.cloud.state, function_id(bench)) == []
    assert isinstance(bench.deploy(declared(bench, CLOSES))["f000"], Unchanged)


def test_bindings_of_others_stay(bench: Bench) -> None:
    bench.deploy(declared(bench))
    bench.cloud.state.access.put(function_id(bench), {"bindings": [ROBOT]})
    bench.deploy(declared(bench, OPENS))
    assert (ROBOT in bindings_of(bench.cloud.state, function_id(bench)), is_public(bench)) == (True, True)
    bench.opened.add(function_id(bench))
    bench.deploy(declared(bench, CLOSES))
    assert bindings_of(bench.cloud.state, function_id(bench)) == [ROBOT]
    bench.deploy(declared(bench))
    assert bindings_of(bench.cloud.state, function_id(bench)) == [ROBOT]


def test_nothing_is_read_that_nobody_declares(bench: Bench) -> None:
    bench.deploy(declared(bench, count=3))
    bench.deploy(declared(bench, count=3))
    assert "listAccessBindings" not in bench.wire.calls
    bench.deploy(declared(bench, OPENS, count=3))  # the last of three: planned, checked again, read back
    assert bench.wire.calls["listAccessBindings"] == 3
    bench.wire.calls.clear()
    bench.deploy(declared(bench, OPENS, count=3))
    assert bench.wire.calls["listAccessBindings"] == 1
    assert not {"listScalingPolicies", "setAccessBindings"} & bench.wire.calls.keys()


def test_what_is_left_as_it_is_live_is_not_read(bench: Bench) -> None:
    lines = OPENS, 'scaling = { "$latest" = { zone_instances = 2 } }', 'ignore = ["public", "scaling"]'
    bench.deploy(declared(bench, *lines))  # a new function takes what is declared
    assert is_public(bench)
    bench.wire.calls.clear()
    lines = CLOSES, 'scaling = { "$latest" = { zone_instances = 3 } }', 'ignore = ["public", "scaling"]'
    assert isinstance(bench.deploy(declared(bench, *lines))["f000"], Unchanged)
    assert not {"listScalingPolicies", "listAccessBindings"} & bench.wire.calls.keys()


def test_access_that_was_given_by_hand_is_not_taken_away_unseen(bench: Bench) -> None:
    bench.deploy(declared(bench))
    (version,) = bench.versions()
    bench.cloud.access.open(function_id(bench))
    outcomes = bench.deploy(declared(bench, CLOSES, 'description = "new"'))
    assert isinstance(outcomes["f000"], Blocked)
    (unit,) = bench.plan.units
    assert unit.failure is not None
    assert f"--adopt f000@{version['id']}" in unit.failure.advice
    assert (is_public(bench), len(bench.versions())) == (True, 1)
    adopt = Adoption(versions=frozenset({("f000", version["id"])}))
    assert isinstance(bench.deploy(declared(bench, CLOSES), adopt=adopt)["f000"], Deployed)
    assert not is_public(bench)


def test_it_is_taken_away_before_the_version_is_made(bench: Bench) -> None:
    bench.deploy(declared(bench, OPENS))
    bench.opened.add(function_id(bench))
    bench.deploy(declared(bench, CLOSES, 'description = "new"'))
    assert kinds(bench) == [ChangeKind.ACCESS, ChangeKind.VERSION]
    assert bench.plan.units[0].reason.endswith("public: yes → no")


def test_one_that_fails_its_verification_is_not_opened(bench: Bench) -> None:
    bench.cloud.seeds.calls.answer(502, {})
    outcomes = bench.deploy(declared(bench, OPENS, "verify = { payload = {} }"))
    assert isinstance(outcomes["f000"], Failed)
    assert not is_public(bench)


def test_where_the_right_is_missing_the_function_fails(bench: Bench) -> None:
    for _ in range(20):
        bench.faults.fail_next("updateAccessBindings", Trouble(refusal=Fault(Code.PERMISSION_DENIED, "no right")))
    outcomes = bench.deploy(declared(bench, OPENS))
    assert isinstance(outcomes["f000"], Failed)
    assert outcomes["f000"].failure.kind == "PERMISSION_DENIED"


def test_a_lost_answer_opens_it_once(bench: Bench) -> None:
    bench.faults.fail_next("updateAccessBindings", Trouble(lost=True))
    assert isinstance(bench.deploy(declared(bench, OPENS))["f000"], Deployed)
    (binding,) = bindings_of(bench.cloud.state, function_id(bench))
    assert binding["roleId"] == ROLE


def test_a_rollback_closes_what_a_run_has_opened(bench: Bench) -> None:
    bench.deploy(declared(bench))
    bench.deploy(declared(bench, OPENS))
    events = list(bench.events)
    assert isinstance(bench.roll_back(events)["f000"], Deployed)
    assert not is_public(bench)
    assert isinstance(bench.roll_back(events)["f000"], Unchanged)


def closed(bench: Bench, *lines: str, **more: Any) -> None:
    bench.deploy(declared(bench, OPENS))
    bench.opened.add(function_id(bench))
    bench.deploy(declared(bench, CLOSES, *lines), **more)
    assert not is_public(bench)


def test_a_rollback_opens_nothing_by_itself(bench: Bench) -> None:
    closed(bench, 'description = "new"')
    events = list(bench.events)
    outcomes = bench.roll_back(events)
    assert isinstance(outcomes["f000"], Failed)  # the rest of it is rolled back
    assert "`orchestrator rollback RUN f000 --wider f000`" in outcomes["f000"].failure.message
    assert (is_public(bench), len(bench.versions())) == (False, 3)
    outcomes = bench.roll_back(events, wider=["f000"])
    assert isinstance(outcomes["f000"], Deployed)
    assert is_public(bench)


def test_alone_it_is_left_alone(bench: Bench) -> None:
    closed(bench)
    events = list(bench.events)
    assert isinstance(bench.roll_back(events)["f000"], Blocked)
    assert (is_public(bench), bench.plan.units[0].action) == (False, Action.BLOCKED)
    assert isinstance(bench.roll_back(events, wider=["f000"])["f000"], Deployed)
    assert is_public(bench)


def test_a_function_that_goes_back_at_once_is_not_opened(bench: Bench) -> None:
    bench.deploy(declared(bench, OPENS))
    bench.opened.add(function_id(bench))
    bench.cloud.seeds.calls.answer(502, {})
    text = declared(bench, CLOSES, 'description = "new"', "verify = { payload = {} }")
    outcomes = bench.deploy(text, rollout=Rollout(on_breach="rollback", max_failures=1))
    assert isinstance(outcomes["f000"], Failed)
    assert outcomes["f000"].rolled_back_to
    assert "`orchestrator rollback run f000 --wider f000`" in outcomes["f000"].failure.message
    assert not is_public(bench)
