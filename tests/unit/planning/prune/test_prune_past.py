"""What runs say about a function before a prune: which versions the last ones need, and whether it is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import get_args

import pytest

from orchestrator.journal.events import (
    Breached,
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    RunEnded,
    RunStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.rollout_events import GivenUp, RunPaused
from orchestrator.journal.state import RunState, fold
from orchestrator.model import (
    LATEST,
    Action,
    Blocked,
    Cancelled,
    Change,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Inconclusive,
    Outcome,
    Pruned,
    Step,
    Unchanged,
    Unknown,
)
from orchestrator.planning.prune.past import Past, unsettled

FAILED = Failed(Step.TRACK, Failure("no"))
NAMES = {("b1g", "d4e-f"): "d4e-f", ("b1g", "f"): "d4e-f"}


def run(
    number: int,
    outcome: Outcome | None = None,
    *,
    tags: dict[str, str] | None = None,
    moves: dict[str, str] | None = None,
    code: int | None = 0,
    also: Iterable[Event] = (),
    action: Action = Action.VERSION,
    resumes: str = "",
) -> list[Event]:
    """Return a run that made version v{number} in place of v{number - 1}, which had `tags`, and moved other tags: tag →
    the version that held it.
    """
    at, made = 1000.0 * number, f"v{number}"
    held = {LATEST: f"v{number - 1}", **(tags or {})}
    changes = [Change(ChangeKind.VERSION, held, dict.fromkeys(held))]
    changes += [Change(ChangeKind.TAG, {tag: holder}, {tag: None}) for tag, holder in (moves or {}).items()]
    planned = UnitPlanned(
        at, "f", "f", "b1g", "d4e-f", action, "", f"v{number - 1}", "a.b", changes=tuple(changes)
    )  # fmt: skip
    asked: list[Event] = []
    if not isinstance(outcome, Blocked | Unchanged | Cancelled) and action is Action.VERSION:
        for index, change in enumerate(changes):
            operation, kind = f"o{number}-{index}", change.kind
            asked += [
                Requested(at, "f", kind, "d4e-f", f"k{number}-{index}", 1, index),
                OperationAccepted(at + 1, "f", kind, operation, "d4e-f", made, "", index),
                OperationDone(at + 2, "f", operation, 1.0, "", index),
            ]
    began = RunStarted(at, f"R{number}", "deploy", "sandbox", "deploy.toml", 1, "0.1", resumes=resumes)
    ended = [UnitEnded(at + 3, "f", outcome)] if outcome is not None else []
    return [began, planned, *asked, *ended, *also, *([RunEnded(at + 4, code)] if code is not None else [])]


def past(*chains: list[Event], runs: int = 3, gaps: Iterable[int] = (), journal: bool = False) -> Past:
    """Return what is known from these, the newest first. `gaps`: positions of missing runs."""
    found = Past(runs, NAMES, {f"v{number}": f"v{number}" for number in range(100)}, journal=journal)
    for number, events in enumerate(chains):
        found.gap = found.gap or number in gaps
        found.take(fold(events))
    return found


def done(number: int, *, tags: dict[str, str] | None = None, moves: dict[str, str] | None = None) -> list[Event]:
    return run(number, Deployed(f"v{number}", read_back=True), tags=tags, moves=moves)


def test_bases_and_what_was_made_are_needed() -> None:
    assert past(done(9)).by_function["d4e-f"].needed == {"v8", "v9"}
    assert past(done(9), done(5)).by_function["d4e-f"].spans == {("v8", "v9"), ("v4", "v5")}
    assert past(done(9), done(5), runs=1).by_function["d4e-f"].spans == {("v8", "v9")}


def test_those_that_held_a_tag_which_moved_are_needed() -> None:
    assert past(done(9, tags={"ring": "v4"})).by_function["d4e-f"].needed == {"v4", "v8", "v9"}
    assert past(done(9, moves={"stable": "v5"})).by_function["d4e-f"].needed == {"v5", "v8", "v9"}


def test_what_a_run_has_replaced_unseen_is_needed_whatever_took_it_up() -> None:
    overwrote = Failed(Step.READ_BACK, Failure("replaced", kind="overwritten"), overwritten="v50")
    assert past(run(9, overwrote, code=1)).by_function["d4e-f"].needed == {"v8", "v9", "v50"}
    chain = [*run(8, overwrote, code=1), *run(9, Deployed("v9", read_back=True), resumes="R8")]
    assert past(chain).by_function["d4e-f"].needed == {"v7", "v8", "v9", "v50"}
    assert not past(chain).by_function["d4e-f"].left_alone


def test_only_the_last_runs_need_something() -> None:
    found = past(done(9), done(8), done(7), done(6), done(5), runs=2).by_function["d4e-f"]
    assert found.needed == {"v9", "v8", "v7"}
    assert past(done(9), done(5), runs=0).by_function["d4e-f"].needed == frozenset()


def test_the_last_runs_are_those_that_began_last_whatever_order_they_are_reported_in() -> None:
    assert past(done(5), done(9), runs=1).by_function["d4e-f"].needed == {"v9", "v8"}


def test_a_run_and_what_took_it_up_are_one() -> None:
    chain = [*run(7, None, code=None), *run(8, Deployed("v8", read_back=True), resumes="R7")]
    found = past(chain, done(6), runs=2).by_function["d4e-f"]
    assert found.needed == {"v8", "v7", "v6", "v5"}
    assert found.runs == 2


def test_what_was_not_changed_is_no_run_of_the_function() -> None:
    found = past(run(9, Unchanged("v8")), run(8, Blocked("edited")), done(7), runs=1).by_function["d4e-f"]
    assert found.runs == 1
    assert found.needed == {"v7", "v6"}


def asked(number: int) -> list[Event]:
    """Return a run that was killed before its request was answered."""
    ended = (OperationAccepted, OperationDone, UnitEnded, RunEnded)
    return [one for one in done(number) if not isinstance(one, ended)]


def behind(number: int) -> list[Event]:
    """Return what a record says about a killed run: only its plan."""
    return [replace(one, recorded=True) for one in asked(number) if isinstance(one, RunStarted)] + [
        one for one in asked(number) if isinstance(one, UnitPlanned)
    ]


@pytest.mark.parametrize("perhaps", [asked, behind])
def test_a_run_that_may_have_changed_something_is_none_of_the_last_ones_but_needs_the_same(
    perhaps: Callable[[int], list[Event]],
) -> None:
    found = past(perhaps(9), done(6), perhaps(5), done(3), perhaps(2), done(1), runs=2).by_function["d4e-f"]
    assert found.needed == {"v8", "v6", "v5", "v4", "v3", "v2"}
    assert found.runs == 3


def test_a_run_that_may_have_changed_something_pushes_out_none_that_has_failed() -> None:
    found = past(done(9), asked(8), run(6, FAILED, code=1), done(3), runs=2).by_function["d4e-f"]
    assert found.needed == {"v9", "v8", "v7", "v6", "v5", "v3", "v2"}  # no rule of good runs keeps v6 and v5


def test_of_runs_that_may_have_changed_something_nothing_is_needed_where_no_runs_are() -> None:
    assert past(asked(9), done(8), runs=0).by_function["d4e-f"].needed == frozenset()


def test_versions_that_are_not_there_are_not_remembered() -> None:
    found = Past(3, NAMES, {"v9": "v9"})
    found.take(fold(done(9)))
    assert found.by_function["d4e-f"].needed == {"v9"}


def test_a_function_is_found_by_its_name_where_the_run_made_it() -> None:
    events = [replace(one, function_id="") if isinstance(one, UnitPlanned) else one for one in done(9)]
    assert past(events).by_function["d4e-f"].needed == {"v8", "v9"}


def test_another_function_of_that_name_is_not_taken_for_it() -> None:
    def other(event: Event) -> Event:
        return replace(event, function_id="d4e-gone") if isinstance(event, UnitPlanned | Requested) else event

    found = past([other(one) for one in done(9) if not isinstance(one, OperationAccepted)])
    assert found.by_function == {}


@pytest.mark.parametrize(("gaps", "expected"), [((), 3), ((0,), 0), ((1,), 1), ((2,), 2)])
def test_runs_count_up_to_the_first_that_is_missing(gaps: tuple[int, ...], expected: int) -> None:
    found = past(done(9), done(8), done(7), gaps=gaps).by_function["d4e-f"]
    assert found.runs == expected
    assert found.needed == {"v9", "v8", "v7", "v6"}  # what is known of older ones is still needed


PAUSED = RunPaused(9003.0, "approval", 1)
BREACHED = Breached(9003.0, "too many", "stop")
ROLLS_BACK = Breached(9003.0, "too many", "rollback")
UP = [GivenUp(9003.0, 1)]
FAILED_BACK = Failed(Step.VERIFY, Failure("no"), rolled_back_to="v8")
UNSETTLED = [  # for each outcome why a prune leaves the function alone, "" if it does not
    ("done", run(9, Deployed("v9", read_back=True)), ""),
    ("found as wanted", run(9, Unchanged("v8")), ""),
    ("failed", run(9, FAILED, code=1), "run R9 failed at it"),
    ("failed, and given up", run(9, FAILED, code=1, also=[GivenUp(9003.0, 1)]), "run R9 failed at it"),
    ("inconclusive", run(9, Inconclusive("?", "v9"), code=3), "run R9 has not ended"),
    ("inconclusive, given up", run(9, Inconclusive("?"), code=1, also=[GivenUp(1.0, 1)]), "run R9 could not verify it"),
    ("unknown", run(9, Unknown("?", "o9"), code=3), "run R9 has not ended"),
    ("unknown, given up", run(9, Unknown("?", "o9"), code=1, also=UP), "run R9 left it in doubt"),
    ("failed, and put back", run(9, FAILED_BACK, code=1), "run R9 failed at it"),
    ("failed, and rolled back", run(9, FAILED, code=5, also=[ROLLS_BACK]), "run R9 failed at it"),
    ("blocked", run(9, Blocked("edited"), code=1), "run R9 found it blocked"),
    ("blocked, given up", run(9, Blocked("edited"), code=1, also=UP), "run R9 found it blocked"),
    ("unchanged, stopped", run(9, Unchanged("v8"), code=1, also=[BREACHED]), "run R9 was stopped: too many"),
    ("others failed", run(9, Deployed("v9", read_back=True), code=1), ""),
    ("never begun", run(9, None, code=1, action=Action.COPY), "run R9 left it undone"),
    ("never begun, given up", run(9, None, code=1, action=Action.COPY, also=UP), ""),
    ("asked for, given up", run(9, None, code=1, also=UP), "run R9 left it in doubt"),
    ("cancelled", run(9, Cancelled(), code=1), "run R9 left it undone"),
    ("cancelled, given up", run(9, Cancelled(), code=1, also=[GivenUp(9003.0, 1)]), ""),
    ("killed", run(9, None, code=None), "run R9 has not ended"),
    ("killed after its end", run(9, Deployed("v9"), code=None), "run R9 has not ended"),
    ("paused", run(9, Deployed("v9", read_back=True), code=3, also=[PAUSED]), "run R9 is paused"),
    ("breached", run(9, Deployed("v9", read_back=True), code=1, also=[BREACHED]), "run R9 was stopped: too many"),
    ("rolls back", run(9, Deployed("v9"), code=3, also=[ROLLS_BACK]), "run R9 is to be rolled back"),
    ("rolled back", run(9, Deployed("v9"), code=5, also=[ROLLS_BACK]), ""),
]


@pytest.mark.parametrize(("events", "expected"), [row[1:] for row in UNSETTLED], ids=[row[0] for row in UNSETTLED])
def test_why_a_function_is_left_alone(events: list[Event], expected: str) -> None:
    state: RunState = fold(events)
    assert unsettled(state, state.units["f"]) == expected


def test_no_outcome_is_left_out() -> None:
    reported = {type(fold(events).units["f"].outcome) for _, events, _ in UNSETTLED}
    assert reported == {*get_args(Outcome), type(None)} - {Pruned}  # a prune is no run that was about it


BAD_ENDS = [
    ("failed", run(9, FAILED, code=1)),
    ("rolled back", run(9, Deployed("v9"), code=5, also=[ROLLS_BACK])),
    ("stopped", run(9, Deployed("v9"), code=1, also=[BREACHED])),
    ("a rollback", [replace(e, verb="rollback") if isinstance(e, RunStarted) else e for e in done(9)]),
]


@pytest.mark.parametrize("events", [row[1] for row in BAD_ENDS], ids=[row[0] for row in BAD_ENDS])
def test_runs_with_a_bad_end_do_not_push_out_what_good_ones_need(events: list[Event]) -> None:
    found = past(events, done(5), done(3), runs=1).by_function["d4e-f"]
    assert found.needed == {"v9", "v8", "v5", "v4"}
    assert found.runs == 3  # each of them is still recorded


def test_a_function_is_known_once_as_many_good_runs_as_others_are() -> None:
    bad = BAD_ENDS[0][1]
    assert not past(bad, runs=1).is_known("d4e-f")
    assert past(bad, done(5), runs=1).is_known("d4e-f")
    assert past(done(5), runs=1).is_known("d4e-f")


def test_the_last_run_that_was_about_it_decides() -> None:
    failed = run(8, FAILED, code=1)
    assert past(done(9), failed).by_function["d4e-f"].left_alone == ""
    assert past(run(9, Blocked("edited"), code=1), done(8)).by_function["d4e-f"].left_alone == "run R9 found it blocked"
    assert past(done(10), run(9, Blocked("edited"), code=1)).by_function["d4e-f"].left_alone == ""
    assert past(run(9, Unchanged("v8")), failed).by_function["d4e-f"].left_alone == ""


def test_a_prune_is_no_run_that_tried_something() -> None:
    pruned = run(9, Pruned(3, read_back=True), action=Action.PRUNE)
    assert past(pruned, run(8, FAILED, code=1)).by_function["d4e-f"].left_alone == "run R8 failed at it"


def test_a_record_counts_before_what_was_read_from_it_once() -> None:
    """A journal keeps the record of another machine's run in the state in which it was read, which may
    be incomplete.
    """
    read = [replace(one, recorded=True) if isinstance(one, RunStarted) else one for one in run(9, None, code=None)]
    here, there = past(read, journal=True), past(read)
    assert (here.by_function["d4e-f"].at or 0) < (there.by_function["d4e-f"].at or 0)
