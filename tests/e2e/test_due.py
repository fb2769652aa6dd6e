"""Scheduled jobs as cron calls them: `run NAME --due` of the installed program."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.app.session.due.due_place import breach_of
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import read_request
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.session import open_session
from orchestrator.errors import Exit
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.objects import Objects
from tests.e2e.harness import BUCKET, Cloud, Ended, Project, daily, embedded, run

SCHEDULE = daily(hours_east=3)
JOB = f'[jobs.nightly]\nrun = "scheduled"\nschedule = "{SCHEDULE}"\ntimezone = "Europe/Moscow"\n'


def due(project: Project, cloud: Cloud, *more: str) -> Ended:
    return run(project.root, "run", "nightly", "--due", "--yes", *more, environ=cloud.environ())


def rewind(path: Path, days: int) -> None:
    """Let days pass since the job was last done, in its record."""
    record = json.loads(path.read_bytes())
    at = datetime.now(UTC) - timedelta(days=days)
    path.write_text(json.dumps(record | {"done_until": at.isoformat()}))


def test_a_due_job_is_run_once_on_one_machine_without_a_bucket(cloud: Cloud, project: Project) -> None:
    project.write(2, more=JOB)
    project.without_bucket()
    first = due(project, cloud)
    assert (first.code, first.out) == (0, ""), first.err
    assert "for this machine only" in first.err
    assert 'first call for job "nightly": its due times count from now on; next: 20' in first.err
    assert cloud.versions(project.folder_id) == []
    (path,) = (project.state_dir / "claims").iterdir()
    rewind(path, 3)
    late = due(project, cloud)
    assert late.code == 0, late.err
    assert "2 functions: 2 deployed" in late.out
    assert ": running it once" in late.err
    again = due(project, cloud)
    assert (again.code, again.out) == (0, "")
    assert 'nothing is due for job "nightly"; next: ' in again.err
    assert len(cloud.versions(project.folder_id)) == 2


def test_many_machines_that_share_a_bucket_run_it_once(tmp_path: Path, project: Project) -> None:
    project.write(3, more=JOB)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1")) as (cloud, served):
        assert due(project, cloud).code == 0
        (stored,) = [one for one in served.objects.list(BUCKET).objects if "/nightly.json" in one.key]
        assert stored.key == f"claims/{project.folder_id}/nightly.json"
        body = {"schema": 1, "done_until": "2026-01-01T00:00:00Z", "running": None}
        served.objects.put(BUCKET, stored.key, json.dumps(body).encode())
        machines = [str(tmp_path / f"machine-{number}") for number in range(4)]
        with ThreadPoolExecutor(len(machines)) as pool:
            ends = list(pool.map(lambda state: due(project, cloud, "--state", state), machines))
        assert [end.code for end in ends] == [0, 0, 0, 0], [end.err for end in ends]
        assert sum("3 functions: 3 deployed" in end.out for end in ends) == 1
        assert len(cloud.versions(project.folder_id)) == 3
        others = [end.err for end in ends if not end.out]
        assert all("nothing is due" in reported or "is being run by" in reported for reported in others)


def test_a_storage_that_ignores_conditions_is_reported_and_nothing_due_runs_there(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(1, more=JOB)
    check = Objects.check
    monkeypatch.setattr(Objects, "check", lambda self, bucket, key, _condition=None: check(self, bucket, key))
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        refused = due(project, cloud)
        assert (refused.code, cloud.versions(project.folder_id)) == (6, []), refused.err
        assert "ignores the conditions of writes (If-Match, If-None-Match)" in refused.err
        deployed = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert deployed.code == 0, deployed.err
    assert "runs on two machines could collide" in deployed.err


def test_an_interrupted_due_time_is_taken_up_without_a_second_version(tmp_path: Path, project: Project) -> None:
    project.write(3, more=JOB)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1")) as (cloud, served):
        assert due(project, cloud).code == 0
        key = f"claims/{project.folder_id}/nightly.json"
        body = json.dumps({"schema": 1, "done_until": "2026-01-01T00:00:00Z", "running": None}).encode()
        served.objects.put(BUCKET, key, body)
        assert "3 deployed" in due(project, cloud).out
        served.objects.put(BUCKET, key, body)  # as if it had been killed before it could mark it as done
        end = due(project, cloud)
        assert "3 functions: 3 unchanged" in end.out, end.err
        assert len(cloud.versions(project.folder_id)) == 3


def stopped_elsewhere(project: Project, cloud: Cloud, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return why the last claimant's run was stopped, as another machine sees it that finds the claimant dead."""
    for name, value in cloud.environ().items():
        monkeypatch.setenv(name, value)
    (run_id,) = (one["run_id"] for one in json.loads(run(project.root, "runs", "-o", "json").out)["runs"])
    found: list[str] = []

    async def main(invocation: Invocation) -> CommandResult:
        session = await open_session(invocation, read_request(invocation))
        found.extend([await breach_of(session, run_id), await breach_of(session, "20200101T000000-ffffff")])
        return CommandResult(Exit.DONE)

    options = RunOptions("run nightly", project.manifest, state_dir=state_dir, job="nightly", endpoint=cloud.url)
    invoke(options, Messages(), main)
    assert found[1] == ""
    return found[0]


