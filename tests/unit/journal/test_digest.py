"""A record's digest says the same as its folded events, and which of the last runs changed a function."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from orchestrator.journal.digest import RunDigest, chains, last_of_functions, newest_first, read_digest
from orchestrator.journal.events import Event, OperationAccepted, RunStarted, UnitEnded
from orchestrator.journal.record import RunRecord
from orchestrator.journal.rollout_events import GivenUp
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import fold
from orchestrator.model import Cancelled
from tests.runs import STARTED_AT, deployment, ended, planned, started, whole_run


def body(events: list[Event]) -> bytes:
    record = RunRecord()
    for event in events:
        record(event)
    return record.encode()


def short(events: list[Event], written_at: float = 7.0) -> RunDigest:
    return read_digest(body(events), written_at)


def test_it_says_what_the_events_say() -> None:
    events = [
        started(units=3),
        *deployment("a"),
        *(planned("b"), UnitEnded(STARTED_AT, "b", Cancelled("stopped"))),
        *(planned("c"), ended(3, reason="stopped")),
    ]
    found, state = short(events), fold(events)
    run = found.run
    assert (run.id, run.verb, run.endpoint, run.manifest) == (state.run_id, state.verb, state.endpoint, state.manifest)
    assert (run.exit_code, run.ended_at, run.started_at) == (state.exit_code, state.ended_at, state.started_at)
    assert run.outcomes == state.outcomes
    assert found.touched == found.done == {"b1gfolder/d4e-a", "b1gfolder/a"}
    assert found.left == {"b1gfolder/d4e-b", "b1gfolder/b", "b1gfolder/d4e-c", "b1gfolder/c"}
    assert (found.written_at, found.run.given_up) == (7.0, False)


def test_a_run_that_was_killed_has_no_end() -> None:
    run = short([started(), planned("a")]).run
    assert (run.ended_at, run.exit_code) == (None, None)


def test_a_run_that_was_given_up_says_so() -> None:
    assert short([started(), GivenUp(STARTED_AT, 1), ended()]).run.given_up


def test_what_is_only_removed_is_not_changed() -> None:
    gone = OperationAccepted(STARTED_AT, "a", "deleteVersion", "op", "d4e-a", "v")
    assert short([started(), planned("a"), gone]).touched == set()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "empty"),
        (b"{}", "parsed"),
        (b"[]", "parsed"),
        (orjson.dumps({"schema": 2, "events": []}), "newer"),
        (orjson.dumps({"schema": 1, "events": []}), "start"),
        (orjson.dumps({"schema": 1, "events": [{"at": 1}]}), "parsed"),
        (orjson.dumps({"schema": 1, "events": None}), "parsed"),
    ],
)
def test_what_is_no_record_is_not_taken_for_one(document: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_digest(document, 0.0)


def test_kinds_of_a_newer_program_are_passed_over() -> None:
    document = orjson.loads(body(whole_run("a")))
    document["events"].insert(1, {"kind": "something_new", "at": 1.0})
    assert read_digest(orjson.dumps(document), 0.0).touched == {"b1gfolder/d4e-a", "b1gfolder/a"}


def chained(number: int, *keys: str, resumes: str = "") -> RunDigest:
    first, *rest = whole_run(*keys, run_id=f"R{number}")
    assert isinstance(first, RunStarted)
    return short([replace(first, resumes=resumes), *rest], float(number))


def test_runs_are_put_in_order_with_what_took_them_up() -> None:
    digests = newest_first([chained(1, "a"), chained(3, "b"), chained(2, "a", resumes="R1")])
    assert [one.run.id for one in digests] == ["R3", "R2", "R1"]
    assert [one.run.taken_up_by for one in digests] == ["", "", "R2"]
    assert [[one.run.id for one in chain] for chain in chains(digests)] == [["R3"], ["R2", "R1"]]


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        (1, {"R6", "R4", "R1"}),  # of a, of b, of c
        (2, {"R6", "R5", "R4", "R3", "R2", "R1"}),  # R3 and R2 are one chain
    ],
)
def test_the_last_runs_of_each_function_are_found(runs: int, kept: set[str]) -> None:
    digests = newest_first([
        chained(0, "a"), chained(1, "c"), chained(2, "b"), chained(3, "b", resumes="R2"), chained(4, "b"),
        chained(5, "a"), chained(6, "a"),
    ])  # fmt: skip
    assert last_of_functions(digests, runs) == kept


def test_a_record_that_is_behind_may_be_of_all_it_planned() -> None:
    killed = short([started("R0"), planned("a")], 0.0)
    assert last_of_functions(newest_first([killed, chained(1, "b")]), 1) == {"R0", "R1"}
    assert isinstance(killed.run, RunSummary)
