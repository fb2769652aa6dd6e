"""Killed and interrupted runs: calls that were sent are found again, and no version is made twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import (
    Cloud,
    Ended,
    Project,
    count_events,
    cut_off,
    ended,
    forked,
    interrupt,
    run,
    running,
    sandbox,
    terminal,
    wait_for,
)

COUNT = 24  # more than the 15 Operations in flight of a folder
GO_ON = "continue with `orchestrator resume`"


def outcomes(end: Ended) -> dict[str, int]:
    found: dict[str, int] = json.loads(end.out)["outcomes"]
    return found


def deployed_versions(end: Ended) -> set[str]:
    return {one["version_id"] for one in json.loads(end.out)["functions"] if one["outcome"] == "deployed"}


def finish(project: Project, cloud: Cloud) -> None:
    """Deploy again, and check that the cloud has one version of each function."""
    end = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
    assert end.code == 0, end.err
    assert set(outcomes(end)) <= {"deployed", "unchanged"}
    versions = cloud.versions(project.folder_id)
    assert len(versions) == COUNT
    assert len({version["functionId"] for version in versions}) == COUNT
    assert {version["status"] for version in versions} == {"ACTIVE"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_lets_operations_settle(cloud: Cloud, project: Project, number: signal.Signals) -> None:
    project.write(COUNT)
    log = project.root / "events.ndjson"
    start = running if number is signal.SIGINT else forked
    with start(project.root, "deploy", "--yes", "-o", "json", "--events", str(log), environ=cloud.environ()) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 20, process)
        interrupt(process, number)
        end = ended(process)
    assert end.code == 3, end.err
    assert GO_ON in end.err
    assert "unknown" not in outcomes(end)
    assert outcomes(end)["cancelled"] > 0
    assert deployed_versions(end) == {version["id"] for version in cloud.versions(project.folder_id)}
    finish(project, cloud)


def test_two_interrupts_leave_at_once(tmp_path: Path, project: Project) -> None:
    project.write(COUNT)
    log = project.root / "events.ndjson"
    with sandbox(tmp_path, "--durations", "fixed:2") as cloud:
        with running(
            project.root, "deploy", "--yes", "-o", "json", "--events", str(log), environ=cloud.environ()
        ) as process:
            assert process.stderr is not None
            wait_for(lambda: count_events(log, "operation_accepted") > 17, process)
            interrupt(process)
            while "interrupted: nothing new starts" not in process.stderr.readline():
                pass
            interrupt(process)
            end = ended(process)
        assert end.code == 3, end.err
        assert "interrupted twice: leaving; the journal is intact" in end.err
        assert outcomes(end)["unknown"] > 0
        assert "deployed" not in outcomes(end)
        finish(project, cloud)


def test_sigterm_leaves_after_five_seconds(tmp_path: Path, project: Project) -> None:
    project.write(2)
    log = project.root / "events.ndjson"
    with (
        sandbox(tmp_path, "--durations", "fixed:60") as cloud,
        forked(project.root, "deploy", "--yes", "-o", "json", "--events", str(log), environ=cloud.environ()) as process,
    ):
        wait_for(lambda: count_events(log, "operation_accepted") == 2, process)
        interrupt(process, signal.SIGTERM)
        end = ended(process)
    assert end.code == 3, end.err
    assert outcomes(end) == {"unknown": 2}
    assert run(project.root, "show").out.count("  unknown  ") == 2


def test_what_was_ignored_stays_ignored(cloud: Cloud, project: Project) -> None:
    """nohup starts a program like this, and so do shells in the background."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    project.write(COUNT)
    log = project.root / "events.ndjson"
    with running(
        project.root, "deploy", "--yes", "-o", "json", "--events", str(log), environ=cloud.environ(), preexec_fn=ignore
    ) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 20, process)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGINT, signal.SIGHUP):
            interrupt(process, number)
        end = ended(process)
    assert end.code == 0, end.err
    assert outcomes(end) == {"deployed": COUNT}


BUSY_JOB = """
from pathlib import Path

PARAMETERS = {}


def folders(manifest, given):
    Path("busy").touch()
    while True:
        pass


def desired(manifest, live, given):
    raise AssertionError
"""


def interrupted_until_it_ends(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C repeatedly, as a user without a response does: pending signals of one kind count once."""
    for _ in range(1000):
        if process.poll() is not None:
            return
        interrupt(process)
        time.sleep(0.02)


def test_ctrl_c_ends_a_program_whose_own_thread_is_busy(cloud: Cloud, project: Project) -> None:
    project.write(1)
    (project.root / "jobs").mkdir()
    (project.root / "jobs" / "busy.py").write_text(BUSY_JOB)
    manifest = project.root / "deploy.toml"
    manifest.write_text(manifest.read_text() + '\n[jobs.busy]\nrun = "busy"\n')
    with running(project.root, "run", "busy", "--yes", environ=cloud.environ()) as process:
        wait_for((project.root / "busy").exists, process)
        interrupted_until_it_ends(process)
        end = ended(process)
    assert end.code == 3, end.err
    assert "leaving by force" in end.err


def test_ctrl_c_ends_a_program_that_is_stuck_in_a_call(project: Project) -> None:
    """A file of the manifest is a pipe that never sends anything."""
    project.write(1)
    pipe = project.root / "more.toml"
    os.mkfifo(pipe)
    manifest = project.root / "deploy.toml"
    manifest.write_text('include = ["more.toml"]\n' + manifest.read_text())
    written: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # no one reads it yet
            written.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(written)

    with running(project.root, "plan") as process:
        wait_for(is_read, process)
        interrupted_until_it_ends(process)
        end = ended(process)
    os.close(written[0])
    assert end.code == 3, end.err
    assert "leaving by force" in end.err


def test_ctrl_c_on_a_terminal_does_not_reach_the_sandbox(project: Project) -> None:
    project.write(COUNT)
    log = project.root / "events.ndjson"
    with terminal(project.root, "deploy", "--sandbox", "--events", str(log)) as screen:
        wait_for(lambda: count_events(log, "operation_accepted") >= 17, screen.process)
        screen.send("\x03")
        end = screen.end()
    assert end.code == 3, end.out
    assert "interrupted: nothing new starts" in end.out
    assert GO_ON in end.out
    reported = json.loads(run(project.root, "show", "-o", "json").out)
    assert "unknown" not in reported["outcomes"]
    assert reported["exit_code"] == 3
    assert run(project.root, "deploy", "--sandbox").code == 0
    with sandbox(project.state_dir) as cloud:
        assert len(cloud.versions(project.folder_id)) == COUNT


@pytest.mark.parametrize("kept", [True, False], ids=["state kept", "state lost"])
def test_a_killed_run_is_taken_up(cloud: Cloud, project: Project, kept: bool) -> None:
    project.write(COUNT)
    end = cut_off(project.root, signal.SIGKILL, 20, "deploy", "--yes", environ=cloud.environ())
    assert end.code == -signal.SIGKILL
    if kept:
        assert "interrupted" in run(project.root, "runs").out
        assert run(project.root, "show").code == 0
    else:
        shutil.rmtree(project.state_dir)
    finish(project, cloud)


def test_a_killed_sandbox_run_is_taken_up(project: Project) -> None:
    project.write(4)
    cut_off(project.root, signal.SIGKILL, 6, "deploy", "--sandbox")
    end = run(project.root, "deploy", "--sandbox")
    assert end.code == 0, end.err
    with sandbox(project.state_dir) as cloud:
        assert len(cloud.versions(project.folder_id)) == 4
