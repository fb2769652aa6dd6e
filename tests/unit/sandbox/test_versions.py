"""Versions of the memory cloud: how they are created, `$latest`, tags, packages."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.builder import NOT_A_ZIP
from orchestrator.sandbox.memory.cloud_state import rfc3339
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import BUILD_FAILED, Distribution, Fate, Faults
from orchestrator.sandbox.memory.faults import Fault as Refused
from orchestrator.sandbox.memory.objects import Objects
from orchestrator.sandbox.memory.quotas import TAGS
from tests.clouds import FOLDER, START_S, Desk, body, inline, zipped
from tests.protobuf import parse_tag_history

EVERYTHING = {
    "runtime": "nodejs22",
    "entrypoint": "index.handler",
    "description": "ünicode " * 70,
    "resources": {"memory": "1073741824"},
    "executionTimeout": "1.5s",
    "serviceAccountId": "aje1",
    "environment": {"LEVEL": "info", "EMPTY": ""},
    "tag": ["stable", "v1-2_3"],
    "namedServiceAccounts": {"db": "aje2"},
    "connectivity": {"networkId": "enp1", "subnetId": ["e9b1", "e9b2"]},
    "secrets": [{"id": "e6q1", "versionId": "e6qv1", "key": "token", "environmentVariable": "TOKEN"}],
    "logOptions": {"disabled": True, "folderId": "b1g1", "minLevel": "WARN"},
    "storageMounts": [{"bucketId": "bucket", "prefix": "p", "mountPointName": "old", "readOnly": True}],
    "asyncInvocationConfig": {
        "retriesCount": "3",
        "successTarget": {"emptyTarget": {}},
        "failureTarget": {"ymqTarget": {"queueArn": "yrn:q", "serviceAccountId": "aje3"}},
        "serviceAccountId": "aje4",
    },
    "tmpfsSize": "536870912",
    "concurrency": "4",
    "mounts": [
        {"name": "data", "mode": "READ_ONLY", "objectStorage": {"bucketId": "bucket", "prefix": "p"}},
        {"name": "tmp", "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "1073741824", "blockSize": "4096"}},
    ],
    "metadataOptions": {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "DISABLED"},
}


def test_a_new_versions_id_is_known_at_once_and_done_is_left_out() -> None:
    desk = Desk()
    operation = desk.begin(body(desk.function()))
    assert operation["metadata"]["@type"].endswith("functions.v1.CreateFunctionVersionMetadata")
    assert operation["metadata"]["functionVersionId"]
    assert "done" not in operation
    assert re.fullmatch(r"2027-01-15T08:00:0\d\.\d{9}Z", operation["createdAt"])


def test_a_version_is_creating_then_active_with_latest_and_its_tags() -> None:
    desk = Desk()
    function_id = desk.function()
    operation = desk.begin(body(function_id, tag=["stable"]))
    (creating,) = desk.versions(function_id, 'status="CREATING"')
    assert "tags" not in creating
    done = desk.end(operation)
    (active,) = desk.versions(function_id)
    assert (active["status"], active["tags"]) == ("ACTIVE", ["$latest", "stable"])
    assert done["response"] == {"@type": done["response"]["@type"], **active}
    assert desk.versions(function_id, "status = 'CREATING'") == []


def test_versions_being_made_can_be_hidden_from_listings() -> None:
    desk = Desk(settings=CloudSettings(creating_visible=False))
    function_id = desk.function()
    operation = desk.begin(body(function_id))
    assert desk.versions(function_id) == []
    assert desk.cloud.versions.get(operation["metadata"]["functionVersionId"])["status"] == "CREATING"


def test_everything_that_is_declared_comes_back_but_the_code() -> None:
    desk = Desk()
    function_id = desk.function()
    version_id = desk.version(function_id, **EVERYTHING, **inline("index.js"))
    version = desk.cloud.versions.get(version_id)
    expected: dict[str, Any] = {**EVERYTHING, "executionTimeout": "1.500s", "tags": ["$latest", "stable", "v1-2_3"]}
    del expected["tag"]
    assert {name: version.get(name) for name in expected} == expected
    assert version["imageSize"] == "1"
    assert not {"content", "package", "versionId"} & version.keys()


def test_latest_and_tags_move_to_the_newer_version() -> None:
    desk = Desk()
    function_id = desk.function()
    first, second = desk.version(function_id, tag=["stable", "old"]), desk.version(function_id, tag=["stable"])
    tags = {version["id"]: version["tags"] for version in desk.versions(function_id)}
    assert tags == {first: ["old"], second: ["$latest", "stable"]}


def test_latest_goes_to_the_one_that_ends_last() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.cloud.faults.settle_next("createVersion", Fate(duration_s=5), Fate(duration_s=1))
    slow, quick = desk.begin(body(function_id)), desk.begin(body(function_id))
    desk.end(quick)
    assert desk.latest(function_id) == quick["metadata"]["functionVersionId"]
    desk.end(slow)
    assert desk.latest(function_id) == slow["metadata"]["functionVersionId"]


def test_a_failed_build_removes_the_version_and_leaves_latest() -> None:
    desk = Desk(faults=Faults(failing_functions=["bad"]))
    function_id, bad = desk.function("good"), desk.function("bad")
    kept = desk.version(function_id)
    done = desk.end(desk.begin(body(bad)))
    assert done["error"] == {"code": 3, "message": BUILD_FAILED}
    assert "response" not in done
    assert desk.versions(bad) == []
    assert desk.latest(function_id) == kept


def test_a_copy_takes_the_code_only() -> None:
    desk = Desk()
    function_id = desk.function()
    source = desk.version(function_id, environment={"A": "1"}, tag=["stable"])
    copy = desk.cloud.versions.get(desk.version(function_id, versionId=source, runtime="python311"))
    assert copy["runtime"] == "python311"
    assert copy["tags"] == ["$latest"]
    assert "environment" not in copy
    assert copy["imageSize"] == "1"


def test_a_copy_from_another_folder_is_refused() -> None:
    desk = Desk()
    source = desk.version(desk.function(folder_id="b1gother000000000000"))
    with pytest.raises(Refused, match="another folder") as refused:
        desk.begin(body(desk.function(folder_id=FOLDER), versionId=source))
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_a_version_that_does_not_exist_cannot_be_copied() -> None:
    desk = Desk()
    with pytest.raises(Refused, match="Version d4enone not found"):
        desk.begin(body(desk.function(), versionId="d4enone"))


PACKAGE = zipped("index.py")
DIGEST = hashlib.sha256(PACKAGE).hexdigest()


@pytest.mark.parametrize(
    ("package", "sha256", "message"),
    [
        (PACKAGE, DIGEST, None),
        (PACKAGE, DIGEST.upper(), None),
        (PACKAGE, None, None),
        (PACKAGE, "0" * 64, "SHA256 of the package does not match"),
        (b"no zip", None, NOT_A_ZIP),
        (None, None, "Object storage object key.zip not found in bucket packages"),
        (zipped("other.py"), None, "Entrypoint file index.py not found in the package"),
    ],
)
def test_the_package_is_taken_from_the_bucket(package: bytes | None, sha256: str | None, message: str | None) -> None:
    desk = Desk(objects=lambda bucket, key: package if (bucket, key) == ("packages", "key.zip") else None)
    source = {"bucketName": "packages", "objectName": "key.zip", **({"sha256": sha256} if sha256 else {})}
    done = desk.end(desk.begin(body(desk.function(), package=source)))
    assert done.get("error", {"message": ""})["message"].startswith(message or "")
    assert ("error" in done) == (message is not None)


def test_a_package_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "package"
    path.write_bytes(PACKAGE)
    desk = Desk(objects=lambda _bucket, _key: path)
    package = {"bucketName": "packages", "objectName": "key.zip", "sha256": DIGEST}
    assert desk.version(desk.function(), package=package)


def test_a_missing_bucket_fails_the_operation() -> None:
    desk = Desk(objects=Objects().get)
    done = desk.end(desk.begin(body(desk.function(), package={"bucketName": "nowhere", "objectName": "key.zip"})))
    assert "nowhere: The specified bucket does not exist" in done["error"]["message"]


@pytest.mark.parametrize(
    ("runtime", "entrypoint", "names", "good"),
    [
        ("python312", "index.handler", ["index.py"], True),
        ("python312", "app.index.handler", ["app/index.py"], True),
        ("python312", "app/index.handler", ["app/index.py"], True),
        ("python312", "app.handler", ["app/__init__.py"], True),
        ("python312", "handler", ["index.py"], False),
        ("python312", "index.handler", ["src/index.py"], False),
        ("bash-2204", "handler.sh", ["handler.sh"], True),
        ("bash-2204", "handler.sh", ["other.sh"], False),
        ("golang123", "index.Handler", ["main.go"], True),
    ],
)
def test_the_entry_file_of_python_and_bash_must_be_there(
    runtime: str, entrypoint: str, names: list[str], good: bool
) -> None:
    desk = Desk()
    done = desk.end(desk.begin(body(desk.function(), runtime=runtime, entrypoint=entrypoint, **inline(*names))))
    assert ("error" not in done) == good


@pytest.mark.parametrize("file", ["requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json"])
def test_a_package_to_be_installed_takes_longer(file: str) -> None:
    desk = Desk(durations=Distribution.parse("fixed:10"))
    function_id = desk.function()
    desk.end(desk.begin(body(function_id)))
    before = desk.clock.now
    desk.end(desk.begin(body(function_id, **inline("index.py", file))))
    assert desk.clock.now - before == 15


def test_tags_can_be_set_moved_and_removed() -> None:
    desk = Desk()
    function_id = desk.function()
    first, second = desk.version(function_id), desk.version(function_id)
    for version_id in (first, second):
        done = desk.end(desk.cloud.versions.set_tag(version_id, {"tag": "stable"}))
        assert "stable" in done["response"]["tags"]
    desk.end(desk.cloud.versions.remove_tag(second, {"tag": "stable"}))
    with pytest.raises(Refused, match="tag stable"):
        desk.cloud.versions.by_tag({"functionId": function_id, "tag": "stable"})
    with pytest.raises(Refused, match="has no tag"):
        desk.cloud.versions.remove_tag(second, {"tag": "stable"})
    history = desk.cloud.functions.tag_history(function_id, {"tag": "stable"})["functionTagHistoryRecord"]
    assert [(record["functionVersionId"], "effectiveTo" in record) for record in history] == [
        (first, True),
        (second, True),
    ]


@pytest.mark.parametrize("tag", ["$latest", "Upper", "", "1st"])
def test_latest_and_odd_names_are_no_tags_to_be_set(tag: str) -> None:
    desk = Desk()
    version_id = desk.version(desk.function())
    with pytest.raises(Refused, match="tag: "):
        desk.cloud.versions.set_tag(version_id, {"tag": tag})


@pytest.mark.parametrize("status", ["CREATING", "DELETING"])
def test_a_version_that_does_not_serve_gets_no_tag(status: str) -> None:
    desk = Desk()
    function_id = desk.function()
    version_id = desk.version(function_id)
    if status == "CREATING":
        version_id = desk.begin(body(function_id))["metadata"]["functionVersionId"]
    else:
        desk.version(function_id)
        desk.cloud.versions.delete(version_id)
    with pytest.raises(Refused, match=f"Version {version_id} is {status}") as refused:
        desk.cloud.versions.set_tag(version_id, {"tag": "stable"})
    assert refused.value.code is Code.FAILED_PRECONDITION


def _history(desk: Desk, function_id: str, **query: Any) -> list[str]:
    """List who had which tag, page by page."""
    found, token = [], ""
    while True:
        page = desk.cloud.functions.tag_history(function_id, {**query, "pageToken": token})
        parse_tag_history(page)
        found += [f"{row['tag']} {row['functionVersionId']}" for row in page.get("functionTagHistoryRecord", ())]
        token = page.get("nextPageToken", "")
        if not token:
            return found


def test_the_history_of_tags_is_paged_and_filtered() -> None:
    desk = Desk()
    function_id = desk.function()
    times = [rfc3339(START_S + 100 * number) for number in range(6)]
    for number in range(5):
        desk.cloud.state.move_tags(function_id, {"a": f"v{number}"}, times[number])
    desk.cloud.state.move_tags(function_id, {"b": "v4", "a": None}, times[5])
    everyone = ["a v0", "a v1", "a v2", "a v3", "a v4", "b v4"]
    for size in (1, 2, 3, 6, 1000):
        assert _history(desk, function_id, pageSize=size) == everyone
    assert _history(desk, function_id, tag="b") == ["b v4"]
    assert _history(desk, function_id, tag="c") == []
    assert _history(desk, function_id, filter=f'effectiveFrom < "{times[2]}"', pageSize=1) == ["a v0", "a v1"]
    assert _history(desk, function_id, filter=f"effectiveFrom='{times[2]}'") == ["a v2"]
    held_at = f'effectiveFrom < "{times[4]}" AND effectiveTo > "{times[3]}"'
    assert _history(desk, function_id, filter=held_at) == ["a v3"]
    assert _history(desk, function_id, filter=f'effectiveTo > "{times[5]}"') == ["b v4"]  # still held


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"filter": 'tag="a"'}, "unknown field 'tag'"),
        ({"filter": 'effectiveFrom > "yesterday"'}, "'yesterday' is not a time"),
        ({"filter": "effectiveFrom >= 1"}, "cannot be read"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_history_of_tags_is_asked_for_in_its_own_words(given: dict[str, str], says: str) -> None:
    desk = Desk()
    function_id = desk.function()
    with pytest.raises(Refused, match=says) as refused:
        desk.cloud.functions.tag_history(function_id, given)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("given", ['status > "ACTIVE"', "status < 'ACTIVE'"])
def test_names_are_compared_for_equality_alone(given: str) -> None:
    desk = Desk()
    with pytest.raises(Refused, match="cannot be read"):
        desk.cloud.versions.list({"functionId": desk.function(), "filter": given})


def test_a_function_has_at_most_ten_tags() -> None:
    desk = Desk()
    function_id = desk.function()
    desk.version(function_id, tag=[f"tag{number}" for number in range(10)])
    desk.version(function_id, tag=["tag0"])
    with pytest.raises(Refused, match="tags per function") as refused:
        desk.begin(body(function_id, tag=["tag10"]))
    (failure,) = refused.value.details
    assert failure["violations"][0]["metric"] == {"name": TAGS, "limit": "10", "usage": "10"}


def test_a_tagged_version_is_deleted_by_force_only_and_latest_never() -> None:
    desk = Desk()
    function_id = desk.function()
    tagged, plain, latest = (desk.version(function_id, tag=tag) for tag in (["stable"], None, None))
    with pytest.raises(Refused, match="has tags: stable"):
        desk.cloud.versions.delete(tagged)
    with pytest.raises(Refused, match="latest"):
        desk.cloud.versions.delete(latest, force=True)
    for version_id, force in ((plain, False), (tagged, True)):
        desk.end(desk.cloud.versions.delete(version_id, force=force))
    assert [version["id"] for version in desk.versions(function_id)] == [latest]


def test_an_obsolete_version_is_active_again_once_tagged() -> None:
    desk = Desk()
    version_id = desk.version(desk.function())
    desk.cloud.state.put_version({**desk.cloud.state.versions[version_id], "status": "OBSOLETE"})
    desk.end(desk.cloud.versions.set_tag(version_id, {"tag": "stable"}))
    assert desk.cloud.versions.get(version_id)["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("secret_id", "version_id", "good"),
    [
        ("e6qknown", "e6qv1", True),
        ("e6qknown", "e6qv2", False),
        ("e6qelse", "e6qx", True),  # never seeded: not known to be missing
        ("e6qelse", "latest", False),
    ],
)
def test_a_secret_version_must_be_a_real_one(secret_id: str, version_id: str, good: bool) -> None:
    desk = Desk()
    desk.cloud.seeds.add_secret(FOLDER, "token", id="e6qknown", version_id="e6qv1")
    secrets = [{"id": secret_id, "versionId": version_id, "key": "k", "environmentVariable": "TOKEN"}]
    sent = body(desk.function(), secrets=secrets)
    if good:
        assert desk.begin(sent)["id"]
        return
    with pytest.raises(Refused, match=f"Secret {secret_id} or its version {version_id} not found"):
        desk.begin(sent)
