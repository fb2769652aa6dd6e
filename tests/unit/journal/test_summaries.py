"""The line of each run in `runs`: the same from its record in a bucket as from its journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.journal.events import Breached, Event, RunStarted, UnitEnded
from orchestrator.journal.rollout_events import GivenUp, RunPaused
from orchestrator.journal.state import fold
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.summaries import linked, summary_of
from orchestrator.model import Cancelled
from tests.runs import STARTED_AT, deployment, ended, failed, planned, started


def run(number: int, *events: Event, verb: str = "deploy", **facts: str) -> list[Event]:
    at = STARTED_AT + 100 * number
    first = replace(
        started(f"r{number}", units=0 if any(isinstance(one, GivenUp) for one in events) else 1, at=at), verb=verb
    )
    return [replace(first, **facts), *events]  # type: ignore[arg-type]  # fields that are texts


DONE = run(1, *deployment("a"), ended())
KILLED = run(2, *deployment("a")[:14])
FAILED = run(3, *deployment("a", outcome=failed()), ended(1))
PAUSED = run(4, planned("a"), UnitEnded(STARTED_AT, "a", Cancelled()), RunPaused(STARTED_AT + 5, "wave 1", 1), ended(3))
ASKS = run(4, *deployment("a", outcome=failed()), Breached(STARTED_AT + 6, "1 of 1 failed", "pause"))
RESUMED = run(5, *deployment("a"), ended(), resumes="r4", approves="r4")
BACK = run(6, *deployment("a"), ended(), verb="rollback", rolls_back="r1")
GIVEN_UP = run(7, GivenUp(STARTED_AT, 1), ended(), resumes="r2")


def write(store: Store, events: list[Event]) -> None:
    first = events[0]
    assert isinstance(first, RunStarted)
    journal = store.start_run(first)
    for event in events[1:]:
        journal.append(event)
    journal.flush()


@pytest.mark.parametrize(
    "runs",
    [[DONE], [KILLED], [FAILED], [PAUSED], [ASKS], [PAUSED, RESUMED], [DONE, BACK], [KILLED, GIVEN_UP], [DONE, KILLED]],
)
def test_a_record_sums_up_to_what_the_journal_sums_up_to(runs: list[list[Event]], tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for events in runs:
            write(store, events)
        kept = store.runs()
    found = linked(summary_of(fold(events)) for events in runs)
    assert {one.elsewhere for one in found} == {True}
    assert [replace(one, elsewhere=False) for one in found] == kept


@pytest.mark.parametrize("there", [[1], [0]])
def test_what_is_here_is_reported_by_what_lies_in_the_bucket(there: list[int], tmp_path: Path) -> None:
    runs = [DONE, BACK]
    with open_store(tmp_path) as store:
        for events in runs:
            if runs.index(events) not in there:
                write(store, events)
        found = linked([*store.runs(), *(summary_of(fold(runs[number])) for number in there)])
    assert [(one.id, one.rolled_back_by, one.elsewhere) for one in found] == [
        ("r6", "", 1 in there),
        ("r1", "r6", 0 in there),
    ]
