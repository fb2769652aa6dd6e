"""The commands that a report names for a run that is not done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.app.session.chains.next_lines import next_lines
from orchestrator.app.session.identity import again_line, line_of, next_step, resume_line, rollback_line
from orchestrator.journal.events import Breached, Event, OperationAccepted, OperationDone, RunEnded, UnitEnded
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.state import RunState
from orchestrator.model import Blocked, Change, ChangeKind, Deployed, Step
from orchestrator.model.command_line import Typed, typed_with
from tests.runs import RUN_ID, STARTED_AT, ended, failed, planned, started

T = STARTED_AT
GOOD, BAD = UnitEnded(T + 2, "a", Deployed("new-a")), UnitEnded(T + 3, "b", failed())
# Its new version is live, and fails its verification.
MADE = (
    OperationAccepted(T + 1, "a", "createVersion", "operation-a", "d4e-a", "new-a"),
    OperationDone(T + 2, "a", "operation-a", 1.0),
)
BAD_A = UnitEnded(T + 3, "a", failed(step=Step.VERIFY))
BACK = f"orchestrator rollback {RUN_ID}"


def after(*events: Event, back: RunState | None = None) -> tuple[str, ...]:
    run = RunState()
    plan = replace(planned("a"), changes=(Change(ChangeKind.VERSION),))
    for event in (started(units=2), plan, planned("b"), *events):
        run.apply(event)
    return next_lines(run, back)


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([GOOD, ended()], ()),
        ([GOOD, BAD, ended(1)], ("orchestrator deploy --failed", BACK)),
        ([BAD, ended(1)], ("orchestrator deploy --failed",)),
        ([GOOD, BAD, Breached(T + 3, "1 of 2 failed"), ended(1)], ("orchestrator deploy", BACK)),
        ([*MADE, BAD_A, Breached(T + 3, "1 of 2 failed"), ended(1)], ("orchestrator deploy", BACK)),
        ([GOOD], (f"orchestrator resume {RUN_ID}", BACK)),
        ([GOOD, ended(3)], (f"orchestrator resume {RUN_ID}", BACK)),
        ([GOOD, RunPaused(T + 3, "it waits for approval", 1), ended(3)], (f"orchestrator promote {RUN_ID}", BACK)),
        ([GOOD, RunEnded(T + 4, 5)], ()),
    ],
)
def test_the_usual_command_comes_first(events: Sequence[Event], lines: tuple[str, ...]) -> None:
    assert after(*events) == lines


def test_nothing_follows_a_rollback_or_no_run() -> None:
    assert after(GOOD, BAD, ended(1), back=RunState()) == ()
    assert next_lines(RunState(), None) == ()


def test_nothing_follows_a_run_that_is_under_way() -> None:
    run = RunState()
    for event in (started(units=2), planned("a"), planned("b"), GOOD):
        run.apply(event)
    assert next_lines(run, None, alive=True) == ()
    run.apply(ended(3))
    assert next_lines(run, None, alive=True) == (f"orchestrator resume {RUN_ID}", BACK)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([GOOD, ended()], ""),
        ([GOOD, BAD, ended(1)], "after the fix, retry it with `orchestrator deploy --failed`"),
        ([UnitEnded(T, "a", failed()), BAD, ended(1)], "retry the 2 that failed with `orchestrator deploy --failed`"),
        ([UnitEnded(T, "a", Blocked("x")), GOOD, ended(1)], ""),
        ([GOOD, BAD, Breached(T + 3, "1 of 2 failed"), ended(1)], "after the fix, `orchestrator deploy` starts"),
        ([GOOD, ended(3)], "continue with `orchestrator resume`: calls"),
    ],
)
def test_a_run_ends_with_the_next_command_to_type(events: Sequence[Event], says: str) -> None:
    run = RunState()
    for event in (started(units=2), planned("a"), planned("b"), *events):
        run.apply(event)
    assert says in next_step(run)
    assert bool(says) == bool(next_step(run))


def test_a_command_line_reaches_the_runs_that_this_command_reaches() -> None:
    run = RunState()
    begun = replace(started(units=1), identity=Identity(manifest="/p/deploy.toml"))
    for event in (begun, planned("a"), UnitEnded(T, "a", failed()), ended(1)):
        run.apply(event)
    with typed_with(Typed("a b/deploy.toml", others=("--state", "s t"))):
        assert resume_line("R1") == "orchestrator resume R1 --state 's t'"
        assert rollback_line("R1") == "orchestrator rollback R1 -c 'a b/deploy.toml' --state 's t'"
        assert again_line(run) == "orchestrator deploy -c /p/deploy.toml --failed --state 's t'", "that of the run"
    with typed_with(Typed("a b/deploy.toml", is_elsewhere=True)):
        assert resume_line("R1") == "orchestrator resume R1 -c 'a b/deploy.toml'"
        assert resume_line("R1", manifest="a b/prod.toml") == "orchestrator resume R1 -c 'a b/prod.toml'"
    assert resume_line("R1") == "orchestrator resume R1"


def test_a_rollback_is_repeated_with_its_run_before_its_functions() -> None:
    chosen = Identity(selection=Selection(("auth-*",)))
    assert line_of("rollback", chosen, "", "R1") == "orchestrator rollback R1 'auth-*'"
    known = replace(chosen, selection=Selection(("auth-*",), parameters={"run": "R1"}))
    assert line_of("rollback", known, "", "R1") == "orchestrator rollback R1 'auth-*'"
    by_time = Identity(selection=Selection(("a",), parameters={"to": "d4e"}))
    assert line_of("rollback", by_time, "") == "orchestrator rollback a --to d4e"


def test_a_rollback_that_failed_is_repeated_for_the_same_run() -> None:
    run = RunState()
    for event in (replace(started(), verb="rollback", rolls_back="R1"), planned("b"), BAD, ended(1)):
        run.apply(event)
    assert next_lines(run, None) == ("orchestrator rollback R1",)
