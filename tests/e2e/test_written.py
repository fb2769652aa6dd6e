"""`run JOB --update-manifest` that was killed, paused or rolled back: the manifest afterwards."""

from __future__ import annotations

import json
import signal
import tomllib
from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e.harness import Project, cut_off, embedded, run

NOW = Distribution.parse("fixed:0")
ONE = Quotas(operations_per_folder=1)  # one Operation at a time
JOB = '[jobs.loud]\nrun = "mass_redeploy"\nenvironment = { LEVEL = "loud" }\n'
RUN = ("run", "loud", "--update-manifest", "--yes")


def levels(project: Project) -> list[str]:
    read = tomllib.loads(project.manifest.read_text())
    common = read["defaults"].get("environment", {}).get("LEVEL", "")
    return [one.get("environment", {}).get("LEVEL", common) for one in read["functions"].values()]


def unchanged(project: Project, environ: dict[str, str]) -> bool:
    return run(project.root, "plan", "--detailed-exitcode", environ=environ).code == 0


def test_resume_writes_what_the_killed_run_and_it_have_changed(tmp_path: Path, project: Project) -> None:
    project.write(3, more=JOB)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        cut_off(project.root, signal.SIGKILL, 2, *RUN, environ=environ)
        assert levels(project) == ["", "", ""]
        resumed = run(project.root, "resume", environ=environ)
        assert (resumed.code, levels(project)) == (0, ["loud"] * 3), resumed.err
        assert "written for 3 functions: deploy.toml" in resumed.err
        assert unchanged(project, environ)
        first = json.loads(run(project.root, "show", "-o", "json").out)["run_id"]
        back = run(project.root, "rollback", first, "--yes", environ=environ)
        assert (back.code, levels(project)) == (0, ["loud"] * 3), back.err
        assert "wrote its changes into the manifest, and they are still there" in back.err
        shown = run(project.root, "import", "--update", "--dry-run", environ=environ)
        assert (shown.code, "-" in shown.out + shown.err) == (0, True)
        assert run(project.root, "import", "--update", "--yes", environ=environ).code == 0
        assert unchanged(project, environ), project.manifest.read_text()


def test_promote_writes_what_is_left_of_a_paused_run(tmp_path: Path, project: Project) -> None:
    project.write(3, more=f'{JOB}rollout = {{ waves = [1, "100%"], pause = "approval" }}\n')
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        assert run(project.root, *RUN, environ=environ).code == 3
        assert sorted(levels(project)) == ["", "", "loud"]
        done = run(project.root, "promote", "--yes", environ=environ)
        assert (done.code, levels(project)) == (0, ["loud"] * 3), done.err
        assert unchanged(project, environ)


def test_what_a_breach_has_taken_back_is_not_written(tmp_path: Path, project: Project) -> None:
    rollout = 'rollout = { waves = [2, "100%"], max_failures = 0, on_breach = "rollback" }\n'
    project.write(3, more=f"{JOB}{rollout}")
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        served.cloud.faults.failing_functions.add("f002")
        end = run(project.root, *RUN, environ=environ)
        assert (end.code, levels(project)) == (5, [""] * 3), end.err
        served.cloud.faults.failing_functions.clear()
        assert unchanged(project, environ)


def test_what_an_earlier_run_changed_is_not_said_to_be_declared(tmp_path: Path, project: Project) -> None:
    project.write(1, more='[jobs.up]\nrun = "runtime_upgrade"\nfrom = ["python311"]\nto = "python312"\n')
    project.manifest.write_text(project.manifest.read_text().replace('"python312"', '"python311"', 1))
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        first = run(project.root, "run", "up", "--yes", environ=environ)
        assert first.code == 0, first.err
        again = run(project.root, "run", "up", "--update-manifest", "--yes", environ=environ)
        assert again.code == 0, again.err
        assert "`orchestrator import --update` writes what an earlier run changed" in again.err
        assert "already declares" not in again.err
        assert run(project.root, "import", "--update", "--yes", environ=environ).code == 0
        done = run(project.root, "run", "up", "--update-manifest", "--yes", environ=environ)
        assert "an earlier run changed" not in done.err, done.err
