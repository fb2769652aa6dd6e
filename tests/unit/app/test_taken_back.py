"""Resuming a run does not deploy again what was rolled back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.chain import last_left
from orchestrator.app.session.chains.left import left_by_last
from orchestrator.app.session.chains.paused import check_paused, paused_runs
from orchestrator.app.session.due.due_place import is_taken_back
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.taking_up import Now, check_not_taken_back
from orchestrator.errors import UsageError
from orchestrator.journal.events import Breached, Event, RunEnded, UnitEnded
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import RollbackBegun, RunPaused
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Cancelled, Deployed, Outcome
from orchestrator.planning.resume import ended_by_rollback, left_of
from tests.runs import planned, started

ABOUT = Identity(manifest="/p/deploy.toml", folders=("b1gfolder",), user="anna", host="laptop")
ENDPOINT = started().endpoint
DONE, LEFT = Deployed("v", read_back=True), Cancelled("stopped")


def run(
    number: int, outcomes: dict[str, Outcome], *more: Event, code: int | None = 3, of: Iterable[str] = (), **how: Any
) -> list[Event]:
    identity = replace(ABOUT, selection=Selection(tuple(of)))
    how = {"verb": "rollback" if "rolls_back" in how else "deploy", "identity": identity, **how}
    begun = replace(started(str(number), units=len(outcomes), at=float(number)), **how)
    ends = [event for key, outcome in outcomes.items() for event in (planned(key), UnitEnded(2.0, key, outcome))]
    return [begun, *ends, *more, *([RunEnded(number + 0.5, code)] if code is not None else [])]


def back(
    number: int, *functions: str, of: Iterable[str] = (), code: int | None = 0, rolls_back: str = "1"
) -> list[Event]:
    return run(number, dict.fromkeys(functions, DONE), code=code, of=of, rolls_back=rolls_back)


OLDER = run(0, {"x": LEFT}, verb="run nightly")
CUT = run(1, {"auth-a": DONE, "auth-b": LEFT, "c": LEFT})
CUT_AGAIN = run(2, {"auth-b": DONE, "c": LEFT}, resumes="1")
PAUSED = run(1, {"auth-a": DONE, "auth-b": LEFT, "c": LEFT}, RunPaused(1.2, "wave 1 of 2 has ended", 1))
OWED = run(1, {"auth-a": DONE, "c": LEFT}, Breached(1.1, "1 failed", "rollback"), RollbackBegun(1.2, "2", "1 failed"))


def written(store: Store, runs: Iterable[list[Event]]) -> None:
    for first, *others in runs:
        journal = store.start_run(first)  # type: ignore[arg-type]  # it begins with its start
        for event in others:
            journal.append(event)


def chain(tmp_path: Path, *runs: list[Event]) -> RunState:
    with open_store(tmp_path) as store:
        written(store, runs)
        return store.chain_state("1")


@pytest.mark.parametrize(
    ("runs", "left", "ended"),
    [
        ((CUT,), {"auth-b", "c"}, {}),
        ((CUT, back(2, "auth-a")), set(), {"auth-b": "2", "c": "2"}),
        ((CUT, back(2, "auth-a", code=1)), set(), {"auth-b": "2", "c": "2"}),  # something was left as it is
        ((CUT, back(2, "auth-a", code=None)), set(), {"auth-b": "2", "c": "2"}),  # it was killed
        ((CUT, CUT_AGAIN, back(3, "auth-a", "auth-b", rolls_back="2")), set(), {"c": "3"}),
        ((CUT, back(2, "auth-a", of=["auth-a"])), {"auth-b", "c"}, {}),  # nothing is left of that one anyway
        ((CUT, back(2, "auth-a", of=["auth-*"])), {"c"}, {"auth-b": "2"}),  # it was named, but not started
        ((CUT, back(2, "auth-a", of=["auth-*", "!auth-b"])), {"auth-b", "c"}, {}),
        ((CUT, back(2, "auth-a", of=["label:team=auth"])), {"auth-b", "c"}, {}),  # which of them were started is known
        ((CUT, back(2, "c", of=["label:team=c"])), {"auth-b"}, {"c": "2"}),
        ((CUT, back(2, "auth-a", of=["auth-*"]), back(3, "c", of=["c"])), set(), {"auth-b": "2", "c": "3"}),
        ((CUT, back(2, "auth-a"), back(3, "auth-a", rolls_back="2")), {"auth-b", "c"}, {}),  # rolled back again
        ((CUT, back(2, "auth-b", of=["auth-*"]), back(3, "auth-b", of=["x"], rolls_back="2")), {"auth-b", "c"}, {}),
        ((OWED, back(2, "auth-a", code=3)), set(), {}),  # its own rollback: `resume` continues it
    ],
)
def test_what_of_a_run_is_gone_on_with(
    tmp_path: Path, runs: tuple[list[Event], ...], left: set[str], ended: dict[str, str]
) -> None:
    found = chain(tmp_path, *runs)
    assert left_of(found).keys() == left
    assert {key: one.reason for key, one in ended_by_rollback(found).items()} == {
        key: f"run {by} has rolled it back" for key, by in ended.items()
    }


def test_a_run_owes_no_rollback_any_more_that_somebody_has_made(tmp_path: Path) -> None:
    assert chain(tmp_path / "its own", OWED, back(2, "auth-a", code=3)).owes_rollback
    assert not chain(tmp_path / "typed", OWED, back(3, "auth-a")).owes_rollback


def test_a_rollback_of_some_functions_that_cannot_be_read_counts_as_one_of_all(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        written(store, [CUT, back(2, "auth-a", of=["auth-a"])])
        store._connection.execute("UPDATE events SET data = '{}' WHERE run_id = '2' AND seq = 2")
        assert left_of(store.chain_state("1")) == {}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            0,
            "start a new run with `orchestrator deploy -c /p/deploy.toml`, or one of what this run left undone with",
        ),
        (
            1,
            "start a new run with `orchestrator deploy -c /p/deploy.toml`, or one of what this run left undone with",
        ),
        (3, "continue the rollback with `orchestrator resume 2`"),
        (None, "continue the rollback with `orchestrator resume 2`"),
    ],
)
def test_who_has_rolled_a_run_back_is_said_and_what_to_type(tmp_path: Path, code: int | None, says: str) -> None:
    found = chain(tmp_path, CUT, back(2, "auth-a", code=code))
    with pytest.raises(
        UsageError, match=r"run 1 was rolled back by run 2 \(anna@laptop\), so it cannot continue"
    ) as refused:
        check_not_taken_back(found)
    assert says in refused.value.advice


def test_resume_passes_over_what_was_rolled_back(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        written(store, [OLDER, CUT])
        assert last_left(store, "1", tmp_path) == "1"
        written(store, [back(2, "auth-a")])
        assert last_left(store, "2", tmp_path) == "0"


def test_undone_counts_what_was_rolled_back(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        written(store, [CUT, back(2, "auth-a")])
    found = left_by_last(
        RunOptions("deploy", tmp_path / "deploy.toml"), Now("deploy", ENDPOINT, ABOUT, tmp_path, "undone")
    )
    assert (found.run.run_id, set(found.units)) == ("1", {"auth-a", "auth-b", "c"})


@pytest.mark.parametrize(
    ("of", "waits", "says"),
    [
        ((), False, "run 1 was rolled back by run 2"),
        (("auth-*",), True, ""),  # the others still wait
        (("*",), False, "run 1 is not paused any more: run 2 has rolled it back"),
    ],
)
def test_a_paused_run_of_which_some_was_rolled_back_goes_on_with_the_others(
    tmp_path: Path, of: tuple[str, ...], waits: bool, says: str
) -> None:
    with open_store(tmp_path) as store:
        written(store, [PAUSED, back(2, "auth-a", of=of)])
        found = store.chain_state("1")
        paused = [run.run_id for run in paused_runs(store, Now("", ENDPOINT, ABOUT, tmp_path))]
        assert paused == (["1"] if waits else [])
        if not says:
            check_paused(store, found, tmp_path)
            return
        with pytest.raises(UsageError) as refused:
            check_paused(store, found, tmp_path)
        assert says in refused.value.message


@pytest.mark.parametrize(
    ("runs", "is_done"),
    [
        ((OWED,), False),
        ((OWED, back(2, "auth-a", code=3)), False),
        ((OWED, run(3, {}, resumes="1", code=5)), True),  # `resume` has finished its rollback
        ((OWED, run(3, {}, resumes="1", code=1)), True),  # something was left as it is
        ((CUT, back(2, "auth-a")), True),
        ((CUT, back(2, "auth-a", code=None)), False),
        ((CUT, back(2, "auth-a", of=["auth-a"])), False),
        ((CUT,), False),
    ],
)
def test_a_due_time_is_done_once_its_run_was_rolled_back(
    tmp_path: Path, runs: tuple[list[Event], ...], is_done: bool
) -> None:
    assert is_taken_back(chain(tmp_path, *runs)) is is_done
