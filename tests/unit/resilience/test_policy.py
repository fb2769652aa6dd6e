from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.verdicts import Before, Tally, breach, exit_code
from orchestrator.errors import CloudError, Code
from orchestrator.journal.events import RunStarted
from orchestrator.journal.runs import RolloutState
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Failure,
    Inconclusive,
    Outcome,
    Rollout,
    Step,
    Unchanged,
    Unit,
    Unknown,
)
from orchestrator.planning.rollout import as_begun, stop_rule, wave_ends, waves_left
from orchestrator.resilience.policy import (
    MAX_ATTEMPTS,
    MAX_REFUSALS,
    ErrorClass,
    backoff_s,
    judge,
    spent,
    worth_retrying,
)
from tests.builders import spec


def error(code: Code | None, *, sent: bool = True, message: str = "", quota: str = "") -> CloudError:
    return CloudError(message, call="createVersion", code=code, sent=sent, quota=quota)


TABLE = [
    (error(Code.UNAUTHENTICATED), ErrorClass.TOKEN),
    (error(None, sent=False), ErrorClass.REFUSED),
    (error(Code.RESOURCE_EXHAUSTED, message="The limit on maximum number of active operations has exceeded."),
     ErrorClass.REFUSED),
    (error(Code.RESOURCE_EXHAUSTED, message="rate quota limit exceed: allowed 10 requests"), ErrorClass.REFUSED),
    (error(Code.RESOURCE_EXHAUSTED, message="превышена квота"), ErrorClass.REFUSED),
    (error(Code.RESOURCE_EXHAUSTED, quota="serverless.concurrentFolderOperations"), ErrorClass.REFUSED),
    (error(Code.RESOURCE_EXHAUSTED, quota="serverless.functions.count"), ErrorClass.QUOTA),
    (error(Code.RESOURCE_EXHAUSTED, message="The limit on number of functions has exceeded."), ErrorClass.QUOTA),
    (error(Code.INVALID_ARGUMENT, sent=False), ErrorClass.PERMANENT),
    (error(Code.UNKNOWN), ErrorClass.UNSURE),
    (error(Code.DEADLINE_EXCEEDED), ErrorClass.UNSURE),
    (error(Code.ABORTED), ErrorClass.UNSURE),
    (error(Code.INTERNAL), ErrorClass.UNSURE),
    (error(Code.UNAVAILABLE), ErrorClass.UNSURE),
    (error(Code.CANCELLED), ErrorClass.UNSURE),
    (error(None), ErrorClass.UNSURE),
    (error(Code.INVALID_ARGUMENT), ErrorClass.PERMANENT),
    (error(Code.NOT_FOUND), ErrorClass.PERMANENT),
    (error(Code.ALREADY_EXISTS), ErrorClass.PERMANENT),
    (error(Code.PERMISSION_DENIED), ErrorClass.PERMANENT),
    (error(Code.FAILED_PRECONDITION), ErrorClass.PERMANENT),
    (error(Code.OUT_OF_RANGE), ErrorClass.PERMANENT),
    (error(Code.UNIMPLEMENTED), ErrorClass.PERMANENT),
    (error(Code.DATA_LOSS), ErrorClass.PERMANENT),
]  # fmt: skip


@pytest.mark.parametrize(("given_error", "expected"), TABLE, ids=[f"{e.code}-{e.message or e.quota}" for e, _ in TABLE])
def test_verdicts(given_error: CloudError, expected: ErrorClass) -> None:
    assert judge(given_error) is expected


def test_every_code_but_ok_has_a_row() -> None:
    assert {e.code for e, _ in TABLE} >= set(Code) - {Code.OK}


def test_only_what_may_pass_is_tried_again_and_not_for_ever() -> None:
    assert worth_retrying(error(Code.UNAVAILABLE), 1)
    assert not worth_retrying(error(Code.UNAVAILABLE), MAX_ATTEMPTS)
    assert worth_retrying(error(Code.RESOURCE_EXHAUSTED), MAX_REFUSALS - 1)
    assert not worth_retrying(error(Code.RESOURCE_EXHAUSTED), MAX_REFUSALS)
    assert not worth_retrying(error(Code.INVALID_ARGUMENT), 1)
    assert not worth_retrying(error(Code.UNAUTHENTICATED), 1)


