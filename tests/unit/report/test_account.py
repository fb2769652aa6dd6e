"""Accounts of runs, made from events: what waited for what, where the time went, what a higher limit would save."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from orchestrator.journal.condition_events import LimitChanged, OutageBegan, OutageEnded, SlotRefused
from orchestrator.journal.events import (
    Breached,
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
)
from orchestrator.journal.rollout_events import (
    GateBegan,
    GateEnded,
    PauseBegan,
    RollbackBegun,
    RunPaused,
    VersionVerified,
    WaveStarted,
)
from orchestrator.model import Blocked, Cancelled, Deployed, Step, Unknown, Verdict
from orchestrator.prediction.replay import HeldWork, replayed_s
from orchestrator.report.account.time_values import TimePart
from orchestrator.report.account.values import Account
from tests.runs import RUN_ID, STARTED_AT, account, ended, failed, planned, started, whole_run

T = STARTED_AT


def limits(folder: int, cloud: int = 20, at: float = T) -> list[Event]:
    return [
        LimitChanged(at, "cloud b1c", cloud, "quota-manager"),
        LimitChanged(at, "folder b1gfolder", folder, "quota-manager", "b1c"),
    ]


def operation(key: str, queued: float, granted: float, done: float, cloud_s: float = -1.0) -> list[Event]:
    """An Operation that waited from `queued` to `granted`, seconds since the start, and was seen as done at `done`."""
    at = T + granted
    return [
        StepFinished(at, key, Step.QUEUE, granted - queued),
        Requested(at, key, "createVersion", f"d4e-{key}", f"key-{key}", 1),
        StepFinished(at + 0.1, key, Step.CREATE, 0.1),
        OperationAccepted(at + 0.1, key, "createVersion", f"op-{key}", f"d4e-{key}", f"new-{key}", f"request-{key}"),
        StepFinished(T + done, key, Step.TRACK, done - granted - 0.1),
        OperationDone(T + done, key, f"op-{key}", cloud_s),
        UnitEnded(T + done, key, Deployed(f"new-{key}")),
    ]


def in_order(*parts: Iterable[Event]) -> list[Event]:
    """Sort events as in a journal: by time, with the plan first and the end last."""
    return sorted((event for part in parts for event in part), key=lambda event: event.at)


def run_of(*parts: Iterable[Event], keys: str = "abcd", end: float = 20.0, code: int = 0) -> list[Event]:
    plan = [planned(key) for key in keys]
    return [started(units=len(keys)), *plan, *in_order(*parts), ended(code, at=T + end)]


def spent(found: Account) -> dict[str, float]:
    return {part.part: part.seconds for part in found.parts}


TWO_SLOTS = run_of(
    limits(2), operation("a", 0, 0, 5), operation("b", 0, 0, 5), operation("c", 0, 5, 10), operation("d", 0, 5, 10),
    end=11,
)  # fmt: skip


def test_slots_that_are_full_while_others_wait_bound_the_run() -> None:
    found = account(TWO_SLOTS)
    assert found.parts == (
        TimePart("bound", "folder b1gfolder", 2, 5.0), TimePart("tail", "", None, 5.0),
        TimePart("reading back", "", None, 1.0),
    )  # fmt: skip
    # Four operations of 5 s in 20 slots run all at once. They save no more than the time that was bound.
    assert found.would_give is not None
    assert (found.would_give.scope, found.would_give.limit, found.would_give.seconds) == ("folder b1gfolder", 20, 6.0)
    assert found.sentence == "11.0 s, of which 5.0 s bound by the folder's 2 operations; with 20 it would take 6.0 s"


def test_the_time_in_which_another_run_rolls_back_is_a_part_of_its_own() -> None:
    begun = RollbackBegun(at=T + 7, run_id="r2", reason="the canary failed")
    found = account(run_of(limits(2), operation("a", 0, 0, 5), [begun], keys="a", end=11))
    assert spent(found) == {"tail": 5.0, "rolling back": 4.0, "other": 2.0}


def test_slots_are_counted_in_their_folder_and_in_its_cloud() -> None:
    scopes = {scope.kind: scope for scope in account(TWO_SLOTS).scopes}
    assert scopes["folder"].slots == ((0.0, 2), (5.0, 2), (10.0, 0))
    assert (scopes["cloud"].id, scopes["cloud"].slots) == ("b1c", scopes["folder"].slots)
    assert (scopes["folder"].most, scopes["folder"].slot_s, scopes["folder"].full_s) == (2, 20.0, 5.0)
    assert scopes["cloud"].full_s == 0.0
    assert [(one.at_s, one.allowed, one.reason) for one in scopes["folder"].limits] == [(0.0, 2, "quota-manager")]


def test_a_slot_that_changes_hands_is_no_rest() -> None:
    found = account(run_of(limits(1), operation("a", 0, 0, 5), operation("b", 0, 5.5, 9), keys="ab", end=9))
    assert spent(found)["bound"] == 5.5
    found = account(run_of(limits(1), operation("a", 0, 0, 5), operation("b", 0, 8, 9), keys="ab", end=9))
    assert (spent(found)["bound"], spent(found)["waiting"]) == (6.0, 2.0)  # for a second, then it is something else


def test_a_full_cloud_is_named_rather_than_its_folder() -> None:
    found = account(run_of(limits(1, 1), operation("a", 0, 0, 5), operation("b", 0, 5, 9), keys="ab", end=9))
    assert (found.parts[0].scope, found.parts[0].limit) == ("cloud b1c", 1)


def test_nothing_is_bound_by_a_limit_that_nobody_has_reported() -> None:
    found = account(run_of(operation("a", 0, 0, 5), operation("b", 0, 5, 9), keys="ab", end=9))
    assert spent(found) == {"waiting": 5.0, "tail": 4.0}
    assert found.would_give is None


def test_a_limit_of_a_former_program_is_of_the_only_cloud() -> None:
    events = [
        replace(event, cloud_id="") if isinstance(event, LimitChanged) else event for event in TWO_SLOTS
    ]  # fmt: skip
    assert account(events).scopes == account(TWO_SLOTS).scopes


@pytest.mark.parametrize(
    ("events", "part", "seconds"),
    [
        ([PauseBegan(T + 6, 1, 10.0)], "pause", 10.0),
        ([GateBegan(T + 6, 1), GateEnded(T + 9, 1, Verdict.FAILED, 3.0, 1, "no")], "gate", 3.0),
        ([GateEnded(T + 9, 1, Verdict.PASSED, 3.0, 0)], "gate", 3.0),  # of an older version
        ([OutageBegan(T + 2, "no answer"), OutageEnded(T + 4, 2.0)], "outage", 2.0),
        ([StepFinished(T + 7, "a", Step.VERIFY, 2.0)], "verifying", 2.0),
        ([StepFinished(T + 7, "a", Step.UPLOAD, 2.0)], "preparing", 2.0),
        ([StepFinished(T + 7, "a", Step.QUEUE, 2.0)], "waiting", 2.0),
    ],
)
def test_each_moment_belongs_to_one_part(events: list[Event], part: str, seconds: float) -> None:
    found = account(run_of(limits(2), operation("a", 0, 0, 5), events, keys="a"))
    assert spent(found)[part] == pytest.approx(seconds)
    assert sum(spent(found).values()) == pytest.approx(found.seconds) == 20.0


def test_an_operation_is_seen_done_later_than_the_cloud_says() -> None:
    found = account(run_of(operation("a", 0, 0, 5, 4.0), operation("b", 0, 0, 5), keys="ab"))
    assert found.late is not None
    assert (found.late.operations, found.late.cloud_s, found.late.seen_s, found.late.late_s) == (1, 4.0, 4.9, 0.9)
    (a,) = found.functions[0].operations
    assert (a.asked_s, a.accepted_s, a.done_s, a.cloud_s, a.late_s) == (0.0, 0.1, 5.0, 4.0, 0.9)
    assert (a.operation_id, a.version_id, a.request_id) == ("op-a", "new-a", "request-a")
    assert found.functions[1].operations[0].late_s is None


def test_a_function_tells_its_steps_its_retries_and_its_changes() -> None:
    (one,) = account(whole_run("f")).functions
    assert [(span.step, span.from_s, span.to_s, span.ok) for span in one.steps] == [
        ("package", 0.0, 0.1, True), ("upload", 0.1, 0.6, True), ("queue", 0.6, 1.6, True), ("create", 1.6, 1.8, False),
        ("queue", 2.3, 2.8, True), ("create", 2.8, 3.1, True), ("track", 3.1, 5.1, True),
    ]  # fmt: skip
    assert (one.work_s, one.waited_s, one.started_s, one.ended_s) == (3.1, 1.5, 0.0, 8.0)
    assert [(again.at_s, again.reason, again.wait_s, again.no_room) for again in one.tries] == [
        (1.8, "too many requests", 0.5, "")
    ]
    assert (one.old_version_id, one.new_version_id, one.outcome) == ("base-f", "version-f", "deployed")
    assert (one.package_bytes, one.package_existed) == (10_000_000, False)


def test_a_refused_call_holds_its_slot_until_it_is_refused_and_says_whose_limit_it_was() -> None:
    refusal = [
        StepFinished(T + 1, "a", Step.QUEUE, 1.0),
        StepFinished(T + 2, "a", Step.CREATE, 1.0, ok=False),
        SlotRefused(T + 1.5, "cloud b1c", 15),
        SlotRefused(T + 2, "cloud b1c", 14),
        LimitChanged(T + 2, "cloud b1c", 14.0, "others use it"),
        StepRetried(T + 2, "a", Step.CREATE, 1, 0.5, "too many operations"),
        StepRetried(T + 2, "a", Step.CREATE, 2, 0.5, "no answer"),
    ]
    found = account([started(), planned("a"), *limits(2), *refusal, *operation("a", 3, 4, 5), ended(at=T + 6)])
    scopes = {scope.kind: scope for scope in found.scopes}
    assert scopes["folder"].slots == ((1.0, 1), (2.0, 0), (4.0, 1), (5.0, 0))
    assert (scopes["cloud"].refused_s, scopes["folder"].refused_s) == ((1.5, 2.0), ())
    assert [again.no_room for again in found.functions[0].tries] == ["cloud b1c", ""]
    former = account([started(), planned("a"), *limits(2), *refusal[4:6], ended(at=T + 6)])
    assert {scope.kind: scope.refused_s for scope in former.scopes} == {"cloud": (2.0,), "folder": ()}


def test_nothing_is_held_by_who_leaves_the_queue_without_a_slot() -> None:
    gives_up = [StepFinished(T + 3, "a", Step.QUEUE, 3.0, ok=False), UnitEnded(T + 3, "a", Cancelled())]
    assert [scope.slots for scope in account(run_of(limits(1), gives_up, keys="a")).scopes] == [(), ()]


def test_no_more_is_saved_than_was_bound() -> None:
    """Work that was done in sequence for another reason would not be packed closer with more slots."""
    bound = [operation("a", 0, 0, 5), operation("b", 0, 0, 5), operation("c", 0, 5, 10)]
    later = [operation("d", 10, 10, 15), operation("e", 15, 15, 20), operation("f", 20, 20, 25)]
    found = account(run_of(limits(2), *bound, *later, keys="abcdef", end=25))
    assert spent(found) == {"bound": 5.0, "tail": 20.0}
    assert found.would_give is not None
    assert found.would_give.seconds == 20.0


def test_a_slot_in_which_a_call_was_refused_is_no_work() -> None:
    def refused(key: str, since: float) -> list[Event]:
        return [
            StepFinished(T + since, key, Step.QUEUE, since),
            StepFinished(T + since + 10, key, Step.CREATE, 10.0, ok=False),
        ]

    events = [refused("a", 0), refused("b", 10), operation("a", 10, 20, 25), operation("b", 20, 25, 30)]
    found = account(run_of(limits(1), *events, keys="ab", end=30))
    assert found.would_give is not None
    assert found.would_give.seconds == 25.0  # two operations of 5 s in parallel


def test_what_was_under_way_as_a_run_was_killed_holds_nothing_until_it_is_taken_up() -> None:
    begun = operation("a", 0, 0, 1003)
    again = replace(started("R2", at=T + 1000), resumes=RUN_ID)
    taken_up = [again, planned("a", at=T + 1000), replace(begun[3], at=T + 1001), *begun[5:], ended(at=T + 1004)]
    found = account([started(), planned("a"), *limits(2), *begun[:4], *taken_up])
    assert {scope.slots for scope in found.scopes} == {((0.0, 1), (0.1, 0), (1001.0, 1), (1003.0, 0))}
    (one,) = found.functions[0].operations
    assert (one.accepted_s, one.done_s) == (0.1, 1003.0)


def test_waves_end_where_something_comes_between_them() -> None:
    found = account(
        run_of(
            [WaveStarted(T, 1, 2, 1, canary=True)], operation("a", 0, 0, 5), [PauseBegan(T + 5, 1, 3.0)],
            [GateBegan(T + 8, 1), GateEnded(T + 9, 1, Verdict.PASSED, 1.0, 0)], [WaveStarted(T + 9, 2, 2, 1)],
            operation("b", 9, 9, 12), keys="ab", end=13,
        )
    )  # fmt: skip
    assert [(one.number, one.canary, one.from_s, one.to_s) for one in found.waves] == [
        (1, True, 0.0, 5.0), (2, False, 9.0, 13.0)
    ]  # fmt: skip
    assert [(one.kind, one.wave, one.from_s, one.to_s, one.verdict) for one in found.stops] == [
        ("pause", 1, 5.0, 8.0, ""), ("gate", 1, 8.0, 9.0, "passed")
    ]  # fmt: skip
    assert [one.wave for one in found.functions] == [1, 2]


WAVE_1, WAVE_2 = WaveStarted(T, 1, 2, 1), WaveStarted(T + 6, 2, 2, 1)


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([WAVE_1, WAVE_2], {"wave": 5.0, "tail": 4.0}),
        ([WAVE_1, Breached(T + 2, "1 of 2 failed")], {"wave": 2.0, "tail": 7.0}),  # no wave comes after a breach
        ([WaveStarted(T, 1, 1, 2)], {"tail": 9.0}),
        ([], {"tail": 9.0}),
    ],
)
def test_the_end_of_a_wave_is_the_tail_only_where_no_wave_follows(events: list[Event], parts: dict[str, float]) -> None:
    found = account(run_of(events, operation("a", 0, 0, 5), operation("b", 6, 6, 10), keys="ab", end=10))
    assert spent(found) == {**parts, "other": 1.0}


def test_the_end_of_a_wave_is_named_while_its_run_is_under_way() -> None:
    begun = [started(units=2), planned("a"), planned("b"), WAVE_1, *operation("a", 0, 0, 50)[:4]]
    found = account(begun, T + 20, alive=True)  # b is of wave 2
    assert spent(found) == {"wave": 20.0}
    assert found.sentence == (
        "20.0 s so far, of which 20.0 s at the end of waves, while the next one waited for the last functions"
    )


def test_a_pause_that_was_cut_short_ends_with_the_run() -> None:
    found = account(run_of([PauseBegan(T + 5, 1, 3000.0)], end=8, code=3))
    assert [(one.from_s, one.to_s) for one in found.stops] == [(5.0, 8.0)]


def test_failures_are_grouped_and_the_first_in_time_is_named() -> None:
    ends = [
        UnitEnded(T + 4, "b", failed("no such account")), UnitEnded(T + 5, "a", failed("no such account")),
        UnitEnded(T + 6, "c", Blocked("edited by hand")), UnitEnded(T + 7, "d", Unknown("lost", "op-d")),
        Breached(T + 5, "2 of 4 failed"), UnitEnded(T + 9, "b", failed("no such account")),
    ]  # fmt: skip
    found = account(run_of(ends, code=1))
    assert found.first_failure == "b"
    first = found.causes[0]
    assert (first.functions, first.first, first.first_s) == (("a", "b"), "b", 4.0)
    assert (first.what, first.operation_id) == ("failed in step track, INVALID_ARGUMENT", "operation-9")
    assert {cause.what for cause in found.causes} == {first.what, "blocked", "unknown"}
    assert found.functions[3].failure is not None
    assert found.functions[3].failure.operation_id == "op-d"
    assert [(one.kind, one.from_s, one.to_s) for one in found.stops] == [("breach", 5.0, 5.0)]


def test_a_chain_is_one_account_and_the_time_between_its_runs_is_nobodys() -> None:
    killed = [started(units=2), planned("a"), planned("b"), *limits(1), *operation("a", 0, 0, 5)]
    later = T + 1000
    resumed = replace(started("R2", units=1, at=later), resumes=RUN_ID)
    taken_up = [
        resumed, planned("b", at=later), *limits(1, at=later), *operation("b", 1000, 1000, 1004), ended(at=T + 1005),
    ]  # fmt: skip
    found = account([*killed, *taken_up])
    assert [(one.run_id, one.from_s, one.to_s, one.exit_code) for one in found.runs] == [
        (RUN_ID, 0.0, 5.0, None), ("R2", 1000.0, 1005.0, 0)
    ]  # fmt: skip
    assert found.seconds == sum(spent(found).values()) == 10.0
    assert {one.function: one.outcome for one in found.functions} == {"a": "deployed", "b": "deployed"}


def test_who_waits_for_an_approval_waits_until_the_run_goes_on() -> None:
    paused = run_of([RunPaused(T + 4, "it waits for approval", 1)], end=5, code=3)
    assert [(one.kind, one.to_s) for one in account(paused).stops] == [("approval", None)]
    goes_on = [*paused, replace(started("R2", at=T + 100), resumes=RUN_ID, approves=RUN_ID), ended(at=T + 110)]
    assert [(one.kind, one.to_s) for one in account(goes_on).stops] == [("approval", 100.0)]


def test_a_run_that_is_under_way_is_reported_until_now() -> None:
    begun = [started(units=3), *(planned(key) for key in "abc"), *limits(1), *operation("a", 0, 0, 5)]
    begun += operation("b", 0, 5, 50)[:4]
    found = account(begun, T + 20, alive=True)
    assert (found.state, found.ended_at, found.seconds) == ("running", None, 20.0)
    assert spent(found) == {"bound": 20.0}  # c waits, though no event reports it yet
    assert found.sentence == "20.0 s so far, of which 20.0 s bound by the folder's 1 operations"
    assert found.functions[1].steps[-1].to_s is None
    assert found.runs[0].to_s is None
    alone = [started(units=2), planned("a"), planned("b"), *limits(1), *operation("a", 0, 0, 5)]
    alone += operation("b", 5, 5, 50)[:4]
    assert spent(account(alone, T + 20, alive=True)) == {"tail": 20.0}  # b runs, and nothing waits
    assert account(begun, T + 20).state == "interrupted"
    assert account(begun, T + 20).seconds == pytest.approx(5.1)  # of a killed run: until its last event


def test_what_a_record_of_another_machine_lacks_is_not_made_up() -> None:
    """It has no steps and no requests for what was accepted, in no order of time."""
    done = operation("a", 0, 0, 5, 4.0)
    found = account([replace(started(), recorded=True), planned("a"), done[3], done[5], done[6], ended(at=T + 6)])
    (one,) = found.functions
    assert (one.steps, one.operations[0].asked_s, one.operations[0].late_s) == ((), None, None)
    assert [scope.slots for scope in found.scopes if scope.kind == "folder"] == [((0.1, 1), (5.0, 0))]


def killed_and_resumed(end: float = 4.0) -> list[Event]:
    """A run that is killed during an Operation, and one that resumes it and sees its end 100 s later, without steps."""
    first = [started(), planned("a"), *operation("a", 0, 0, 5)[:4], LimitChanged(T + 3.1, "cloud b1c", 9, "declared")]
    again = replace(started("R2", at=T + 100), resumes=RUN_ID)
    accepted = replace(operation("a", 0, 0, 5)[3], at=T + 100)
    done = [OperationDone(T + 100 + end, "a", "op-a", 50.0), UnitEnded(T + 100 + end, "a", Deployed("new-a"))]
    return [*first, again, planned("a", at=T + 100), accepted, *done, ended(at=T + 101 + end)]


def test_an_operation_that_another_run_tracked_is_work_of_its_function() -> None:
    events = killed_and_resumed()
    (one,) = account(events).functions
    assert [(step.step, step.from_s, step.to_s) for step in one.steps] == [
        ("queue", 0.0, 0.0), ("create", 0.0, 0.1), ("track", 0.1, 3.1), ("track", 100.0, 104.0)
    ]  # fmt: skip
    assert one.work_s == 7.1
    (one,) = account(events[:10], T + 102, alive=True).functions  # it is resumed, and not over
    assert (one.steps[-1].step, one.steps[-1].to_s, one.work_s) == ("track", None, 5.1)


def test_a_step_that_is_not_over_is_work_too() -> None:
    begun = [started(), planned("a"), StepStarted(T, "a", Step.QUEUE), StepFinished(T + 2, "a", Step.QUEUE, 2.0)]
    (one,) = account([*begun, StepStarted(T + 2, "a", Step.CREATE)], T + 9, alive=True).functions
    assert (one.work_s, one.waited_s) == (7.0, 2.0)
    (one,) = account([started(), planned("a"), StepStarted(T, "a", Step.QUEUE)], T + 9, alive=True).functions
    assert (one.work_s, one.waited_s) == (0.0, 9.0)


def test_what_a_rollback_has_done_is_said_as_show_says_it() -> None:
    run = [replace(started(), verb="rollback", rolls_back="R1"), planned("a"), *operation("a", 0, 0, 5), ended()]
    found = account(run)
    assert (found.result, found.rolls_back, dict(found.outcomes)) == (
        "1 function: 1 rolled back",
        "R1",
        {"deployed": 1},
    )
    (one,) = found.functions
    assert (one.shown, one.outcome) == ("rolled back", "deployed")


def test_verifications_are_reported() -> None:
    event = VersionVerified(T + 6, "a", "new-a", Verdict.FAILED, "it answered 502", 3, 1.5)
    (one,) = account(run_of(operation("a", 0, 0, 5), [event], keys="a")).functions
    (verified,) = one.verified
    assert (verified.verdict, verified.attempts, verified.reason) == ("failed", 3, "it answered 502")


def test_nothing_is_reported_nothing() -> None:
    found = account([])
    assert (found.run_id, found.seconds, found.functions, found.parts) == ("", 0.0, (), ())
    assert found.sentence == "0.0 s"


def work(*holds: float, folder: str = "f", gap: float = 0.0) -> HeldWork:
    return HeldWork((folder, "cloud"), tuple((hold, gap) for hold in holds))


@pytest.mark.parametrize(
    ("some", "limits", "seconds"),
    [
        ([work(5)] * 4, {"f": 2}, 10.0),
        ([work(5)] * 4, {"f": 3}, 10.0),
        ([work(5)] * 4, {"f": 4}, 5.0),
        ([work(5)] * 4, {}, 5.0),
        ([work(5)] * 4, {"f": 4, "cloud": 1}, 20.0),
        ([work(5), work(5, folder="g")] * 2, {"f": 1, "g": 2}, 10.0),
        ([work(2, 3, gap=1.0)], {"f": 1}, 6.0),  # what follows the last one holds no slot
        ([work(2, 3, gap=1.0), work(4)], {"f": 1}, 9.0),  # the other one has the slot when it comes back
        ([work(1, 9), work(5), work(5), work(5)], {"f": 2}, 14.0),  # it comes back before those that have not begun
        ([work(5)], {"f": 0}, 5.0),
        ([work()], {}, 0.0),
        ([], {}, 0.0),
    ],
)
def test_operations_are_put_into_slots_in_their_order(
    some: list[HeldWork], limits: dict[str, float], seconds: float
) -> None:
    assert replayed_s(some, limits) == seconds
