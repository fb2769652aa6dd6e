"""Help, version and options: quick, complete, and the same from the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.cli import cli
from tests.e2e.harness import Cloud, Project, environment, run

HEAVY = ("aiohttp", "anyio", "boto3", "botocore", "jwt", "orjson", "pydantic", "rich", "structlog")
MODULES = """
import sys
sys.argv = ["orchestrator", *sys.argv[1:]]
from orchestrator.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("verb", ["", *cli.commands])
def test_help_imports_nothing_heavy(tmp_path: Path, verb: str) -> None:
    arguments = [verb, "--help"] if verb else ["--help"]
    done = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("Usage: orchestrator")
    assert set(HEAVY) & set(done.stderr.split()) == set()


def test_a_completion_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text("[functions.auth]\n", "utf-8")
    asked = {"_ORCHESTRATOR_COMPLETE": "bash_complete", "COMP_LINE": "orchestrator deploy ", "COMP_WORDBREAKS": ":="}
    done = subprocess.run(
        [sys.executable, "-c", MODULES], cwd=tmp_path, env=environment(asked), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "plain\nauth\n"
    assert {*HEAVY, "orchestrator.model", "orchestrator.report.messages"} & set(done.stderr.split()) == set()


@pytest.mark.parametrize("verb", cli.commands)
def test_every_option_says_its_environment_variable(tmp_path: Path, verb: str) -> None:
    text = " ".join(run(tmp_path, verb, "--help", environ={"COLUMNS": "110"}).out.split())
    for parameter in cli.commands[verb].params:
        if parameter.envvar:
            assert f"env var: {parameter.envvar}" in text
            assert str(parameter.envvar).startswith("ORCHESTRATOR_")


def test_version_is_the_programs(tmp_path: Path) -> None:
    end = run(tmp_path, "--version")
    assert (end.code, end.out, end.err) == (0, f"orchestrator, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("deploy", "--nope"), "No such option"),
        (("nope",), "No such command"),
        (("deploy", "-o", "yaml"), "'yaml' is not one of"),
        (("deploy", "--lock-timeout", "soon"), "--lock-timeout soon: must be a duration"),
        (("deploy", "--sandbox", "--endpoint", "http://x"), "--sandbox and --endpoint cannot be combined"),
        (("sandbox", "--durations", "long"), '"long" is not a duration'),
        (("sandbox", "--port", "99999"), "99999 is not in the range"),
        (("show", "no-such-run"), "no runs yet"),
    ],
)
def test_a_wrong_command_exits_with_2(tmp_path: Path, arguments: tuple[str, ...], reported: str) -> None:
    end = run(tmp_path, *arguments)
    assert (end.code, end.out) == (2, "")
    assert reported in end.err


def test_options_come_from_the_environment(cloud: Cloud, project: Project) -> None:
    project.write(1)
    environ = cloud.environ() | {"ORCHESTRATOR_YES": "1", "ORCHESTRATOR_OUTPUT": "json", "ORCHESTRATOR_STATE": "kept"}
    end = run(project.root, "deploy", environ=environ)
    assert end.code == 0, end.err
    assert json.loads(end.out)["outcomes"] == {"deployed": 1}
    assert (project.root / "kept" / "journal.sqlite3").exists()
    assert not project.state_dir.exists()


def test_an_option_wins_over_its_environment_variable(cloud: Cloud, project: Project) -> None:
    project.write(1)
    environ = cloud.environ() | {"ORCHESTRATOR_BUCKET": "no-such-bucket"}
    refused = run(project.root, "deploy", "--yes", environ=environ)
    assert refused.code == 6
    assert "the bucket no-such-bucket does not exist" in refused.err
    assert "or correct its name in ORCHESTRATOR_BUCKET" in refused.err
    assert run(project.root, "deploy", "--yes", "--bucket", "deploy-packages", environ=environ).code == 0


def test_schema_is_json(tmp_path: Path) -> None:
    end = run(tmp_path, "schema")
    assert end.code == 0
    assert "functions" in json.loads(end.out)["properties"]
