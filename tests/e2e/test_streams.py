"""The surroundings of a run: pipes that close, no terminal, a prompt, another run's lock."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import (
    PROGRAM,
    Cloud,
    Ended,
    Project,
    count_events,
    ended,
    environment,
    forked,
    interrupt,
    run,
    terminal,
    wait_for,
)

LONG_BUILD = '[functions.slow]\nsource = "src/f000"\nbuild = { command = "touch started; sleep 60", folder = "." }\n'


def into_head(project: Project, cloud: Cloud, *arguments: str) -> Ended:
    """Run `orchestrator … | head -1`, and return the program's own exit code."""
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=project.root, env=environment(cloud.environ()), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return Ended(process.returncode, line, err)


def test_a_reader_that_goes_away_loses_nothing(cloud: Cloud, project: Project) -> None:
    project.write(120)
    end = into_head(project, cloud, "deploy", "--yes", "f00*", "--log-level", "error")
    assert end.code == 0, end.err
    assert end.out.startswith("function")
    assert len(cloud.versions(project.folder_id)) == 10
    shown = into_head(project, cloud, "show")
    assert (shown.code, shown.out.split()[0]) == (0, "run")
    assert into_head(project, cloud, "deploy", "--dry-run", "-o", "json").code == 0


def test_what_cannot_be_written_to_stderr_changes_no_exit_code(cloud: Cloud, project: Project) -> None:
    project.write(2)
    assert closed(project, cloud, "2>/dev/full").code == 0
    assert len(cloud.versions(project.folder_id)) == 2
    assert closed(project, cloud, "--nonsense 2>/dev/full").code == 2
    command = [*PROGRAM, "deploy", "--yes", "--force", "--log-level", "debug"]
    with subprocess.Popen(
        command, cwd=project.root, env=environment(cloud.environ()), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
    assert process.returncode == 0
    assert len(cloud.versions(project.folder_id)) == 4


@pytest.mark.parametrize("words", ["--help", "deploy --help", "--version"])
def test_help_that_nobody_reads_is_no_mistake(words: str, tmp_path: Path) -> None:
    for redirection, code, said in ((" | true", 0, ""), (">/dev/full", 1, "error: cannot write to standard output: ")):
        command, _, pipe = f"{' '.join(PROGRAM)} {words} {redirection}".partition(" | ")
        script = f"{{ {command}; echo $? >&2; }}{f' | {pipe}' if pipe else ''}"
        *lines, ended = run(tmp_path, "-c", script, program=["sh"]).err.splitlines()
        assert (ended, [line.startswith(said) for line in lines]) == (str(code), [True] * bool(said)), lines


def test_stdout_that_is_closed_from_the_start_stops_nothing(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = closed(project, cloud, ">&-")
    assert end.code == 0, end.err
    assert len(cloud.versions(project.folder_id)) == 2


def test_stderr_that_is_closed_stops_nothing(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = closed(project, cloud, "2>&-")
    assert (end.code, end.err) == (0, "")
    assert "2 functions: 2 deployed in " in end.out
    assert "run started" not in end.out


def test_stdin_that_is_closed_stops_nothing(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = closed(project, cloud, "<&-")
    assert end.code == 0, end.err
    assert "2 functions: 2 deployed in " in end.out


def closed(project: Project, cloud: Cloud, redirection: str) -> Ended:
    command = " ".join([*PROGRAM, "deploy", "--yes", redirection])
    return run(project.root, "-c", command, program=["sh"], environ=cloud.environ())


def test_stdout_on_a_full_disk_is_reported(cloud: Cloud, project: Project) -> None:
    project.write(1)
    end = closed(project, cloud, ">/dev/full")
    assert end.code == 0, end.err
    assert "cannot write to standard output: No space left on device" in end.err
    assert len(cloud.versions(project.folder_id)) == 1


def test_a_plan_that_cannot_be_shown_is_no_run_that_could_be(project: Project, cloud: Cloud) -> None:
    project.write(1)
    command = " ".join([*PROGRAM, "plan", ">/dev/full"])
    end = run(project.root, "-c", command, program=["sh"], environ=cloud.environ())
    assert end.code == 1
    assert "cannot write to standard output: No space left on device" in end.err
    assert "orchestrator show" not in end.err


def test_an_event_file_that_is_incomplete_is_reported_at_the_end(cloud: Cloud, project: Project) -> None:
    project.write(1)
    end = run(project.root, "deploy", "--yes", "-o", "json", "--events", "/dev/full", environ=cloud.environ())
    said = "the event file /dev/full is incomplete: No space left on device"
    assert json.loads(end.out)["warnings"] == [said]
    assert f"warning: {said}" in end.err
    assert end.code == 0, "the exit code speaks of the functions"


def test_without_a_terminal_a_change_needs_yes(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = run(project.root, "deploy", environ=cloud.environ())
    assert end.code == 2
    assert end.err.endswith("error: this changes functions, and there is no terminal to ask on\n       add --yes\n")
    assert cloud.functions(project.folder_id) == []


def test_on_a_terminal_a_no_sends_nothing(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with terminal(project.root, "deploy", environ=cloud.environ()) as screen:
        screen.read_until("Deploy? [y/N] ")
        screen.send("n\n")
        end = screen.end()
    account = json.loads(cloud.key_file.read_text())["service_account_id"]
    where = f"2 functions to change in folder {project.folder_id} of cloud sandbox-cloud, as service account {account}."
    assert where in end.out.replace("\r\n", "")
    assert "not deployed: nothing was sent" in end.out
    assert "resume" not in end.out
    assert end.code == 1
    assert cloud.functions(project.folder_id) == []


def test_on_a_terminal_a_yes_goes_on(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with terminal(project.root, "deploy", environ=cloud.environ()) as screen:
        screen.read_until("Deploy? [y/N] ")
        screen.send("y\n")
        end = screen.end()
    assert end.code == 0
    assert "2 functions: 2 deployed in " in end.out
    assert len(cloud.versions(project.folder_id)) == 2


def test_a_terminal_is_asked_whether_what_was_rolled_back_is_deployed_again(cloud: Cloud, project: Project) -> None:
    project.write(1)
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    project.write(1, defaults='environment = { A = "1" }\n')
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    assert run(project.root, "rollback", "--yes", environ=cloud.environ()).code == 0
    alone = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert alone.code == 1
    assert "withdrawn by rollback 20" in alone.out
    assert "rolled back by hand" in alone.out
    with terminal(project.root, "deploy", environ=cloud.environ()) as screen:
        screen.read_until("1 function was rolled back. Deploy again? [y/N] ")
        screen.send("y\n")
        screen.read_until("Deploy? [y/N] ")
        screen.send("y\n")
        end = screen.end()
    assert end.code == 0
    assert len(cloud.versions(project.folder_id)) == 4


def test_ctrl_c_and_ctrl_d_at_the_question_send_nothing(cloud: Cloud, project: Project) -> None:
    project.write(2)
    for key in ("\x03", "\x04"):
        with terminal(project.root, "deploy", environ=cloud.environ()) as screen:
            screen.read_until("Deploy? [y/N] ")
            screen.send(key)
            end = screen.end()
        assert end.code == 3
        assert "nothing was sent" in end.out
    assert cloud.functions(project.folder_id) == []


def test_a_second_deploy_is_reported_who_holds_the_lock(cloud: Cloud, project: Project) -> None:
    project.write(1, more=LONG_BUILD)
    with forked(project.root, "deploy", "--yes", environ=cloud.environ()) as first:
        wait_for((project.root / "started").exists, first)
        second = run(project.root, "deploy", "--yes", environ=cloud.environ())
        waited = run(project.root, "deploy", "--yes", "--lock-timeout", "0.3", environ=cloud.environ())
        beside = run(project.root, "plan", "f000", environ=cloud.environ())
        building = run(project.root, "plan", environ=cloud.environ())
        interrupt(first)
        assert ended(first).code == 3
    assert second.code == waited.code == building.code == 4
    assert (beside.code, beside.out.splitlines()[-1]) == (0, "plan: 1 create")
    assert f"`orchestrator deploy` of {getpass.getuser()}, process {first.pid} on " in second.err
    assert "after waiting for 0.3s" in waited.err
    assert cloud.functions(project.folder_id) == []


def test_lock_timeout_waits_for_the_first_run(cloud: Cloud, project: Project) -> None:
    project.write(2)
    log = project.root / "events.ndjson"
    with forked(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as first:
        wait_for(lambda: count_events(log, "requested") > 0, first)
        second = run(project.root, "deploy", "--yes", "--lock-timeout", "30s", environ=cloud.environ())
        assert ended(first).code == 0
    assert second.code == 0, second.err
    assert "2 functions: 2 unchanged" in second.out


@pytest.mark.skipif(not (Path(sys.executable).parent / "orchestrator").exists(), reason="not installed")
def test_the_console_script_is_the_same_program(tmp_path: Path) -> None:
    script = os.fspath(Path(sys.executable).parent / "orchestrator")
    assert run(tmp_path, "--version", program=[script]).out == run(tmp_path, "--version").out
