"""The mistake of functions without a folder: where to set it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.commands.validate import validate_command
from orchestrator.errors import ManifestError
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load
from orchestrator.report.views import FindingsView
from tests.unit.manifest.test_environments import FUN, HEAD

TEXT = f'{HEAD}{FUN}[environments.dev]\n[environments.prod]\n[environments.test]\ncloud.folder_id = "b1g"\n'
EACH = "or set it here, in [defaults] or for each function"


@pytest.mark.parametrize(
    ("text", "environment", "key", "rule"),
    [
        (f"{HEAD}{FUN}", "", "cloud.folder_id", "or set YC_FOLDER_ID in the process's environment"),
        (TEXT, "prod", "environments.prod.cloud.folder_id", "no folder: set it here, in [defaults]"),
        (TEXT, "", "cloud.folder_id", f"choose an environment: --env dev, --env prod, --env test; {EACH}"),
    ],
)
def test_the_mistake_names_the_place(tmp_path: Path, text: str, environment: str, key: str, rule: str) -> None:
    (tmp_path / "deploy.toml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "deploy.toml", {}, ManifestChoice(environment))
    (found,) = caught.value.mistakes
    assert found.key == key
    assert rule in found.rule


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        (f"{HEAD}{FUN}", "", ["for 1 function: set YC_FOLDER_ID, or folder_id in [cloud] before"]),
        (TEXT, "dev", ["for 1 function in dev: set cloud.folder_id in [environments.dev] before"]),
        (TEXT, "test", []),
        (TEXT, "", ["1 function in dev, 1 function in prod: set cloud.folder_id in [environments.dev], [env"]),
    ],
)  # fmt: skip
def test_validate_names_all_environments_that_lack_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, environment: str, said: list[str]
) -> None:
    monkeypatch.delenv("YC_FOLDER_ID", raising=False)
    (tmp_path / "deploy.toml").write_text(text)
    view = validate_command(tmp_path / "deploy.toml", environment=environment).view
    assert isinstance(view, FindingsView)
    assert len(view.warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, view.warnings, strict=True))
