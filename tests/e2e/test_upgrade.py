"""A runtime upgrade as a team does it: three folders, four old runtimes, half of the functions without a source."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from orchestrator.sandbox.http.server import Sandbox
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.objects import Stored
from orchestrator.version.mounts import as_mount
from orchestrator.version.stamp import without_stamp
from tests.e2e.harness import (
    BUCKET,
    RECORD,
    Cloud,
    Project,
    cut_off,
    embedded,
    run,
)

OLD = ("python37", "python38", "python39", "python311")
TO = "python312"
DECLARED = 60
BY_HAND = 60
# New in each version; descriptions are compared without our stamp.
ITS_OWN = {"id", "createdAt", "runtime", "description"}
JOB = f"""
[jobs.to-python312]
run = "runtime_upgrade"
from = {list(OLD)}
to = "{TO}"
folders = [FOLDERS]
skip = [
    {{ function = "f000", reason = "vendor library", owner = "ann", until = 2099-01-01 }},
    {{ function = "hand-00", reason = "retired in May", owner = "bob", until = 2099-01-01 }},
]
rollout = {{ waves = [1, "10%", "100%"], max_failures = 0 }}
"""
FAST = "[limits]\nrequests_per_second = 200\npolls_per_second = 400\n"


def content() -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return 1\n")
    return base64.b64encode(packed.getvalue()).decode()


def rich(number: int) -> dict[str, Any]:
    """Return settings of a function without a source: of every kind, in varying combinations."""
    every: list[dict[str, Any]] = [
        {"environment": {"LEVEL": "debug", "URL": "https://example.com/?a=b"}},
        {"secrets": [{"id": "e6q1", "versionId": "e6q2", "key": "token", "environmentVariable": "TOKEN"}]},
        {"serviceAccountId": "aje00000000000000001"},
        {"namedServiceAccounts": {"db": "aje00000000000000002"}},
        {"connectivity": {"networkId": "enp00000000000000001"}},
        {"logOptions": {"folderId": "b1g00000000000000001", "minLevel": "WARN"}},
        {"logOptions": {"disabled": True}},
        {"storageMounts": [{"bucketId": "bucket", "prefix": "p/", "mountPointName": "old", "readOnly": True}]},
        {"mounts": [{"name": "tmp", "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "1073741824"}}]},
        {
            "asyncInvocationConfig": {
                "retriesCount": "3",
                "serviceAccountId": "aje00000000000000003",
                "successTarget": {"emptyTarget": {}},
                "failureTarget": {
                    "ymqTarget": {"queueArn": "yrn:yc:ymq:q", "serviceAccountId": "aje00000000000000004"}
                },
            }
        },
        {"tmpfsSize": "536870912"},
        {"metadataOptions": {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "DISABLED"}},
        {"executionTimeout": "600.500s"},
        {"description": "by hand, years ago"},
        {"tag": ["stable", "blue"]},
    ]
    found: dict[str, Any] = {}
    for step in (1, 4, 7):
        found |= every[(number * step + step) % len(every)]
    return found


def set_up(tmp_path: Path, project: Project) -> list[str]:
    """Make 120 functions on old runtimes, half of them by the manifest and half by hand. Return the folder IDs."""
    folder_ids = [project.folder_id, f"{project.folder_id}b", f"{project.folder_id}c"]
    project.write(DECLARED, folder_ids=folder_ids, more=FAST)
    text = project.manifest.read_text()
    for number in range(DECLARED):
        source = f'source = "src/f{number:03}"\n'
        text = text.replace(source, f'{source}runtime = "{OLD[number % 4]}"\nenvironment = {{ NUMBER = "{number}" }}\n')
    project.manifest.write_text(text + JOB.replace("FOLDERS", ", ".join(f'"{one}"' for one in folder_ids)))
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, served):
        end = run(project.root, "deploy", "--yes", "--log-level", "warning", environ=cloud.environ())
        assert end.code == 0, end.err
        for number in range(BY_HAND):
            by_hand(served, folder_ids[number % 3], number)
    return folder_ids


def by_hand(served: Sandbox, folder_id: str, number: int) -> None:
    made = served.cloud.functions.create({"folderId": folder_id, "name": f"hand-{number:02}"})
    body = {
        "functionId": made["metadata"]["functionId"],
        "runtime": OLD[number % 4],
        "entrypoint": "index.handler",
        "resources": {"memory": str(2**30 * (1 + number % 3))},
        "executionTimeout": "5s",
        "content": content(),
    }
    if number % 5 == 0:  # an older version, which keeps its tag
        served.cloud.versions.create(body | {"tag": ["older"]}, f"older-{number}")
    served.cloud.versions.create(body | rich(number), f"hand-{number}")


def live(cloud: Cloud, folder_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the versions of each function by its name, newest last."""
    names = {one["id"]: one["name"] for folder_id in folder_ids for one in cloud.functions(folder_id)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for folder_id in folder_ids:
        for version in cloud.versions(folder_id):
            found[names[version["functionId"]]].append(version)
    for versions in found.values():
        versions.sort(key=lambda version: "$latest" in version.get("tags", []))
    return found


def kept(version: dict[str, Any]) -> dict[str, Any]:
    """Return what a copy must keep. A deprecated mount counts as its new form."""
    fields = {name: value for name, value in version.items() if name not in ITS_OWN}
    fields["description"] = without_stamp(version.get("description", ""))
    fields["mounts"] = sorted([*version.get("mounts", []), *map(as_mount, version.get("storageMounts", []))], key=str)
    fields.pop("storageMounts", None)
    fields["tags"] = sorted(version.get("tags", []))
    return fields


def calls() -> Counter[str]:
    return Counter(json.loads(line)["name"] for line in RECORD.read_text("utf-8").splitlines())


def packages(served: Sandbox) -> list[Stored]:
    return [one for one in served.objects.list(BUCKET).objects if one.key.endswith(".zip")]


def test_a_company_moves_to_a_new_runtime(tmp_path: Path, project: Project) -> None:
    folder_ids = set_up(tmp_path, project)
    offered = CloudSettings(runtimes=(TO, "python311", "python39"))  # two of the old ones are not offered any more
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), settings=offered) as (cloud, served):
        before, objects = live(cloud, folder_ids), packages(served)
        plan_and_board(project, cloud)
        killed_half_way(project, cloud)
        again = run(project.root, "run", "to-python312", "--yes", "-o", "json", environ=cloud.environ())
        assert again.code == 0, again.err
        counted = calls()
        end = run(project.root, "run", "to-python312", "--yes", environ=cloud.environ())
        assert end.code == 0
        assert re.fullmatch(r"0 functions: nothing to do in \d+\.\d s\n", end.out)
        assert calls()["createVersion"] == counted["createVersion"]
        board = board_of(project, cloud)
        assert board["totals"] == {"done": 107, "old tags": 11, "waiting": 0, "failed": 0, "skipped": 2}
        after = live(cloud, folder_ids)
        assert packages(served) == objects  # no upload
    assert sum(len(versions) for versions in after.values()) == sum(map(len, before.values())) + 118
    for name, versions in after.items():
        compare(name, before[name], versions)
    notes = [one["note"] for one in board["functions"] if one["status"] == "old tags"]
    assert len(notes) == 12 - 1  # those with a tag on an older version, except the skipped one
    assert all(note.startswith("tags still serve an old runtime: older (python3") for note in notes)