@given(st.integers(1, 100), st.integers(), st.floats(0, 600))
def test_backoff_is_jittered_bounded_and_never_below_the_servers_wish(attempt: int, seed: int, wish: float) -> None:
    plain = backoff_s(attempt, random.Random(seed))
    assert 0.25 <= plain <= 30.0
    assert backoff_s(attempt, random.Random(seed), wish) == max(plain, wish)


@pytest.mark.parametrize(
    ("units", "waves", "ends"),
    [
        (100, (1, "10%", "100%"), (1, 10, 100)),
        (5, (1, "10%", "100%"), (1, 5)),
        (10, (3,), (3, 10)),
        (10, ("100%",), (10,)),
        (3, (5, "50%"), (3,)),
        (0, (1, "100%"), ()),
        (11, ("10%", "5%", "100%"), (2, 11)),
    ],
)
def test_waves(units: int, waves: tuple[int | str, ...], ends: tuple[int, ...]) -> None:
    assert wave_ends(units, waves) == ends


@pytest.mark.parametrize(
    ("failed", "units", "max_failures", "stops"),
    [
        (5, 5, None, False),
        (0, 100, 0, False),
        (1, 100, 0, True),
        (2, 100, "2%", False),
        (3, 100, "2%", True),
        (1, 10, "2%", True),
        (5, 100, 5, False),
        (6, 100, 5, True),
    ],
)
def test_only_more_failures_than_allowed_stop_a_run(
    failed: int, units: int, max_failures: int | str | None, stops: bool
) -> None:
    assert bool(breach(failed, units, max_failures)) is stops


@pytest.mark.parametrize(
    ("waves", "max_failures", "says"),
    [
        (0, None, ""),
        (1, None, ""),
        (2, None, "a wave with a failure is the last one"),
        (1, 0, "stops at the first failure"),
        (3, 1, "stops when more than 1 function has failed"),
        (3, 3, "stops when more than 3 functions have failed"),
        (1, "2%", "stops when more than 2% of the functions have failed"),
        (2, "2%", "stops when more than 2% of the functions in the waves so far have failed"),
    ],
)
def test_when_a_run_stops_is_said(waves: int, max_failures: int | str | None, says: str) -> None:
    assert stop_rule(waves, max_failures) == says


F, D = Failed(Step.TRACK, Failure("no")), Deployed("v", read_back=True)
EARLY, BLOCKED = Failed(Step.BUILD, Failure("no")), Blocked("no")


@pytest.mark.parametrize(
    ("max_failures", "planning", "waves", "ends", "before", "stops_in"),
    [
        # of the run alone: failures while planning, then the outcomes of each wave
        (None, [], [[F], [D]], (1, 10), (0, 0), "wave 1 ended"),
        (None, [], [[D], [F]], (1, 10), (0, 0), "wave 2 ended"),  # nothing follows the last: not checked there
        (None, [EARLY], [[D], [D]], (1, 10), (0, 0), ""),  # it has no place here
        (0, [EARLY], [[D], [D]], (1, 10), (0, 0), "planning"),
        (0, [BLOCKED], [[D], [D]], (1, 10), (0, 0), ""),
        (1, [EARLY], [[F], [D]], (1, 10), (0, 0), "wave 1"),
        (1, [], [[F], [D]], (1, 10), (0, 0), ""),
        (1, [], [[F], [D, F]], (1, 10), (0, 0), "wave 2"),
        ("50%", [], [[F], [D]], (1, 10), (0, 0), "wave 1"),
        ("50%", [], [[D], [F]], (1, 10), (0, 0), ""),
        ("10%", [EARLY], [[D], [D]], (1, 9), (0, 0), ""),  # 1 of 10 of all
        ("10%", [EARLY, EARLY], [[D], [D]], (1, 8), (0, 0), "planning"),
        ("10%", [EARLY], [[D], [D, F]], (1, 9), (0, 0), "wave 2"),
        # of the chain: failures of the earlier runs, of how many, and at which places of its waves
        (3, [], [[F], [D]], (21, 30), (3, 20), "wave 1"),
        (4, [], [[F], [D]], (21, 30), (3, 20), ""),
        ("20%", [], [[F], [D]], (21, 30), (3, 20, 1, 2, 3), ""),  # 4 of 21
        ("10%", [], [[F], [D]], (21, 30), (3, 20, 1, 2, 3), "wave 1 begins"),  # 3 of 21
        ("15%", [], [[F], [D]], (21, 30), (3, 20, 1, 2, 3), "wave 1"),
        ("40%", [], [[], [D]], (4, 12), (2, 4, 1, 2), "wave 1 begins"),  # nothing of it is left, but it is judged
        ("40%", [], [[F], [D]], (4, 12), (1, 3, 1), "wave 1"),
        ("40%", [], [[D], [F]], (4, 12), (1, 3, 6), ""),  # 1 of 4, and 2 of 12
        ("40%", [], [[F], [D]], (4, 12), (1, 3), ""),  # while planning: 2 of 12 of all
        (None, [], [[D], [D]], (1, 10), (3, 20), ""),  # while planning
        (None, [], [[D], [D]], (1, 10), (3, 20, 1), "wave 1 ended"),  # in the wave that continues here
        (None, [], [[], [D]], (4, 10), (1, 4, 2), "wave 1 ended"),  # in one that has ended
        (None, [], [[D], [D]], (4, 10), (1, 4, 6), "wave 2 ended"),  # in one that began later
    ],
)
def test_what_counts_as_a_failure_and_of_how_many(
    max_failures: int | str | None,
    planning: list[Outcome],
    waves: list[list[Outcome]],
    ends: tuple[int, ...],
    before: tuple[int, ...],
    stops_in: str,
) -> None:
    units = len(planning) + ends[-1] - before[1]
    tally = Tally(max(units, 0), max_failures, Before(before[0], before[1], before[2:]))
    stopped = ["planning" for outcome in planning if tally.ended(outcome)]
    for number, (end, outcomes) in enumerate(zip(ends, waves, strict=True), start=1):
        if tally.wave_begins(end):
            stopped.append(f"wave {number} begins")
        stopped += [f"wave {number}" for outcome in outcomes if tally.ended(outcome)]
        if tally.wave_ended(number):
            stopped.append(f"wave {number} ended")
    assert stopped == ([stops_in] if stops_in else [])
    assert bool(tally.breach) == bool(stops_in)


