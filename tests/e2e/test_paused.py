"""Paused runs: a gate as a real script, another machine that continues the run, the output of `resume` and `runs`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import Cloud, Project, embedded, run

NOW = Distribution.parse("fixed:0")
DEPLOY = ("deploy", "--yes", "-o", "json")


def gate(project: Project, script: str) -> str:
    """Write a gate, and return the key of [rollout] for it."""
    path = project.root / "gate.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return 'gate = { command = ["./gate.sh"], timeout = "1s" }\n'


def rollout(project: Project, *lines: str) -> None:
    project.write(3, more="\n".join(["[rollout]", 'canary = ["f002"]', *lines]) + "\n")


def test_another_machine_lets_a_paused_run_go_on(tmp_path: Path, project: Project) -> None:
    judged = gate(project, "cat > gate.json")
    rollout(project, 'pause = "approval"', judged)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _served):
        end = run(project.root, *DEPLOY, environ=cloud.environ())
        paused = json.loads(end.out)
        assert (end.code, paused["state"], paused["outcomes"]) == (3, "paused", {"deployed": 1, "cancelled": 2})
        run_id = paused["run_id"]
        assert f"continue with `orchestrator promote {run_id}`" in end.err
        assert json.loads(run(project.root, "runs", "-o", "json").out)["runs"][0]["state"] == "paused"
        refused = run(project.root, "resume", environ=cloud.environ())
        assert refused.code == 2
        assert f"`orchestrator rollback {run_id}`" in refused.err

        for machine in ("this", "another"):
            why = json.loads(run(project.root, "why", "f000", "-o", "json", environ=cloud.environ()).out)
            assert [(one["for"], one["run_id"]) for one in why["waits"]] == [("approval", run_id)], machine
            shutil.rmtree(project.state_dir, ignore_errors=True)
        asked = run(project.root, "promote", environ=cloud.environ())
        assert asked.code == 2
        assert "add --yes" in asked.err
        promoted = run(project.root, "promote", "--yes", "-o", "json", environ=cloud.environ())
        reported = json.loads(promoted.out)
        assert (promoted.code, reported["state"], reported["outcomes"]) == (0, "done", {"deployed": 3})
        assert reported["chain"][1]["approves"] == run_id
        assert json.loads((project.root / "gate.json").read_text())["wave"] == 2
        assert ", promoted by " in run(project.root, "show").out
        assert run(project.root, "promote", environ=cloud.environ()).code == 2  # nothing is paused any more


@pytest.mark.parametrize(
    ("script", "code", "state", "said"),
    [
        ("exit 0", 0, "done", ""),
        ("echo no data; exit 75", 3, "paused", "the gate is inconclusive about wave 1 of 2: no data"),
        ("echo 5xx; exit 1", 1, "failed", "the gate of wave 1 of 2 exited with 1: 5xx"),
        ("sleep 60", 1, "failed", "the gate of wave 1 of 2 did not respond within 1s"),
    ],
)
def test_what_a_gate_answers(tmp_path: Path, project: Project, script: str, code: int, state: str, said: str) -> None:
    rollout(project, gate(project, script))
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _served):
        end = run(project.root, *DEPLOY, environ=cloud.environ())
        reported = json.loads(end.out)
        assert (end.code, reported["state"]) == (code, state), end.err
        assert said in reported["reason"]
        assert len(cloud.versions(project.folder_id)) == (3 if code == 0 else 1)


def test_now_waits_for_nobody_and_is_recorded(cloud: Cloud, project: Project) -> None:
    rollout(project, 'pause = "approval"')
    end = run(project.root, *DEPLOY, "--now", environ=cloud.environ())
    assert (end.code, json.loads(end.out)["skips"]) == (0, ["pauses"]), end.err


def test_a_later_deploy_supersedes_a_paused_run_and_says_so(tmp_path: Path, project: Project) -> None:
    rollout(project, 'pause = "approval"')
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _served):
        run_id = json.loads(run(project.root, *DEPLOY, environ=cloud.environ()).out)["run_id"]
        for names, says in (
            (("f000",), "2 functions left; this run deploys 1 of them"),
            ((), "1 function left; this run supersedes it"),
        ):
            later = run(project.root, "deploy", "--yes", "--now", *names, environ=cloud.environ())
            assert later.code == 0, later.err
            assert f"run {run_id} is paused with {says}" in later.err
        refused = run(project.root, "promote", run_id, "--yes", environ=cloud.environ())
        assert refused.code == 2
        assert "has superseded it" in refused.err
