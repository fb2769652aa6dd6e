"""Which CI it is: by the variables that each documents, unless an option says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.report.ci.recognised import CiFiles, CiKind, recognised

GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/w/repo", "GITHUB_STEP_SUMMARY": "/tmp/s"}
GITLAB = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/repo"}


@pytest.mark.parametrize(
    ("asked", "environ", "kind", "root", "summary"),
    [
        ("auto", GITHUB, CiKind.GITHUB, Path("/w/repo"), Path("/tmp/s")),
        ("auto", GITLAB, CiKind.GITLAB, Path("/builds/repo"), None),
        ("auto", {"CI": "true"}, CiKind.NONE, Path.cwd(), None),
        ("auto", {"GITHUB_ACTIONS": "false"}, CiKind.NONE, Path.cwd(), None),
        ("none", GITHUB, CiKind.NONE, Path.cwd(), None),
        ("github", {}, CiKind.GITHUB, Path.cwd(), None),
        ("gitlab", GITHUB, CiKind.GITLAB, Path.cwd(), None),
    ],
)
def test_it_is_the_one_that_says_so(
    asked: str, environ: dict[str, str], kind: CiKind, root: Path, summary: Path | None
) -> None:
    assert recognised(asked, environ) == CiFiles(kind, root, summary)


def test_paths_are_reported_from_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "infra").mkdir()
    monkeypatch.chdir(tmp_path / "infra")
    files = CiFiles(CiKind.GITHUB, tmp_path)
    assert files.path_of("deploy.toml") == "infra/deploy.toml"
    assert files.path_of("../deploy.toml") == "deploy.toml"
    assert files.path_of("/elsewhere/deploy.toml") == "/elsewhere/deploy.toml"


def test_a_root_that_is_named_by_a_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "infra").mkdir(parents=True)
    (tmp_path / "work").symlink_to("real")
    monkeypatch.chdir(tmp_path / "work" / "infra")
    assert CiFiles(CiKind.GITHUB, tmp_path / "work").path_of("deploy.toml") == "infra/deploy.toml"
