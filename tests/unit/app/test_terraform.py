"""A Terraform state: its functions with their declared settings, and the errors of files that are not a state."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.commands.import_ import manifest_text
from orchestrator.app.session.importing.entries import KnownNames, entries_of
from orchestrator.app.session.importing.terraform import read_state
from orchestrator.errors import UsageError
from orchestrator.function.access import ROLE
from orchestrator.manifest.writing.spelling import spelled
from orchestrator.model import Action, ChangeKind
from tests.builders import settings
from tests.live import found_in, live_function, live_state, no_secret, planned_from

EVERYTHING: dict[str, Any] = {
    "id": "id-b1g-thumbnailer", "name": "thumbnailer", "folder_id": "b1g", "description": "what it does",
    "labels": {"team": "media"}, "runtime": "nodejs22", "entrypoint": "index.handler", "memory": 1024,
    "execution_timeout": "10", "environment": {"LEVEL": "info"}, "service_account_id": "ajea", "tags": ["stable"],
    "tmpfs_size": 512, "concurrency": 4, "user_hash": "abc", "version": "d4e", "image_size": 100, "loggroup_id": "",
    "secrets": [{"id": "e6q", "version_id": "e6v", "key": "db", "environment_variable": "DB"}],
    "connectivity": [{"network_id": "enp"}], "content": [{"zip_filename": "build/x.zip"}], "package": [],
    "log_options": [{"disabled": False, "log_group_id": "ckg", "folder_id": "", "min_level": "WARN"}],
    "mounts": [
        {"name": "data", "mode": "ro", "ephemeral_disk": [], "object_storage": [{"bucket": "pics", "prefix": "p/"}]},
        {"name": "tmp", "mode": "rw", "ephemeral_disk": [{"size_gb": 5, "block_size_kb": 4}], "object_storage": []},
    ],
    "storage_mounts": [{"mount_point_name": "old", "bucket": "older", "prefix": "", "read_only": True}],
    "async_invocation": [
        {
            "retries_count": 2, "service_account_id": "ajeb", "ymq_success_target": [],
            "ymq_failure_target": [{"arn": "yrn:yc:ymq:ru-central1:b1g:q", "service_account_id": "ajec"}],
        }
    ],
    "metadata_options": [{"gce_http_endpoint": 1, "aws_v1_http_endpoint": 2}],
    "created_at": "2024-01-01T00:00:00Z",
}  # fmt: skip


BROKEN = '{"type": "yandex_function", "name": "a", "instances": [{"attributes": {}}]}'


def state(tmp_path: Path, *instances: dict[str, Any], **more: Any) -> Path:
    path = tmp_path / "terraform.tfstate"
    resources = [
        {"mode": "data", "type": "yandex_function", "name": "other", "instances": [{"attributes": {}}]},
        {"mode": "managed", "type": "yandex_vpc_network", "name": "net", "instances": [{"attributes": {"id": "enp"}}]},
        {
            "mode": "managed", "type": "yandex_function", "name": "fn", "module": "module.media",
            "instances": [{"index_key": one["name"], "attributes": one} for one in instances],
        },
    ]  # fmt: skip
    path.write_text(json.dumps({"version": 4, "terraform_version": "1.9.0", "resources": resources} | more))
    return path


def test_every_attribute_has_its_key(tmp_path: Path) -> None:
    (found,) = read_state(state(tmp_path, EVERYTHING))
    assert (found.address, found.id, found.folder_id) == (
        'module.media.yandex_function.fn["thumbnailer"]', "id-b1g-thumbnailer", "b1g",
    )  # fmt: skip
    assert found.code == "code in Terraform: build/x.zip"
    assert found.table == {
        "runtime": "nodejs22", "entrypoint": "index.handler", "timeout": "10s", "environment": {"LEVEL": "info"},
        "secrets": [{"environment_variable": "DB", "key": "db", "id": "e6q", "version_id": "e6v"}],
        "service_account_id": "ajea", "memory": "1GB", "tmpfs_size": "512MB", "concurrency": 4,
        "mounts": [
            {"name": "data", "mode": "read_only", "bucket": "pics", "prefix": "p/"},
            {"name": "tmp", "mode": "read_write", "disk_size": "5GB", "block_size": "4KB"},
            {"name": "old", "mode": "read_only", "bucket": "older"},
        ],
        "connectivity": {"network_id": "enp"}, "log": {"group_id": "ckg", "min_level": "WARN"},
        "async_invocation": {
            "retries": 2, "service_account_id": "ajeb",
            "failure": {"queue_arn": "yrn:yc:ymq:ru-central1:b1g:q", "service_account_id": "ajec"},
        },
        "metadata": {"gce_http_endpoint": True, "aws_v1_http_endpoint": False}, "tags": ["stable"],
        "labels": {"team": "media"}, "function_description": "what it does",
    }  # fmt: skip


def test_what_terraform_declares_is_written_and_what_is_live_otherwise_is_named(tmp_path: Path) -> None:
    names = ("one-fn", "two-fn")
    given = {
        "runtime": "python312", "entrypoint": "index.handler", "memory": 128, "execution_timeout": "10",
        "folder_id": "b1g", "labels": {"team": "x"},
    }  # fmt: skip
    states = read_state(state(tmp_path, *({**given, "id": f"id-b1g-{name}", "name": name} for name in names)))
    live = live_state([
        live_function("one-fn", settings(), "b1g", labels={"team": "x"}),
        live_function("two-fn", settings(memory_bytes=256 << 20), "b1g", labels={"team": "y"}),
        live_function("not-of-terraform", settings(), "b1g"),
    ])  # fmt: skip
    functions = [one for one in found_in(live) if one.function.id in {state.id for state in states}]
    tables = {one.key: next(state.table for state in states if state.id == one.function.id) for one in functions}
    made = entries_of(functions, KnownNames(), no_secret, pinned=True, tables=tables, hints={"one-fn": "code: x.zip"})
    text = manifest_text(made, {})
    read = tomllib.loads(text)
    assert read["functions"] == {"one-fn": {"id": "id-b1g-one-fn"}, "two-fn": {"id": "id-b1g-two-fn"}}
    assert read["defaults"]["version_id"] == "$latest"
    assert made.notes == {"two-fn": ("live value differs: memory 256MB → 128MB", "live value differs: labels")}
    assert "# code: x.zip\none-fn" in text
    plan = {unit.key: unit.action for unit in planned_from(tmp_path, text, live).units}
    assert plan["one-fn"] is Action.UNCHANGED
    assert plan["two-fn"] is not Action.UNCHANGED


def test_scaling_and_access_of_their_own_resources_are_read(tmp_path: Path) -> None:
    path = state(tmp_path, EVERYTHING)
    reported = json.loads(path.read_text())
    policies = [
        {"tag": "$latest", "zone_instances_limit": 3, "zone_requests_limit": 100}, {"tag": "none"},
        {"tag": "stable", "zone_instances_limit": 2, "zone_requests_limit": 0},
    ]  # fmt: skip
    of = {"function_id": EVERYTHING["id"]}
    bindings = [
        {**of, "role": "functions.viewer", "members": ["system:allUsers"]},
        {**of, "role": "functions.functionInvoker", "members": ["userAccount:aje", "system:allUsers"]},
    ]
    reported["resources"] += [
        {
            "type": "yandex_function_scaling_policy",
            "name": "s",
            "instances": [{"attributes": {**of, "policy": policies}}],
        },
        {"type": "yandex_function_iam_binding", "name": "b", "instances": [{"attributes": one} for one in bindings]},
    ]
    path.write_text(json.dumps(reported))
    (found,) = read_state(path)
    assert found.table["scaling"] == {
        "$latest": {"zone_instances": 3, "zone_requests": 100}, "stable": {"zone_instances": 2},
    }  # fmt: skip
    assert found.table["public"] is True
    assert {*found.own_kinds} == {ChangeKind.SCALING, ChangeKind.ACCESS}
    reported["resources"][-1]["instances"].pop()
    path.write_text(json.dumps(reported))
    (found,) = read_state(path)
    assert "public" not in found.table


@pytest.mark.parametrize(
    ("declared", "own", "notes"),
    [
        ({"public": True}, {"public": {ROLE: True}}, ()),
        ({"public": True}, {"public": {}}, ("live value differs: public",)),
        ({"public": True}, {}, ()),  # it could not be read
        ({"scaling": {"a": {"zone_instances": 2}}}, {"scaling": {"a": {"zone_instances": 2, "provisioned": 1}}}, ()),
        ({"scaling": {"a": {"zone_instances": 2}}}, {"scaling": {}}, ("live value differs: scaling",)),
    ],
)
def test_scaling_and_access_that_are_live_otherwise_are_named(
    declared: dict[str, Any], own: dict[str, Any], notes: tuple[str, ...]
) -> None:
    (one,) = found_in(live_state([live_function("one", settings(), **own)]))
    table = {**spelled(settings()), **declared}
    made = entries_of([one], KnownNames(), no_secret, pinned=True, tables={"one": table})
    assert made.notes.get("one", ()) == notes
    read = tomllib.loads(manifest_text(made, {}))["functions"]["one"]
    assert {key: read[key] for key in declared} == declared


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("no json", "not JSON"),
        ('{"version": 3}', "not a Terraform state of version 4 but of 3"),
        ("[]", "not a Terraform state of version 4"),
        ('{"version": 4, "resources": []}', "no yandex_function in this state"),
        (f'{{"version": 4, "resources": [{BROKEN}]}}', "cannot read a resource: KeyError"),
    ],
)
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, text: str, reported: str) -> None:
    path = tmp_path / "terraform.tfstate"
    path.write_text(text)
    with pytest.raises(UsageError, match=reported):
        read_state(path)
    with pytest.raises(UsageError, match="No such file"):
        read_state(tmp_path / "none")
