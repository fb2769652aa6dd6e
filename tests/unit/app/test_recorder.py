"""The record of a run that resumes others follows the last of them in the bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.app.session.records.recording import Recorder
from orchestrator.journal.events import RunStarted
from orchestrator.journal.record import read_record
from orchestrator.journal.runs import Link
from orchestrator.prediction.virtual_time import run
from tests.memory_records import MemoryRecords
from tests.runs import planned, started


def session(run_id: str) -> Any:
    async def read(call: Callable[[], Awaitable[object]]) -> object:
        return await call()

    world = SimpleNamespace(read=read, storage=SimpleNamespace(prefix="p/"))
    return SimpleNamespace(world=world, run_id=run_id, messages=None)


def written(records: MemoryRecords, run_id: str, chain: Sequence[str], *, resumes: str = "") -> str:
    """Write the record of a run that resumes others. Return the ID of the run that it follows."""
    links = [Link(one, 0.0) for one in (*chain, run_id)]  # the chain knows the run itself before it is written

    async def main() -> None:
        recorder = Recorder(session(run_id), records, links)
        for event in (replace(started(run_id), resumes=resumes), planned("a")):
            recorder(event)
        await recorder.begin()
        await recorder.write()

    run(main)
    first = read_record(records.objects[f"p/runs/{run_id}.json"][0])[0]
    assert isinstance(first, RunStarted)
    return first.resumes


@pytest.mark.parametrize(
    ("recorded", "follows"),
    [
        (("one", "two"), "two"),
        (("one",), "one"),  # "two" was killed before it sent anything
        ((), "two"),  # no record exists, so the chain is used as it is
    ],
)
def test_a_record_follows_the_last_one_that_is_there(recorded: Sequence[str], follows: str) -> None:
    records = MemoryRecords()
    for run_id in recorded:
        written(records, run_id, ())
    assert written(records, "three", ("one", "two"), resumes="two") == follows


def test_the_record_of_a_first_run_follows_none() -> None:
    assert written(MemoryRecords(), "one", ()) == ""


@pytest.mark.parametrize(("recorded", "names"), [(("one", "two"), "two"), (("one",), "one"), ((), "two")])
def test_the_record_of_a_rollback_names_what_is_there_of_the_chain(recorded: Sequence[str], names: str) -> None:
    records = MemoryRecords()
    for run_id in recorded:
        written(records, run_id, ())

    async def main() -> None:
        recorder = Recorder(session("back"), records, takes_back=("one", "two"))
        recorder(replace(started("back"), rolls_back="two"))
        await recorder.begin()

    run(main)
    first = read_record(records.objects["p/runs/back.json"][0])[0]
    assert isinstance(first, RunStarted)
    assert first.rolls_back == names
