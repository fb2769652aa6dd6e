"""A user's own job, as described in docs/jobs.md, and what the docs say of the built-in ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.job.files import find_job
from tests.e2e.harness import ROOT, Cloud, Project, run

DOCS = (ROOT / "docs" / "jobs.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["mass_redeploy", "scheduled", "runtime_upgrade"])
def test_every_parameter_of_a_built_in_job_is_documented(name: str, tmp_path: Path) -> None:
    section = DOCS.split(f"### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    missing = [key for key in find_job(name, tmp_path).PARAMETERS if f"`{key}`" not in section]
    assert missing == []


def test_the_worked_example(cloud: Cloud, project: Project) -> None:
    project.write(1)
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    example = shutil.copytree(ROOT / "examples" / "own_job", project.root.parent / "own_job")
    environ = cloud.environ(project.folder_id)
    board = run(example, "run", "lift-memory", "--status", environ=environ)
    assert board.out.startswith("1 function: 1 waiting\n"), board.err
    end = run(example, "run", "lift-memory", "--yes", "-o", "json", environ=environ)
    assert end.code == 0, end.err
    assert json.loads(end.out)["outcomes"] == {"deployed": 1}
    assert json.loads(end.out)["functions"][0]["reason"] == "memory 128MB → 256MB"
    (latest,) = [one for one in cloud.versions(project.folder_id) if "$latest" in one.get("tags", [])]
    assert latest["resources"]["memory"] == str(256 << 20)
    again = run(example, "run", "lift-memory", "--param", "at_least=128MB", "--yes", environ=environ)
    assert "0 functions: nothing to do" in again.out
    assert not list(example.rglob("__pycache__"))


def test_a_job_that_breaks_is_said_with_its_line(cloud: Cloud, project: Project) -> None:
    project.write(1, more='[jobs.mine]\nrun = "mine"\n')
    (project.root / "jobs").mkdir()
    (project.root / "jobs" / "mine.py").write_text(
        "PARAMETERS = {}\n\n\ndef folders(manifest, given):\n    return [1 / 0]\n\n\n"
        "def desired(manifest, live, given): ...\n"
    )
    end = run(project.root, "run", "mine", "--yes", environ=cloud.environ())
    assert end.code == 2
    assert "jobs/mine.py:5: ZeroDivisionError: division by zero" in end.err
