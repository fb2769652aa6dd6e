from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import JournalError, UsageError
from orchestrator.journal.condition_events import OutageBegan
from orchestrator.journal.events import (
    BytesSent,
    Event,
    OperationAccepted,
    Requested,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
)
from orchestrator.journal.folder import FILE
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.model import Blocked, Deployed, Outcome, Step, Unknown
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started, whole_run

A_RUN = whole_run("auth", "billing")
STORED = [event for event in A_RUN if not isinstance(event, StepStarted | BytesSent)]


def write(state_dir: Path, *runs: str) -> None:
    with open_store(state_dir) as store:
        for number, run_id in enumerate(runs):
            journal = store.start_run(started(run_id, at=STARTED_AT + number))
            journal.append(ended(at=STARTED_AT + number + 1))


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    with open_store(tmp_path / "state") as store:
        journal = store.start_run(started(units=2))
        for event in A_RUN[1:]:
            journal.append(event)
        assert list(store.events(RUN_ID)) == STORED


def test_what_is_met_while_a_run_closes_is_no_part_of_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started(units=0))
        journal.append(ended(at=STARTED_AT + 1))
        journal.append(OutageBegan(STARTED_AT + 2, "no answer"))
        assert [event.kind for event in store.events(RUN_ID)] == ["run_started", "run_ended"]


def test_a_journal_of_a_former_program_with_an_outage_after_its_end_is_whole(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started(units=0))
        journal.append(ended(at=STARTED_AT + 1))
        journal.insert(OutageBegan(STARTED_AT + 2, "no answer"))
        assert store.chain_state(RUN_ID).exit_code == 0


def test_the_state_of_a_journal_is_the_live_one(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started(units=2))
        for event in A_RUN[1:]:
            journal.append(event)
        kept, live = fold(store.events(RUN_ID)), fold(A_RUN)
    assert kept.outcomes == live.outcomes
    assert [unit.seconds for unit in kept.units.values()] == [unit.seconds for unit in live.units.values()]


def test_the_first_event_is_stored_once_however_it_comes(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.start_run(started()).append(started())
        assert list(store.events(RUN_ID)) == [started()]


@pytest.mark.parametrize("event", [e for e in deployment("f") if isinstance(e, StepStarted | BytesSent)])
def test_what_only_displays_need_is_not_stored(tmp_path: Path, event: StepStarted | BytesSent) -> None:
    with open_store(tmp_path) as store:
        store.start_run(started()).append(event)
        assert len(list(store.events(RUN_ID))) == 1


def test_the_folder_is_private_and_ignores_itself(tmp_path: Path) -> None:
    state_dir = tmp_path / "new" / "state"
    open_store(state_dir).close()
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert (state_dir / ".gitignore").read_text("utf-8") == "*\n"


def test_closing_leaves_one_file_that_holds_all(tmp_path: Path) -> None:
    write(tmp_path, RUN_ID)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", FILE]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    store.close()


def test_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    write(tmp_path, "b", "a", "c")
    with open_store(tmp_path, read_only=True) as store:
        assert [run.id for run in store.runs()] == ["c", "a", "b"]


def test_a_run_is_summed_up_by_the_last_outcome_of_each_unit(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started(units=3))
        for key, outcome in (("a", Deployed("v")), ("b", Deployed("v")), ("b", failed()), ("c", Blocked("adopt"))):
            journal.append(UnitEnded(STARTED_AT, key, outcome))
        (unended,) = store.runs()
        journal.append(ended(1))
        (run,) = store.runs()
    assert (unended.ended_at, unended.exit_code) == (None, None)
    assert dict(unended.outcomes) == dict(run.outcomes) == {"deployed": 1, "failed": 1, "blocked": 1}
    assert (run.id, run.verb, run.endpoint) == (RUN_ID, "deploy", "https://api.cloud.yandex.net")
    assert (run.started_at, run.ended_at, run.exit_code) == (STARTED_AT, STARTED_AT + 8.4, 1)
    assert (run.units, run.program) == (3, "0.1.0")


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "state", read_only=True) as store:
        assert store.runs() == []
    assert list(tmp_path.iterdir()) == []


def test_without_runs_none_is_found(tmp_path: Path) -> None:
    with open_store(tmp_path, read_only=True) as store, pytest.raises(UsageError, match="no runs yet"):
        store.find("last")


FOUND = [("20261124T0300-aaa", "20261124T0300-aaa"), ("20261125T1", "20261125T1-bbb"), ("last", "20261125T1-bbb")]


@pytest.mark.parametrize(("text", "run_id"), [*FOUND, ("20261124", "20261124T0300-aaa")])
def test_a_run_is_found_by_its_id_its_beginning_or_as_the_last(tmp_path: Path, text: str, run_id: str) -> None:
    write(tmp_path, "20261124T0300-aaa", "20261125T1-bbb")
    with open_store(tmp_path, read_only=True) as store:
        assert store.find(text) == run_id


