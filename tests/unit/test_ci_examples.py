"""The workflows that docs/ci.md speaks of: they are YAML, and each command in them is one of this program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli import cli

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples" / "ci").glob("*.yml"))
PAGE = ROOT / "docs" / "ci.md"


def texts(value: Any) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def commands(file: Path) -> list[list[str]]:
    """The words of each line that runs this program, without what the shell does with it."""
    lines = [line for text in texts(yaml.safe_load(file.read_text("utf-8"))) for line in text.splitlines()]
    found = (re.search(r"(?:^|\|\| )orchestrator (.*?)(?: >.*)?$", line.strip()) for line in lines)
    return [shlex.split(match[1]) for match in found if match]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_command_is_taken_as_it_stands(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = commands(file)
    for verb, *arguments in found:
        cli.commands[verb].make_context(verb, arguments)
    assert [verb for verb, *_ in found] == ["validate", "plan", "show", "deploy"]
    assert all("--yes" in words for words in found if words[0] == "deploy")


def test_both_have_a_job_for_plans_and_one_that_deploys_one_at_a_time() -> None:
    github, gitlab = (
        yaml.safe_load((ROOT / "examples" / "ci" / f"{name}.yml").read_text()) for name in ("github", "gitlab")
    )
    assert set(github["jobs"]) == {"plan", "deploy"}
    assert github["jobs"]["deploy"]["concurrency"] == {"group": "functions", "cancel-in-progress": False}
    assert gitlab["deploy"]["resource_group"] == "functions"
    assert set(gitlab["deploy"]["artifacts"]["reports"]) == {"junit", "codequality"}


def test_the_page_speaks_of_each_file() -> None:
    text = PAGE.read_text("utf-8")
    assert [file.name for file in FILES if f"../examples/ci/{file.name}" not in text] == []
