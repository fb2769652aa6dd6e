"""Versions made by hand after ours are shown as drift, and distinguished from what the cloud fills in. Nothing is
removed silently.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import (
    Action,
    AsyncInvocation,
    Connectivity,
    Failure,
    LogOptions,
    Mount,
    Place,
    Secret,
    Settings,
    StorageMount,
    Version,
    VersionCopy,
)
from orchestrator.model.decode import version as decoded
from orchestrator.model.live_state import LiveState, indexed, remembered
from orchestrator.planning.planner import build
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import not_as_sent
from orchestrator.version.copy import copy_spec, settings_of
from orchestrator.version.fields import FIELDS
from orchestrator.version.stamp import base_mark, code_digest, fingerprint, stamped
from tests.builders import function, settings, spec, version
from tests.settings import any_settings
from tests.unit.planning.test_planner import live, plan_one

DISK = {"name": "tmp", "ephemeralDiskSpec": {"size": "1073741824"}}

# the declaration, and what the cloud returns for it
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

# the declaration, its manual edit, and how that is shown
EDITED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"executionTimeout": "9s"}, "timeout 9s → 10s"),
    ({}, {"entrypoint": "main.run"}, "entrypoint main.run → index.handler"),
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
    desired = spec(settings=settings(**declared))
    assert plan_one(desired, live(desired, **shown)).action is Action.UNCHANGED


@pytest.mark.parametrize(("declared", "edited", "shown"), EDITED)
def test_what_is_declared_and_edited_by_hand_is_drift(
    declared: dict[str, Any], edited: dict[str, Any], shown: str
) -> None:
    desired = spec(settings=settings(**declared))
    unit = plan_one(desired, live(desired, **({"environment": {}} | edited)))
    assert (unit.action, unit.reason) == (Action.VERSION, f"drift: v1 was made by hand: {shown}")


def test_a_version_edited_by_hand_with_our_stamp_in_its_description_is_drift() -> None:
    desired = spec(settings=settings(environment={"A": "1"}))
    unit = plan_one(desired, live(desired, environment={"A": "2"}, runtime="python311"))
    assert unit.action is Action.VERSION
    assert unit.reason == "drift: v1 was made by hand: runtime python311 → python312; environment: ~A"


@pytest.mark.parametrize(
    ("edited", "lost"),
    [
        ({"executionTimeout": "11s"}, "timeout 11s → 10s"),
        ({"asyncInvocationConfig": {}}, "async_invocation"),
        ({"runtime": "python313"}, "runtime python313 → python312"),
        ({"resources": {"memory": str(1 << 30)}}, "memory 1GB → 128MB"),
    ],
)
def test_what_was_added_by_hand_or_is_more_is_not_taken_away(edited: dict[str, Any], lost: str) -> None:
    unit = plan_one(spec(), live(spec(), **edited))
    does = "change back" if " → " in lost else "remove"
    assert (unit.action, unit.reason) == (
        Action.BLOCKED, f"drift: v1 was made by hand, and the new version would {does} {lost}",
    )  # fmt: skip


def test_nothing_is_taken_from_a_version_with_a_copied_stamp_either() -> None:
    there = live(spec(), environment={"HOT": "hidden"}, connectivity={"networkId": "enp1"})
    unit = plan_one(spec(), there, forced="0" * 8)
    assert unit.action is Action.BLOCKED  # forced or not
    assert unit.reason == ("drift: v1 was made by hand, and the new version would remove environment HOT; network enp1")
    adopted = plan_one(spec(), there, adopt=True)
    assert (adopted.action, adopted.reason) == (
        Action.VERSION, "drift: v1 was made by hand: environment: -HOT; connectivity changed",
    )  # fmt: skip
    assert unit.failure is not None
    assert (
        unit.failure.advice
        == "declare it in deploy.toml with `orchestrator import --update`, or accept this with --adopt f@v1"
    )


def test_a_version_made_by_hand_after_one_of_ours_is_drift() -> None:
    there = live(spec(), description="by hand")
    ours = version("v0", "id-f", tags=(), description=stamped("", fingerprint(settings(), "0" * 16)))
    unit = plan_one(spec(), indexed([function()], [*there.versions.values(), ours]))
    assert unit.reason == (
        "drift: v1 was made by hand, and the new version would remove its code, which may have been edited, and"
        " change description"
    )
    adopted = plan_one(spec(), indexed([function()], [*there.versions.values(), ours]), adopt=True)
    assert (adopted.action, adopted.reason) == (
        Action.VERSION, "drift: v1 was made by hand: description changed",
    )  # fmt: skip


# --- whatever else changed ------------------------------------------------------------------------------------------

WANTED = {
    "environment": {"A": "1", "B": "2"},
    "secrets": (Secret("TOKEN", "k", "e6q", None, "e6r"),),
    "description": "two spaces  ",
    "concurrency": 0,
    "storage_mounts": (StorageMount("old", "bbb"),),
    "mounts": (Mount("tmp", disk_size_bytes=1 << 30),),
    "connectivity": Connectivity("enp1"),
    "async_invocation": AsyncInvocation(0),
    "log": LogOptions(disabled=False, min_level="INFO"),
}
CLOUD_FILLS = {
    "concurrency": "1", "logOptions": {"logGroupId": "e23", "minLevel": "INFO"}, "tmpfsSize": "536870912",
    "metadataOptions": {"gceHttpEndpoint": "ENABLED"}, "connectivity": {"networkId": "enp1", "subnetId": ["e9b1"]},
    "mounts": [{**DISK, "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": str(1 << 30), "blockSize": "4096"}}],
}  # fmt: skip


def made(before: Settings, *, code: str = "0" * 16, **shown: Any) -> LiveState:
    """Return a folder in which a version of ours with these settings is live, as the cloud returns it."""
    sent = settings_fields(before, stamped(before.description, fingerprint(before, code)))
    return indexed([function()], [version("v1", "id-f", **({**sent, "executionTimeout": "10.000s"} | shown))])


@pytest.mark.parametrize("fills", [{}, CLOUD_FILLS])
@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"A": "1"}}, {"secrets": ()}, {"description": "x"}, {"connectivity": None}, {"mounts": ()},
        {"storage_mounts": ()}, {"async_invocation": None}, {"memory_bytes": 256 << 20}, {"execution_timeout_s": 1.0},
        {"tmpfs_size_bytes": 1 << 30}, {"mounts": (Mount("tmp", disk_size_bytes=2 << 30),)},
        {"environment": {}, "secrets": (), "concurrency": 4, "log": LogOptions(min_level="WARN")},
        {"connectivity": Connectivity("enp2"), "environment": {}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_manifest_takes_away_of_a_version_of_ours_goes(changes: dict[str, Any], fills: dict[str, Any]) -> None:
    before = settings(**WANTED)
    unit = plan_one(spec(settings=replace(before, **changes)), made(before, **fills))
    assert unit.action is Action.VERSION
    assert "by hand" not in unit.reason


EDITS: list[tuple[dict[str, Any], str]] = [
    ({"environment": {"A": "1", "B": "2", "HOT": "x"}}, "environment HOT"),
    ({"secrets": [
        {"id": "e6q", "versionId": "e6r", "key": "k", "environmentVariable": name} for name in ("TOKEN", "HOT")
    ]}, "secrets HOT"),
    ({"serviceAccountId": "aje9"}, "service account aje9"),
    ({"resources": {"memory": str(1 << 30)}}, "memory 1GB → "),
    ({"executionTimeout": "60s"}, "timeout 1m → 10s"),
    ({"runtime": "python313"}, "runtime python313 → python312"),
    ({"namedServiceAccounts": {"db": "aje1"}}, "named accounts db"),
    ({"connectivity": {"networkId": "enp1", "subnetId": ["e9b1", "e9b2"]}, "environment": {"A": "1", "HOT": "x"}},
     "environment HOT"),
]  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"description": "other"}, {"entrypoint": "a.b", "memory_bytes": 256 << 20}])
@pytest.mark.parametrize("fills", [{}, CLOUD_FILLS])
@pytest.mark.parametrize(("edit", "lost"), EDITS)
def test_an_edited_version_is_guarded_whatever_changes_in_the_manifest(
    edit: dict[str, Any], lost: str, fills: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = settings(**WANTED)
    there = made(before, code="f" * 16, **(fills | edit))  # the source has changed, too
    desired = replace(before, **({"environment": {"A": "1", "B": "2"}} | changes))
    unit = plan_one(spec(settings=desired), there)
    assert unit.action is Action.BLOCKED
    assert unit.reason.startswith("drift: v1 was made by hand, and the new version would ")
    assert lost in unit.reason


def test_zeros_that_the_cloud_leaves_out_of_many_fields_are_no_drift() -> None:
    zeros = settings(concurrency=0, tmpfs_size_bytes=0, async_invocation=AsyncInvocation(0), execution_timeout_s=3.0)
    sent = settings_fields(zeros, stamped("", fingerprint(zeros, "0" * 16)))
    invocation = {name: value for name, value in sent["asyncInvocationConfig"].items() if name != "retriesCount"}
    left_out = {"concurrency", "tmpfsSize"}
    shown = {name: value for name, value in sent.items() if name not in left_out}
    there = indexed([function()], [version("v1", "id-f", **(shown | {"asyncInvocationConfig": invocation}))])
    unit = plan_one(spec(settings=settings()), there)
    assert (unit.action, "by hand" in unit.reason) == (Action.VERSION, False)


@given(any_settings(), any_settings())
@limits(max_examples=60, deadline=None)
def test_no_version_of_ours_counts_as_edited(before: Settings, desired: Settings) -> None:
    there = made(before, executionTimeout=settings_fields(before, "")["executionTimeout"])
    unit = plan_one(spec(settings=replace(desired, tags=())), there)
    assert unit.action is not Action.BLOCKED
    assert "by hand" not in unit.reason


# --- two versions in a row with the same stamp ----------------------------------------------------------------------


def row(*versions: Version) -> LiveState:
    """Return a folder whose one function got these versions in turn."""
    *older, latest = (
        replace(one, created_at=datetime(2027, 1, 1, 0, number, tzinfo=UTC)) for number, one in enumerate(versions)
    )
    return indexed([function()], [replace(latest, tags=("$latest",)), *(replace(one, tags=()) for one in older)])


def ours(id: str, desired: Settings | None = None, *, marks: tuple[tuple[str, str], ...] = (), **shown: Any) -> Version:
    desired = desired or settings()
    digest = replace(fingerprint(desired, code_digest(spec().code, None)), marks=marks)
    return version(id, "id-f", **(settings_fields(desired, stamped(desired.description, digest)) | shown))


def test_two_versions_in_a_row_with_one_stamp_are_drift_and_the_code_is_guarded() -> None:
    there = row(ours("v1"), ours("v2"))
    unit = plan_one(spec(), there)
    assert unit.action is Action.BLOCKED
    assert unit.reason == (
        "drift: v2 was made by hand, with the stamp of v1, and the new version would remove its code, which may have"
        " been edited"
    )
    assert plan_one(spec(code=VersionCopy("$latest")), there).action is Action.UNCHANGED
    adopted = plan_one(spec(), there, adopt=True)
    assert (adopted.action, adopted.reason) == (
        Action.VERSION, "drift: v2 was made by hand, with the stamp of v1",
    )  # fmt: skip
    assert adopted.fingerprint is not None
    ((mark, _),) = adopted.fingerprint.marks
    assert mark == "b"  # so that it is not taken for a copy of v2 itself


def test_what_took_the_place_of_a_copy_is_no_copy_and_what_is_copied_from_it_is() -> None:
    adopted = plan_one(spec(), row(ours("v1"), ours("v2")), adopt=True)
    assert adopted.fingerprint is not None
    marks = adopted.fingerprint.marks
    assert plan_one(spec(), row(ours("v1"), ours("v2"), ours("v3", marks=marks))).action is Action.UNCHANGED
    again = row(ours("v1"), ours("v2"), ours("v3", marks=marks), ours("v4", marks=marks))
    assert plan_one(spec(), again).action is Action.BLOCKED


def test_what_a_copied_stamp_hides_is_guarded_to_the_last_field() -> None:
    there = row(ours("v1"), ours("v2", concurrency="4", logOptions={"minLevel": "DEBUG"}))
    unit = plan_one(spec(), there)
    assert unit.reason.endswith("its code, which may have been edited; concurrency 4; log level DEBUG")


@pytest.mark.parametrize(
    "versions",
    [
        (ours("v1"),),
        (ours("v1"), ours("v2", settings(memory_bytes=1 << 30)), ours("v3", marks=(base_mark("v2"),))),  # and back
        (ours("v1"), version("v2", "id-f", description="by hand"), ours("v3", marks=(base_mark("v2"),))),  # adopted
        (ours("v1", marks=(("j", "nightly"),)), ours("v2")),
    ],
)
def test_versions_of_ours_are_no_copies_of_each_other(versions: tuple[Version, ...]) -> None:
    assert plan_one(spec(), row(*versions)).action is Action.UNCHANGED


# --- what cannot be read --------------------------------------------------------------------------------------------

MALFORMED: list[tuple[str, Any]] = [
    ("resources", "128MB"), ("resources", {"memory": "abc"}), ("resources", ["1"]), ("environment", ["A"]),
    ("environment", "A"), ("environment", {"A": 1}), ("environment", {"A": None}), ("secrets", {"A": "B"}),
    ("secrets", ["TOKEN"]), ("mounts", "tmp"), ("mounts", [1]), ("mounts", [{"name": ["x"]}]),
    ("mounts", [{"name": "x", "ephemeralDiskSpec": "1GB"}]), ("storageMounts", ["old"]), ("storageMounts", 7),
    ("executionTimeout", "soon"), ("executionTimeout", {"seconds": 3}), ("tmpfsSize", "big"), ("concurrency", [4]),
    ("serviceAccountId", {"id": "aje"}), ("namedServiceAccounts", "db"), ("connectivity", "enp1"),
    ("connectivity", {"subnetId": "e9b1"}), ("connectivity", {"subnetId": [["e9b1"]]}), ("logOptions", True),
    ("logOptions", {"minLevel": 3}), ("asyncInvocationConfig", "yes"),
    ("asyncInvocationConfig", {"successTarget": "q"}), ("metadataOptions", {"gceHttpEndpoint": True}),
    ("runtime", 312), ("entrypoint", ["index"]), ("description", {"text": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "json"), MALFORMED, ids=str)
@pytest.mark.parametrize("stamp", ["", stamped("", fingerprint(settings(), "f" * 16))])
def test_a_version_that_cannot_be_read_stops_its_own_function_alone(name: str, json: Any, stamp: str) -> None:
    raw: dict[str, Any] = {**settings_fields(settings(), stamp), name: json}
    odd = decoded({"id": "v1", "functionId": "id-f", "status": "ACTIVE", "tags": ["$latest"], **raw})
    there = indexed([function(), function("g")], [odd, version("w1", "id-g", **settings_fields(settings(), ""))])
    copy = copy_spec(function(), odd, Place("deploy.toml", 1))
    for desired in (spec(), spec(settings=settings(description="x")), spec(code=VersionCopy("$latest"))):
        units = build({"f": desired, "g": spec("g", settings=settings(memory_bytes=1 << 30))}, there, {}, {}).units
        assert [unit.action for unit in units][1] is Action.VERSION
        if name != "description":
            assert units[0].action is Action.BLOCKED
            assert "which cannot be read" in units[0].reason
    assert isinstance(copy, Failure) or name == "description"
    assert remembered(odd)["environment"] is not None
    assert not_as_sent(settings(environment={"A": "1"}), odd.raw)
    assert settings_of(odd).tags == ()


def test_the_table_of_what_cannot_be_read_has_every_row() -> None:
    assert {name for name, _ in MALFORMED} == {row.api for row in FIELDS}


def test_the_stamp_of_any_older_version_makes_the_live_one_a_copy_by_hand() -> None:
    there = row(ours("v1"), ours("v2", settings(memory_bytes=512 << 20)), ours("v3"))
    for desired in (spec(), spec(settings=settings(memory_bytes=1 << 30)), spec(settings=settings(tags=("stable",)))):
        unit = plan_one(desired, there)
        assert unit.action is Action.BLOCKED
        assert unit.reason.startswith("drift: v3 was made by hand, with the stamp of v1, and the new version would")
    assert plan_one(spec(code=VersionCopy("$latest")), there).action is Action.UNCHANGED
