"""A plan that is made on one machine and carried out on another: `plan --out`, `deploy --plan`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import Cloud, Project, embedded, run

ENVIRON = {"LEVEL": "info", "DB_PASSWORD": "hunter2-hunter2"}
DEFAULTS = 'environment = { LEVEL = "${LEVEL}", DB_PASSWORD = "${DB_PASSWORD}" }\n'


def other_machine(project: Project, root: Path) -> Project:
    """Clone a project elsewhere, without what the first machine knows."""
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".orchestrator"))
    return Project(root, project.folder_id)


def test_a_plan_of_one_machine_is_carried_out_on_another(tmp_path: Path, project: Project) -> None:
    project.write(3, defaults=DEFAULTS)
    file = str(tmp_path / "plan.json")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ() | ENVIRON
        assert run(project.root, "deploy", "--yes", "f000", environ=environ).code == 0
        made = run(project.root, "plan", "--out", file, environ=environ)
        assert made.code == 0, made.err
        assert f"`orchestrator deploy --plan {file}` does it" in made.err
        assert not cloud_has(cloud, project, 2)
        text = Path(file).read_text()
        assert not any(value in text for value in ENVIRON.values() if value != "info")

        other = other_machine(project, tmp_path / "other")
        refused = run(other.root, "deploy", "--plan", file, "--yes", environ=environ | {"LEVEL": "debug"})
        assert refused.code == 2, refused.err
        assert "f000: environment.LEVEL changed" in refused.err
        assert "debug" not in refused.err
        unasked = run(other.root, "deploy", "--plan", file, environ=environ)
        assert (unasked.code, "add --yes" in unasked.err) == (2, True)
        shaping = run(other.root, "deploy", "--plan", file, "--force", "f001", environ=environ)
        assert "--plan is the whole plan, so FUNCTIONS, --force cannot change it" in shaping.err
        assert not cloud_has(cloud, project, 2)

        done = run(other.root, "deploy", "--plan", file, "--yes", "-o", "json", environ=environ)
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert found["outcomes"] == {"unchanged": 1, "deployed": 2}
        assert found["selection"]["plan"] == json.loads(text)["id"]
        again = run(other.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert (again.code, "3 unchanged" in again.out) == (0, True), again.err
        assert len(cloud.versions(project.folder_id)) == 3


def cloud_has(cloud: Cloud, project: Project, count: int) -> bool:
    return len(cloud.functions(project.folder_id)) >= count
