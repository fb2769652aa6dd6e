"""The options of a command line that finds its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.session.identity import reaching_of
from orchestrator.app.session.options import SANDBOX
from orchestrator.model import CloudAddress


# the manifest, the state folder (each below the working directory), the endpoint, the expected options
@pytest.mark.parametrize(
    ("manifest", "state", "endpoint", "words"),
    [
        ("deploy.toml", None, CloudAddress().endpoint, []),
        ("deploy.toml", None, SANDBOX, ["--sandbox"]),
        ("deploy.toml", ".orchestrator", SANDBOX, ["--sandbox"]),
        ("deploy.toml", "kept here", SANDBOX, ["--state", "kept here", "--sandbox"]),
        ("team/deploy.toml", None, "http://one", ["-c", "team/deploy.toml", "--endpoint", "http://one"]),
        ("team/deploy.toml", "team/.orchestrator", SANDBOX, ["-c", "team/deploy.toml", "--sandbox"]),
        ("team/deploy.toml", ".orchestrator", "", ["-c", "team/deploy.toml", "--state", ".orchestrator"]),
    ],
)
def test_a_line_has_what_the_command_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str, state: str | None, endpoint: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / state if state is not None else None
    assert list(reaching_of(str(tmp_path / manifest), folder, endpoint)) == words
