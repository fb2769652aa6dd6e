"""A live Version as settings: nothing is lost in either direction."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    Failure,
    Fingerprint,
    FunctionSpec,
    LogOptions,
    MetadataOptions,
    Mount,
    Place,
    Secret,
    Settings,
    Version,
    VersionCopy,
)
from orchestrator.model.decode import version as decoded
from orchestrator.version.body import body, settings_fields
from orchestrator.version.copy import copy_spec, settings_of, unknown_fields
from orchestrator.version.stamp import stamped
from tests.builders import function, settings, version
from tests.clouds import Desk, inline
from tests.settings import any_settings

PLACE = Place("deploy.toml", 1)
DIGEST = Fingerprint("0" * 16, "1" * 16)

# Every field of Settings with a value that the API takes; None for what a copy never has.
EACH: dict[str, Any] = {
    "runtime": "python311", "entrypoint": "index.run", "memory_bytes": 2 << 30, "execution_timeout_s": 600.5,
    "description": "text", "service_account_id": "aje1", "service_account": None, "environment": {"A": "1", "B": ""},
    "named_service_accounts": {"db": "aje2"}, "secrets": (Secret("TOKEN", "k", "e6q", None, "e6r"),),
    "tags": ("blue", "stable"), "connectivity": Connectivity("enp1", ("e9b1", "e9b2")),
    "log": LogOptions(group_id="e23", min_level="WARN"),
    "mounts": (
        Mount("data", "read_only", bucket="bbb", prefix="p/"), Mount("tmp", "read_write", disk_size_bytes=1 << 30),
    ),
    "storage_mounts": None,
    "async_invocation": AsyncInvocation(3, "aje3", AsyncTarget("yrn:q", "aje4"), AsyncTarget()),
    "tmpfs_size_bytes": 512 << 20, "concurrency": 1,
    "metadata": MetadataOptions(gce_http_endpoint=True, aws_v1_http_endpoint=False),
}  # fmt: skip


def live(given_settings: Settings) -> Version:
    """Make a Version of these settings in the memory cloud, and read it as the program does."""
    desk = Desk()
    function_id = desk.function()
    sent = body(function_id, given_settings, inline("index.py"), stamped(given_settings.description, DIGEST))
    desk.end(desk.begin(sent))
    (found,) = desk.versions(function_id)
    return decoded(found)


def test_every_field_of_settings_is_looked_at() -> None:
    assert EACH.keys() == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", [name for name, value in EACH.items() if value is not None])
def test_each_setting_alone_comes_back(name: str) -> None:
    desired = settings(**{"memory_bytes": 1 << 30, name: EACH[name]})
    assert settings_of(live(desired)) == desired


@given(any_settings())
@limits(max_examples=60, deadline=None)
def test_all_settings_come_back_together(desired: Settings) -> None:
    version = live(desired)
    assert unknown_fields(version.raw) == ()
    found = settings_of(version)
    assert settings_fields(found, found.description) == settings_fields(desired, desired.description)


def test_a_deprecated_mount_is_sent_as_the_mount_that_it_is() -> None:
    old = {"mountPointName": "data", "bucketId": "bbb", "prefix": "p/", "readOnly": True}
    assert settings_of(version("v1", "f", storageMounts=[old])).mounts == (
        Mount("data", "read_only", bucket="bbb", prefix="p/"),
    )


def test_a_mount_that_is_echoed_as_both_kinds_is_sent_once() -> None:
    old = {"mountPointName": "data", "bucketId": "bbb"}
    new = {"name": "data", "mode": "READ_WRITE", "objectStorage": {"bucketId": "bbb"}}
    assert settings_of(version("v1", "f", storageMounts=[old], mounts=[new])).mounts == (
        Mount("data", "read_write", bucket="bbb"),
    )


def test_invocations_that_are_allowed_without_targets_stay_allowed() -> None:
    assert settings_of(version("v1", "f", asyncInvocationConfig={})).async_invocation == AsyncInvocation()


@pytest.mark.parametrize(
    ("raw", "unknown"),
    [
        ({"gpu": {"count": "1"}}, ("gpu",)),
        ({"gpu": None}, ()),
        ({"resources": {"memory": "1", "cores": "2"}}, ("resources.cores",)),
        ({"mounts": [{"name": "x", "nfs": {"host": "h"}}]}, ("mounts.nfs",)),
        ({"mounts": [{"name": "x", "mode": "APPEND"}]}, ("mounts.mode",)),
        ({"mounts": [{"name": "x", "mode": {"shared": True}}]}, ("mounts.mode",)),
        (
            {"asyncInvocationConfig": {"successTarget": {"httpTarget": {}}}},
            ("asyncInvocationConfig.successTarget.httpTarget",),
        ),
        ({"metadataOptions": {"gceHttpEndpoint": "SOMETIMES"}}, ("metadataOptions.gceHttpEndpoint",)),
        ({"logOptions": "all"}, ("logOptions",)),
    ],
)  # fmt: skip
def test_what_is_not_known_is_named_at_any_depth(raw: dict[str, Any], unknown: tuple[str, ...]) -> None:
    assert unknown_fields(raw) == unknown


def copied(found: Version, **changes: Any) -> FunctionSpec:
    made = copy_spec(function(), found, PLACE, **changes)
    assert isinstance(made, FunctionSpec)
    return made


def test_a_copy_keeps_all_but_the_changes_and_pins_the_function() -> None:
    desired = settings(**{name: value for name, value in EACH.items() if value is not None})
    made = copied(live(desired), runtime="python312")
    assert made.settings == replace(desired, runtime="python312")
    assert (made.id, made.key, isinstance(made.code, VersionCopy)) == ("id-f", "f", True)


def test_tags_of_other_versions_are_not_taken() -> None:
    assert copied(version("v1", "id-f", tags=("$latest", "blue"))).settings.tags == ("blue",)


def test_a_version_with_unknown_settings_is_not_copied() -> None:
    made = copy_spec(function(), version("v1", "id-f", gpu={"count": "1"}), PLACE)
    assert isinstance(made, Failure)
    assert made.message == "version v1 has settings that this program does not know: gpu"


def test_a_description_that_leaves_no_room_for_the_stamp_is_refused() -> None:
    assert isinstance(copy_spec(function(), version("v1", "id-f", description="x" * 501), PLACE), Failure)
    assert copied(version("v1", "id-f", description="x" * 500)).settings.description == "x" * 500
