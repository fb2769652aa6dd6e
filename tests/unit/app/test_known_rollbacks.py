"""An unfinished rollback is completed before anything else changes its functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.session.chains.rollbacks import known_rollbacks, rollbacks_of_withdrawn
from orchestrator.journal.events import Breached, Event, OperationAccepted, RunEnded, RunStarted, UnitEnded, UnitPlanned
from orchestrator.journal.record import RunRecord, read_record
from orchestrator.journal.rollout_events import GivenUp
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Action, Change, ChangeKind, Deployed, Plan, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.known_rollbacks import KnownRollbacks, again_option, not_over_rollbacks, unended
from orchestrator.report.plan_text import plan_text
from orchestrator.report.views import PlanView
from tests.builders import spec

ENDPOINT = "https://api.example"
WHY = ("rollback R2 of run R1 is not finished", "continue with `orchestrator resume R2`")


def wrote(folder: Path, number: int, verb: str, ended: dict[str, bool], code: int | None, resumes: str = "") -> None:
    at, of = float(number), "R1" if verb == "rollback" else ""
    started = RunStarted(at, f"R{number}", verb, ENDPOINT, "d", len(ended), "1", resumes=resumes, rolls_back=of)
    with open_store(folder) as store:
        journal = store.start_run(started)
        for key in ended:
            journal.append(UnitPlanned(at, key, key, "folder", f"id-{key}", Action.VERSION, "", "base", "a.b"))
        for key, is_done in ended.items():
            if is_done:
                journal.append(UnitEnded(at, key, Deployed("v", read_back=True)))
        if not ended:
            journal.append(GivenUp(at, 1))
        if code is not None:
            journal.append(RunEnded(at, code))
        journal.flush()


@pytest.mark.parametrize("later", ["nothing", "a deploy of it", "its resume", "given up"])
def test_what_a_killed_rollback_has_left_waits_for_it(tmp_path: Path, later: str) -> None:
    wrote(tmp_path, 1, "deploy", {"a": True, "b": True}, 0)
    wrote(tmp_path, 2, "rollback", {"a": True, "b": False}, None)
    if later == "a deploy of it":
        wrote(tmp_path, 3, "deploy", {"b": True}, 0)
    elif later == "its resume":
        wrote(tmp_path, 3, "rollback", {"b": True}, 0, "R2")
    elif later == "given up":
        wrote(tmp_path, 3, "rollback", {}, 0, "R2")
    left = {("folder", "b"): WHY, ("folder", "id-b"): WHY} if later == "nothing" else {}
    assert known_rollbacks(tmp_path, ENDPOINT, tags_of=()).unended == left
    assert known_rollbacks(tmp_path, "https://other.example", tags_of={"id-a"}) == KnownRollbacks()


def unit(key: str) -> Unit:
    change = Change(ChangeKind.TAG, {"stable": "v1"}, {"stable": "v2"})
    return Unit(key, spec(key), Action.RETAG, "tags differ", function_id=f"id-{key}", changes=(change,))


def test_one_cause_is_reported_once_and_again_overrides_it() -> None:
    known = KnownRollbacks(unended={("folder", "id-a"): WHY, ("folder", "id-b"): WHY})
    plan = not_over_rollbacks(Plan((unit("a"), unit("b"), unit("c"))), known)
    assert [one.action for one in plan.units] == [Action.BLOCKED, Action.BLOCKED, Action.RETAG]
    text = plan_text(PlanView(plan), whole=True)
    assert text.count(WHY[0]) == 1
    assert f"2 functions blocked: a, b: {WHY[0]}; {WHY[1]}, or deploy it anyway with --again a,b" in text
    said = f"{WHY[0]}: {WHY[1]}; functions of this plan to roll back"
    assert unended(plan, known) == (f"{said}: 2",)
    assert unended(plan, known, again={"b"}) == (f"{said}: 1",)
    unchanged = replace(unit("a"), action=Action.UNCHANGED, changes=())  # the live version must be replaced anyway
    assert unended(not_over_rollbacks(Plan((unchanged, unit("c"))), known), known) == (f"{said}: 1",)
    again = not_over_rollbacks(Plan((unit("a"), unit("b"))), known, again={"a"})
    assert [one.action for one in again.units] == [Action.RETAG, Action.BLOCKED]


@pytest.mark.parametrize(
    ("keys", "others", "option"),
    [
        ([f"api-{n}" for n in range(5)], [], "--again api-0,api-1,api-2,api-3,api-4"),
        ([f"api-{n}" for n in range(6)], ["web"], "--again 'api-*'"),
        ([f"{name}-fn" for name in "abcdef"], [], "--again '*'"),
        (list("abcdef"), ["web"], "--again a,b,c,d,e,f"),  # a pattern would include functions that another cause blocks
    ],
)
def test_many_functions_are_named_by_a_pattern(keys: list[str], others: list[str], option: str) -> None:
    assert again_option(keys, others) == option


def test_what_nothing_is_needed_of_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(tmp_path, 1, "deploy", {"a": True, "b": True}, 3)  # killed, and without a breach that rolls it back
    wrote(tmp_path, 2, "rollback", {"a": True}, 0)
    read = list[str]()
    whole = Store.events

    def events(store: Store, run_id: str) -> Iterator[Event]:
        read.append(run_id)
        return whole(store, run_id)

    monkeypatch.setattr(Store, "events", events)
    assert known_rollbacks(tmp_path, ENDPOINT, tags_of={"id-z"}) == KnownRollbacks()
    assert read == []


def test_the_rollback_that_has_made_a_live_version_is_named(tmp_path: Path) -> None:
    for number, verb in enumerate(("deploy", "rollback"), 1):
        started = RunStarted(float(number), f"R{number}", verb, ENDPOINT, "d", 1, "1", rolls_back="R1" * (number - 1))
        with open_store(tmp_path) as store:
            journal = store.start_run(started)
            if verb == "deploy":
                journal.append(Breached(1.0, "1 of 2 failed", "rollback"))
            journal.append(OperationAccepted(1.0, "a", "createVersion", f"o{number}", "id-a", f"v{number}", "r"))
            journal.append(RunEnded(float(number), 0))
    mark = "[orchestrator:back:0a1b2c3d]"
    back = Version("v2", "id-a", status="ACTIVE", created_at=None, raw={}, description=mark, tags=("$latest",))
    live = LiveState(versions={"v2": back}, tagged={("id-a", "$latest"): back})
    reported = rollbacks_of_withdrawn(tmp_path, ENDPOINT, Plan((unit("a"),)), live)
    assert reported == {"v2": "rollback R2 of run R1: 1 of 2 failed"}


def test_a_rollback_of_another_machine_is_known_once_its_record_was_read(tmp_path: Path) -> None:
    change, record = Change(ChangeKind.TAG, {"stable": "v2"}, {"stable": "v1"}), RunRecord()
    for event in (
        RunStarted(1.0, "R2", "rollback", ENDPOINT, "d", 1, "1", rolls_back="R1"),
        UnitPlanned(1.0, "a", "a", "folder", "id-a", Action.RETAG, "", "v2", "", changes=(change,)),
        OperationAccepted(2.0, "a", "setTag", "o", "id-a", "v1", "r"),
        UnitEnded(3.0, "a", Deployed("v1", read_back=True)),
        RunEnded(4.0, 0),
    ):
        record(event)
    with open_store(tmp_path) as store:
        store.keep(read_record(record.encode()))
    (move,) = known_rollbacks(tmp_path, ENDPOINT, tags_of={"id-a"}).moves
    assert (move.tag, move.holder, move.by) == ("stable", "v1", "rollback R2 of run R1")
