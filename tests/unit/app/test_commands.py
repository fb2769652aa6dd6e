"""Verbs: one file each, which returns a value and prints nothing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.commands.jobs import jobs_command
from orchestrator.app.commands.runs import runs_command
from orchestrator.app.commands.schema import schema_command
from orchestrator.app.commands.validate import validate_command
from orchestrator.cli import cli
from orchestrator.errors import Exit
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, DocumentView, FindingsView, JobsView, RunsView
from tests.unit.manifest.test_tables import FUNCTION

COMMANDS = Path(__file__).parents[3] / "orchestrator" / "app" / "commands"
# Commands that serve have their own folder, with the code that serves.
FILES = {
    path.stem: path
    for path in COMMANDS.rglob("*.py")
    if f"def {path.stem.rstrip('_')}_command(" in path.read_text("utf-8")
}
VERBS = sorted(FILES)
OF_VERBS = {f"orchestrator.app.commands{room}.{verb}" for verb in VERBS for room in ("", ".serving")}


def test_each_verb_has_its_file() -> None:
    # import_.py: `import` is a Python keyword. Each new shell runs `completion`, so it imports little.
    assert sorted(cli.commands) == sorted([*(stem.rstrip("_") for stem in VERBS), "completion"])


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_writes_to_no_stream_and_knows_no_other_verb(verb: str) -> None:
    tree = ast.parse(FILES[verb].read_text("utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in imported if name.startswith("orchestrator.app.commands")} & OF_VERBS
    assert not imported & {"sys", "click", "structlog", "orchestrator.report.streams"}
    assert "print" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "deploy.toml"
    path.write_text(FUNCTION)
    return path


def test_a_good_manifest_is_one_without_mistakes(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = validate_command(manifest)
    assert isinstance(result.view, FindingsView)
    assert (result.exit, result.view.mistakes, result.view.functions) == (Exit.DONE, (), ("fun",))
    assert capsys.readouterr() == ("", "")


def test_mistakes_are_a_value_too(manifest: Path) -> None:
    manifest.write_text(FUNCTION + 'memry = "1GB"\n')
    result = validate_command(manifest)
    assert isinstance(result.view, FindingsView)
    assert (result.exit, [mistake.key for mistake in result.view.mistakes]) == (Exit.USAGE, ["functions.fun.memry"])


def test_a_canary_that_matches_nothing_is_a_mistake(manifest: Path) -> None:
    manifest.write_text(FUNCTION + '[rollout]\nmax_failures = 1\ncanary = ["fnu"]\n')
    result = validate_command(manifest)
    assert isinstance(result.view, FindingsView)
    (mistake,) = result.view.mistakes
    assert (result.exit, mistake.line, mistake.key) == (Exit.USAGE, 12, "rollout.canary")
    assert mistake.rule == 'no function matches "fnu"; did you mean "fun"?'


def test_a_canary_of_a_job_may_be_only_live(manifest: Path) -> None:
    job = '[jobs.j]\nrun = "mass_redeploy"\nrollout = { canary = ["%s"] }\n'
    for canary, count in (("fun", 0), ("fnu", 1)):
        manifest.write_text(FUNCTION + job % canary)
        result = validate_command(manifest)
        assert isinstance(result.view, FindingsView)
        said = [one for one in result.view.warnings if "rollout.canary" in one]
        assert (result.exit, len(said)) == (Exit.DONE, count)


def test_jobs_that_can_be_bound_are_given_with_their_parameters(manifest: Path) -> None:
    view = jobs_command(manifest).view
    assert isinstance(view, JobsView)
    assert view.bound == ()
    assert "force" in view.known["mass_redeploy"].parameters


def test_without_a_journal_there_are_no_runs(manifest: Path) -> None:
    given: dict[str, Any] = {"config": manifest, "state": None, "endpoint": None, "bucket": None, "everything": False}
    given |= {"environment": "", "variables": {}}
    assert runs_command(given, Messages()) == CommandResult(Exit.DONE, RunsView(()))


def test_the_schema_is_a_document() -> None:
    assert isinstance(schema_command("manifest").view, DocumentView)
