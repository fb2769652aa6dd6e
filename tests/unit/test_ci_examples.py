"""The workflows in docs/ci.md: they are YAML, and each command in them is one of this program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import __version__
from orchestrator.cli import cli

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples" / "ci").glob("*.yml"))
PAGE = ROOT / "docs" / "ci.md"
INPUTS = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]


def texts(value: Any) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def actions(value: Any) -> Iterator[list[str]]:
    """The words that each use of this project's action gives to the program."""
    if isinstance(value, dict) and str(value.get("uses")).startswith("OWNER/orchestrator@"):
        given = value["with"]
        assert set(given) <= set(INPUTS)
        yield [
            given["command"],
            *(["--yes"] if given["command"] == "deploy" else []),
            *given["arguments"].split("\n")[:-1],
        ]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from actions(item)


def commands(file: Path) -> list[list[str]]:
    """The words of each line that runs this program, without what the shell does with it, and of each action."""
    document = yaml.safe_load(file.read_text("utf-8"))
    lines = [line for text in texts(document) for line in text.splitlines()]
    found = (re.search(r"(?:^|\|\| )orchestrator (.*?)(?: >.*)?$", line.strip()) for line in lines)
    return [*actions(document), *(shlex.split(match[1]) for match in found if match)]


@pytest.mark.parametrize(
    ("name", "verbs"), [("github", ["deploy", "plan", "show"]), ("gitlab", ["deploy", "plan", "show", "validate"])]
)
def test_each_command_is_taken_as_it_stands(
    name: str, verbs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = commands(ROOT / "examples" / "ci" / f"{name}.yml")
    for verb, *arguments in found:
        cli.commands[verb].make_context(verb, arguments)
    assert sorted(verb for verb, *_ in found) == verbs
    assert all("--yes" in words for words in found if words[0] == "deploy")


def test_the_version_of_the_action_is_that_of_the_program() -> None:
    for file in (*FILES, PAGE):
        assert set(re.findall(r"OWNER/orchestrator@v([\d.]+)", file.read_text("utf-8"))) <= {__version__}


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
