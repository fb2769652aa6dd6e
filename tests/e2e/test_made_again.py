"""A function that was deleted and created again is another one, whatever its description says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.faults import Distribution
from tests.clouds import inline
from tests.e2e.harness import Clock, Cloud, Project, embedded, run

NOW = Distribution.parse("fixed:0")
DEPLOY = ("deploy", "--yes", "-o", "json")
_ASKED = ("runtime", "entrypoint", "resources", "executionTimeout", "description")


def made_again(cloud: MemoryCloud, clock: Clock, folder_id: str, **changes: Any) -> tuple[str, str]:
    """Delete f000 and create it again as a person would who copies its description with the stamp. Return the IDs of
    the old Function and the new one.
    """
    version = next(
        one
        for one in cloud.versions.list({"folderId": folder_id, "pageSize": 1000})["versions"]
        if "$latest" in one.get("tags", ())
    )
    cloud.functions.delete(version["functionId"])
    clock.forward(1)
    made = cloud.functions.create({"folderId": folder_id, "name": "f000"})
    clock.forward(1)
    asked = {name: version[name] for name in _ASKED} | inline("index.py") | changes
    cloud.versions.create({"functionId": made["metadata"]["functionId"], **asked})
    clock.forward(1)
    return version["functionId"], made["metadata"]["functionId"]


def unit(project: Project, cloud: Cloud, *arguments: str) -> tuple[int, dict[str, Any]]:
    end = run(project.root, *arguments, "-o", "json", environ=cloud.environ())
    reported = json.loads(end.out)
    (found,) = reported.get("units") or reported["functions"]
    return end.code, found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_was_made_again_with_our_description_is_not_called_unchanged(
    tmp_path: Path, project: Project, clock: Clock
) -> None:
    project.write(1)
    with embedded(tmp_path / "cloud", durations=NOW, clock=clock) as (cloud, served):
        assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0
        (run_id,) = (row["run_id"] for row in json.loads(run(project.root, "runs", "-o", "json").out)["runs"])
        former, now = made_again(served.cloud, clock, project.folder_id)
        said = f"the function was created again: {now} is not {former}, which run {run_id} deployed"
        code, planned = unit(project, cloud, "plan")
        assert (code, planned["action"], planned["reason"]) == (0, "new version", f"{said} under its name")
        assert unit(project, cloud, "deploy", "--yes")[1]["outcome"] == "deployed"
        assert unit(project, cloud, "plan")[1]["action"] == "unchanged"  # it is ours now


def test_what_somebody_has_made_of_it_is_not_taken_away(tmp_path: Path, project: Project, clock: Clock) -> None:
    project.write(1)
    with embedded(tmp_path / "cloud", durations=NOW, clock=clock) as (cloud, served):
        assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0
        made_again(served.cloud, clock, project.folder_id, environment={"A": "1"}, executionTimeout="60s")
        code, planned = unit(project, cloud, "plan")
        assert (code, planned["action"]) == (1, "blocked")
        assert "the function was created again" in planned["reason"]
        assert "would remove environment A and change back timeout 1m → 3s" in planned["reason"], planned


@pytest.mark.parametrize("bucket", [True, False])
def test_what_another_machine_has_made_again_is_ours_as_far_as_the_bucket_tells(
    tmp_path: Path, project: Project, clock: Clock, *, bucket: bool
) -> None:
    project.write(1)
    if not bucket:
        project.without_bucket()
    here, there = project.state_dir, tmp_path / "there"
    with embedded(tmp_path / "cloud", durations=NOW, clock=clock) as (cloud, served):
        assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0
        (function,) = cloud.functions(project.folder_id)
        served.cloud.functions.delete(function["id"])
        clock.forward(1)
        shutil.copytree(here, there, ignore=shutil.ignore_patterns("journal*"))
        assert run(project.root, *DEPLOY, "--state", str(there), environ=cloud.environ()).code == 0
        for _ in range(2):  # a plan stores nothing
            assert unit(project, cloud, "plan")[1]["action"] == ("unchanged" if bucket else "new version")
        assert unit(project, cloud, "deploy", "--yes")[0] == 0
        assert unit(project, cloud, "plan")[1]["action"] == "unchanged"
