"""A run's record leads to the same chain as its journal: what is undone, what failed, what is in flight."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.events import Event, RunEnded
from orchestrator.journal.record import RunRecord, encode_index, read_index, read_record
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.planning.resume import accepted, failed, to_resume, undone
from tests.runs import RUN_ID, deployment, ended, started, whole_run

KEYS = ("a", "b", "c")
A_RUN: list[Event] = [started(units=3), *(event for key in KEYS for event in deployment(key)), ended(1)]


def recorded(events: list[Event]) -> list[Event]:
    record = RunRecord()
    for event in events:
        record(event)
    return read_record(record.encode())


@given(st.integers(1, len(A_RUN)))
def test_a_record_written_at_any_moment_leads_to_what_the_journal_does(length: int) -> None:
    journal, record = fold(A_RUN[:length]), fold(recorded(A_RUN[:length]))
    assert (record.run_id, record.total, record.exit_code) == (journal.run_id, journal.total, journal.exit_code)
    for tell in (to_resume, failed, undone):
        assert set(tell(record)) == set(tell(journal)) & {key for key, unit in journal.units.items() if unit.name}
    in_flight = {key: operations for key, operations in accepted(journal.units).items() if operations}
    assert {key: operations for key, operations in accepted(record.units).items() if operations} == in_flight


def test_a_record_is_kept_as_a_run_of_the_journal_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for _ in range(2):
            store.keep(recorded(whole_run("a", "b")))
        (run,) = store.runs()
        assert (run.id, run.exit_code, run.outcomes) == (RUN_ID, 0, {"deployed": 2})
        assert isinstance(list(store.events(RUN_ID))[-1], RunEnded)
        store.keep(recorded(whole_run("a", run_id="R2")[:-3]))  # it was cut off
        assert store.runs()[0].exit_code is None or store.runs()[1].exit_code is None


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b'{"schema": 9, "events": []}', b'{"schema": 1, "events": []}']
)
def test_what_is_no_record_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_record(body)


def test_kinds_of_a_newer_program_are_passed_over() -> None:
    document = orjson.loads(_body())
    document["events"].append({"kind": "unit_promoted", "at": 1.0})
    assert read_record(orjson.dumps(document)) == recorded(A_RUN)


def test_a_name_of_a_newer_program_is_reported() -> None:
    document = orjson.loads(_body())
    document["events"][-2] |= {"kind": "unit_ended", "outcome": {"outcome": "moved"}}
    with pytest.raises(ValueError, match="written by a newer orchestrator: it has the outcome 'moved', which this"):
        read_record(orjson.dumps(document))


def _body() -> bytes:
    record = RunRecord()
    for event in A_RUN:
        record(event)
    return record.encode()


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"runs": [1]}', b'{"runs": [{"run_id": 1}]}'])
def test_an_index_that_cannot_be_understood_is_begun_again(body: bytes) -> None:
    assert read_index(body) == []
    rows = [{"run_id": "R2", "endpoint": "here"}]
    assert read_index(encode_index(rows)) == rows
