"""Each field of createVersion, from the manifest to the body that reaches the cloud and back from the version."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Deployed, Storage
from orchestrator.version.stamp import without_stamp
from tests.engine import BUCKET, Bench
from tests.protobuf import parse_version

HEAD = """
[defaults]
runtime = "nodejs22"
entrypoint = "index.handler"
memory = "2GB"
timeout = "10s"
create = true

[functions.fun]
"""
SOURCE = 'source = "src"\n'


def deployed(
    root: Path, lines: str, storage: Storage | None = None, head: str = HEAD
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Deploy one function. Returns the body that was sent and the live version."""
    (root / "src").mkdir(exist_ok=True)
    (root / "src" / "index.js").write_text("exports.handler = async () => 1;\n")
    bench = Bench(root, storage=storage or Storage(BUCKET, "functions/"))
    outcomes = bench.deploy(head + lines)
    assert isinstance(outcomes["fun"], Deployed), outcomes
    (version,) = bench.versions()
    parse_version(version)
    ((_, body),) = bench.functions.sent
    return body, version


def at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


NETWORK = 'connectivity = { network_id = "enp1", subnet_ids = ["e9b1", "e2l2"] }\n'

# createVersion.md, row by row: (lines of the manifest, path in the body, value there, path in the version)
ROWS: list[tuple[str, str, str, Any, str | None]] = [
    ("runtime", 'runtime = "nodejs18"\n', "runtime", "nodejs18", "runtime"),
    ("entrypoint", 'entrypoint = "index.other"\n', "entrypoint", "index.other", "entrypoint"),
    ("resources", 'memory = "1GB"\n', "resources", {"memory": "1073741824"}, "resources"),
    ("resources.memory", 'memory = "256MB"\n', "resources.memory", "268435456", "resources.memory"),
    ("executionTimeout", 'timeout = "1m30s"\n', "executionTimeout", "90s", "executionTimeout"),
    ("serviceAccountId", 'service_account_id = "aje1"\n', "serviceAccountId", "aje1", "serviceAccountId"),
    ("environment", 'environment = { B = "2", A = "1" }\n', "environment", {"A": "1", "B": "2"}, "environment"),
    ("tag[]", 'tags = ["stable", "blue"]\n', "tag", ["stable", "blue"], None),
    ("connectivity", NETWORK, "connectivity", {"networkId": "enp1", "subnetId": ["e9b1", "e2l2"]}, "connectivity"),
    ("connectivity.networkId", NETWORK, "connectivity.networkId", "enp1", "connectivity.networkId"),
    ("connectivity.subnetId[]", NETWORK, "connectivity.subnetId", ["e9b1", "e2l2"], "connectivity.subnetId"),
    # newer fields (cloud-api#fields)
    ("namedServiceAccounts", 'named_service_accounts = { db = "aje2" }\n', "namedServiceAccounts", {"db": "aje2"},
     "namedServiceAccounts"),
    ("secrets[]", 'secrets = [{ environment_variable = "T", id = "e6q1", version_id = "e6q2", key = "k" }]\n',
     "secrets", [{"id": "e6q1", "versionId": "e6q2", "key": "k", "environmentVariable": "T"}], "secrets"),
    ("logOptions group", 'log = { group_id = "ckg1", min_level = "WARN" }\n', "logOptions",
     {"logGroupId": "ckg1", "minLevel": "WARN"}, "logOptions"),
    ("logOptions folder", 'log = { folder_id = "b1g1" }\n', "logOptions", {"folderId": "b1g1"}, "logOptions"),
    ("logOptions disabled", "log = { disabled = true }\n", "logOptions", {"disabled": True}, "logOptions"),
    ("storageMounts[]", 'storage_mounts = [{ name = "m", bucket = "bbb", prefix = "p", read_only = true }]\n',
     "storageMounts", [{"bucketId": "bbb", "prefix": "p", "mountPointName": "m", "readOnly": True}], "storageMounts"),
    ("mounts[] bucket", 'mounts = [{ name = "m", mode = "read_only", bucket = "bbb", prefix = "p" }]\n', "mounts",
     [{"name": "m", "mode": "READ_ONLY", "objectStorage": {"bucketId": "bbb", "prefix": "p"}}], "mounts"),
    ("mounts[] disk", 'mounts = [{ name = "m", mode = "read_write", disk_size = "2GB", block_size = "8KB" }]\n',
     "mounts",
     [{"name": "m", "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "2147483648", "blockSize": "8192"}}],
     "mounts"),
    ("asyncInvocationConfig", 'async_invocation = { retries = 3, service_account_id = "aje3" }\n',
     "asyncInvocationConfig",
     {"retriesCount": "3", "serviceAccountId": "aje3", "successTarget": {"emptyTarget": {}},
      "failureTarget": {"emptyTarget": {}}}, "asyncInvocationConfig"),
    ("asyncInvocationConfig queue",
     'async_invocation = { failure = { queue_arn = "yrn:q", service_account_id = "aje4" } }\n',
     "asyncInvocationConfig.failureTarget", {"ymqTarget": {"queueArn": "yrn:q", "serviceAccountId": "aje4"}},
     "asyncInvocationConfig.failureTarget"),
    ("tmpfsSize", 'tmpfs_size = "512MB"\n', "tmpfsSize", "536870912", "tmpfsSize"),
    ("concurrency", "concurrency = 4\n", "concurrency", "4", "concurrency"),
    ("metadataOptions", "metadata = { gce_http_endpoint = true, aws_v1_http_endpoint = false }\n", "metadataOptions",
     {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "DISABLED"}, "metadataOptions"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "body_path", "sent", "version_path"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_declared_sent_and_read_back(
    tmp_path: Path, lines: str, body_path: str, sent: Any, version_path: str | None
) -> None:
    body, version = deployed(tmp_path, SOURCE + lines)
    assert at(body, body_path) == sent
    if version_path is not None:
        assert at(version, version_path) == sent


def test_function_id_is_that_of_the_function_found_by_name(tmp_path: Path) -> None:
    body, version = deployed(tmp_path, SOURCE)
    assert body["functionId"] == version["functionId"]


def test_a_timeout_is_sent_even_if_none_is_declared(tmp_path: Path) -> None:
    assert deployed(tmp_path, SOURCE, head=HEAD.replace('timeout = "10s"\n', ""))[0]["executionTimeout"] == "10s"
    assert deployed(tmp_path, SOURCE, head=HEAD.replace("10s", "7s"))[0]["executionTimeout"] == "7s"


def test_description_is_the_users_text_with_the_stamp_behind_it(tmp_path: Path) -> None:
    body, version = deployed(tmp_path, SOURCE + 'description = "Resizes pictures"\n')
    assert body["description"] == version["description"]
    assert without_stamp(body["description"]) == "Resizes pictures"
    assert body["description"].startswith("Resizes pictures [orchestrator:1:")


def test_the_longest_description_still_fits_with_its_stamp(tmp_path: Path) -> None:
    body, _ = deployed(tmp_path, SOURCE + f'description = "{"я" * 500}"\n')
    assert len(body["description"]) <= 600


def test_tags_are_moved_to_the_new_version(tmp_path: Path) -> None:
    _, version = deployed(tmp_path, SOURCE + 'tags = ["stable"]\n')
    assert set(version["tags"]) == {"stable", "$latest"}


def test_package_names_bucket_object_and_hex_sha256(tmp_path: Path) -> None:
    body, _ = deployed(tmp_path, SOURCE)
    package = body["package"]
    assert package["bucketName"] == BUCKET
    assert package["objectName"] == f"functions/{package['sha256']}.zip"
    assert len(bytes.fromhex(package["sha256"])) == 32
    assert "content" not in body
    assert "versionId" not in body


def test_content_is_the_zip_in_base64_where_there_is_no_bucket(tmp_path: Path) -> None:
    body, _ = deployed(tmp_path, SOURCE, Storage())
    archive = base64.b64decode(body["content"], validate=True)
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["index.js"]
    assert "package" not in body


def test_a_package_that_is_in_a_bucket_already_is_named_as_declared(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.js", "exports.handler = 1")
    digest = hashlib.sha256(archive.getvalue()).hexdigest()
    bench = Bench(tmp_path)
    bench.objects.put(BUCKET, "ready.zip", archive.getvalue())
    lines = f'package = {{ bucket = "{BUCKET}", object = "ready.zip", sha256 = "{digest}" }}\n'
    assert isinstance(bench.deploy(HEAD + lines)["fun"], Deployed)
    ((_, body),) = bench.functions.sent
    assert body["package"] == {"bucketName": BUCKET, "objectName": "ready.zip", "sha256": digest}


def test_version_id_copies_the_code_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.js").write_text("exports.handler = async () => 1;\n")
    bench = Bench(tmp_path)
    bench.deploy(HEAD + SOURCE)
    (first,) = bench.versions()
    outcomes = bench.deploy(HEAD + 'version_id = "$latest"\nruntime = "nodejs18"\n')
    assert isinstance(outcomes["fun"], Deployed)
    _, body = bench.functions.sent[-1]
    assert body["versionId"] == first["id"]
    assert body["runtime"] == "nodejs18"
    assert not body.keys() & {"package", "content"}


def test_a_minimal_body_holds_nothing_that_was_not_declared(tmp_path: Path) -> None:
    body, _ = deployed(tmp_path, SOURCE)
    assert sorted(body) == [
        "description", "entrypoint", "executionTimeout", "functionId", "package", "resources", "runtime",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("timeout", "sent"), [('"1m30.5s"', "90.5s"), ("0.1", "0.1s"), ("600", "600s"), ('"1h"', "3600s")]
)
def test_durations_are_written_as_protobuf_does(tmp_path: Path, timeout: str, sent: str) -> None:
    body, _ = deployed(tmp_path, SOURCE + f"timeout = {timeout}\n")
    assert body["executionTimeout"] == sent
