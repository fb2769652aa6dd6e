"""How a `rollback` by hand ends where it cannot complete, and its messages."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.memory.faults import Distribution, Fate, Faults
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e.harness import TIMEOUT_S, Clock, Cloud, Ended, Project, cut_off, embedded, interrupt, run, terminal
from tests.long import short_first


def deploy(project: Project, cloud: Cloud, level: str) -> Ended:
    """Deploy two functions with this setting."""
    more = '[limits]\noperation_deadline = "1s"\n'
    project.write(2, defaults=f'environment = {{ LEVEL = "{level}" }}\ntags = ["stable"]\n', more=more)
    return run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())


def deployed_twice(project: Project, cloud: Cloud) -> str:
    """Deploy two functions and change them. Return the ID of the later run."""
    assert deploy(project, cloud, "info").code == 0
    end = deploy(project, cloud, "warn")
    assert end.code == 0, end.err
    return str(json.loads(end.out)["run_id"])


def levels(project: Project, cloud: Cloud) -> set[str]:
    versions = cloud.versions(project.folder_id)
    return {one["environment"]["LEVEL"] for one in versions if "$latest" in one.get("tags", ())}


def known_runs(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(project.root, "runs", "-o", "json").out)["runs"]
    return found


@pytest.mark.parametrize("way", [(), ("--since", "1h"), ("f000", "--to", "d4e0")], ids=["run", "since", "to"])
def test_lossy_of_no_function_is_refused(cloud: Cloud, project: Project, way: tuple[str, ...]) -> None:
    project.write(2)
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    end = run(project.root, "rollback", *way, "--lossy", "f001,f0001", "--yes", environ=cloud.environ())
    assert end.code == 2
    assert '--lossy f0001: there is no function f0001; did you mean "f00' in end.err


@pytest.mark.parametrize("named", [True, False])
def test_a_rollback_that_was_killed_before_its_run_is_not_forgotten(
    cloud: Cloud, project: Project, named: bool
) -> None:
    run_id = deployed_twice(project, cloud)
    with terminal(project.root, "rollback", *([run_id[:-1]] if named else []), environ=cloud.environ()) as screen:
        screen.read_until("[y/N]")
        held = run(project.root, "rollback", "--yes", environ=cloud.environ())
        assert held.code == 4, held.err
        interrupt(screen.process, signal.SIGKILL)
        screen.process.wait(TIMEOUT_S)
    end = run(project.root, "resume", environ=cloud.environ())
    assert end.code == 3
    assert f"a later `orchestrator rollback {run_id} --endpoint {cloud.url}` was killed while planning" in end.err
    assert levels(project, cloud) == {"warn"}
    again = run(project.root, "rollback", run_id, "--yes", environ=cloud.environ())
    assert again.code == 0, again.err
    assert run(project.root, "resume", environ=cloud.environ()).code == 0
    back, forth, first = known_runs(project)
    assert (back["state"], forth["state"], first["state"]) == ("done", "rolled back", "done")
    assert forth["rolled_back_by"] == back["run_id"]
    shown = run(project.root, "show", run_id).out
    assert f"by run {back['run_id']}" in shown
    assert f"rolled back by run {back['run_id']}: 2 functions" in shown


@pytest.mark.parametrize("named", [True, False])
def test_a_machine_without_the_journal_rolls_back_by_the_record_in_the_bucket(
    cloud: Cloud, project: Project, named: bool
) -> None:
    run_id = deployed_twice(project, cloud)
    stable = {one["id"] for one in cloud.versions(project.folder_id) if "stable" in one.get("tags", ())}
    shutil.rmtree(project.state_dir)
    end = run(project.root, "rollback", *([run_id] if named else []), "--yes", "-o", "json", environ=cloud.environ())
    assert end.code == 0, end.err
    assert json.loads(end.out)["rolls_back"] == run_id
    assert levels(project, cloud) == {"info"}
    held = {one["id"] for one in cloud.versions(project.folder_id) if "stable" in one.get("tags", ())}
    assert held.isdisjoint(stable), "tags are on the very versions that held them"
    assert len(held) == 2


@pytest.mark.parametrize("of", short_first(1, ["the rollback", "the run"]))
def test_an_end_that_nobody_has_seen_is_unknown_and_gone_on_with(tmp_path: Path, project: Project, of: str) -> None:
    faults, clock = Faults(), Clock()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults, clock=clock) as (
        cloud,
        _,
    ):
        assert deploy(project, cloud, "info").code == 0
        if of == "the run":
            faults.settle_next("createVersion", Fate(duration_s=900.0))
        assert deploy(project, cloud, "warn").code == (3 if of == "the run" else 0)
        if of == "the rollback":
            faults.settle_next("createVersion", Fate(duration_s=900.0))
        end = run(project.root, "rollback", "last", "--yes", "-o", "json", environ=cloud.environ())
        reported = json.loads(end.out)
        assert (end.code, reported["state"]) == (3, "interrupted"), end.err
        assert reported["outcomes"] == {"deployed": 1, "unknown": 1}
        assert "with `orchestrator resume`" in end.err
        clock.forward(1000.0)
        end = run(project.root, "resume", environ=cloud.environ())
        assert end.code == 0, end.err
        assert levels(project, cloud) == {"info"}
        assert len(cloud.versions(project.folder_id)) == 6


def test_what_a_later_run_has_deployed_is_left_alone_and_that_run_is_named(cloud: Cloud, project: Project) -> None:
    run_id = deployed_twice(project, cloud)
    later = json.loads(deploy(project, cloud, "error").out)["run_id"]
    looked = run(project.root, "rollback", run_id, "--dry-run", environ=cloud.environ())
    assert looked.code == 1, looked.err
    assert f" was deployed since by run {later} at " in looked.out
    assert levels(project, cloud) == {"error"}


@pytest.mark.parametrize("lost", short_first(1, [True, False]))  # the journal: on another machine
def test_what_was_rolled_back_is_not_begun_again_by_resume(tmp_path: Path, project: Project, lost: bool) -> None:
    one_at_a_time, now = Quotas(operations_per_folder=1), Distribution.parse("fixed:0")
    project.write(12)

    def timeouts() -> list[str]:
        live = [one for one in cloud.versions(project.folder_id) if "$latest" in one.get("tags", ())]
        return sorted(one["executionTimeout"] for one in live)

    def resume(run_id: str) -> Ended:
        if lost:
            shutil.rmtree(project.state_dir)
        return run(project.root, "resume", run_id, "-o", "json", environ=cloud.environ())

    def roll_back(*of: str) -> None:
        end = run(project.root, "rollback", *of, "--yes", environ=cloud.environ())
        assert end.code == 0, end.err

    with embedded(tmp_path / "cloud", durations=now, quotas=one_at_a_time) as (cloud, _served):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        project.manifest.write_text(project.manifest.read_text().replace('timeout = "3s"', 'timeout = "4s"'))
        cut_off(project.root, signal.SIGKILL, 4, "deploy", "--yes", environ=cloud.environ())
        run_id = known_runs(project)[0]["run_id"]
        reported = json.loads(run(project.root, "show", run_id, "-o", "json").out)["functions"]
        first = next(
            one["function"] for one in reported if one["outcome"] == "deployed"
        )  # of whichever was ready first
        roll_back(run_id, first)  # it ends the run for this one
        assert known_runs(project)[1]["state"] == "interrupted"
        end = resume(run_id)
        assert end.code == 1, end.err
        assert json.loads(end.out)["outcomes"] == {"deployed": 11, "blocked": 1}
        assert "not resumed: 1 function: run " in end.err
        assert timeouts() == ["3s", *["4s"] * 11]

        project.manifest.write_text(project.manifest.read_text().replace('timeout = "4s"', 'timeout = "5s"'))
        cut_off(project.root, signal.SIGKILL, 4, "deploy", "--yes", environ=cloud.environ())
        run_id = known_runs(project)[0]["run_id"]
        roll_back()  # it ends the run
        back, forth, *_ = known_runs(project)
        assert (back["state"], forth["state"], forth["rolled_back_by"]) == ("done", "rolled back", back["run_id"])
        passed_over, refused = run(project.root, "resume", environ=cloud.environ()), resume(run_id)
        assert (passed_over.code, refused.code) == (0, 2), passed_over.err + refused.err
        assert f"run {run_id} was rolled back by run {back['run_id']}" in refused.err
        assert "deploy --endpoint " in refused.err
        assert timeouts() == ["3s", *["4s"] * 11]
