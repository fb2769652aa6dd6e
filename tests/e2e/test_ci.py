"""A run in CI: only our own lines are commands for GitHub, and the CI files are written."""

from __future__ import annotations

import json
import re

from tests.e2e.harness import Project, run

MANIFEST = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
source = "src"
create = true
[rollout]
waves = [1, "100%"]
max_failures = "90%"
[functions.auth]
environment = { DB_PASSWORD = "hunter2hunter2" }
[functions.bill]
[functions.torn]
build = { command = "echo '::error::had'; echo '::stop-commands::x'; echo '##[group]x'; exit 3" }
"""
OURS = re.compile(r"::(group|endgroup|error file=deploy\.toml,line=\d+,title=torn%3A [^:]*)::")


def test_a_run_on_github_writes_commands_of_its_own_alone(project: Project) -> None:
    (project.root / "src").mkdir()
    (project.root / "src" / "index.py").write_text("def handler(event, context): return {}\n")
    (project.root / "deploy.toml").write_text(MANIFEST)
    summary = project.root / "summary.md"
    environ = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project.root)}
    environ["GITHUB_STEP_SUMMARY"] = str(summary)
    files = ("--junit", "j.xml", "--code-quality", "q.json")
    end = run(project.root, "deploy", "--sandbox", "-o", "json", *files, environ=environ)
    assert end.code == 1
    assert json.loads(end.out)["outcomes"] == {"deployed": 2, "failed": 1}
    commands = [line for line in end.err.splitlines() if line.lstrip().startswith("::")]
    assert all(OURS.match(line) for line in commands), commands
    groups = [line.partition("::group::")[2] for line in commands if line.startswith("::group::")]
    assert groups == [
        "Reading the live state, building and packing", "Plan", "Run of 3 functions", "Wave 1 of 2: 1 function",
        "Wave 2 of 2: 1 function",
    ]  # fmt: skip
    assert commands.count("::endgroup::") == len(groups)
    assert "##[" not in end.err + end.out
    assert summary.read_text().startswith("### `deploy`, failed: **2** deployed, **1** failed\n")
    assert "hunter2" not in "".join([end.err, end.out, *(one.read_text() for one in project.root.glob("*.[mxj]*"))])
    (found,) = json.loads((project.root / "q.json").read_text())
    assert found["location"] == {"path": "deploy.toml", "lines": {"begin": 14}}
    forced_off = run(project.root, "plan", "--sandbox", "--ci", "none", environ=environ)
    assert forced_off.code == 1
    assert [line for line in forced_off.err.splitlines() if line.lstrip().startswith(("::", "##["))] == []
    assert "building src: echo '::error::had'" in forced_off.err


def test_a_file_in_no_folder_is_reported_before_anything_is_sent(project: Project) -> None:
    end = run(project.root, "deploy", "--junit", "no/j.xml")
    assert (end.code, end.out) == (2, "")
    assert end.err == "error: --junit no/j.xml: there is no folder no\n       create it first\n"