def test_nothing_starts_after_a_breach_of_the_chain() -> None:
    why = "2 of 20 functions failed, and max_failures is 1"
    assert Tally(18, 1, Before(breach=why)).begin() == why
    assert Tally(18, None, Before(breach=why)).begin() == why
    assert Tally(18, 1, Before(failed=2, units=2)).begin()
    assert not Tally(18, 2, Before(failed=2, units=2)).begin()
    assert Tally(18, None, Before(failed_at=(1,), canary=1)).begin() == "a canary failed"


@pytest.mark.parametrize(
    ("max_failures", "own", "before", "stops_in"),
    [
        (None, [1], (), 1),
        (None, [2], (), 1),
        (None, [3], (), 2),
        (None, [9], (), 0),  # after all the others: in the last wave, which none follows
        (None, [], (2,), 1),
        (None, [], (4,), 2),
        (None, [], (), 0),
        (3, [1], (1,), 0),  # it counts for max_failures like any other
        ("50%", [1], (1,), 0),
    ],
)
def test_what_failed_while_planning_ends_the_wave_in_which_it_would_have_been(
    max_failures: int | str | None, own: list[int], before: tuple[int, ...], stops_in: int
) -> None:
    tally = Tally(9, max_failures, Before(unprepared_at=before), unprepared_at=own)
    for number, end in enumerate((2, 4, 8), start=1):
        tally.wave_begins(end)
        if tally.wave_ended(number):
            assert number == stops_in
            return
    assert not stops_in


READ, UNREAD = Deployed("v", read_back=True), Deployed("v")
FAILED = Failed(Step.TRACK, Failure("no"))


@pytest.mark.parametrize(
    ("outcomes", "interrupted", "code"),
    [
        ([], False, 0),
        ([READ, Unchanged("v")], False, 0),
        ([READ, Unchanged("v")], True, 0),
        ([READ, UNREAD], True, 3),
        ([READ, FAILED], False, 1),
        ([READ, FAILED], True, 1),
        ([READ, Blocked("no")], False, 1),
        ([READ, Cancelled()], False, 1),
        ([READ, Cancelled()], True, 3),
        ([READ, FAILED, Unknown("?")], False, 3),
    ],
)
def test_exit_codes(outcomes: list[Outcome], interrupted: bool, code: int) -> None:
    assert exit_code(outcomes, interrupted=interrupted) == code


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([READ, FAILED, Cancelled()], 1),  # it is not started
        ([READ, FAILED, UNREAD, Cancelled()], 3),
        ([READ, FAILED, Unknown("?"), Cancelled()], 3),
    ],
)
def test_after_a_breach_only_what_was_asked_for_is_left_to_resume(outcomes: list[Outcome], code: int) -> None:
    assert exit_code(outcomes, interrupted=True, breached=True) == code


