"""The GitHub Action: the shell of action.yml, run as GitHub would, with the program or with one that notes its call."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT, TIMEOUT_S, Project, environment, wait_for

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEP: dict[str, Any] = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "run")
EXPRESSION = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")
REAL = f'exec {sys.executable} -m orchestrator "$@"'
# Notes its words and what it can read, begins a run where events are asked for, and ends as EXIT says.
NOTES = """
printf '%s\\n' "$@" > words
echo "key ${KEY:-none} folder ${YC_FOLDER_ID:-none}" > seen
if [ -n "${YC_SERVICE_ACCOUNT_KEY_FILE:-}" ]; then stat -c %a "$YC_SERVICE_ACCOUNT_KEY_FILE" >> seen; fi
if [ -n "${YC_SERVICE_ACCOUNT_KEY_FILE:-}" ]; then cat "$YC_SERVICE_ACCOUNT_KEY_FILE" >> seen; fi
if [ "$1" = plan ]; then exit; fi
echo '{"schema":1,"run_id":"20261128T120000-abc123","kind":"run_started"}' > "$ORCHESTRATOR_EVENTS"
exit "${EXIT:-0}"
"""
WAITS = """
trap 'exit 3' TERM
touch started
while :; do sleep 0.05; done
"""


@dataclass(frozen=True, slots=True)
class Runner:
    """A machine of GitHub, as far as the step sees it: `root` is the checked-out repository."""

    root: Path

    @contextmanager
    def started(
        self, program: str, inputs: Mapping[str, str], environ: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start the step, and kill what the block leaves of it. `program`: the shell that `orchestrator` is there."""
        for name in ("bin", "temp"):
            (self.root / name).mkdir(exist_ok=True)
        (self.root / "output").write_text("")
        command = self.root / "bin" / "orchestrator"
        command.write_text(f"#!/usr/bin/env bash\n{program}")
        command.chmod(0o755)
        (self.root / "step.sh").write_text(STEP["run"])
        given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | dict(inputs)
        step = {name: EXPRESSION.sub(lambda found: given[found[1]], value) for name, value in STEP["env"].items()}
        github = {
            "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.root / "output"), "RUNNER_TEMP": str(self.root / "temp"),
        }  # fmt: skip
        with subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"], cwd=self.root,
            env=environment(github | step | dict(environ)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, program: str, environ: Mapping[str, str] | None = None, **inputs: str) -> tuple[int, str, str]:
        """Run the step to its end: its exit code and its two streams."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        with self.started(program, given, environ or {}) as step:
            out, err = step.communicate(timeout=TIMEOUT_S)
        return step.returncode, out, err

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.root / "output").read_text().splitlines())

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.root / "temp").iterdir())


@pytest.fixture
def runner(project: Project) -> Runner:
    return Runner(project.root)


def test_a_plan_is_the_default_and_begins_no_run(runner: Runner) -> None:
    assert runner.run(NOTES)[0] == 0
    assert (runner.root / "words").read_text() == "plan\n"
    assert (runner.root / "seen").read_text() == "key none folder none\n"
    assert runner.outputs() == {"exit-code": "0"}


def test_a_deploy_asks_nothing_and_outputs_run_and_exit_code(runner: Runner) -> None:
    arguments = "auth-*\n\n  --var=A=b c  \n$(touch pwned)\n"
    inputs = {"arguments": arguments, "key": '{"id": "x"}', "folder_id": "b1gfolder"}
    code, _, err = runner.run(NOTES, {"EXIT": "5"}, command="deploy", **inputs)
    assert code == 5, err
    assert (runner.root / "words").read_text().splitlines() == [
        "deploy",
        "--yes",
        "auth-*",
        "--var=A=b c",
        "$(touch pwned)",
    ]
    assert (runner.root / "seen").read_text() == 'key none folder b1gfolder\n600\n{"id": "x"}'
    assert runner.outputs() == {"exit-code": "5", "run-id": "20261128T120000-abc123"}
    assert runner.left() == [], "the key is left on the machine"
    assert not (runner.root / "pwned").exists()


def test_another_command_is_an_error_of_usage(runner: Runner) -> None:
    code, out, _ = runner.run(NOTES, command="prune --all")
    assert (code, out) == (2, '::error::command is "prune --all": plan or deploy\n')
    assert runner.outputs() == {"exit-code": "2"}
    assert not (runner.root / "words").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_cancelled_stops_the_program(runner: Runner, number: signal.Signals) -> None:
    with runner.started(WAITS, {"command": "deploy", "key": "{}"}, {}) as step:
        wait_for((runner.root / "started").exists, step)
        step.send_signal(number)
        step.communicate(timeout=TIMEOUT_S)
    assert step.returncode == 3
    assert runner.outputs() == {"exit-code": "3"}
    assert runner.left() == []


def test_the_program_itself_deploys_and_its_run_is_the_output(runner: Runner, project: Project) -> None:
    project.write(2)
    code, out, err = runner.run(REAL, command="deploy", arguments="--sandbox")
    assert code == 0, err
    assert "2 functions: 2 deployed in " in out
    outputs = runner.outputs()
    assert outputs["exit-code"] == "0"
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", outputs["run-id"])


def test_every_input_and_output_of_the_action_is_used() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    assert [name for name in ACTION["inputs"] if f"${{{{ inputs.{name} }}}}" not in text] == []
    assert {one["value"] for one in ACTION["outputs"].values()} == {
        f"${{{{ steps.run.outputs.{name} }}}}" for name in ACTION["outputs"]
    }
