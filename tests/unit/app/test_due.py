"""A due time whose claimant was killed: what this machine knows of its run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from orchestrator.app.session.due.due_done import differs, had_their_turn, is_done
from orchestrator.app.session.due.due_place import breach_of
from orchestrator.app.session.session import Session
from orchestrator.coordination.claim import StoppedDue
from orchestrator.coordination.due_files import known_stop, remember
from orchestrator.errors import Exit
from orchestrator.journal.events import Breached, Event, UnitEnded
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import RollbackBegun, RunPaused
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.model import Cancelled, Deployed, Outcome, Unknown
from orchestrator.report.views import CommandResult, ResultView
from tests.runs import RUN_ID, STARTED_AT, failed, planned, started


def without_bucket(state_dir: Path) -> Session:
    """Return a minimal session without a bucket."""
    request, world = SimpleNamespace(state_dir=state_dir), SimpleNamespace(store=None)
    return cast("Session", SimpleNamespace(request=request, world=world))


def breach(state_dir: Path, run_id: str) -> str:
    return anyio.run(breach_of, without_bucket(state_dir), run_id)


@pytest.mark.parametrize("why", ["", "1 of 9 failed"])
def test_a_run_that_died_after_its_breach_stays_stopped(tmp_path: Path, why: str) -> None:
    with open_store(tmp_path / "state") as store:
        journal = store.start_run(started())
        journal.append(planned("f"))
        if why:
            journal.append(Breached(STARTED_AT, why))
    assert breach(tmp_path / "state", RUN_ID) == why


def test_without_a_bucket_nothing_is_known_of_a_run_of_another_machine(tmp_path: Path) -> None:
    assert breach(tmp_path / "none", RUN_ID) == ""
    with open_store(tmp_path / "state") as store:
        store.start_run(started())
    assert breach(tmp_path / "state", "20200101T000000-ffffff") == ""


@pytest.mark.parametrize(
    ("events", "code", "done"),
    [
        ((UnitEnded(STARTED_AT, "f", Deployed("v", read_back=True)),), Exit.DONE, True),
        ((UnitEnded(STARTED_AT, "f", Cancelled()),), Exit.FAILED, False),
        (
            (UnitEnded(STARTED_AT, "f", Cancelled()), RollbackBegun(STARTED_AT, "back", "1 failed")),
            Exit.ROLLED_BACK,
            True,
        ),
        ((UnitEnded(STARTED_AT, "f", Cancelled()), RunPaused(STARTED_AT, "approval", 1)), Exit.INTERRUPTED, True),
        ((UnitEnded(STARTED_AT, "f", Cancelled()),), Exit.INTERRUPTED, False),
    ],
)
def test_a_due_time_is_done_once_nothing_takes_it_up_by_itself(
    events: tuple[Event, ...], code: Exit, done: bool
) -> None:
    state = fold([started(), planned("f"), *events])
    assert is_done(CommandResult(code, ResultView(state), has_run=True)) is done


PLAIN = Selection(job="nightly")
TO_TEST = replace(PLAIN, parameters={"select": "f00*"})


@pytest.mark.parametrize(
    ("now", "then", "of_it", "other"),
    [
        (PLAIN, PLAIN, False, ""),
        (TO_TEST, PLAIN, False, "had other parameters (--param)"),
        (PLAIN, TO_TEST, False, "had other parameters (--param)"),
        (TO_TEST, TO_TEST, False, ""),  # the crontab has these options, and the advice after a breach too
        (replace(PLAIN, left_by="failed"), PLAIN, True, "selected only failures (--failed)"),
        (replace(PLAIN, left_by="undone"), PLAIN, False, "selected what another run left (--undone)"),
        (replace(PLAIN, left_by="undone"), PLAIN, True, ""),
        (replace(PLAIN, patterns=("f001",)), PLAIN, False, "selected only some functions"),
        (replace(PLAIN, labels=("team=a",)), PLAIN, False, "selected only some functions"),
        (replace(PLAIN, patterns=("f001",), left_by="undone"), PLAIN, True, "selected only some functions"),
        (replace(PLAIN, patterns=("f001",)), replace(PLAIN, patterns=("f001",)), False, ""),
        (PLAIN, replace(PLAIN, patterns=("f001",)), False, ""),
    ],
)
def test_a_run_counts_for_a_due_time_if_it_was_about_as_much(
    now: Selection, then: Selection, of_it: bool, other: str
) -> None:
    assert differs(now, then, of_it=of_it) == other


@pytest.mark.parametrize("left_by", ["failed", "undone", ""])
def test_the_run_that_comes_to_the_last_of_them_counts_whatever_selected_it(left_by: str) -> None:
    now = replace(PLAIN, left_by=left_by, patterns=("f001",))
    assert differs(now, PLAIN, of_it=False, all_came=True) == ""
    assert differs(replace(now, parameters={"a": "b"}), PLAIN, of_it=False, all_came=True) != ""


def test_all_have_had_their_turn_once_each_was_come_to() -> None:
    def ran(run_id: str, verb: str = "run n", parameters: str = "", **outcomes: Outcome | None) -> RunState:
        about = Identity(selection=Selection(job="n", parameters={"to": parameters}))
        begun = replace(started(run_id, units=len(outcomes)), verb=verb, identity=about)
        ends = [UnitEnded(STARTED_AT, key, outcome) for key, outcome in outcomes.items() if outcome is not None]
        return fold([begun, *map(planned, outcomes), *ends])

    done, unsure = Deployed("v", read_back=True), Unknown("not seen to end")
    due = ran("R1", a=failed(), b=Cancelled(), c=None, d=unsure)
    some = [ran("R2", b=done), ran("R3", c=failed())]
    assert not had_their_turn(due, [])
    assert not had_their_turn(due, [*some, due])
    assert not had_their_turn(due, [ran("R4", d=Cancelled()), *some, due])
    assert not had_their_turn(due, [ran("R4", "run m", d=done), *some, due])
    assert not had_their_turn(due, [ran("R4", parameters="x", d=done), *some, due])
    assert not had_their_turn(due, [*some, due, ran("R0", d=done)]), "before it"
    assert had_their_turn(due, [ran("R4", d=done), *some, due])
    due.total = 9
    assert not had_their_turn(due, [ran("R4", d=done), *some, due]), "not all of its plan is known"


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
