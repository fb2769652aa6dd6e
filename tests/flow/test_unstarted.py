"""A command that ends before a run began, or without its end, is reported: who gets which words, and when nobody."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.notices.unstarted import watch_start
from orchestrator.app.session.options import RunOptions
from orchestrator.errors import InterruptedRunError, JournalError, LockHeldError, StartError
from orchestrator.manifest.load import load
from orchestrator.report.messages import Messages
from orchestrator.resilience.stop import Stop
from tests.runs import RUN_ID
from tests.unit.manifest.test_tables import FUNCTION

TELL = '[notify.cmd]\non = ["failed"]\ncommand = ["./tell.sh"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tell.sh").write_text("#!/bin/sh\ncat >> reported\necho >> reported\n")
    (tmp_path / "tell.sh").chmod(0o755)
    (tmp_path / "deploy.toml").write_text(FUNCTION + TELL)
    return tmp_path


def ends_with(
    folder: Path, error: Exception | None, *, begun: bool = False, ended: bool = False, **given: Any
) -> list[dict[str, Any]]:
    """Let a command end so, and give what was sent by now."""
    options = RunOptions("deploy", folder / "deploy.toml", **given)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            invocation = Invocation(options, Messages(), stack, Stop())
            watch_start(invocation, options, load(options.config, {}), {}, folder / "state")
            invocation.begun.extend([RUN_ID] if begun else [])
            invocation.ended.extend([RUN_ID] if ended else [])
            if error is not None:
                raise error

    with suppress(type(error) if error is not None else ValueError):
        anyio.run(main)
    reported = folder / "reported"
    return [json.loads(line) for line in reported.read_text().splitlines()] if reported.exists() else []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StartError("no network"), 6),
        (LockHeldError("another run holds the lock"), 4),
        (InterruptedRunError("stopped by SIGTERM: nothing was sent"), 3),
        (TypeError("a mistake of the program"), 1),
    ],
)
def test_what_ends_a_command_without_a_run_is_reported(folder: Path, error: Exception, code: int) -> None:
    (reported,) = ends_with(folder, error)
    assert (reported["kind"], reported["run_id"], reported["exit_code"]) == ("failed", "", code)
    assert reported["reason"].startswith("could not start: ")
    assert str(error) in reported["reason"]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (JournalError("the disk is full"), 6, "the disk is full"),
        (TypeError("oh"), 1, "this program failed: TypeError: oh"),
        (None, 3, "the end of the run could not be written"),
    ],
)
def test_a_run_that_did_not_report_its_end_is_reported(
    folder: Path, error: Exception | None, code: int, reason: str
) -> None:
    (reported,) = ends_with(folder, error, begun=True)
    assert (reported["run_id"], reported["exit_code"], reported["reason"]) == (RUN_ID, code, reason)


def test_what_the_run_reports_by_itself_is_not_reported_again(folder: Path) -> None:
    assert ends_with(folder, None) == []
    assert ends_with(folder, None, begun=True, ended=True) == []
    assert ends_with(folder, StartError("the prune after it"), begun=True, ended=True) == []
    assert ends_with(folder, StartError("x"), dry_run=True) == []
    assert ends_with(folder, StartError("x"), status=True) == []


@pytest.mark.parametrize("kept", ["", "no JSON", '{"deploy": 3}', '{"deploy": ["x", "no network"]}', "[]"])
def test_a_due_job_reports_a_reason_once_whatever_the_file_holds(folder: Path, kept: str) -> None:
    if kept:
        (folder / "state").mkdir()
        (folder / "state" / "unstarted.json").write_text(kept)
    for expected in (1, 1):
        assert len(ends_with(folder, StartError("no network"), due=True)) == expected
    assert len(ends_with(folder, StartError("no rights"), due=True)) == 2
    assert len(ends_with(folder, LockHeldError("held"), due=True)) == 2
