"""What the page may begin, and what it is refused before anything is begun."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.commands.serving.acting import PageActions
from orchestrator.app.session.options import RunOptions
from orchestrator.errors import UsageError
from orchestrator.journal.identity import Identity
from orchestrator.journal.store import open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.ui.server import Act
from tests.runs import RUN_ID, deployment, ended, failed, started


def actions(tmp_path: Path) -> PageActions:
    state_dir = tmp_path / "state"
    prod = replace(started(), identity=Identity(environment="prod"))
    with open_store(state_dir) as store:
        store.keep([prod, *deployment("one", outcome=failed()), ended(3)])
    return PageActions(RunOptions("ui", tmp_path / "deploy.toml", state_dir), Outlet(Redactor()))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (Act("resume", "--give-up", ""), "there is no run '--give-up'"),
        (Act("resume", RUN_ID[:8], "prod"), f"there is no run '{RUN_ID[:8]}'"),  # as a whole, or not at all
        (Act("resume", RUN_ID, ""), "the run is one in the environment prod"),
        (Act("rollback", RUN_ID, "Prod"), "the run is one in the environment prod"),
        (Act("stop", RUN_ID, ""), "the run is one in the environment prod"),
        (Act("deploy", RUN_ID, "prod"), "'deploy' is nothing that the page can do"),
        (Act("stop", RUN_ID, "prod"), "this run is not under way on this machine"),
    ],
)
def test_what_is_not_meant_is_not_begun(tmp_path: Path, act: Act, told: str) -> None:
    page = actions(tmp_path)
    with pytest.raises(UsageError) as caught:
        page.begin(act)
    assert caught.value.message == told
    assert json.loads(page.told()) == {"allowed": True, "actions": []}
    assert not (tmp_path / "state" / "ui").exists()
