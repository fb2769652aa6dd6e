"""What the journal keeps, and what it deletes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import RunEnded, StepFinished, UnitEnded
from orchestrator.journal.identity import Identity
from orchestrator.journal.retention import KEPT_ALWAYS, KEPT_DAYS, KEPT_RUNS, Kept, outdated, retained
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.model import Action, Blocked, Outcome, Step, Unchanged
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, planned, started

DAY_S = 86_400.0
NOW = 1_800_000_000.0


def summary(id: str, days: float, **changes: object) -> RunSummary:
    at = NOW - days * DAY_S
    made = RunSummary(id, "deploy", "https://api", at, at + 1.0, 0, 1, "0.1.0", {"deployed": 1}, "deploy.toml")
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's own changes


def many(count: int, days: float = 1.0) -> list[RunSummary]:
    """This many from today, so that what follows is not among the last ones."""
    return [summary(f"new{number}", days) for number in range(count)]


RECENT = many(KEPT_ALWAYS)
OLD = KEPT_DAYS + 1.0


@pytest.mark.parametrize(
    ("run", "goes"),
    [
        (summary("x", OLD), True),
        (summary("x", KEPT_DAYS - 1.0), False),
        (summary("x", OLD, exit_code=1, outcomes={"failed": 1}), True),
        (summary("x", OLD, ended_at=None, exit_code=None, outcomes={}), False),
        (summary("x", OLD, exit_code=3, outcomes={"unknown": 1}), False),
        (summary("x", OLD, exit_code=3, outcomes={"deployed": 1}), False),
        (summary("x", OLD, exit_code=1, outcomes={"failed": 1, "cancelled": 3}), False),
        (summary("x", OLD, verb="run nightly"), False),
        (summary("x", OLD, endpoint="sandbox"), False),
        (summary("x", OLD, manifest="other.toml"), False),
        (summary("x", OLD, identity=Identity(environment="prod")), False),
        (summary("x", OLD, identity=Identity(folders=("b1g",))), False),
    ],
)
def test_only_what_nothing_reads_any_more_goes(run: RunSummary, goes: bool) -> None:
    assert outdated([*RECENT, run], NOW) == (("x",) if goes else ())


def test_the_last_ones_stay_however_old() -> None:
    assert outdated([replace(run, started_at=NOW - 1000 * DAY_S) for run in RECENT], NOW) == ()


def test_of_many_the_newest_stay() -> None:
    assert outdated(many(KEPT_RUNS + 2), NOW) == (f"new{KEPT_RUNS}", f"new{KEPT_RUNS + 1}")


def test_a_chain_goes_whole_or_not_at_all() -> None:
    first = summary("a", OLD + 2, ended_at=None, exit_code=None, taken_up_by="b")
    second = summary("b", OLD + 1, exit_code=3, resumes="a", taken_up_by="c")
    last = summary("c", OLD, resumes="b")
    assert outdated([*RECENT, last, second, first], NOW) == ("c", "b", "a")
    assert outdated([*RECENT, replace(last, exit_code=3), second, first], NOW) == ()
    assert outdated([*RECENT, replace(last, started_at=NOW), second, first], NOW) == ()


def test_what_a_rollback_still_takes_back_stays() -> None:
    run = summary("a", OLD + 1)
    back = summary("b", OLD, verb="rollback", rolls_back="a", exit_code=3, outcomes={"cancelled": 1})
    assert outdated([*RECENT, back, run], NOW) == ()
    assert retained([*RECENT, back, run], NOW)["a"] is Kept.TAKEN_BACK
    assert outdated([*RECENT, replace(back, exit_code=0, outcomes={}), run], NOW) == ("a",)


def test_a_rollback_stays_with_the_run_that_it_took_back() -> None:
    run = summary("a", OLD + 2, verb="run nightly")  # the newest of its kind
    back = summary("b", OLD + 1, verb="rollback", rolls_back="a")
    later = summary("c", OLD, verb="rollback", rolls_back="gone")
    assert outdated([*RECENT, later, back, run], NOW) == ()
    assert retained([*RECENT, later, back, run], NOW)["b"] is Kept.TAKES_BACK
    assert outdated([*RECENT, later, back, replace(run, verb="deploy")], NOW) == ("b", "a")


def test_the_last_runs_of_a_function_stay_with_their_chain() -> None:
    first = summary("a", OLD + 1, taken_up_by="b", exit_code=3)
    assert retained([*RECENT, summary("b", OLD, resumes="a"), first], NOW, last={"a"})["b"] is Kept.OF_A_FUNCTION


def test_a_pruned_run_is_gone_with_its_events_and_the_others_are_whole(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for number in range(KEPT_ALWAYS + 2):
            journal = store.start_run(started(f"R{number:02}", at=STARTED_AT + number))
            for event in [*deployment("f")[1:], ended(at=STARTED_AT + number + 1)]:
                journal.append(event)
        assert store.prune(STARTED_AT + OLD * DAY_S) == ("R01", "R00")
        assert store.prune(STARTED_AT + OLD * DAY_S) == ()
        assert [run.id for run in store.runs()] == [f"R{number:02}" for number in range(KEPT_ALWAYS + 1, 1, -1)]
        assert list(store.events("R00")) == []
        assert fold(store.events("R02")).outcomes == {"deployed": 1}


def nightly(root: Path, count: int, more: tuple[str, Outcome] | None = None) -> int:
    """Write a run that changes nothing, and optionally one unit `more`. Returns how many records it takes."""
    keys = [f"f{number}" for number in range(count)]
    with open_store(root) as store:
        journal = store.start_run(started(units=count + (more is not None)))
        for key in keys:
            journal.append(planned(key, action=Action.UNCHANGED))
            journal.append(StepFinished(STARTED_AT, key, Step.PACKAGE, 0.1))
        if more is not None:
            journal.append(planned(more[0]))
        for key in keys:
            journal.append(UnitEnded(STARTED_AT, key, Unchanged(f"base-{key}")))
        if more is not None:
            journal.append(UnitEnded(STARTED_AT, *more))
        journal.append(LimitChanged(STARTED_AT, "folder b1g", 15, "declared"))
        journal.append(RunEnded(STARTED_AT + 1, 0))
        return len(list(store.events(RUN_ID)))


def test_a_run_that_changes_nothing_is_a_few_records(tmp_path: Path) -> None:
    assert nightly(tmp_path, 3000) == 4  # the start, all unchanged units, the limit, the end
    with open_store(tmp_path, read_only=True) as store:
        (run,), state = store.runs(), fold(store.events(RUN_ID))
    assert dict(run.outcomes) == state.outcomes == {"unchanged": 3000}
    assert (state.total, state.ended, len(state.units)) == (3000, 3000, 3000)
    unit = state.units["f7"]
    assert (unit.folder_id, unit.function_id, unit.version_id) == ("b1gfolder", "d4e-f7", "base-f7")
    assert (unit.action, unit.outcome) == (Action.UNCHANGED, Unchanged("base-f7"))


def test_what_is_not_unchanged_is_written_on_its_own(tmp_path: Path) -> None:
    assert nightly(tmp_path, 10, ("x", Blocked("by hand"))) == 6
    with open_store(tmp_path, read_only=True) as store:
        (run,), state = store.runs(), fold(store.events(RUN_ID))
    assert dict(run.outcomes) == state.outcomes == {"unchanged": 10, "blocked": 1}


def test_what_is_said_of_an_unchanged_function_is_kept(tmp_path: Path) -> None:
    warned = replace(planned("f", action=Action.UNCHANGED), warnings=("a link leads out of the package",))
    with open_store(tmp_path) as store:
        journal = store.start_run(started())
        journal.append(warned)
        journal.append(UnitEnded(STARTED_AT, "f", Unchanged("base-f")))
        assert list(store.events(RUN_ID)) == [started(), warned, UnitEnded(STARTED_AT, "f", Unchanged("base-f"))]


def test_an_unchanged_function_that_turns_out_otherwise_is_reported_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        journal = store.start_run(started())
        journal.append(planned("f", action=Action.UNCHANGED))
        journal.append(UnitEnded(STARTED_AT, "f", Unchanged("base-f")))
        journal.append(UnitEnded(STARTED_AT, "f", Blocked("by hand")))
        (run,), state = store.runs(), fold(store.events(RUN_ID))
    assert dict(run.outcomes) == state.outcomes == {"blocked": 1}
