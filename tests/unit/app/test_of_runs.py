"""What this machine's journal says of one function: its runs, who made a version, what it waits for."""

from __future__ import annotations

import os
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.app.session.why.of_runs import RUNS, JournalSide, Recorded, past_elsewhere
from orchestrator.coordination.local_lock import FILE as LOCK
from orchestrator.errors import JournalError
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import BytesSent, Event, OperationAccepted, StepStarted, UnitEnded
from orchestrator.journal.folder import FILE
from orchestrator.journal.functions.function_runs import FunctionNames
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.kept.begun import Begun
from orchestrator.journal.rollout_events import RunPaused, WaveStarted
from orchestrator.journal.store import open_store
from orchestrator.model import Action, Cancelled, Failed, Failure, Outcome, Step, Unchanged
from orchestrator.planning.why.facts import MadeBy, WaitsFor
from orchestrator.planning.why.past_runs import utc
from orchestrator.planning.why.waiting import live_run, what_it_waits_for
from tests.builders import spec
from tests.runs import STARTED_AT, deployment, ended, planned, started

ENDPOINT = started().endpoint
AUTH = FunctionNames("auth", "auth", "b1gfolder", "d4e-auth")


def write(state_dir: Path, run_id: str, events: list[Event], *, at: float = STARTED_AT, **facts: Any) -> JournalSide:
    with open_store(state_dir) as store:
        first = replace(started(run_id, units=1, at=at), identity=Identity(user="ann", host="ci"))
        journal = store.start_run(replace(first, **facts))
        for event in events:
            journal.append(event)
        journal.flush()
    return JournalSide(state_dir, ENDPOINT)


def never(error: JournalError) -> None:
    """Fail the test for a run that cannot be read."""
    raise error


def alive(state_dir: Path, since: float = STARTED_AT - 10) -> None:
    """Let a live process of this machine hold the lock."""
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": since, "command": "orchestrator deploy"}
    (state_dir / LOCK).write_bytes(orjson.dumps(holder))


def test_the_newest_ten_runs_are_reported_the_newest_first(tmp_path: Path) -> None:
    for number in range(RUNS + 3):
        at = STARTED_AT + 100 * number
        write(tmp_path, f"r{number:02}", [*deployment("auth", at), ended(at=at + 9)], at=at)
        write(tmp_path, f"s{number:02}", [*deployment("bill", at + 50), ended(at=at + 59)], at=at + 50)
    past = JournalSide(tmp_path, ENDPOINT).past(AUTH, never)
    assert [run.run_id for run in past] == [f"r{number:02}" for number in range(RUNS + 2, 2, -1)]
    assert {(run.by, run.state, run.outcome) for run in past} == {("ann@ci", "done", "deployed")}
    assert JournalSide(tmp_path, "sandbox").past(AUTH, never) == []  # another installation


def test_who_made_a_version_is_reported_however_long_ago(tmp_path: Path) -> None:
    journal = write(tmp_path, "r0", [*deployment("auth"), ended(at=STARTED_AT + 9)])
    maker = journal.maker("version-auth", "")
    assert maker is not None
    assert (maker.kind, maker.run_id, maker.by, maker.operation_id) == (MadeBy.RUN, "r0", "ann@ci", "operation-auth")
    assert journal.maker("version-other", "") is None


def test_a_version_was_made_by_the_run_that_has_sent_the_call_not_by_the_one_that_followed_it(tmp_path: Path) -> None:
    events, later = deployment("auth"), deployment("auth", STARTED_AT + 60)
    number = next(number for number, event in enumerate(events) if isinstance(event, OperationAccepted))
    write(tmp_path, "r0", events[:number])  # killed before the response arrived
    journal = write(tmp_path, "r1", [*later, ended(at=STARTED_AT + 99)], at=STARTED_AT + 60, resumes="r0")
    for made_s, by, followed_by in ((4, "r0", "r1"), (63, "r1", "")):
        maker = journal.maker("version-auth", utc(STARTED_AT + made_s))
        assert maker is not None
        assert (maker.run_id, maker.followed_by, maker.operation_id) == (by, followed_by, "operation-auth")
    first = journal.past(AUTH, never)[1]
    assert [(call.call, call.answered) for call in first.sent] == [("createVersion", True), ("createVersion", False)]


