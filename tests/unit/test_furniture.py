"""What a repository is expected to have agrees with what is in it: CONTRIBUTING, owners, workflows, hooks, editors.

`make lint` validates the same files against the schemas of the programs that read them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MODULE = re.compile(r"`((?:\w+/)+(?:\w+\.py)?)`")
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of each row of the table that begins with a column of that name."""
    table = text.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


ADDITIONS = rows(CONTRIBUTING, "you add")
EXTENDING = {what: files for what, files, *_ in rows((ROOT / "docs" / "extending.md").read_text("utf-8"), "you add")}


@pytest.mark.parametrize(("what", "count", "which"), ADDITIONS, ids=lambda cell: cell[:30])
def test_contributing_counts_the_modules_that_extending_lists(what: str, count: str, which: str) -> None:
    modules = MODULE.findall(which)
    assert len(modules) == int(count)
    assert [module for module in modules if module not in EXTENDING[what]] == []


def test_every_command_of_the_makefile_is_in_contributing() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING))
    internal = {"clean", "demo-rollback"}
    assert named == TARGETS - internal


def steps(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["run"]] if "run" in value else [run for item in value.values() for run in steps(item)]
    return [run for item in value for run in steps(item)] if isinstance(value, list) else []


def test_workflows_run_what_anyone_can_run() -> None:
    found = steps(yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text("utf-8")))
    assert {".ci/run", "make floors", "make dist"} <= set(found)
    assert [run for run in found if run != ".ci/run" and run.removeprefix("make ") not in TARGETS] == []


def test_hooks_need_no_network() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv-test/bin/")
        assert [word for word in hook["entry"].split() if word.endswith(".py") and not (ROOT / word).exists()] == []


def test_owners_are_of_paths_that_exist() -> None:
    lines = re.findall(r"(?m)^#? ?(/\S+) +@", (ROOT / ".github" / "CODEOWNERS").read_text("utf-8"))
    assert len(lines) > 5
    assert [path for path in lines if not (ROOT / path[1:]).exists()] == []


def test_text_files_follow_editorconfig() -> None:
    """The end of lines and files, and tabs: what an editor would change unasked."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git here")
    as_they_are = ("tests/golden/", "docs/pictures/", "orchestrator/report/html/uplot/")
    wrong = []
    for name in listed.split("\0")[:-1]:
        if name.startswith(as_they_are) or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_bytes().decode("utf-8")
        if text and not text.endswith("\n"):
            wrong.append(f"{name}: no newline at its end")
        if re.search(r"[ \t\r]$", text, re.MULTILINE):
            wrong.append(f"{name}: a space, a tab or CR at the end of a line")
        if not name.endswith((".go", "Makefile")) and re.search(r"^ *\t", text, re.MULTILINE):
            wrong.append(f"{name}: a tab that indents")
    assert wrong == []