@pytest.mark.parametrize(
    ("turns", "count", "left"),
    [
        ({}, 0, [(1, "a"), (3, "bc")]),  # a first run
        ({"a": 2, "b": 3, "c": 9}, 12, [(4, "ab"), (12, "c")]),
        ({"a": 9, "b": 10, "c": 5}, 12, [(4, ""), (12, "abc")]),
        ({"a": 4, "b": 2, "c": 1}, 12, [(4, "abc"), (12, "")]),
    ],
)
def test_a_chain_keeps_the_waves_of_its_first_run(
    turns: dict[str, int], count: int, left: list[tuple[int, str]]
) -> None:
    units = [Unit(key, spec(key), Action.VERSION, "") for key in "abc"]
    found = waves_left(units, (4 if count else 1, "100%"), turns, count)
    assert [(wave.end, "".join(one.key for one in wave.units)) for wave in found] == left


@pytest.mark.parametrize(
    ("verdict", "retries", "calls", "stops"),
    [
        (ErrorClass.UNSURE, 150, 100, False),
        (ErrorClass.UNSURE, 151, 100, True),
        (ErrorClass.UNSURE, 50, 0, False),
        (ErrorClass.REFUSED, 400, 100, False),
        (ErrorClass.REFUSED, 401, 100, True),
    ],
)
def test_a_run_has_a_budget_of_repetitions(verdict: ErrorClass, retries: int, calls: int, stops: bool) -> None:
    assert bool(spent(verdict, retries, calls)) is stops


def of_a_chain(*runs: tuple[tuple[int | str, ...], int | str | None]) -> RolloutState:
    state = RolloutState()
    for number, (waves, max_failures) in enumerate(runs):
        resumes = f"R{number - 1}" if number else ""
        begun = RunStarted(1.0, f"R{number}", "deploy", "", "", 1, "", resumes=resumes)
        state.apply(replace(begun, waves=waves, max_failures=max_failures))
    return state


@pytest.mark.parametrize(
    ("then", "waves", "max_failures", "said"),
    [
        (of_a_chain((("100%",), 1)), ("100%",), 1, "max_failures = 1, as when the run began (now it is 5)"),
        (of_a_chain((("100%",), None)), ("100%",), None, "max_failures = not declared, as when"),
        (of_a_chain((("100%",), 5)), ("100%",), 5, ""),
        (of_a_chain(((1, "10%"), 5)), (1, "10%"), 5, 'waves = [1, "10%"], as when the run began (now it is ["100%"])'),
        (of_a_chain((("100%",), 1), (("100%",), 5)), ("100%",), 1, "max_failures = 1"),  # of the first run
        (of_a_chain(((), "")), ("100%",), 5, ""),  # an earlier program did not write it
    ],
)
def test_a_chain_keeps_the_waves_and_the_budget_of_its_first_run(
    then: RolloutState, waves: tuple[int | str, ...], max_failures: int | str | None, said: str
) -> None:
    rollout, reported = as_begun(Rollout(waves=("100%",), max_failures=5, pause_s=7.0), then)
    assert rollout == Rollout(waves=waves, max_failures=max_failures, pause_s=7.0)
    assert said in reported
    assert bool(reported) == bool(said)


@pytest.mark.parametrize(
    ("outcomes", "breached", "paused", "code"),
    [
        ([Deployed("v", read_back=True)], False, True, 3),
        ([Deployed("v", read_back=True)], True, False, 1),  # by the gate of the last wave
        ([Failed(Step.CREATE, Failure("no")), Cancelled()], True, True, 3),
        ([Inconclusive("401"), Deployed("v", read_back=True)], False, False, 3),
        ([Inconclusive("401"), Failed(Step.CREATE, Failure("no"))], True, False, 1),
    ],
)
def test_what_a_pause_and_a_gate_make_of_the_exit_code(
    outcomes: list[Outcome], *, breached: bool, paused: bool, code: int
) -> None:
    assert exit_code(outcomes, interrupted=False, breached=breached, paused=paused) == code
