"""A chain that pages follow: changes sent one by one add up to what a page that comes later gets at once."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.chains.next_lines import next_lines
from orchestrator.errors import UsageError
from orchestrator.journal.condition_events import LimitChanged, SlotRefused
from orchestrator.journal.events import Event, OperationAccepted, Requested, UnitEnded
from orchestrator.journal.rollout_events import VersionVerified, WaveStarted
from orchestrator.journal.store import open_store
from orchestrator.model import Deployed, Verdict
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.ui.followed import FollowedChain
from tests.golden.former import unpacked
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started, whole_run
from tests.ui import Writer

LATER = "20261125T040000-d4e5f6"
NOW = STARTED_AT + 1000


def chain() -> Iterator[Event]:
    """A run that is cut off, and one that resumes it and uses another name for a function."""
    yield started(units=4)
    yield WaveStarted(STARTED_AT + 0.1, 1, 1, 4)
    yield from deployment("one")
    yield LimitChanged(STARTED_AT + 5, "folder b1gfolder", 15, "declared")
    yield SlotRefused(STARTED_AT + 5.5, "folder b1gfolder", 15)
    yield from deployment("two", STARTED_AT + 1, failed())
    yield planned("three")
    yield Requested(STARTED_AT + 7, "three", "createVersion", "d4e-three", "key", 1)
    yield OperationAccepted(
        STARTED_AT + 7, "three", "createVersion", "operation-3", "d4e-three", "version-3", "request"
    )  # fmt: skip
    yield ended(3, at=STARTED_AT + 8)
    yield replace(started(LATER, units=2, at=STARTED_AT + 60), resumes=RUN_ID)
    yield replace(planned("three", at=STARTED_AT + 60), key="renamed")
    yield VersionVerified(STARTED_AT + 61, "renamed", "version-3", Verdict.PASSED, "", 1, 0.5)
    yield from deployment("four", STARTED_AT + 61)
    yield UnitEnded(STARTED_AT + 68, "renamed", Deployed("version-3", read_back=True))
    yield ended(1, at=STARTED_AT + 70)


def take_in(data: dict[str, Any], reported: dict[str, Any]) -> None:
    """As the page does."""
    since, rows, texts = reported.pop("since"), reported.pop("rows"), reported.pop("texts")
    data.update(reported)
    data["texts"] = [*data.get("texts", ()), *texts] if since else texts
    data["functions"] = data.get("functions", {}) if since else {}
    data["functions"].update(dict(rows))


def words(data: dict[str, Any]) -> dict[str, Any]:
    """The content of the data. After changes, unused texts remain, and their order differs."""
    text = data["texts"].__getitem__
    functions = {}
    for number, row in data["functions"].items():
        full = [*row, *[0] * 20][:20]
        steps = full[12] or []
        functions[number] = (
            full[:2], [text(one) for one in (full[2], *full[4:7])], full[3], full[7:12], full[18:],
            [(text(kind >> 1), kind & 1) for kind in steps[::3]], steps[1::3], steps[2::3],
            [(one[0], text(one[1]), one[2:]) for one in full[13] or []],
            [(text(one[0]), text(one[1]), one[2:]) for one in full[15] or []],
        )  # fmt: skip
    return {**data, "functions": functions, "texts": []}


def test_bit_by_bit_it_is_the_same_as_at_once(tmp_path: Path) -> None:
    writer, outlet = Writer(tmp_path), Outlet(Redactor())
    data, known, follows = dict[str, Any](), "", None
    for number, event in enumerate(chain()):
        writer.write([event])
        writer.journal.flush()
        follows = follows or FollowedChain(RUN_ID, tmp_path, outlet, next_lines)
        reported = follows.changes_since(known, NOW + number, 0.0)
        if reported is not None:
            take_in(data, json.loads(reported.data))
            known = reported.id
        fresh = dict[str, Any]()
        whole = FollowedChain(RUN_ID, tmp_path, outlet, next_lines).changes_since("", NOW + number, 0.0)
        assert whole is not None
        take_in(fresh, json.loads(whole.data))
        assert words(data) == words(fresh), (number, event)
    assert data["run"] == LATER
    assert len(data["functions"]) == 4
    writer.store.close()


def test_it_looks_no_more_often_than_it_may(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write([started(units=2), *deployment("one")])
    follows = FollowedChain(RUN_ID, tmp_path, Outlet(Redactor()), next_lines)
    first = follows.changes_since("", NOW, 10.0)
    assert first is not None
    writer.write(deployment("two"))
    assert follows.changes_since(first.id, NOW + 9, 10.0) is None
    again = follows.changes_since(first.id, NOW + 100, 10.0)
    assert again is not None
    assert [row[1][0] for row in json.loads(again.data)["rows"]] == ["two"]
    assert follows.changes_since(again.id, NOW + 101, 10.0) is None
    writer.store.close()


def test_a_costly_look_is_followed_by_a_pause_and_the_first_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look takes 5 s of the processor. The first one reads the whole run, which says nothing about the next."""
    writer, busy_s = Writer(tmp_path), itertools.count(0, 5)
    monkeypatch.setattr(time, "thread_time", lambda: float(next(busy_s)))
    writer.write([started(units=3), *deployment("one")])
    follows = FollowedChain(RUN_ID, tmp_path, Outlet(Redactor()), next_lines)
    first = follows.changes_since("", NOW, 1.0)
    assert first is not None
    writer.write(deployment("two"))
    again = follows.changes_since(first.id, NOW + 2, 1.0)
    assert again is not None
    writer.write(deployment("three"))
    assert follows.changes_since(again.id, NOW + 50, 1.0) is None
    assert follows.changes_since(again.id, NOW + 53, 1.0) is not None
    writer.store.close()


def test_runs_of_former_programs_are_followed_too(tmp_path: Path) -> None:
    state_dir = unpacked(tmp_path / "project") / ".orchestrator"
    with open_store(state_dir) as store:
        runs = [run.id for run in store.runs()]
    for run in runs:
        followed = FollowedChain(run, state_dir, Outlet(Redactor()), next_lines).changes_since("", NOW, 0.0)
        assert followed is not None
        data = json.loads(followed.data)
        assert data["over"]
        assert dict(data["facts"])["result"]


def test_what_to_do_next_is_said(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write([started(units=1), planned("one")])
    writer.journal.flush()
    told = FollowedChain(RUN_ID, tmp_path, Outlet(Redactor()), next_lines).changes_since("", NOW, 0.0)
    assert told is not None
    assert ["next", f"`orchestrator resume {RUN_ID}`"] in json.loads(told.data)["facts"]  # no process carries it out
    writer.store.close()


def test_texts_are_redacted_and_a_run_that_is_nowhere_is_said(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add_variables({"API_TOKEN": "hunter2hunter2"})
    writer = Writer(tmp_path)
    writer.write(whole_run("one")[:-1])
    writer.write(deployment("two", outcome=failed("no hunter2hunter2 here")))
    reported = FollowedChain(RUN_ID, tmp_path, Outlet(redactor), next_lines).changes_since("", NOW, 0.0)
    assert reported is not None
    assert "hunter2hunter2" not in reported.data
    with pytest.raises(UsageError, match="run nowhere is no longer in the journal"):
        FollowedChain("nowhere", tmp_path, Outlet(redactor), next_lines).changes_since("", NOW, 0.0)
    writer.store.close()