def compare(name: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Check that a function has exactly one version more, in which only the runtime differs."""
    if name in ("f000", "hand-00"):
        assert after == before
        return
    assert [version["id"] for version in after[:-1]] == [version["id"] for version in before], name
    old, new = before[-1], after[-1]
    assert new["runtime"] == TO
    assert new["status"] == "ACTIVE"
    assert kept(new) == kept(old), name


def plan_and_board(project: Project, cloud: Cloud) -> None:
    dry = run(project.root, "run", "to-python312", "--dry-run", "-o", "json", environ=cloud.environ())
    assert dry.code == 0, dry.err
    plan = json.loads(dry.out)
    assert plan["counts"] == {"copy": 118}
    assert {unit["reason"] for unit in plan["units"] if unit["function"].startswith("f")} == {
        f"runtime {old} → {TO}" for old in OLD
    }
    assert "Ubuntu 22.04" in dry.err
    assert "python37 for f004" in dry.err  # the manifest moves it back
    board = board_of(project, cloud)
    assert board["totals"] == {"done": 0, "old tags": 0, "waiting": 118, "failed": 0, "skipped": 2}
    assert len(board["counts"]) == 12  # four runtimes in three folders
    skipped = {one["function"]: one["note"] for one in board["functions"] if one["status"] == "skipped"}
    assert skipped["f000"] == "vendor library (owner ann, until 2099-01-01)"


def board_of(project: Project, cloud: Cloud) -> dict[str, Any]:
    end = run(project.root, "run", "to-python312", "--status", "-o", "json", environ=cloud.environ())
    assert end.code == 0, end.err
    found: dict[str, Any] = json.loads(end.out)
    return found


def killed_half_way(project: Project, cloud: Cloud) -> None:
    arguments = ("run", "to-python312", "--yes")
    end = cut_off(project.root, signal.SIGKILL, DECLARED, *arguments, environ=cloud.environ())
    assert end.code == -signal.SIGKILL
