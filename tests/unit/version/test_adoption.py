"""Every row of the table of fields, alone, on a version made by hand: what is removed or reduced is guarded, nothing
else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    LogOptions,
    MetadataOptions,
    Mount,
    Secret,
    Settings,
)
from orchestrator.version import adoption
from orchestrator.version.adoption import Loss, changed_besides, put_back, refused, taken_away
from orchestrator.version.body import settings_fields
from orchestrator.version.codec import Codec
from orchestrator.version.codecs import Int64, TextList, TextMap
from orchestrator.version.fields import FIELDS, Field, Shown
from orchestrator.version.objects import Object, ObjectList, Part
from tests.builders import settings, version
from tests.settings import any_settings

SECRET = {"id": "e6q", "versionId": "e6r", "key": "k", "environmentVariable": "TOKEN"}
DISK = {"name": "tmp", "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "1"}}
BUCKET = {"name": "data", "mode": "READ_ONLY", "objectStorage": {"bucketId": "b", "prefix": "p/"}}
OLD_MOUNT = {"mountPointName": "data", "bucketId": "b"}
QUEUE = {"ymqTarget": {"queueArn": "yrn:q", "serviceAccountId": "aje6"}}
GB = 1 << 30

# by row: the live value, the desired one, what is lost
Row = tuple[dict[str, Any], Settings, tuple[str, ...]]
LOST: dict[str, list[Row]] = {
    "runtime": [({"runtime": "python312"}, settings(runtime="python39"), ("runtime python312 → python39",))],
    "entrypoint": [],  # every Version has a value, neither more nor less than another
    "execution_timeout_s": [
        ({"executionTimeout": "60s"}, settings(), ("timeout 1m → 10s",)),
        ({"executionTimeout": "60s"}, settings(execution_timeout_s=None), ("timeout 1m",)),
    ],
    "environment": [
        ({"environment": {"B": "hid", "A": "hid", "C": "x"}}, settings(environment={"C": "y"}), ("environment A, B",)),
    ],
    "secrets": [({"secrets": [SECRET]}, settings(), ("secrets TOKEN",))],
    "service_account_id": [({"serviceAccountId": "aje1"}, settings(), ("service account aje1",))],
    "memory_bytes": [({"resources": {"memory": str(GB)}}, settings(), ("memory 1GB → 128MB",))],
    "tmpfs_size_bytes": [
        ({"tmpfsSize": str(GB)}, settings(), ("tmpfs_size 1GB",)),
        ({"tmpfsSize": str(GB)}, settings(tmpfs_size_bytes=512 << 20), ("tmpfs_size 1GB → 512MB",)),
    ],
    "concurrency": [
        ({"concurrency": "4"}, settings(), ("concurrency 4",)),
        ({"concurrency": 4}, settings(concurrency=2), ("concurrency 4 → 2",)),
    ],
    "named_service_accounts": [({"namedServiceAccounts": {"db": "aje1"}}, settings(), ("named accounts db",))],
    "mounts": [
        ({"mounts": [DISK]}, settings(), ("mounts tmp",)),
        (
            {"mounts": [BUCKET, DISK]},
            settings(mounts=(Mount("data", bucket="b"),)),
            ("mounts tmp", "mounts data: mode READ_ONLY", "mounts data: prefix p/"),
        ),
        (
            {"mounts": [{"name": "data", "objectStorage": {"bucketId": "b"}}]},
            settings(mounts=(Mount("data", "read_only", bucket="b"),)),
            ("mounts data: mode READ_WRITE → READ_ONLY",),
        ),
        (
            {"mounts": [{**BUCKET, "mode": "READ_WRITE"}]},
            settings(mounts=(Mount("data", "read_only", bucket="b", prefix="p/"),)),
            ("mounts data: mode READ_WRITE → READ_ONLY",),
        ),
        (
            {"mounts": [{"name": "tmp", "ephemeralDiskSpec": {"size": str(2 * GB), "blockSize": "8192"}}]},
            settings(mounts=(Mount("tmp", disk_size_bytes=GB),)),
            ("mounts tmp: block size 8KB", "mounts tmp: size 2GB → 1GB"),
        ),
    ],
    "storage_mounts": [
        ({"storageMounts": [OLD_MOUNT]}, settings(), ("mounts data",)),
        (
            {"storageMounts": [{**OLD_MOUNT, "readOnly": True}]},
            settings(mounts=(Mount("data", bucket="b"),)),
            ("mounts data: mode READ_ONLY",),
        ),
        (
            {"storageMounts": [OLD_MOUNT]},
            settings(mounts=(Mount("data", "read_only", bucket="b"),)),
            ("mounts data: mode READ_WRITE → READ_ONLY",),
        ),
    ],
    "connectivity": [
        ({"connectivity": {"networkId": "enp1"}}, settings(), ("network enp1",)),
        ({"connectivity": {"subnetId": ["e9b2", "e9b1"]}}, settings(), ("subnets e9b1, e9b2",)),
        (
            {"connectivity": {"networkId": "enp1", "subnetId": ["e9b1", "e9b2"]}},
            settings(connectivity=Connectivity("enp1", ("e9b1",))),
            ("subnets e9b2",),
        ),
    ],
    "log": [
        ({"logOptions": {"minLevel": "DEBUG"}}, settings(), ("log level DEBUG",)),
        ({"logOptions": {"disabled": True}}, settings(), ("log disabled",)),
        ({"logOptions": {"folderId": "other"}}, settings(), ("log folder other",)),
        (
            {"logOptions": {"logGroupId": "e23", "minLevel": "INFO"}},
            settings(log=LogOptions(min_level="WARN")),
            ("log group e23",),
        ),
    ],
    "async_invocation": [
        ({"asyncInvocationConfig": {}}, settings(), ("async_invocation",)),
        (
            {"asyncInvocationConfig": {"retriesCount": "5", "serviceAccountId": "aje5", "successTarget": QUEUE}},
            settings(),
            ("async_invocation", "async retries 5", "async service account aje5", "async success queue yrn:q"),
        ),
        (
            {"asyncInvocationConfig": {"retriesCount": "5", "failureTarget": QUEUE}},
            settings(async_invocation=AsyncInvocation(2, success=AsyncTarget("yrn:q", "aje6"))),
            ("async failure queue yrn:q", "async retries 5 → 2"),
        ),
    ],
    "metadata": [
        ({"metadataOptions": {"gceHttpEndpoint": "DISABLED"}}, settings(), ("metadata gce_http_endpoint DISABLED",)),
        (
            {"metadataOptions": {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "ENABLED"}},
            settings(metadata=MetadataOptions(gce_http_endpoint=False)),
            ("metadata aws_v1_http_endpoint ENABLED",),
        ),
    ],
    "description": [],  # not guarded: see the table
}  # fmt: skip

# live and desired value: another value, more, an addition, or what the cloud fills in
KEPT: list[tuple[dict[str, Any], Settings]] = [
    ({}, settings(environment={"NEW": "1"})),
    ({"description": "by hand"}, settings()),
    ({"environment": {"TOKEN": "hidden"}}, settings(secrets=(Secret("TOKEN", "k", "e6q", None, "e6r"),))),
    ({"secrets": [SECRET]}, settings(environment={"TOKEN": "plain"})),
    ({"secrets": [SECRET]}, settings(secrets=(Secret("TOKEN", "other", "e6x", None, "e6y"),))),
    ({"serviceAccountId": "aje1"}, settings(service_account_id="aje2")),
    ({"namedServiceAccounts": {"db": "aje1"}}, settings(named_service_accounts={"db": "aje2"})),
    ({"mounts": [DISK]}, settings(mounts=(Mount("tmp", bucket="b"),))),
    ({"mounts": [DISK]}, settings(mounts=(Mount("tmp", disk_size_bytes=GB),))),
    ({"mounts": [{**DISK, "ephemeralDiskSpec": {"size": "1", "blockSize": "4096"}}]},
     settings(mounts=(Mount("tmp", disk_size_bytes=1),))),
    ({"storageMounts": [OLD_MOUNT]}, settings(mounts=(Mount("data", bucket="b"),))),
    ({"connectivity": {"networkId": "enp1"}}, settings(connectivity=Connectivity("enp2"))),
    ({"connectivity": {"networkId": "enp1", "subnetId": ["e9b1"]}}, settings(connectivity=Connectivity("enp1"))),
    ({"connectivity": {"networkId": "enp1", "subnetId": ["e9b1"]}},
     settings(connectivity=Connectivity("enp2", ("x",)))),
    ({"connectivity": {"networkId": "enp1", "subnetId": ["e9b1"]}},
     settings(connectivity=Connectivity(None, ("e9b1", "e9b2")))),
    ({"runtime": "python39"}, settings(runtime="python312")),
    ({"runtime": "nodejs8"}, settings(runtime="nodejs22")),
    ({"runtime": "golang121"}, settings(runtime="python312")),
    ({"entrypoint": "main.run"}, settings()),
    ({"executionTimeout": "3s"}, settings()),
    ({"executionTimeout": "10.000s"}, settings()),
    ({"executionTimeout": "3s"}, settings(execution_timeout_s=None)),
    ({"resources": {"memory": 134217728}}, settings()),
    ({"resources": {"memory": "134217728"}}, settings(memory_bytes=GB)),
    ({"concurrency": "1"}, settings()),
    ({"concurrency": "1"}, settings(concurrency=4)),
    ({"tmpfsSize": "536870912"}, settings()),
    ({"tmpfsSize": "0"}, settings()),
    ({"metadataOptions": {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "DISABLED"}}, settings()),
    ({"metadataOptions": {"gceHttpEndpoint": "METADATA_OPTION_UNSPECIFIED"}}, settings()),
    ({"logOptions": {"folderId": "home", "minLevel": "LEVEL_UNSPECIFIED", "disabled": False}}, settings()),
    ({"logOptions": {"folderId": "home", "minLevel": "INFO"}}, settings()),
    ({"logOptions": {"minLevel": "INFO"}}, settings(log=LogOptions(min_level="WARN"))),
    ({"asyncInvocationConfig": {"successTarget": {"emptyTarget": {}}, "retriesCount": "3"}},
     settings(async_invocation=AsyncInvocation())),
]  # fmt: skip


def goes(live: dict[str, Any], desired: Settings, **more: Any) -> tuple[str, ...]:
    return taken_away(desired, version("v1", "f", **live), folder_id="home", **more)


@pytest.mark.parametrize("row", [row for rows in LOST.values() for row in rows])
def test_what_would_be_taken_away(row: Row) -> None:
    live, desired, lost = row
    assert goes(live, desired) == lost


A = {"A": "1", "B": "1"}


@pytest.mark.parametrize(
    ("before", "live", "desired", "back"),
    [
        ({"environment": A}, {"environment": {"A": "job", "B": "1"}}, settings(environment=A), ("environment A",)),
        ({"environment": A}, {"environment": {"A": "job"}}, settings(environment=A),
         ("environment B", "environment A")),
        ({"environment": A}, {"environment": {"A": "job", "B": "1"}}, settings(environment={"A": "2", "B": "1"}), ()),
        ({"environment": A}, {"environment": A}, settings(environment={"A": "2"}), ()),
        ({"resources": {"memory": "134217728"}}, {"resources": {"memory": "67108864"}}, settings(),
         ("memory 64MB → 128MB",)),
        ({"resources": {"memory": "134217728"}}, {"resources": {"memory": "67108864"}},
         settings(memory_bytes=256 * 2**20), ()),
        ({"description": "was"}, {"description": "job"}, settings(description="was"), ("description changed",)),
    ],
)  # fmt: skip
def test_what_would_be_put_back(
    before: dict[str, Any], live: dict[str, Any], desired: Settings, back: tuple[str, ...]
) -> None:
    """The live value has changed, and the desired one is as before the change. A third value is intended."""
    assert put_back(desired, version("v2", "f", **live), version("v1", "f", **before)) == back
    named = {"environment.A", "environment.B", "memory_bytes", "description"}
    assert put_back(desired, version("v2", "f", **live), version("v1", "f", **before), named) == ()


@pytest.mark.parametrize(("live", "desired"), KEPT)
def test_other_values_more_and_what_the_cloud_fills_in_are_no_loss(live: dict[str, Any], desired: Settings) -> None:
    assert goes(live, desired) == ()


def test_every_row_of_the_table_has_cases_here_or_is_exempt() -> None:
    assert LOST.keys() == {row.setting for row in FIELDS}
    silent = {setting for setting, rows in LOST.items() if not rows}
    assert silent == {"entrypoint", "description"}  # a new row needs a case, not an entry in this set


def test_every_part_of_an_object_has_cases() -> None:
    reported = " ".join(said for rows in LOST.values() for _, _, lost in rows for said in lost)
    parts = [part for row in FIELDS if isinstance(row.codec, Object) for part in row.codec.parts]
    assert parts
    assert [part.label for part in parts if part.label not in reported] == []


NEW_ROWS: list[tuple[Codec, Any, str]] = [
    (Codec(), {"count": "1"}, "gpu {'count': '1'}"),
    (Codec(), "on", "gpu on"),
    (Int64(), "2", "gpu 2"),
    (TextList(), ["a"], "gpu a"),
    (TextMap(), {"a": "hidden"}, "gpu a"),
    (Object(dict, (Part("count", "count", Int64(), "gpu count"),)), {"count": "1"}, "gpu count 1"),
    (ObjectList(Object(dict, (Part("name", "name", Codec(), "name"),)), "name"), [{"name": "a"}], "gpu a"),
]


@pytest.mark.parametrize(("codec", "live", "said"), NEW_ROWS)
def test_a_new_row_is_guarded_without_a_word_about_it(
    codec: Codec, live: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "FIELDS", (*FIELDS, Field("gpu", codec, Shown.VALUES)))
    assert said in goes({"gpu": live}, settings())


def test_any_json_is_guarded_by_its_parts() -> None:
    before = {"count": 4, "kind": {"name": "a", "zones": ["x", "y"]}, "drivers": "1"}
    after = {"count": 2, "kind": {"zones": ["x"]}, "drivers": "2"}
    assert Codec().lost("gpu", before, after) == ["gpu count 4 → 2", "gpu kind name a", "gpu kind zones y"]


def test_several_losses_stand_side_by_side() -> None:
    live = {"environment": {"A": "x"}, "serviceAccountId": "aje1", "gpu": {"count": "1"}}
    assert goes(live, settings()) == (
        "environment A", "service account aje1", "settings that this program does not know: gpu",
    )  # fmt: skip


def test_what_is_let_go_by_name_is_not_guarded() -> None:
    live = {"environment": {"A": "x", "B": "y"}, "secrets": [SECRET], "resources": {"memory": str(GB)}}
    assert goes(live, settings(), let_go={"environment.A", "secrets.TOKEN"}) == (
        "environment B", "memory 1GB → 128MB",
    )  # fmt: skip
    assert goes(live, settings(), let_go={"environment", "memory_bytes"}) == ("secrets TOKEN",)


@given(any_settings())
@limits(max_examples=60, deadline=None)
def test_equal_settings_and_additions_are_never_guarded(made: Settings) -> None:
    live = settings_fields(made, made.description)
    more = replace(
        made,
        runtime="python313",
        memory_bytes=made.memory_bytes * 2,
        execution_timeout_s=3600.0,
        environment={**made.environment, "ADDED": "1"},
        mounts=(*made.mounts, Mount("more", "read_only", bucket="b")),
        service_account_id="aje9",
    )
    live.pop("tag", None)  # requested under this name, returned under another
    for desired in (made, more):
        assert goes(live, desired) == ()


@given(any_settings(), any_settings())
@limits(max_examples=60, deadline=None)
def test_whoever_keeps_all_names_and_never_goes_down_loses_nothing_else(made: Settings, desired: Settings) -> None:
    """What is reported as lost is live and not in the new version."""
    lost = goes(settings_fields(made, made.description), desired)
    gone = {*made.environment} - {*desired.environment} - {one.environment_variable for one in desired.secrets}
    assert [said for said in lost if said.startswith("environment ")] == (
        [f"environment {', '.join(sorted(gone))}"] if gone else []
    )
    assert any(said.startswith("memory ") for said in lost) == (desired.memory_bytes < made.memory_bytes)
    assert ("async_invocation" in lost) == (made.async_invocation is not None and desired.async_invocation is None)


NETWORK = {"networkId": "enp1"}


@pytest.mark.parametrize(
    ("former", "taken"),
    [
        ({}, ()),  # without a version of ours to compare: the cloud may have filled it in
        ({"connectivity": NETWORK}, ("subnets e9b1, e9b2",)),
        ({"connectivity": {**NETWORK, "subnetId": ["e9b1"]}}, ("subnets e9b2",)),  # filled in then
        ({"connectivity": {**NETWORK, "subnetId": ["e9b2", "e9b1", "e9b3"]}}, ()),
        ({"connectivity": {"networkId": "enp2", "subnetId": ["e9b9"]}}, ()),
        ({"connectivity": "enp1"}, ()),
    ],
)
def test_a_subnet_beside_the_declared_network_is_guarded_where_it_was_not_filled_in(
    former: dict[str, Any], taken: tuple[str, ...]
) -> None:
    latest = version("v1", "f", connectivity={**NETWORK, "subnetId": ["e9b1", "e9b2"]})
    assert taken_away(settings(connectivity=Connectivity("enp1")), latest, former=former) == taken
    declared = settings(connectivity=Connectivity("enp1", ("e9b1", "e9b2")))
    assert taken_away(declared, latest, former=former) == ()


EQUAL: dict[str, Any] = {
    "resources": {"memory": str(128 << 20)}, "runtime": "python312", "entrypoint": "index.handler",
    "executionTimeout": "10s",
}  # fmt: skip


def test_what_is_lost_is_reported_apart_from_what_is_otherwise() -> None:
    live: dict[str, Any] = {
        "environment": {"HOT": "x", "A": "1"}, "entrypoint": "main.run", "resources": {"memory": str(GB)},
        "runtime": "python312", "executionTimeout": "10s",
    }  # fmt: skip
    desired = settings(environment={"A": "2", "B": "3"}, execution_timeout_s=10.0)
    latest = version("v1", "f", **live)
    assert taken_away(desired, latest) == ("environment HOT", "memory 1GB → 128MB")
    assert changed_besides(desired, latest) == ("entrypoint main.run → index.handler", "environment: +B ~A")
    assert (
        changed_besides(
            settings(),
            version(
                "v1",
                "f",
                resources={"memory": str(128 << 20)},
                runtime="python312",
                entrypoint="index.handler",
                executionTimeout="10s",
            ),
        )
        == ()
    )


KEEP = 'keep its code with `version_id = "v1"` in place of its source, or accept this with --adopt f@v1'


@pytest.mark.parametrize(
    ("loss", "message", "advice"),
    [
        (Loss("its code"), "its code",
         KEEP),
        (Loss("", ("environment A",), ("timeout 1s → 2s",)), "environment A, and change timeout 1s → 2s",
         "declare it in deploy.toml with `orchestrator import --update`, or accept this with --adopt f@v1"),
        (Loss("its code", ("environment A",), tuple("abcde")), "its code; environment A, and change a; b; c; 2 more",
         f"declare its settings in deploy.toml with `orchestrator import --update` and {KEEP}"),
        (Loss("", ("environment A",), back=("memory 1MB → 2MB", "environment B")),
         "environment A and change back memory 1MB → 2MB; environment B",
         "declare it in deploy.toml with `orchestrator import --update`, or accept this with --adopt f@v1"),
    ],
)  # fmt: skip
def test_the_ways_out_are_those_that_there_are(loss: Loss, message: str, advice: str) -> None:
    said = refused(loss, "drift", "f", "v1")
    assert (said.message, said.advice) == (f"drift, and the new version would remove {message}", advice)
