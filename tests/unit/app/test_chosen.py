"""Who may change something in which environment, as a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.session import chosen
from orchestrator.app.session.chosen import check_chosen
from orchestrator.app.session.options import RunOptions
from orchestrator.errors import UsageError
from orchestrator.manifest.load import load
from orchestrator.model import Manifest

BARE = RunOptions("deploy", Path("deploy.toml"))
TYPED = replace(BARE, environment="prod", environment_typed=True)
BY_VARIABLE = replace(BARE, environment="prod")
YES = {"yes": True}
NONE, DEV, PROD = "", "dev", "prod"


def manifest_in(environment: str, folder: Path, *, declared: bool = True) -> Manifest:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "index.py").write_text("def handler(event, context): ...\n")
    environments = (
        "[environments.dev]\n[environments.prod]\nprotected = true\ncloud.folder_id = 'b1p'\n" if declared else ""
    )
    (folder / "deploy.toml").write_text(
        '[cloud]\nfolder_id = "b1g"\n[functions.one]\nsource = "src"\nruntime = "python312"\nmemory = "128MB"\n'
        f'entrypoint = "index.handler"\ntimeout = "3s"\n{environments}'
    )
    return load(folder / "deploy.toml", {}, replace(BARE, environment=environment).choice)


@pytest.mark.parametrize(
    ("environment", "options", "terminal", "said"),
    [
        (NONE, BARE, True, "choose one: --env dev or --env prod"),
        (NONE, replace(BARE, yes=True), False, "choose one: --env dev or --env prod"),
        (NONE, replace(BARE, as_then=True), False, ""),
        (NONE, replace(BARE, failed=True), False, "--env prod; for runs without an environment: --env none"),
        (NONE, replace(BARE, environment="none"), False, "except by a former run that had none"),
        (NONE, replace(BARE, environment="none", failed=True), False, ""),
        (NONE, replace(BARE, environment="none", undone=True), False, ""),
        (NONE, replace(BARE, verb="rollback", environment="none"), False, ""),
        (NONE, replace(BARE, verb="rollback", environment="none", to="d4e"), False, "nothing is changed without one"),
        (NONE, replace(BARE, verb="import", environment="none"), False, "nothing is changed without one"),
        (NONE, replace(BARE, dry_run=True), False, ""),
        (NONE, replace(BARE, status=True), False, ""),
        (DEV, BARE, False, ""),
        (PROD, BY_VARIABLE, True, ""),  # its name is typed
        (
            PROD,
            replace(BY_VARIABLE, yes=True),
            False,
            "add --env prod; the environment variable is not enough",
        ),
        (PROD, BY_VARIABLE, False, "add --env prod and --yes; the environment variable is not enough"),
        (PROD, TYPED, False, "add --yes"),
        (PROD, replace(TYPED, sandbox=True), False, "add --yes"),
        (PROD, replace(TYPED, yes=True), False, ""),
        (PROD, replace(TYPED, yes=True, sandbox=True), False, ""),
        (PROD, replace(BY_VARIABLE, dry_run=True), False, ""),
    ],
)
def test_what_is_needed_to_change_something(
    environment: str, options: RunOptions, terminal: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "may_ask", lambda: terminal)
    manifest = manifest_in(environment, tmp_path)
    if not said:
        check_chosen(options, manifest)
        return
    with pytest.raises(UsageError) as caught:
        check_chosen(options, manifest)
    assert said in f"{caught.value.message}: {caught.value.advice}"


def test_without_environments_nothing_is_needed(tmp_path: Path) -> None:
    check_chosen(BARE, manifest_in("", tmp_path, declared=False))