def test_an_id_that_others_begin_with_is_found_exactly(tmp_path: Path) -> None:
    write(tmp_path, "nightly", "nightly-2")
    with open_store(tmp_path, read_only=True) as store:
        assert store.find("nightly") == "nightly"


@pytest.mark.parametrize(
    ("text", "message"), [("2026", '2 runs begin with "2026"'), ("x", 'no run "x"'), ("", 'no run ""')]
)
def test_what_names_no_run_is_answered_with_those_there_are(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "2026-a", "2026-b")
    with open_store(tmp_path, read_only=True) as store, pytest.raises(UsageError, match=message) as caught:
        store.find(text)
    assert "2026-b, 2026-a" in caught.value.advice


def test_of_many_known_runs_ten_are_named(tmp_path: Path) -> None:
    write(tmp_path, *(f"run-{number:02}" for number in range(13)))
    with open_store(tmp_path, read_only=True) as store, pytest.raises(UsageError) as caught:
        store.find("other")
    assert caught.value.advice.endswith("run-03 and 3 more; for a function, use `orchestrator why other`")


KILLED = """
import os, sys
from pathlib import Path
from orchestrator.journal.store import open_store
from tests.runs import started, deployment
journal = open_store(Path(sys.argv[1])).start_run(started())
for event in deployment("auth"):
    journal.append(event)
os._exit(9)
"""


def test_what_was_appended_survives_the_death_of_the_process(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == 9
    with open_store(tmp_path, read_only=True) as store:
        state = fold(store.events(store.find("last")))
        (run,) = store.runs()
    assert state.units["auth"].outcome == Deployed("version-auth")
    assert (run.exit_code, dict(run.outcomes)) == (None, {"deployed": 1})


def test_a_reader_sees_each_event_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    with open_store(tmp_path) as writer:
        journal = writer.start_run(started())
        with open_store(tmp_path, read_only=True) as reader:
            outcomes: list[Outcome] = [Deployed("v"), failed(), Unknown("lost")]
            for count, outcome in enumerate(outcomes, start=2):
                journal.append(UnitEnded(STARTED_AT, "f", outcome))
                assert len(list(reader.events(RUN_ID))) == count


def test_a_reader_in_the_middle_of_a_run_does_not_hold_the_writer_up(tmp_path: Path) -> None:
    with open_store(tmp_path) as writer, open_store(tmp_path, read_only=True) as reader:
        journal = writer.start_run(started())
        journal.append(UnitEnded(STARTED_AT, "f", Deployed("v")))
        reading = reader.events(RUN_ID)
        next(reading)
        journal.append(ended())
        assert len(list(reading)) == 1  # as it was when the reading began
        assert len(list(reader.events(RUN_ID))) == 3


def test_what_says_nothing_of_the_cloud_is_written_with_what_does(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, open_store(tmp_path, read_only=True) as reader:
        journal = store.start_run(started())
        steps = [StepFinished(1.0, "f", Step.PACKAGE, 0.1), StepRetried(2.0, "f", Step.CREATE, 1, 0.5, "busy")]
        for step in steps:
            journal.append(step)
        assert list(reader.events(RUN_ID)) == [started()]
        journal.append(planned("f"))
        assert list(reader.events(RUN_ID)) == [started(), *steps, planned("f")]
        journal.append(steps[0])
        journal.append(ended())
        assert list(reader.events(RUN_ID))[-2:] == [steps[0], ended()]


def test_a_commit_that_fails_leaves_no_gap(tmp_path: Path) -> None:
    step = StepFinished(1.0, "f", Step.PACKAGE, 0.1)
    with open_store(tmp_path) as store:
        journal = store.start_run(started())
        journal.append(step)
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        store._connection.execute("PRAGMA busy_timeout = 0")
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            journal.append(planned("f"))
        blocker.execute("ROLLBACK")
        blocker.close()
        journal.append(planned("g"))
        assert list(store.events(RUN_ID)) == [started(), step, planned("g")]


AT_ONCE = [event for event in deployment("f") if isinstance(event, Requested | OperationAccepted | UnitEnded)]


@pytest.mark.parametrize("event", AT_ONCE, ids=lambda event: event.kind)
def test_what_a_killed_run_must_not_lose_is_there_when_append_returns(tmp_path: Path, event: Event) -> None:
    with open_store(tmp_path) as store:
        store.start_run(started()).append(event)
        with open_store(tmp_path, read_only=True) as other:
            assert list(other.events(RUN_ID))[1:] == [event]


def test_after_an_append_that_failed_the_next_leaves_no_gap(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started())
        connection = journal._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        before, large = (
            StepFinished(STARTED_AT, "f", Step.BUILD, 1.0),
            UnitEnded(STARTED_AT, "f", Blocked("x" * 1_000_000)),
        )
        journal.append(before)  # is written with the next
        with pytest.raises(JournalError, match="the disk is full"):
            journal.append(large)
        connection.execute("PRAGMA max_page_count = 1000000")
        journal.append(large)
        assert list(store.events(RUN_ID))[1:] == [before, large]
