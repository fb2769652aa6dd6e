"""The settings of the memory cloud: quotas that change or are not reported, rates, what listings show."""

from __future__ import annotations

import random

import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Distribution, Fault
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import Desk, body


def refused(desk: Desk, function_id: str) -> Fault | None:
    try:
        desk.begin(body(function_id))
    except Fault as fault:
        return fault
    return None


def test_a_version_may_show_only_a_while_after_it_was_begun() -> None:
    desk = Desk(settings=CloudSettings(creating_after_s=0.5))
    function_id = desk.function()
    desk.begin(body(function_id))
    desk.clock.now += 0.4
    assert desk.versions(function_id) == []
    desk.clock.now += 0.2
    assert [version["status"] for version in desk.versions(function_id)] == ["CREATING"]


def test_a_listing_may_leave_some_of_them_out() -> None:
    desk = Desk(settings=CloudSettings(creating_share=0.5))
    function_id = desk.function()
    desk.begin(body(function_id))
    assert {len(desk.versions(function_id)) for _ in range(50)} == {0, 1}


def test_quotas_change_so_long_after_the_first_operation() -> None:
    desk = Desk(settings=CloudSettings(quota_changes=((5.0, {"operations_per_folder": 1}),)))
    function_id = desk.function()
    assert refused(desk, function_id) is None
    assert refused(desk, function_id) is None
    desk.clock.now += 5.0
    assert refused(desk, function_id) is None
    found = refused(desk, function_id)
    assert found is not None
    assert found.code is Code.RESOURCE_EXHAUSTED
    assert desk.cloud.active.quotas == Quotas(operations_per_folder=1)


@pytest.mark.parametrize("details", [True, False])
def test_a_refusal_may_not_say_which_quota_is_used_up(*, details: bool) -> None:
    desk = Desk(settings=CloudSettings(quota_details=details), quotas=Quotas(operations_per_folder=1))
    function_id = desk.function()
    assert refused(desk, function_id) is None
    found = refused(desk, function_id)
    assert found is not None
    assert bool(found.details) is details
    assert "active operations" in found.message


def test_quota_manager_may_be_mute() -> None:
    query = {"resource.id": "sandbox-cloud", "resource.type": "resource-manager.cloud", "service": "x"}
    with pytest.raises(Fault) as found:
        Desk(settings=CloudSettings(quota_manager=False)).cloud.directory.quota_limits(query)
    assert found.value.code is Code.PERMISSION_DENIED


def test_calls_may_come_too_fast() -> None:
    desk = Desk(quotas=Quotas(100, 100, 100, requests_per_second=4))
    function_id = desk.function()
    found = [refused(desk, function_id) for _ in range(9)]
    assert [one is None for one in found] == [True] * 5 + [False] * 4
    assert found[-1] is not None
    assert "rate quota limit exceed" in found[-1].message
    desk.clock.now += 0.25
    assert refused(desk, function_id) is None


def test_a_mixture_is_drawn_by_its_weights() -> None:
    mixture, rng = Distribution.parse("9*fixed:1+1*fixed:30"), random.Random(1)
    drawn = [mixture.draw(rng) for _ in range(1000)]
    assert set(drawn) == {1.0, 30.0}
    assert 850 < drawn.count(1.0) < 950


@pytest.mark.parametrize("text", ["", "soon", "9*", "*fixed:1", "1*fixed:1+", "1*fixed:1+soon"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write"):
        Distribution.parse(text)


@pytest.mark.parametrize("text", ["operations_per_folder", "operations_per_folder=x", "per_folder=3", "=3"])
def test_what_is_no_quota_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quota: write NAME=NUMBER, where NAME is one of operations_per_f"):
        Quotas.parse([text])
    assert Quotas.parse(["operations_per_folder=60", "requests_per_second=5"]) == {
        "operations_per_folder": 60, "requests_per_second": 5,
    }  # fmt: skip
