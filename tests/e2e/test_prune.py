"""`prune` of the installed program: repeated deploys, prune, rollback; killed, resumed; without records."""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.sandbox.memory.faults import Distribution, Faults
from tests.e2e import harness
from tests.e2e.harness import Clock, Cloud, Ended, Project, embedded, run, terminal

DAY_S = 86_400.0
TIMES = 4
ONE = ("--keep", "1", "--runs", "1")


def deployed(project: Project, cloud: Cloud, times: int = TIMES, *, count: int = 2) -> None:
    """Deploy this many times, with a different setting each time."""
    for number in range(times):
        project.write(count, defaults=f'environment = {{ N = "{number}" }}')
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0


def left(project: Project, cloud: Cloud) -> Counter[str]:
    return Counter(version["environment"]["N"] for version in cloud.versions(project.folder_id))


def plan(end: Ended) -> dict[str, object]:
    found: dict[str, object] = json.loads(end.out)
    assert found["schema"] == "orchestrator/prune/1"
    return found


def test_old_versions_go_and_the_last_run_can_be_rolled_back(cloud: Cloud, project: Project) -> None:
    deployed(project, cloud)
    shown = run(project.root, "prune", *ONE, "--dry-run", "-o", "json", environ=cloud.environ())
    assert (shown.code, plan(shown)["goes"], plan(shown)["stays"]) == (0, 4, 4)
    assert len(cloud.versions(project.folder_id)) == 8
    asked = run(project.root, "prune", *ONE, environ=cloud.environ())
    assert asked.code == 2  # there is no terminal, and no --yes
    assert "--yes" in asked.err
    done = run(project.root, "prune", *ONE, "--yes", "-o", "json", environ=cloud.environ())
    assert done.code == 0, done.err
    assert json.loads(done.out)["outcomes"] == {"pruned": 2}
    assert left(project, cloud) == {"2": 2, "3": 2}
    back = run(project.root, "rollback", "--yes", environ=cloud.environ())  # of the deploy: a prune is skipped
    assert back.code == 0, back.err
    assert left(project, cloud) == {"2": 4, "3": 2}
    (row,) = [one for one in json.loads(run(project.root, "runs", "-o", "json").out)["runs"] if one["verb"] == "prune"]
    refused = run(project.root, "rollback", row["run_id"], "--yes", environ=cloud.environ())
    assert refused.code == 2
    assert "is a prune" in refused.err


def test_a_prune_that_was_killed_is_taken_up(tmp_path: Path, project: Project) -> None:
    clock = Clock()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), clock=clock) as (cloud, served):
        deployed(project, cloud, 8)
        served.cloud.last(Distribution.parse("fixed:600"))

        def let_all_end() -> None:
            served.cloud.last(Distribution.parse("fixed:0"))  # also of a request in flight
            clock.forward(600.0)

        harness.cut_off(
            project.root, signal.SIGKILL, 3, "prune", *ONE, "--yes", environ=cloud.environ(), then=let_all_end
        )
        end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
        assert end.code == 0, end.err
        assert json.loads(end.out)["outcomes"] == {"pruned": 2}
        assert left(project, cloud) == {"6": 2, "7": 2}
        kinds = {kind["kind"] for kind in json.loads(end.out)["storage"]["kinds"]}
        assert kinds >= {"packages", "records of runs"}
        again = run(project.root, "resume", environ=cloud.environ())
        assert again.code == 0
        assert "nothing to resume" in again.err


def test_a_machine_without_a_journal_goes_by_the_records(cloud: Cloud, project: Project) -> None:
    deployed(project, cloud)
    none = run(project.root, "prune", "--keep", "1", "--runs", "0", "--dry-run", environ=cloud.environ())
    assert "its previous version may be deleted" in none.out
    shutil.rmtree(project.state_dir)
    shown = plan(
        run(project.root, "prune", "--keep", "1", "--runs", "2", "--dry-run", "-o", "json", environ=cloud.environ())
    )
    assert (shown["goes"], shown["notes"]) == (2, [])


def test_without_records_nothing_young_goes(cloud: Cloud, project: Project) -> None:
    for number in range(4):
        project.write(1, defaults=f'environment = {{ N = "{number}" }}')
        project.without_bucket()
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    shown = plan(run(project.root, "prune", *ONE, "--dry-run", "-o", "json", environ=cloud.environ()))
    assert "without a bucket it is not known" in str(shown["notes"])
    assert shown["reasons"] == {"$latest": 1, "of a recent run": 1, "without records": 2}


def test_a_function_whose_last_run_failed_is_left_alone(tmp_path: Path, project: Project) -> None:
    faults = Faults()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, _):
        deployed(project, cloud)
        faults.failing_functions.add("f001")
        project.write(2, defaults='environment = { N = "9" }')
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 1
        end = run(project.root, "prune", *ONE, "--yes", environ=cloud.environ())
        assert end.code == 0, end.err
        assert "left alone: f001: run " in end.err
        by_function = Counter(one["functionId"] for one in cloud.versions(project.folder_id))
        assert sorted(by_function.values()) == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("prune", "nobody"), 'no function matches "nobody"'),
        (("prune", "--keep", "0"), "0 is not in the range x>=1"),
        (("prune", "--runs", "x"), "'x' is not a valid integer"),
        (("run", "clean", "--param", "keep=0"), "`keep` must be a whole number, at least 1, not 0"),
        (("run", "clean", "--param", "all=perhaps"), "`all` must be true or false"),
        (("run", "spread", "--dry-run"), "jobs.spread.rollout: a prune does not support this"),
        (("run", "clean", "--dry-run", "--simulate"), "a prune cannot be simulated"),
        (("run", "clean", "--now", "--again", "f000"), "--again, --now has no effect on job clean, which is a prune"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_deleted(
    cloud: Cloud, project: Project, arguments: tuple[str, ...], reported: str
) -> None:
    jobs = '[jobs.clean]\nrun = "prune"\n[jobs.spread]\nrun = "prune"\nrollout = { waves = [1] }\n'
    project.write(1, more=jobs)
    end = run(project.root, *arguments, environ=cloud.environ())
    assert end.code == 2, end.err
    assert reported in end.err


def test_a_good_run_prunes_after_itself_and_a_job_prunes_whole_folders(cloud: Cloud, project: Project) -> None:
    deployed(project, cloud, 3, count=1)
    project.write(1, defaults='environment = { N = "3" }', more="[rollout]\nprune_after = true")
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    assert "nothing to delete; 4 versions of 1 function kept" in end.err
    verbs = [one["verb"] for one in json.loads(run(project.root, "runs", "-o", "json").out)["runs"]]
    assert verbs[:2] == ["prune", "deploy"]
    project.write(
        0, more='[jobs.clean]\nrun = "prune"\nkeep = 2\nruns = 1\n'
    )  # the function is in no manifest any more
    end = run(project.root, "run", "clean", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    assert left(project, cloud) == {"2": 1, "3": 1}


@pytest.mark.parametrize(("answer", "code", "versions"), [("n", 1, 8), ("y", 0, 4)])
def test_on_a_terminal_it_is_asked_whether_versions_are_deleted(
    cloud: Cloud, project: Project, answer: str, code: int, versions: int
) -> None:
    deployed(project, cloud)
    with terminal(project.root, "prune", *ONE, environ=cloud.environ()) as screen:
        screen.read_until("Delete permanently? [y/N] ")
        screen.send(f"{answer}\n")
        end = screen.end()
    assert end.code == code
    assert len(cloud.versions(project.folder_id)) == versions
    assert ("not pruned: nothing was sent" in end.out) == (answer == "n")