def test_a_rollback_of_other_functions_is_not_reported_as_one_of_this(tmp_path: Path) -> None:
    write(tmp_path, "r0", [*deployment("auth"), *deployment("bill"), ended(at=STARTED_AT + 9)], units=2)
    journal = write(
        tmp_path, "r1", [*deployment("bill", STARTED_AT + 20), ended(at=STARTED_AT + 29)], at=STARTED_AT + 20,
        verb="rollback", rolls_back="r0",
    )  # fmt: skip
    assert [run.rolled_back_by for run in journal.past(AUTH, never)] == [""]
    bill = replace(AUTH, key="bill", name="bill", function_id="d4e-bill")
    assert [(run.rolls_back, run.rolled_back_by) for run in journal.past(bill, never)] == [("r0", ""), ("", "r1")]


def test_what_is_waited_for_in_a_run_that_lives_and_in_none_that_is_dead(tmp_path: Path) -> None:
    events = deployment("auth")
    number = next(number for number, event in enumerate(events) if isinstance(event, OperationAccepted))
    journal = write(tmp_path, "r0", events[: number + 1])
    assert [*journal.waiting(AUTH, None)] == []  # it was killed
    alive(tmp_path)
    (reported,) = journal.waiting(AUTH, None)
    assert (reported.kind, reported.operation_id, reported.run_id) == (WaitsFor.OPERATION, "operation-auth", "r0")
    assert [*journal.waiting(replace(AUTH, name="b", key="b", function_id="d4e-b"), None)] == []


@pytest.mark.parametrize(
    ("outcome", "waits"),
    [
        (None, 1),
        (Cancelled("wave 1 of 2 has ended"), 1),  # as a run leaves it that ends as paused
        (Failed(Step.CREATE, Failure("no", kind="no")), 0),
        (Unchanged("v1"), 0),
    ],
)
def test_a_paused_run_waits_for_somebody(tmp_path: Path, outcome: Outcome | None, waits: int) -> None:
    paused = RunPaused(STARTED_AT + 5, "wave 1 has ended: it waits for approval", 1)
    over = [UnitEnded(STARTED_AT + 4, "auth", outcome)] if outcome is not None else []
    journal = write(tmp_path, "r0", [planned("auth"), *over, paused, ended(at=STARTED_AT + 9, exit_code=3)])
    found = [*journal.waiting(AUTH, None)]
    assert len(found) == waits
    for reported in found:
        assert reported.kind is WaitsFor.APPROVAL
        assert reported.words == "run r0 is paused: wave 1 has ended: it waits for approval"
        assert reported.advice == "continue with `orchestrator promote r0`"


@pytest.mark.parametrize(
    ("selection", "may"),
    [
        (Selection(), True),
        (Selection(("auth",)), True),
        (Selection(("a*", "!auth")), False),
        (Selection(("bill",)), False),
        (Selection(labels=("team=web",)), True),
        (Selection(labels=("team=media",)), False),
        (Selection(("bill",), labels=("team=web",)), False),
        (Selection(("@names.txt",)), True),
        (Selection(job="nightly"), True),
    ],
)
def test_a_command_that_has_no_run_yet_is_reported_where_it_may_be_about_the_function(
    tmp_path: Path, selection: Selection, may: bool
) -> None:
    with open_store(tmp_path) as store:
        store.begin(Begun(STARTED_AT, "deploy", ENDPOINT, "orchestrator deploy", Identity(selection=selection)))
    alive(tmp_path)
    found = [*JournalSide(tmp_path, ENDPOINT).waiting(AUTH, spec("auth", labels={"team": "web"}))]
    assert [one.kind for one in found] == [WaitsFor.PLAN] * may


