"""The main job: this repository's own deploy.toml, into a sandbox, as in the README."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, Cloud, Ended, events, run

FUNCTIONS = 12
HTTP_FOLDER = {"YC_FOLDER_ID": "b1grepository0000000"}


def clone(folder: Path) -> Path:
    """Copy what a fresh clone would have."""
    ignored = shutil.ignore_patterns("__pycache__", "dist", ".orchestrator")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=ignored)
    shutil.copy(ROOT / "deploy.toml", folder)
    return folder


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Yield the repository after its first `deploy --sandbox`."""
    root = clone(tmp_path_factory.mktemp("repository"))
    return root, run(root, "deploy", "--sandbox", "--events", "events.ndjson")


def test_the_first_deploy_makes_every_function(deployed: tuple[Path, Ended]) -> None:
    _, first = deployed
    assert first.code == 0, first.err
    assert first.out.startswith("function")
    assert first.out.count("  deployed  ") == FUNCTIONS
    assert f"{FUNCTIONS} functions: {FUNCTIONS} deployed in " in first.out
    assert f"plan: {FUNCTIONS} create" in first.err


def test_the_event_file_ends_with_the_summary(deployed: tuple[Path, Ended]) -> None:
    root, _ = deployed
    found = events(root / "events.ndjson")
    assert found[0]["kind"] == "run_started"
    assert found[-1]["kind"] == "summary"
    assert found[-1]["exit_code"] == 0
    assert found[-1]["outcomes"] == {"deployed": FUNCTIONS}
    assert {(event["schema"], event["run_id"]) for event in found} == {(1, found[0]["run_id"])}


def test_a_second_deploy_changes_nothing(deployed: tuple[Path, Ended]) -> None:
    root, _ = deployed
    again = run(root, "deploy", "--sandbox")
    assert again.code == 0, again.err
    assert again.out.count("  unchanged  ") == FUNCTIONS
    assert f"plan: {FUNCTIONS} unchanged" in again.err


def test_a_dry_run_is_data_and_leaves_no_run(deployed: tuple[Path, Ended]) -> None:
    root, _ = deployed
    before = run(root, "runs", "-o", "json")
    plan = run(root, "deploy", "--sandbox", "--dry-run", "-o", "json", "mailer")
    assert plan.code == 0, plan.err
    assert [(unit["function"], unit["action"]) for unit in json.loads(plan.out)["units"]] == [("mailer", "unchanged")]
    assert json.loads(run(root, "runs", "-o", "json").out) == json.loads(before.out)


def test_show_and_runs_tell_of_the_first_run(deployed: tuple[Path, Ended]) -> None:
    root, first = deployed
    first_run = events(root / "events.ndjson")[0]["run_id"]
    assert run(root, "show", first_run).out.endswith(f"\n\n{first.out}")
    whole = json.loads(run(root, "show", first_run, "-o", "json").out)
    assert whole["exit_code"] == 0
    assert whole["outcomes"] == {"deployed": FUNCTIONS}
    assert {function["outcome"] for function in whole["functions"]} == {"deployed"}
    assert all(function["version_id"] for function in whole["functions"])
    assert first_run in run(root, "runs").out


def test_functions_of_one_source_share_one_package(deployed: tuple[Path, Ended]) -> None:
    root, _ = deployed
    stored = {event["key"]: event for event in events(root / "events.ndjson") if event["kind"] == "package_stored"}
    assert stored["csv-to-json"]["object"] == stored["json-to-csv"]["object"]
    assert sorted([stored["csv-to-json"]["existed"], stored["json-to-csv"]["existed"]]) == [False, True]


def test_another_clone_finds_the_same_cloud_unchanged(tmp_path: Path, cloud: Cloud) -> None:
    """Another state folder, umask and modification times: only the live and the desired state count."""
    environ = cloud.environ() | HTTP_FOLDER
    (tmp_path / "one").mkdir()
    one = run(clone(tmp_path / "one"), "deploy", "--yes", environ=environ)
    assert one.code == 0, one.err
    versions = cloud.versions(HTTP_FOLDER["YC_FOLDER_ID"])
    (tmp_path / "two").mkdir()
    two = clone(tmp_path / "two")
    for path in two.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(path.stat().st_mode & 0o700)
    again = run(two, "deploy", "-o", "json", environ=environ)
    assert again.code == 0, again.err
    assert json.loads(again.out)["outcomes"] == {"unchanged": FUNCTIONS}
    assert cloud.versions(HTTP_FOLDER["YC_FOLDER_ID"]) == versions


def test_the_rollback_example_comes_back_by_itself(tmp_path: Path) -> None:
    root = clone(tmp_path) / "examples" / "rollback"
    first = run(root, "deploy", "--sandbox", "--yes", environ={"RELEASE": "first"})
    assert first.code == 0, first.err
    second = run(root, "deploy", "--sandbox", "--yes", environ={"RELEASE": "second"})
    assert second.code == 5, second.err
    assert "its handler failed: AttributeError" in second.out
    again = run(root, "plan", "--sandbox", environ={"RELEASE": "first"})
    assert again.code == 0
    assert "plan: 6 unchanged" in again.out
    withdrawn = run(root, "plan", "--sandbox", environ={"RELEASE": "second"})
    assert withdrawn.code == 1
    assert withdrawn.out.count("withdrawn by rollback ") == 1
