"""A run and its resumes count as one: breach, budget, exit code, `show`, `--failed`, giving up."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.http.server import Sandbox
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e import harness
from tests.e2e.harness import Cloud, Ended, Project, embedded, run

ONE = Quotas(operations_per_folder=1)  # one Operation at a time
NOW = Distribution.parse("fixed:0")
DEPLOY = ("deploy", "--yes")


def reported(end: Ended) -> Any:
    return json.loads(end.out)


def outcomes(end: Ended) -> dict[str, int]:
    found: dict[str, int] = reported(end)["outcomes"]
    return found


def killed(project: Project, cloud: Cloud, after: int, *command: str) -> None:
    harness.cut_off(project.root, signal.SIGKILL, after, *(command or DEPLOY), environ=cloud.environ())


def begun(project: Project, cloud: Cloud, served: Sandbox, after: int, *failing: int) -> None:
    """Deploy all, change all, and kill that run once this many versions were requested, one at a time."""
    assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0
    served.cloud.faults.failing_functions.update(f"f{number:03}" for number in failing)
    project.manifest.write_text(project.manifest.read_text().replace('timeout = "3s"', 'timeout = "4s"'))
    killed(project, cloud, after)


def made(cloud: Cloud, project: Project) -> int:
    return len(cloud.versions(project.folder_id))


def test_a_breach_is_final(tmp_path: Path, project: Project) -> None:
    project.write(12, more="[rollout]\nmax_failures = 0\n")
    faults = Faults(failing_functions=[f"f{number:03}" for number in range(12)])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults, quotas=ONE) as (cloud, served):
        end = run(project.root, *DEPLOY, "-o", "json", environ=cloud.environ())
        assert end.code == 1
        first = reported(end)
        assert first["breach"].endswith("more than max_failures = 0")
        left = first["outcomes"]["cancelled"]
        assert left > 5
        assert "`orchestrator deploy --endpoint " in end.err
        assert "starts a new run with all waves and a new budget of failures" in end.err
        assert "resume" not in end.err.splitlines()[-1]
        served.cloud.faults.failing_functions.clear()
        before = made(cloud, project)
        for _ in range(2):
            end = run(project.root, "resume", environ=cloud.environ())
            assert (end.code, end.out) == (1, "")
            assert f"was stopped for good: {first['breach']}" in end.err
        assert made(cloud, project) == before
        end = run(project.root, "plan", "--undone", "-o", "json", environ=cloud.environ())
        assert len(reported(end)["units"]) == 12 - first["outcomes"].get("deployed", 0)
        end = run(project.root, "deploy", "--failed", "--yes", "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"deployed": first["outcomes"]["failed"]})
        assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0


def test_failures_before_a_kill_count(tmp_path: Path, project: Project) -> None:
    project.write(16, more="[rollout]\nmax_failures = 9\n")
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 4, *range(16))
        assert 3 <= outcomes(run(project.root, "show", "-o", "json"))["failed"] <= 9  # no breach by itself
        project.manifest.write_text(project.manifest.read_text().replace("max_failures = 9", "max_failures = 99"))
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert "max_failures = 9, as when the run began (now it is 99)" in end.err
        assert (end.code, outcomes(end)) == (1, {"cancelled": 6, "failed": 10})
        assert reported(end)["breach"] == "10 of 16 failed, more than max_failures = 9"


def test_a_share_is_of_the_wave_that_was_running_when_the_run_was_killed(tmp_path: Path, project: Project) -> None:
    project.write(12, more='[rollout]\nwaves = [4, "100%"]\nmax_failures = "40%"\n')
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 1, 0, 1)
        project.manifest.write_text(project.manifest.read_text().replace('waves = [4, "100%"]', 'waves = ["100%"]'))
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert (end.code, reported(end)["breach"]) == (1, "2 of 4 failed, more than max_failures = 40%")
        assert outcomes(end)["failed"] == 2
        assert outcomes(end)["cancelled"] >= 8  # none of the second wave


def test_a_wave_with_a_failure_is_the_last_one_however_often_it_is_killed(tmp_path: Path, project: Project) -> None:
    project.write(16, more='[rollout]\nwaves = ["25%", "100%"]\n')
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 1, 0)
        killed(project, cloud, 1, "resume")
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (1, {"cancelled": 12, "deployed": 3, "failed": 1})
        assert reported(end)["breach"].startswith("1 function of wave 1 failed, and max_failures is not declared")
        assert made(cloud, project) == 16 + 3


def test_a_small_run_in_between_hides_nothing(tmp_path: Path, project: Project) -> None:
    project.write(6)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 2)
        (first,) = [one["run_id"] for one in reported(run(project.root, "runs", "-o", "json"))["runs"]][:1]
        done = next(one["key"] for one in harness.events(project.root / "events.ndjson") if one["kind"] == "unit_ended")
        end = run(project.root, *DEPLOY, done, "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"unchanged": 1})
        assert f"run {first} has left " in end.err
        end = run(project.root, "plan", "--undone", "-o", "json", environ=cloud.environ())
        assert len(reported(end)["units"]) >= 4
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"deployed": 6})
        assert "nothing was left undone" in run(project.root, *DEPLOY, "--undone", environ=cloud.environ()).err


def test_a_signal_in_a_wave_that_is_the_last_one_leaves_nothing_to_resume(tmp_path: Path, project: Project) -> None:
    project.write(6, more='[rollout]\nwaves = [2, "100%"]\n')
    faults = Faults(failing_functions=["f000"])
    slow = Distribution.parse("fixed:1")
    with embedded(tmp_path / "cloud", durations=slow, faults=faults) as (cloud, _):
        # 2 Functions and 2 Versions: all of the first wave is requested
        end = harness.cut_off(project.root, signal.SIGTERM, 4, *DEPLOY, "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (1, {"cancelled": 4, "deployed": 1, "failed": 1})
        assert "continue with" not in end.err
        assert "starts a new run" in end.err


def test_a_killed_run_and_what_took_it_up_are_reported_as_one(tmp_path: Path, project: Project) -> None:
    project.write(12)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        killed(project, cloud, 10)
        (row,) = reported(run(project.root, "runs", "-o", "json"))["runs"]
        assert (row["status"], row["taken_up_by"]) == ("interrupted", "")
        assert "interrupted" in run(project.root, "runs").out
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"deployed": 12})
        for which in ("last", row["run_id"]):
            shown = reported(run(project.root, "show", which, "-o", "json"))
            assert (shown["outcomes"], len(shown["functions"])) == ({"deployed": 12}, 12)
            assert [one["exit_code"] for one in shown["chain"]] == [None, 0]
        later, first = reported(run(project.root, "runs", "-o", "json"))["runs"]
        assert first["taken_up_by"] == later["run_id"]
        assert f"run {row['run_id']}" in run(project.root, "show").out
        assert f"interrupted, resumed by {later['run_id']}" in run(project.root, "show").out
        end = run(project.root, "deploy", "--failed", "--yes", environ=cloud.environ())
        assert (end.code, end.out) == (0, "")
        assert f"nothing failed in the last run, {later['run_id']}" in end.err


@pytest.mark.parametrize(("failing", "least", "most"), [(12, 3, 5), (2, 0, 2)], ids=["all", "none of the rest"])
def test_the_failures_of_a_killed_run_are_not_forgotten_by_what_took_it_up(
    tmp_path: Path, project: Project, failing: int, least: int, most: int
) -> None:
    project.write(12)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 4, *range(failing))
        served.cloud.faults.failing_functions.clear()
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        failed = outcomes(end).get("failed", 0)  # as many of the rest as among the first
        assert least <= failed <= most
        failures = {"failed": failed} if failed else {}
        assert (end.code, outcomes(end)) == (int(failed > 0), {"deployed": 12 - failed} | failures)
        again = run(project.root, "resume", environ=cloud.environ())
        assert (again.code, again.out) == (int(failed > 0), "")
        if failed:
            end = run(project.root, "deploy", "--failed", "--yes", "-o", "json", environ=cloud.environ())
            assert (end.code, outcomes(end)) == (0, {"deployed": failed})


def test_what_a_changed_source_kept_from_being_done_is_done_once_it_is_put_back(
    tmp_path: Path, project: Project
) -> None:
    project.write(14)
    sources = {path: path.read_text() for path in project.root.glob("src/*/index.py")}
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        begun(project, cloud, served, 5)
        for path, text in sources.items():
            path.write_text(f"{text}# changed\n")
        live = made(cloud, project) - 14
        assert 4 <= live < 14
        for _ in range(2):
            end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
            assert (end.code, outcomes(end)) == (1, {"deployed": live, "blocked": 14 - live})
        for path, text in sources.items():
            path.write_text(text)
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"deployed": 14})
        assert made(cloud, project) == 2 * 14


def test_a_source_changed_back_leaves_undone_what_the_run_had_not_come_to(tmp_path: Path, project: Project) -> None:
    """A live state that is desired now is not what the run was to deploy."""
    project.write(6)
    sources = {path: path.read_text() for path in project.root.glob("src/*/index.py")}
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 0
        first = {version["id"] for version in cloud.versions(project.folder_id)}
        for path, text in sources.items():
            path.write_text(f"{text}# changed\n")
        killed(project, cloud, 3)
        for path, text in sources.items():
            path.write_text(text)
        live = made(cloud, project) - 6
        assert 2 <= live < 6
        for _ in range(2):
            end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
            assert (end.code, outcomes(end)) == (1, {"deployed": live, "blocked": 6 - live})
            done = {one["version_id"] for one in reported(end)["functions"] if one["outcome"] == "deployed"}
            assert len(done) == live
            assert not done & first
            assert made(cloud, project) == 6 + live
        end = run(project.root, *DEPLOY, "-o", "json", environ=cloud.environ())
        assert (end.code, outcomes(end)) == (0, {"deployed": live, "unchanged": 6 - live})


@pytest.mark.parametrize("breach", [False, True], ids=["killed", "stopped"])
def test_what_is_undone_can_be_given_up(tmp_path: Path, project: Project, breach: bool) -> None:
    project.write(8, more="[rollout]\nmax_failures = 0\n" if breach else "")
    faults = Faults(failing_functions=["f001", "f004"] if breach else [])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults, quotas=ONE) as (cloud, _):
        if breach:
            assert run(project.root, *DEPLOY, environ=cloud.environ()).code == 1
        else:
            killed(project, cloud, 3)
        project.manifest.rename(project.root / "away.toml")  # it is not needed
        end = run(project.root, "resume", "--give-up", "--state", ".orchestrator")
        assert (end.code, end.out) == (0, "")
        assert "given up: " in end.err
        for command in (("resume",), ("resume", "--give-up")):
            assert run(project.root, *command, environ=cloud.environ()).code == 0
        shown = run(project.root, "show", "-o", "json")
        assert reported(shown)["given_up"] is True
        assert "given up" in run(project.root, "show").out
        (project.root / "away.toml").rename(project.manifest)
        end = run(project.root, "deploy", "--undone", "--yes", environ=cloud.environ())
        assert (end.code, end.out) == (0, "")
        assert "was given up" in end.err
