"""A due time whose claimant died: what this machine knows of how its run stood."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.session.due import breach_of
from orchestrator.coordination.claim import StoppedDue
from orchestrator.coordination.due_files import known_stop, remember
from orchestrator.journal.events import Breached
from orchestrator.journal.store import open_store
from tests.runs import RUN_ID, STARTED_AT, planned, started


@pytest.mark.parametrize("why", ["", "1 of 9 failed"])
def test_a_run_that_died_after_its_breach_stays_stopped(tmp_path: Path, why: str) -> None:
    with open_store(tmp_path / "state") as store:
        journal = store.start_run(started())
        journal.append(planned("f"))
        if why:
            journal.append(Breached(STARTED_AT, why))
    assert breach_of(tmp_path / "state", RUN_ID) == why


def test_nothing_is_known_of_a_run_of_another_machine(tmp_path: Path) -> None:
    assert breach_of(tmp_path / "none", RUN_ID) == ""
    with open_store(tmp_path / "state") as store:
        store.start_run(started())
    assert breach_of(tmp_path / "state", "20200101T000000-ffffff") == ""
    assert breach_of(tmp_path / "state", "") == ""


@pytest.mark.parametrize("job", ["nightly", "../odd name"])
def test_what_a_call_found_is_kept_for_jobs_until_it_is_over(tmp_path: Path, job: str) -> None:
    state = tmp_path / "state"
    remember(state, job, None)
    assert not state.exists()
    stopped = StoppedDue("2027-01-01T13:00:00Z", RUN_ID, "1 of 9 failed")
    remember(state, job, stopped)
    assert known_stop(state, job) == stopped
    (file,) = (state / "due").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{")
    assert known_stop(state, job) is None
    remember(state, job, None)
    assert list((state / "due").iterdir()) == []
