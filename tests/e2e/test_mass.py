"""Many functions at once, and runs in which some of them fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.sandbox.memory.faults import BUILD_FAILED, Distribution, Faults
from tests.e2e.harness import BUCKET, Cloud, Project, embedded, run


def test_five_hundred_functions_with_distinct_packages(tmp_path: Path, project: Project) -> None:
    folder_ids = [project.folder_id, f"{project.folder_id}two"]
    project.write(500, size_bytes=20 * 1024, folder_ids=folder_ids, more="[limits]\nrequests_per_second = 100\n")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (_, served):
        for number in range(500):  # saves half of the Operations and of the time: the functions exist already
            served.cloud.functions.create({"folderId": folder_ids[number % 2], "name": f"f{number:03}"})
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.05")) as (cloud, _):
        end = run(project.root, "deploy", "--yes", "--log-level", "warning", environ=cloud.environ())
        assert end.code == 0, end.err
        versions = [version for folder_id in folder_ids for version in cloud.versions(folder_id)]
    assert "500 functions: 500 deployed in " in end.out
    assert "20 of 500 functions" in end.out
    assert "warning" not in end.err
    assert "error" not in end.err
    assert len(versions) == 500
    assert len({version["functionId"] for version in versions}) == 500


def test_three_builds_that_fail_in_the_cloud_are_named(tmp_path: Path, project: Project) -> None:
    project.write(8)
    faults = Faults(failing_functions=["f001", "f004", "f006"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        end = run(project.root, "deploy", "--yes", environ=cloud.environ())
        failed = {operation["id"] for operation in cloud.operations(project.folder_id) if "error" in operation}
    assert end.code == 1, end.err
    assert "8 functions: 5 deployed, 3 failed in " in end.out
    assert "3 functions failed in step track, INVALID_ARGUMENT: f001, f004, f006" in end.out
    assert end.out.count(BUILD_FAILED) == 1
    assert set(re.findall(r"^    f00\d: operation (\w+)", end.out, flags=re.MULTILINE)) == failed
    shown = run(project.root, "show")
    assert shown.code == 0
    assert shown.out.endswith(end.out)  # after the scope of the run


def test_what_failed_is_tried_again_by_the_next_deploy(tmp_path: Path, project: Project) -> None:
    project.write(3)
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 1
        faults.failing_functions.clear()
        end = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
        assert end.code == 0, end.err
        assert json.loads(end.out)["outcomes"] == {"unchanged": 2, "deployed": 1}
        versions = cloud.versions(project.folder_id)
    assert [version["status"] for version in versions] == ["ACTIVE"] * 3


def test_local_builds_that_fail_stop_only_their_own_functions(cloud: Cloud, project: Project) -> None:
    build = 'source = "src/f000"\nbuild = { command = "echo no compiler >&2; exit 3", folder = "src/f001" }\n'
    builds = f"[functions.bad-1]\n{build}[functions.bad-2]\n{build}"
    project.write(3, more=builds)
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 1, end.err
    assert "5 functions: 3 deployed, 2 failed in " in end.out
    assert "2 functions failed in step build, build: bad-1, bad-2" in end.out
    assert "      | no compiler\n" in end.out
    assert {function["name"] for function in cloud.functions(project.folder_id)} == {"f000", "f001", "f002"}


def test_a_package_that_is_not_in_the_bucket_is_the_clouds_own_sentence(cloud: Cloud, project: Project) -> None:
    project.write(1, more=f'[functions.gone]\npackage = {{ bucket = "{BUCKET}", object = "no/such.zip" }}\n')
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 1, end.err
    assert "2 functions: 1 deployed, 1 failed in " in end.out
    assert f"Object storage object no/such.zip not found in bucket {BUCKET}" in end.out
