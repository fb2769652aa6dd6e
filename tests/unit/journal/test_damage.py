"""Any damage to the journal: one clear sentence, a next step, and no silent loss."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from orchestrator.errors import Exit, JournalError
from orchestrator.journal import schema, store
from orchestrator.journal.events import SCHEMA, UnitEnded
from orchestrator.journal.folder import FILE
from orchestrator.journal.schema import translated
from orchestrator.journal.store import open_store
from orchestrator.model import Deployed
from tests.runs import RUN_ID, STARTED_AT, ended, started, whole_run


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    with open_store(tmp_path) as opened:
        journal = opened.start_run(started())
        for event in whole_run("auth")[1:]:
            journal.append(event)
    return tmp_path


def change(state_dir: Path, statement: str) -> None:
    connection = sqlite3.connect(state_dir / FILE)
    with connection:
        connection.execute(statement)
    connection.close()


def read_all(state_dir: Path) -> None:
    with open_store(state_dir, read_only=True) as opened:
        opened.runs()
        for _ in opened.events(RUN_ID):
            pass


LAST = f"seq = (SELECT max(seq) FROM events) AND run_id = '{RUN_ID}'"
DAMAGE = [
    (f'UPDATE events SET data = \'{{"kind": "run_en\' WHERE {LAST}', "does not match its checksum"),
    (f"UPDATE events SET data = replace(data, '8.4', '8.5') || ' ' WHERE {LAST}", "does not match its checksum"),
    ("DELETE FROM events WHERE seq = 3", "record 3 .* is missing"),
    ("DELETE FROM events WHERE seq = 1", "record 1 .* is missing"),
]


@pytest.mark.parametrize(("statement", "message"), DAMAGE)
def test_a_damaged_record_is_named(state_dir: Path, statement: str, message: str) -> None:
    change(state_dir, statement)
    with pytest.raises(JournalError, match=message) as caught:
        read_all(state_dir)
    assert RUN_ID in caught.value.message
    assert "Idempotency-Key" in caught.value.advice


def test_a_missing_last_record_is_noticed(state_dir: Path) -> None:
    change(state_dir, f"DELETE FROM events WHERE {LAST}")
    with pytest.raises(JournalError, match="is missing"):
        read_all(state_dir)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('"kind":"unit_ended","outcome":{"outcome":"moved"}', "record 6 has the outcome 'moved', which this program"),
        ('"kind":"unit_ended","outcome":{"outcome":"failed","step":"moving","failure":{}}', "has the step 'moving'"),
        ('"kind":"step_finished","step":"moving","seconds":1.0', "has the step 'moving'"),
        ('"kind":"version_verified","version_id":"v","verdict":"maybe","reason":""', "has the verdict 'maybe'"),
        ('"kind":"unit_ended","outcome":{}', "damaged: record 6 of run .* cannot be parsed"),
    ],
)
def test_a_record_that_is_whole_but_makes_no_sense_is_named(state_dir: Path, data: str, message: str) -> None:
    row = f'{{"at":1.0,"key":"auth",{data}}}'
    kind = json.loads(row)["kind"]
    changed = f"data = '{row.replace(chr(39), chr(39) * 2)}', crc = {crc32(row.encode())}, kind = '{kind}'"
    change(state_dir, f"UPDATE events SET {changed} WHERE key = 'auth' AND seq = 6")

    def read_about() -> None:
        with open_store(state_dir, read_only=True) as opened:
            list(opened.events_about(RUN_ID, "auth"))

    for read in (partial(read_all, state_dir), read_about):
        with pytest.raises(JournalError, match=message) as caught:
            read()
        if "damaged" not in message:
            assert f"run {RUN_ID} in the journal" in caught.value.message
            assert "was written by a newer orchestrator: record 6 has" in caught.value.message
            assert (
                caught.value.advice
                == "upgrade orchestrator to read it, or use another folder: --state DIR; no data is lost"
            )


def test_a_kind_that_only_a_newer_program_knows_is_passed_over(state_dir: Path) -> None:
    with open_store(state_dir, read_only=True) as opened:
        before = list(opened.events(RUN_ID))
    change(state_dir, "UPDATE events SET kind = 'unit_promoted' WHERE seq = 3")
    with open_store(state_dir, read_only=True) as opened:
        assert list(opened.events(RUN_ID)) == before[:2] + before[3:]


def test_events_that_changed_their_meaning_ask_for_an_upgrade(state_dir: Path) -> None:
    change(state_dir, f"UPDATE runs SET schema = {SCHEMA + 1}")
    with open_store(state_dir, read_only=True) as opened:
        reading = (opened.events(RUN_ID), opened.events_about(RUN_ID, "auth"), opened.unit_marks(RUN_ID))
        for found in reading:
            with pytest.raises(JournalError, match="newer orchestrator") as caught:
                list(found)
            assert "upgrade" in caught.value.advice


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_schema_asks_for_an_upgrade(state_dir: Path, *, read_only: bool) -> None:
    change(state_dir, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="newer orchestrator") as caught:
        open_store(state_dir, read_only=read_only)
    assert "upgrade" in caught.value.advice
    assert caught.value.exit == Exit.NOT_STARTED


@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, *, read_only: bool) -> None:
    change(tmp_path, "CREATE TABLE theirs (x)")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(JournalError, match="another program"):
        open_store(tmp_path, read_only=read_only)
    assert read_only is False or (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_is_no_database_is_not_overwritten(tmp_path: Path, *, read_only: bool) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, and long enough to look at\n" * 100)
    with pytest.raises(JournalError, match="is not a database") as caught:
        open_store(tmp_path, read_only=read_only)
    assert "move it away" in caught.value.advice
    assert (tmp_path / FILE).read_bytes().startswith(b"not a database")


def test_a_file_with_overwritten_pages_is_reported(state_dir: Path) -> None:
    path = state_dir / FILE
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(JournalError, match="damaged"):
        read_all(state_dir)


def test_a_file_that_was_cut_off_is_reported(state_dir: Path) -> None:
    os.truncate(state_dir / FILE, (state_dir / FILE).stat().st_size // 2)
    with pytest.raises(JournalError, match="damaged"):
        read_all(state_dir)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_in_place_of_the_folder(tmp_path: Path, *, read_only: bool) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalError, match="file") as caught:
        open_store(tmp_path / "state", read_only=read_only)
    assert "--state" in caught.value.advice


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(JournalError, match="cannot be opened") as caught:
        open_store(tmp_path)
    assert "--state" in caught.value.advice


def test_a_folder_that_the_system_lets_nobody_write() -> None:
    """In /proc not even root can create folders. The permission bits of a test folder would not stop root."""
    with pytest.raises(JournalError, match=r"cannot be (written|created)") as caught:
        open_store(Path("/dev/null/orchestrator" if sys.platform == "darwin" else "/proc/self/orchestrator"))
    assert caught.value.exit == Exit.NOT_STARTED


def test_a_read_only_file_system_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(JournalError, match="Read-only file system") as caught:
        open_store(tmp_path / "state")
    assert (caught.value.exit, "--state" in caught.value.advice) == (Exit.NOT_STARTED, True)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[store.Store]:
    opened = open_store(tmp_path)
    (pages,) = opened._connection.execute("PRAGMA page_count").fetchone()
    opened._connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite's own simulation of a full disk
    yield opened
    opened.close()


def test_a_full_disk_says_so_and_keeps_what_was_written(full: store.Store) -> None:
    journal = full.start_run(started())
    written = 1
    with pytest.raises(JournalError, match="the disk is full") as caught:  # noqa: PT012 - the loop is what fills it
        for number in range(10_000):
            journal.append(UnitEnded(STARTED_AT, f"f{number}", Deployed("v" * 100)))
            written += 1
    assert "free some space" in caught.value.advice
    assert len(list(full.events(RUN_ID))) == written > 1


def test_after_a_full_disk_the_record_goes_on_without_a_gap(full: store.Store) -> None:
    journal = full.start_run(started())
    with pytest.raises(JournalError, match="full"):
        journal.append(UnitEnded(STARTED_AT, "f", Deployed("v" * 100_000)))
    journal.append(UnitEnded(STARTED_AT, "f", Deployed("v")))
    assert len(list(full.events(RUN_ID))) == 2


def test_a_journal_that_another_process_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_BUSY_TIMEOUT_S", 0.0)
    with open_store(tmp_path) as opened:
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="in use by another process") as caught:
            opened.start_run(started())
        other.execute("ROLLBACK")
        other.close()
    assert "try again" in caught.value.advice


def test_the_same_run_id_twice_is_refused(state_dir: Path) -> None:
    with open_store(state_dir) as opened, pytest.raises(JournalError, match="UNIQUE"):
        opened.start_run(started())


def test_an_event_of_a_run_that_is_closed_is_not_lost_in_silence(tmp_path: Path) -> None:
    with open_store(tmp_path) as opened:
        journal = opened.start_run(started())
    with pytest.raises(JournalError):
        journal.append(ended())


def test_a_file_from_before_the_first_migration_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with open_store(tmp_path, read_only=True) as opened:
        assert opened.runs() == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*schema.MIGRATIONS, ("CREATE TABLE extra (x)", "no SQL at all"))
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", broken)
        with pytest.raises(JournalError):
            open_store(state_dir)
    read_all(state_dir)


def test_an_older_schema_is_migrated_with_its_rows(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE extra (x)",)))
    monkeypatch.setattr(store, "MIGRATIONS", schema.MIGRATIONS)
    with open_store(state_dir, read_only=True) as opened:
        assert [run.id for run in opened.runs()] == [RUN_ID]
    with translated(state_dir / FILE):
        connection = sqlite3.connect(state_dir / FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    connection.close()


def test_a_journal_that_was_copied_while_written_can_be_read(state_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(state_dir, tmp_path / "copy")
    read_all(tmp_path / "copy")


def test_a_closed_journal_can_be_read_where_nothing_can_be_written(state_dir: Path) -> None:
    (state_dir / f"{FILE}-shm").mkdir()  # as on a read-only file system, SQLite cannot create its helper file
    read_all(state_dir)


def test_what_a_killed_run_left_in_the_wal_is_read_there_too(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    with open_store(tmp_path) as opened:
        opened.start_run(started()).append(ended())
        for name in (FILE, f"{FILE}-wal"):  # as they are while nothing has been merged yet
            shutil.copy(tmp_path / name, left / name)
    (left / f"{FILE}-shm").mkdir()
    with open_store(left, read_only=True) as opened:
        assert list(opened.events(RUN_ID)) == [started(), ended()]
