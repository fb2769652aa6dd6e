from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.errors import Exit, StartError
from orchestrator.journal.event_json import from_dict
from orchestrator.journal.events import SCHEMA, Event, UnitEnded
from orchestrator.model import Deployed
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import MARK
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.displays import EventFile
from tests.runs import RUN_ID, STARTED_AT, ended, failed, started, whole_run
from tests.unit.redaction.test_redactor import IAM


def write(path: Path, events: list[Event]) -> list[dict[str, Any]]:
    file = EventFile(str(path), RUN_ID, Outlet(Redactor()))
    for event in events:
        file(event)
    file.close()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_every_event_is_a_line_that_reads_back(tmp_path: Path) -> None:
    events = whole_run("auth", "billing")
    lines = write(tmp_path / "events.ndjson", events)
    assert [from_dict(line) for line in lines[:-1]] == events


def test_every_line_says_its_schema_and_run(tmp_path: Path) -> None:
    lines = write(tmp_path / "events.ndjson", whole_run("auth"))
    assert {(line["schema"], line["run_id"]) for line in lines} == {(SCHEMA, RUN_ID)}


def test_the_last_line_sums_the_run_up(tmp_path: Path) -> None:
    events = [
        started(units=3), UnitEnded(STARTED_AT, "a", Deployed("v")), UnitEnded(STARTED_AT, "b", Deployed("v")),
        UnitEnded(STARTED_AT + 1, "b", failed()), ended(3, reason="interrupted"),
    ]  # fmt: skip
    assert write(tmp_path / "e", events)[-1] == {
        "schema": SCHEMA, "run_id": RUN_ID, "kind": "summary", "at": STARTED_AT + 8.4, "exit_code": 3,
        "reason": "interrupted", "functions": 3, "seconds": 8.4, "outcomes": {"deployed": 1, "failed": 1},
    }  # fmt: skip


def test_lines_are_there_as_soon_as_they_happened(tmp_path: Path) -> None:
    file = EventFile(str(tmp_path / "e"), RUN_ID, Outlet(Redactor()))
    file(started())
    assert len((tmp_path / "e").read_bytes().splitlines()) == 1
    file.close()


def test_secrets_are_hidden(tmp_path: Path) -> None:
    write(tmp_path / "e", [UnitEnded(STARTED_AT, "a", failed(f"bad token {IAM}"))])
    assert f"bad token {MARK}" in (tmp_path / "e").read_text("utf-8")


def test_a_dash_is_stdout_which_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stdout)
    file = EventFile("-", RUN_ID, Outlet(Redactor()))
    for event in whole_run("auth"):
        file(event)
    assert not stdout.closed
    assert orjson.loads(stdout.buffer.getvalue().splitlines()[-1])["kind"] == "summary"


def test_a_file_that_cannot_be_made_is_reported_before_the_run_starts(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot write the event file") as caught:
        EventFile(str(tmp_path / "none" / "e"), RUN_ID, Outlet(Redactor()))
    assert (caught.value.exit, "--events" in caught.value.advice) == (Exit.NOT_STARTED, True)


def test_a_line_that_cannot_be_written_raises_for_the_fence_to_see() -> None:
    file = EventFile("/dev/full", RUN_ID, Outlet(Redactor()))
    with pytest.raises(OSError, match="No space"):
        file(started())
    with pytest.raises(OSError, match="No space"):
        file.close()  # what it has buffered cannot be written either
