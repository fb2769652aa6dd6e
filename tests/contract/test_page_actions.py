"""What the page may start, and what is refused before anything starts."""

from __future__ import annotations

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    ("act", "reported"),
    [
        (Act("resume", "--give-up", ""), 'there is no run "--give-up"'),
        (Act("resume", RUN_ID[:8], "prod"), f'there is no run "{RUN_ID[:8]}"'),  # only a complete ID is accepted
        (Act("resume", RUN_ID, ""), "the run belongs to the environment prod"),
        (Act("rollback", RUN_ID, "Prod"), "the run belongs to the environment prod"),
        (Act("pause", RUN_ID, ""), "the run belongs to the environment prod"),
        (Act("deploy", RUN_ID, "prod"), '"deploy" is not an action of the page'),
        (Act("stop", RUN_ID, "prod"), '"stop" is not an action of the page'),
        (Act("pause", RUN_ID, "prod"), "this run is not in progress on this machine"),
    ],
)
def test_what_is_not_meant_is_not_begun(tmp_path: Path, act: Act, reported: str) -> None:
    page = actions(tmp_path)
    with pytest.raises(UsageError) as caught:
        page.begin(act)
    assert caught.value.message == reported
    assert json.loads(page.started()) == {"allowed": True, "actions": []}
    assert not (tmp_path / "state" / "ui").exists()


def test_a_double_click_begins_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are handled in threads of their own. Two windows that act at once are the same."""
    page, begun = actions(tmp_path), list[Any]()
    both = threading.Barrier(2)

    class Command:
        pid = 1

        def __init__(self, command: list[str], **_how: Any) -> None:
            begun.append(command)

        def poll(self) -> None:
            return None

    monkeypatch.setattr(subprocess, "Popen", Command)

    def click(_: int) -> str:
        both.wait(10)
        try:
            return page.begin(Act("resume", RUN_ID, "prod"))
        except UsageError as error:
            return error.message

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(click, range(2)))
    assert len(begun) == 1
    assert "a command of this page is running" in told


def test_the_newest_logs_of_commands_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, folder = actions(tmp_path), tmp_path / "state" / "ui"
    folder.mkdir(mode=0o700)
    for number in range(100, 130):
        (folder / f"{number}-resume.log").write_text("x")
    (folder / "mine.log").write_text("kept")
    begun: list[Any] = []

    class Command:
        pid = 1

        def __init__(self, command: list[str], **_how: Any) -> None:
            begun.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Command)
    page.begin(Act("resume", RUN_ID, "prod"))
    assert len(begun) == 1
    logs = sorted(path.name for path in folder.glob("*-resume.log"))
    assert (len(logs), (folder / "mine.log").exists()) == (20, True)
    assert {f"{number}-resume.log" for number in range(111, 130)} < set(logs)
