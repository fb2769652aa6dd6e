"""What counts as undone after a rollback, and after a rollback of that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.app.session.chains.still_left import still_left
from orchestrator.app.session.options import read_options
from orchestrator.app.session.typed import parse_time
from orchestrator.errors import UsageError
from orchestrator.journal.events import RunEnded, UnitEnded
from orchestrator.journal.identity import Selection
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Deployed, Failed, Failure, Outcome, Step
from orchestrator.planning.resume import undone
from tests.runs import planned, started

BROKEN = Failed(Step.VERIFY, Failure("it does not respond"))


def run(run_id: str, outcomes: dict[str, Outcome], *, rolls_back: str = "") -> RunState:
    verb = "rollback" if rolls_back else "deploy"
    first = replace(started(run_id, units=len(outcomes)), verb=verb, rolls_back=rolls_back)
    ends = [event for key, outcome in outcomes.items() for event in (planned(key), UnitEnded(2.0, key, outcome))]
    return fold([first, *ends, RunEnded(3.0, 0)])


DEPLOY = run("1", {"a": Deployed("v", read_back=True), "b": Deployed("v", read_back=True), "c": BROKEN})
BACK = run("2", {"a": Deployed("w", read_back=True), "b": BROKEN}, rolls_back="1")
AGAIN = run("3", {"a": Deployed("x", read_back=True)}, rolls_back="2")


@pytest.mark.parametrize(
    ("runs", "left"),
    [
        ([DEPLOY], {"c"}),
        ([BACK, DEPLOY], {"a", "c"}),  # b was not rolled back
        ([AGAIN, BACK, DEPLOY], {"c"}),  # a is as the first run left it
        ([run("4", {"a": Deployed("y", read_back=True)}), BACK, DEPLOY], set()),  # a deploy of all functions
    ],
)
def test_what_was_rolled_back_is_undone(runs: list[RunState], left: set[str]) -> None:
    found = {key for _, units in still_left(runs, undone, back=True) for key in units}
    assert found == left


def test_what_was_selected_as_left_is_done_whatever_values_it_was_given() -> None:
    def given(state: RunState, level: str, left_by: str = "") -> RunState:
        selection = Selection(patterns=("c",), left_by=left_by, variables={"LEVEL": level})
        state.identity = replace(state.identity, selection=selection)
        return state

    def left(later: RunState) -> set[str]:
        runs = [later, given(run("1", {"c": BROKEN}), "a")]
        return {key for _, units in still_left(runs, undone) for key in units}

    done: dict[str, Outcome] = {"c": Deployed("w", read_back=True)}
    assert left(given(run("2", done), "b")) == {"c"}
    assert left(given(run("2", done), "b", "failed")) == set()


def test_times() -> None:
    assert parse_time("2026-03-01T03:00:00Z", 0.0) == parse_time("2026-03-01T03:00:00", 0.0)
    assert parse_time("1h", 7200.0).timestamp() == 3600.0
    with pytest.raises(UsageError, match="not a time"):
        parse_time("yesterday", 0.0)


@pytest.mark.parametrize(
    ("words", "run_id", "patterns"),
    [
        ((), "", ()),
        (("last",), "last", ()),
        (("20261127", "auth-*"), "20261127", ("auth-*",)),
        (("auth-*", "x"), "", ("auth-*", "x")),
    ],
)
def test_the_first_word_of_a_rollback_may_be_a_run(
    words: tuple[str, ...], run_id: str, patterns: tuple[str, ...]
) -> None:
    times = {"lock_timeout": "0s", "start_timeout": "0s", "max_outage": "1s"}
    options = read_options("rollback", {"functions": words, "config": None, "state": None, **times})
    assert (options.run, options.patterns) == (run_id, patterns)