def test_in_a_run_of_many_it_is_reported_as_by_a_look_at_all_of_their_records(tmp_path: Path) -> None:
    """The other functions are counted, not folded. At each moment of a chain whose second run uses another key for a
    function, the answer equals that from all events.
    """
    keys = [f"f{number}" for number in range(6)]
    plan = [planned(key) for key in keys] + [planned("rest", action=Action.UNCHANGED)]
    limit = LimitChanged(STARTED_AT, "folder b1gfolder", 2, "quota-manager")
    first = [*plan, limit, WaveStarted(STARTED_AT, 1, 2, 3), *[event for key in keys[:2] for event in deployment(key)]]
    begun, asked = first, deployment("f2")[1:13]
    again = [replace(one, key=f"{one.key}-new") for one in plan[2:6]]
    second = [*again, limit, WaveStarted(STARTED_AT, 1, 2, 3), *(replace(one, key="f2-new") for one in asked)]  # type: ignore[call-arg]
    moments: list[tuple[list[Event], list[Event] | None]] = [
        (begun[:number], None) for number in (8, 9, 12, 20, len(begun))
    ]
    moments += [(begun, second[:number]) for number in (4, 6, 10, len(second))]
    start = replace(started("r0", units=7), waves=(3, "100%"))
    goes_on = replace(start, run_id="r1", units=4, resumes="r0")
    for number, (one, other) in enumerate(moments):
        folder = tmp_path / str(number)
        journal, events = write(folder, "r0", one, units=7, waves=start.waves), [start, *one]
        if other is not None:
            write(folder, "r1", other, units=4, waves=start.waves, resumes="r0")
            events += [goes_on, *other]
        alive(folder)
        whole = live_run(event for event in events if not isinstance(event, StepStarted | BytesSent))
        for key in keys:
            names = replace(AUTH, key=key, name=key, function_id=f"d4e-{key}")
            reported = [*journal.waiting(names, None)]
            unit = next(unit for unit in whole.run.units.values() if unit.name == key)
            if other is not None and key in keys[:2]:  # the second run does not include it
                assert reported == []
                continue
            by_all = what_it_waits_for(whole, unit.key, packs=False, now_s=STARTED_AT + 1e9)
            assert by_all is not None
            assert [(it.kind, it.words) for it in reported] == [(by_all.kind, by_all.words)]


def test_a_run_of_a_newer_program_is_reported_and_hides_no_other(tmp_path: Path) -> None:
    for number in range(3):
        at = STARTED_AT + 100 * number
        journal = write(tmp_path, f"r{number}", [*deployment("auth", at), ended(at=at + 9)], at=at)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE runs SET schema = schema + 1 WHERE id = 'r1'")
    connection.close()
    lost = list[JournalError]()
    assert [run.run_id for run in journal.past(AUTH, lost.append)] == ["r2", "r0"]
    (error,) = lost
    assert error.message.startswith("run r1 in the journal ")
    assert error.message.endswith(" was written by a newer orchestrator")


def test_runs_of_other_machines_are_reported_with_what_took_them_up_or_back() -> None:
    """The same as for runs of the journal."""
    plain = replace(started("r0", units=1), identity=Identity(user="ann"))
    back = replace(plain, run_id="r1", at=STARTED_AT + 100, verb="rollback", rolls_back="r0")
    cut_off = replace(plain, run_id="r2", at=STARTED_AT + 200)
    resumed = replace(plain, run_id="r3", at=STARTED_AT + 300, resumes="r2")
    over = [*deployment("auth"), ended(at=STARTED_AT + 400)]
    records = [Recorded(AUTH, [one, *([planned("auth")] if one is cut_off else over)])
               for one in (plain, back, cut_off, resumed)]  # fmt: skip
    reported = [
        (one.run_id, one.state, one.taken_up_by, one.rolled_back_by) for one in past_elsewhere(records, ("r3",))
    ]
    assert reported == [
        ("r3", "done", "", ""),
        ("r2", "interrupted", "r3", ""),
        ("r1", "done", "", ""),
        ("r0", "rolled back", "", "r1"),
    ]