def test_a_due_time_of_which_functions_were_left_out_is_not_done(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(3, more=f'{JOB}rollout = {{ waves = [1, "100%"] }}\n')
    faults = Faults(failing_functions=["f000"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, served):
        assert due(project, cloud).code == 0
        key = f"claims/{project.folder_id}/nightly.json"
        body = {"schema": 1, "done_until": "2026-01-01T00:00:00Z", "running": None}
        served.objects.put(BUCKET, key, json.dumps(body).encode())
        first = due(project, cloud)
        assert first.code == 1, first.err
        assert "2 cancelled, 1 failed" in first.out
        why = why_stopped = "1 function of wave 1 failed, and max_failures is not declared: no other wave starts"
        assert why in first.out
        assert stopped_elsewhere(project, cloud, tmp_path / "elsewhere", monkeypatch) == why
        assert "is not done, and no call resumes it automatically" in first.err
        faults.failing_functions.clear()
        sent = len(cloud.versions(project.folder_id))
        for _ in range(2):
            end = due(project, cloud, "--log-level", "warning")
            assert (end.code, end.out) == (1, "")
            assert f"was stopped for good: {why}" in end.err
            assert "`orchestrator run nightly --endpoint " in end.err
        assert len(cloud.versions(project.folder_id)) == sent
        assert f"was stopped for good: {why}" in run(project.root, "jobs").out
        (row,) = json.loads(run(project.root, "jobs", "-o", "json").out)["jobs"]
        assert row["open_due"]["why"] == why
        for part, why in (
            (("--param", "select=f001"), "had other parameters (--param)"),
            (("f001",), "selected only some functions"),
        ):
            end = run(project.root, "run", "nightly", "--yes", *part, environ=cloud.environ())
            assert end.code == 0, end.err
            assert f"left undone, stays undone: this run {why}; complete it with `orchestrator run nightly " in end.err
            assert f"was stopped for good: {why_stopped}" in run(project.root, "jobs").out
        end = run(project.root, "run", "nightly", "--yes", environ=cloud.environ())
        assert "3 functions: 3 deployed" in end.out
        assert "left undone, counts as done" in end.err
        assert "not done" not in run(project.root, "jobs").out
        assert "nothing is due" in due(project, cloud).err


def test_a_breach_takes_nothing_from_the_next_due_time(tmp_path: Path, project: Project) -> None:
    project.write(6, more=f'{JOB}rollout = {{ waves = [2, "100%"], max_failures = 0 }}\n')
    project.without_bucket()
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, _):
        assert due(project, cloud).code == 0
        (path,) = (project.state_dir / "claims").iterdir()
        rewind(path, 3)
        assert due(project, cloud).code == 1
        made = len(cloud.versions(project.folder_id))
        assert due(project, cloud).code == 1
        assert len(cloud.versions(project.folder_id)) == made
        record = json.loads(path.read_bytes())
        at = datetime.fromisoformat(record["breach"]["due_at"]) - timedelta(days=1)
        path.write_text(json.dumps(record | {"breach": record["breach"] | {"due_at": at.isoformat()}}))
        faults.failing_functions.clear()
        assert "6 functions: 1 unchanged, 5 deployed" in due(project, cloud).out  # of the same due time
        assert "not done" not in run(project.root, "jobs").out


def test_a_due_time_whose_run_was_rolled_back_is_done(tmp_path: Path, project: Project) -> None:
    project.write(6, more=f'{JOB}rollout = {{ waves = [2, "100%"], max_failures = 0 }}\n')
    project.without_bucket()
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, _):
        assert due(project, cloud).code == 0
        (path,) = (project.state_dir / "claims").iterdir()
        rewind(path, 3)
        assert [due(project, cloud).code, due(project, cloud).code] == [1, 1]
        back = run(project.root, "rollback", "last", "--yes", environ=cloud.environ())
        assert back.code == 0, back.err
        end = due(project, cloud)
        assert end.code == 0, end.err
        assert "was rolled back: the due time" in end.err
        assert due(project, cloud).code == 0


def test_a_failure_with_nothing_left_out_is_not_tried_before_it_is_due_again(tmp_path: Path, project: Project) -> None:
    project.write(2, more=JOB)
    project.without_bucket()
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, _):
        assert due(project, cloud).code == 0
        (path,) = (project.state_dir / "claims").iterdir()
        rewind(path, 3)
        assert due(project, cloud).code == 1
        assert "nothing is due" in due(project, cloud).err


def test_a_job_without_a_schedule_is_never_due(cloud: Cloud, project: Project) -> None:
    project.write(1, more='[jobs.nightly]\nrun = "scheduled"\n')
    end = due(project, cloud)
    assert end.code == 2
    assert 'job "nightly" has no schedule\n' in end.err
    assert "set schedule = " in end.err


def test_jobs_are_listed_with_their_next_due_time(project: Project) -> None:
    project.write(1, more=JOB)
    end = run(project.root, "jobs", "-o", "json")
    (row,) = json.loads(end.out)["jobs"]
    assert (row["job"], row["run"], row["schedule"], row["place"]) == (
        "nightly",
        "scheduled",
        SCHEDULE,
        row["place"],
    )
    at = datetime.fromisoformat(row["next_due"])
    assert timedelta() < at - datetime.now(UTC) <= timedelta(days=1)
    assert (at.hour, at.utcoffset()) == (int(SCHEDULE.split()[1]), timedelta(hours=3))
    assert "nightly" in run(project.root, "jobs").out
