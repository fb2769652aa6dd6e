"""What a run that needs a lease, or a due time, does about the record that it has read: the tables, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.coordination.claim import NO_RECORD, Claimed, Died, DueJob, NotDue, Record, Running, StoppedDue
from orchestrator.coordination.heartbeat import Life
from orchestrator.coordination.lease import Granted, Wanted
from orchestrator.coordination.registry import NOT_LOOKED, Holder, Registry
from orchestrator.coordination.shared_record import Final, Wait, Write
from orchestrator.errors import LockHeldError
from orchestrator.manifest.schedule import Schedule


def holder(run_id: str, *functions: str, fencing: int = 0) -> Holder:
    return Holder(run_id, f"folder of {run_id}", f"process of {run_id}", "noon", frozenset(functions), fencing)


MINE = holder("mine", "f", "g")
ONE, TWO, APART = holder("one", "f", fencing=3), holder("two", "g", fencing=4), holder("apart", "h", fencing=5)
FREE = Registry(5, (APART,))
HELD = Registry(5, (ONE, TWO, APART))
UNKNOWN, ALIVE, DEAD = Life.UNKNOWN, Life.ALIVE, Life.DEAD


def desired(looked: Registry) -> Wanted:
    return Wanted(MINE, {"f": "thumbs", "g": "mail"}, looked, timeout_s=0.0)


@pytest.mark.parametrize(
    ("looked", "waited", "fresh"),
    [
        (FREE, False, True),
        (FREE, True, False),
        (Registry(4), False, False),
        (HELD, False, False),
        (NOT_LOOKED, False, False),
    ],
)
def test_a_lease_is_fresh_only_if_nobody_held_its_functions_since_the_look(
    looked: Registry, waited: bool, fresh: bool
) -> None:
    step = desired(looked).decide(FREE, {}, waited=waited, over=False)
    assert step == Write(Registry(6, (APART, replace(MINE, fencing=6))), Granted(6, fresh=fresh))
    lost = Registry(7, (APART, replace(MINE, fencing=6), holder("later", fencing=7)))
    assert desired(looked).decide(lost, {}, waited=waited, over=False) == Final(Granted(6, fresh=fresh))


@pytest.mark.parametrize("over", [False, True])
def test_the_dead_are_taken_over_all_at_once(over: bool) -> None:
    step = desired(FREE).decide(HELD, {"one": DEAD, "two": DEAD}, waited=True, over=over)
    taken = Registry(6, (APART, replace(MINE, fencing=6)))
    assert step == Write(taken, Granted(6, fresh=False, dead=(ONE, TWO)))


@pytest.mark.parametrize(
    ("one", "two", "over", "named"),
    [
        (UNKNOWN, UNKNOWN, False, "thumbs: held by run one"),
        (UNKNOWN, UNKNOWN, True, "thumbs: held by run one"),
        (UNKNOWN, ALIVE, True, "thumbs: held by run one"),
        (ALIVE, UNKNOWN, True, "thumbs: held by run one"),
        (ALIVE, ALIVE, False, "thumbs: held by run one"),
        (DEAD, UNKNOWN, True, "mail: held by run two"),
        (DEAD, ALIVE, False, "mail: held by run two"),
    ],
)
def test_a_lease_is_waited_for(one: Life, two: Life, over: bool, named: str) -> None:
    step = desired(FREE).decide(HELD, {"one": one, "two": two}, waited=True, over=over)
    assert isinstance(step, Wait)
    assert step.why.startswith(named)


@pytest.mark.parametrize(
    ("one", "two", "named"), [(ALIVE, ALIVE, "thumbs: held by run one"), (DEAD, ALIVE, "mail: held by run two")]
)
def test_a_lease_is_refused_once_time_is_over_and_its_holders_live(one: Life, two: Life, named: str) -> None:
    with pytest.raises(LockHeldError, match=named):
        desired(FREE).decide(HELD, {"one": one, "two": two}, waited=True, over=True)


NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
JOB = DueJob("nightly", Schedule("0 * * * *"), "mine", "here")
OTHER = Running("2027-01-01T13:00:00Z", "other", "there", beat=7)
OURS = Running("2027-01-01T13:00:00Z", "mine", "here")
DONE_AT_NOON = "2027-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("record", "life", "after_h", "step"),
    [
        (NO_RECORD, None, 0, Write(Record(DONE_AT_NOON), NotDue('first call for job "nightly"'))),
        (Record(DONE_AT_NOON), None, 0, Final(NotDue('nothing is due for job "nightly"'))),
        (Record(DONE_AT_NOON), None, 1, Write(Record(DONE_AT_NOON, OURS), Claimed(NOON + timedelta(hours=1), ""))),
        (Record(DONE_AT_NOON, OTHER), UNKNOWN, 1, Wait(f"{OTHER.due_at} is claimed by other on there")),
        (
            Record(DONE_AT_NOON, OTHER), ALIVE, 1,
            Final(NotDue('job "nightly": 2027-01-01T13:00:00Z is being run by other on there')),
        ),
        (Record(DONE_AT_NOON, OTHER), DEAD, 0, Final(NotDue('nothing is due for job "nightly"'))),
        (
            Record(DONE_AT_NOON, OTHER), DEAD, 1,
            Write(
                Record(DONE_AT_NOON, OURS),
                Claimed(NOON + timedelta(hours=1), "other on there is dead: taken over"),
            ),
        ),
        (  # our own claim; the response to its write was lost
            Record(DONE_AT_NOON, replace(OURS, beat=3)), None, 1,
            Write(Record(DONE_AT_NOON, OURS), Claimed(NOON + timedelta(hours=1), "")),
        ),
    ],
)  # fmt: skip
def test_a_due_time_is_claimed_left_or_waited_for(
    record: Record, life: Life | None, after_h: int, step: object
) -> None:
    lives = {"other": life} if life is not None else {}
    assert lives.keys() == JOB.in_the_way(record).keys()
    found = JOB.decide(record, lives, NOON + timedelta(hours=after_h), {"other": ""})
    assert shortened(found) == step


STOPPED = StoppedDue(OTHER.due_at, "other", "1 of 9 failed")
OLDER = StoppedDue("2027-01-01T11:00:00Z", "older", "2 of 9 failed")


@pytest.mark.parametrize(
    ("record", "stopped", "after_h", "step"),
    [
        (Record(DONE_AT_NOON, OTHER), {}, 1, Final(Died("other"))),
        (Record(DONE_AT_NOON, OTHER), {"another": "x"}, 2, Final(Died("other"))),
        (
            Record(DONE_AT_NOON, OTHER), {"other": "1 of 9 failed"}, 1,
            Write(Record(DONE_AT_NOON, breach=STOPPED), NotDue('job "nightly"', STOPPED)),
        ),
        (  # the newest is kept
            Record(DONE_AT_NOON, OTHER, breach=OLDER), {"other": "1 of 9 failed"}, 1,
            Write(Record(DONE_AT_NOON, breach=STOPPED), NotDue('job "nightly"', STOPPED)),
        ),
        (  # the next due time starts again
            Record(DONE_AT_NOON, OTHER), {"other": "1 of 9 failed"}, 2,
            Write(
                Record(DONE_AT_NOON, replace(OURS, due_at="2027-01-01T14:00:00Z"), breach=STOPPED),
                Claimed(NOON + timedelta(hours=2), ""),
            ),
        ),
    ],
)  # fmt: skip
def test_a_dead_claimants_run_that_was_stopped_for_good_is_not_run_again(
    record: Record, stopped: dict[str, str], after_h: int, step: object
) -> None:
    assert shortened(JOB.decide(record, {"other": DEAD}, NOON + timedelta(hours=after_h), stopped)) == step


def shortened(step: object) -> object:
    """Leave out of a message what follows its first part."""
    match step:
        case Wait(why):
            return Wait(why.split(": checking")[0])
        case Final(NotDue(reason)):
            return Final(NotDue(reason.split("; next")[0]))
        case Write(record, NotDue(reason, breach)):
            return Write(record, NotDue(reason.split(": its")[0], breach))
        case _:
            return step
