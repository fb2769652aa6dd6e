"""Versions made by hand after ours: shown as drift, told from what the cloud fills in, nothing taken in silence."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model import Action, AsyncInvocation, Connectivity, LogOptions, Mount
from orchestrator.model.live_state import indexed
from orchestrator.version.stamp import fingerprint, stamped
from tests.builders import function, settings, spec, version
from tests.unit.planning.test_planner import live, plan_one

DISK = {"name": "tmp", "ephemeralDiskSpec": {"size": "1073741824"}}

# what is declared, what the cloud shows of it
FILLED_IN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"logOptions": {"logGroupId": "e23"}}),
    ({}, {"concurrency": "1", "metadataOptions": {"gceHttpEndpoint": "ENABLED"}, "tmpfsSize": "536870912"}),
    ({"execution_timeout_s": None}, {"executionTimeout": "3s"}),
    ({"execution_timeout_s": 1.5}, {"executionTimeout": "1.500s"}),
    ({"log": LogOptions(min_level="WARN")}, {"logOptions": {"minLevel": "WARN", "folderId": "b1g"}}),
    ({"mounts": (Mount("tmp", disk_size_bytes=1 << 30),)},
     {"mounts": [{**DISK, "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "1073741824", "blockSize": "4096"}}]}),
    ({"mounts": (Mount("tmp", disk_size_bytes=1 << 30),)}, {"mounts": [{**DISK, "mode": "MODE_UNSPECIFIED"}]}),
    ({"connectivity": Connectivity("enp1")}, {"connectivity": {"networkId": "enp1", "subnetId": ["e9b1"]}}),
    ({"connectivity": Connectivity("enp1", ("e9b1", "e9b2"))},
     {"connectivity": {"networkId": "enp1", "subnetId": ["e9b2", "e9b1"]}}),
    ({"async_invocation": AsyncInvocation()}, {"asyncInvocationConfig": {"retriesCount": "3"}}),
]  # fmt: skip

# what is declared, what somebody made of it by hand, and how that is shown
EDITED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"executionTimeout": "11s"}, "timeout 11s → 10s"),
    ({}, {"asyncInvocationConfig": {}}, "async_invocation changed"),
    ({"log": LogOptions(min_level="WARN")}, {"logOptions": {"minLevel": "INFO", "folderId": "b1g"}}, "log changed"),
    ({"log": LogOptions(min_level="WARN")}, {}, "log changed"),
    ({"mounts": (Mount("tmp", disk_size_bytes=2 << 30),)}, {"mounts": [DISK]}, "mounts: ~tmp"),
    ({"mounts": (Mount("tmp", disk_size_bytes=1 << 30),)}, {}, "mounts: +tmp"),
    ({"connectivity": Connectivity("enp1")}, {"connectivity": {"networkId": "enp2"}}, "connectivity changed"),
    ({"environment": {"DEBUG": "0"}}, {}, "environment: +DEBUG"),
    ({"environment": {"DEBUG": "0"}}, {"environment": {"DEBUG": "1"}}, "environment: ~DEBUG"),
    ({"environment": {"EMPTY": ""}}, {}, "environment: +EMPTY"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "shown"), FILLED_IN)
def test_what_the_cloud_fills_in_by_itself_is_no_drift(declared: dict[str, Any], shown: dict[str, Any]) -> None:
    wanted = spec(settings=settings(**declared))
    assert plan_one(wanted, live(wanted, **shown)).action is Action.UNCHANGED


@pytest.mark.parametrize(("declared", "edited", "shown"), EDITED)
def test_what_is_declared_and_edited_by_hand_is_drift(
    declared: dict[str, Any], edited: dict[str, Any], shown: str
) -> None:
    wanted = spec(settings=settings(**declared))
    unit = plan_one(wanted, live(wanted, **({"environment": {}} | edited)))
    assert (unit.action, unit.reason) == (Action.VERSION, f"drift: v1 was made by hand: {shown}")


def test_a_version_edited_by_hand_with_our_stamp_in_its_description_is_drift() -> None:
    wanted = spec(settings=settings(environment={"A": "1"}))
    unit = plan_one(wanted, live(wanted, environment={"A": "2"}, runtime="python313"))
    assert unit.action is Action.VERSION
    assert unit.reason == "drift: v1 was made by hand: runtime python313 → python312; environment: ~A"


def test_nothing_is_taken_from_a_version_with_a_copied_stamp_either() -> None:
    there = live(spec(), environment={"HOT": "hidden"}, connectivity={"networkId": "enp1"})
    unit = plan_one(spec(), there, forced="0" * 8)
    assert unit.action is Action.BLOCKED  # forced or not
    assert unit.reason == (
        "drift: v1 was made by hand, and the new version would take away environment HOT; network enp1"
    )
    adopted = plan_one(spec(), there, adopt=True)
    assert (adopted.action, adopted.reason) == (
        Action.VERSION, "drift: v1 was made by hand: environment: -HOT; connectivity changed",
    )  # fmt: skip


def test_a_version_made_by_hand_after_one_of_ours_is_drift() -> None:
    there = live(spec(), description="by hand")
    ours = version("v0", "id-f", tags=(), description=stamped("", fingerprint(settings(), "0" * 16)))
    unit = plan_one(spec(), indexed([function()], [*there.versions.values(), ours]))
    assert unit.reason == "drift: v1 was made by hand: description changed"
