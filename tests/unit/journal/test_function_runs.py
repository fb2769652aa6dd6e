"""What a journal shows about one function, without the records of the others."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import JournalError
from orchestrator.journal.events import Event
from orchestrator.journal.folder import FILE
from orchestrator.journal.functions.function_runs import FunctionNames, of_unit
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.model import Action, Deployed, Unchanged
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, planned, started

ENDPOINT = started().endpoint
AUTH = FunctionNames("auth", "auth", "b1gfolder", "d4e-auth")


def write(state_dir: Path) -> list[Event]:
    """Write a run of three functions: auth and bill are deployed, rest is unchanged."""
    events = [started(units=3), planned("rest", action=Action.UNCHANGED), *deployment("auth"), *deployment("bill")]
    with open_store(state_dir) as store:
        journal = store.start_run(started(units=3))
        for event in [*events[1:], ended(at=STARTED_AT + 9)]:
            journal.append(event)
    return events


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (AUTH, FunctionNames("other", "other", "b1h", "d4e-auth"), True),  # renamed, moved
        (AUTH, replace(AUTH, function_id="d4e-new"), False),  # created again
        (AUTH, replace(AUTH, function_id="", key="login"), True),  # its key is only a label
        (AUTH, replace(AUTH, function_id="", folder_id="b1h"), False),
        (FunctionNames("auth"), AUTH, True),
        (FunctionNames(), FunctionNames(), False),
    ],
)
def test_what_is_one_function(one: FunctionNames, other: FunctionNames, same: bool) -> None:
    assert (one.is_of(other), other.is_of(one)) == (same, same)


def test_a_function_is_found_by_its_id_its_name_or_its_key(tmp_path: Path) -> None:
    write(tmp_path)
    rest = FunctionNames("rest", "rest", "b1gfolder", "d4e-rest")
    with open_store(tmp_path, read_only=True) as store:
        assert store.function_in(RUN_ID, FunctionNames(function_id="d4e-auth")) == AUTH
        assert store.function_in(RUN_ID, FunctionNames(name="auth", folder_id="b1gfolder")) == AUTH
        assert store.function_in(RUN_ID, FunctionNames("rest")) == rest  # which shares a record with others
        assert store.function_in(RUN_ID, FunctionNames("aut")) is None
        assert {one.key for one in store.functions_like(RUN_ID, "")} == {"auth", "bill", "rest"}


def test_the_events_about_a_function_lead_to_the_same_as_all(tmp_path: Path) -> None:
    write(tmp_path)
    with open_store(tmp_path, read_only=True) as store:
        whole = fold(store.events(RUN_ID))
        for key in ("auth", "rest"):
            own = fold(store.events_about(RUN_ID, key))
            assert own.units.keys() == {key}
            assert (own.units[key].outcome, own.run_id, own.exit_code) == (whole.units[key].outcome, RUN_ID, 0)
            assert [*of_unit(store.events(RUN_ID), key)] == [*store.events_about(RUN_ID, key)]
    assert isinstance(whole.units["auth"].outcome, Deployed)
    assert isinstance(whole.units["rest"].outcome, Unchanged)


def test_the_run_that_made_a_version_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    with open_store(tmp_path, read_only=True) as store:
        assert store.runs_that_made(ENDPOINT, "version-bill") == [(RUN_ID, "bill")]
        assert store.runs_that_made(ENDPOINT, "version-bil") == store.runs_that_made("sandbox", "version-bill") == []
        assert set(store.runs_that_sent(ENDPOINT, "key-bill")) == {(RUN_ID, "bill")}
        assert store.runs_that_sent(ENDPOINT, "key-bil") == store.runs_that_sent("sandbox", "key-bill") == []


def test_a_damaged_record_is_reported(tmp_path: Path) -> None:
    write(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE events SET data = replace(data, 'd4e-auth', 'd4e-auth ') WHERE key = 'auth'")
    with open_store(tmp_path, read_only=True) as store:
        with pytest.raises(JournalError, match="does not match its checksum"):
            store.function_in(RUN_ID, AUTH)
        with pytest.raises(JournalError, match="does not match its checksum"):
            [*store.events_about(RUN_ID, "auth")]
        assert store.function_in(RUN_ID, FunctionNames("bill")) is not None  # others are found anyway
