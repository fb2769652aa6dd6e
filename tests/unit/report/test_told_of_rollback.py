"""What is shown about a rollback, and about a run that would be rolled back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.journal.events import RunEnded, UnitEnded
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import RollbackBegun
from orchestrator.journal.state import fold
from orchestrator.journal.store import open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import SERVES_LATEST, Action, Blocked, Deployed, Failed, Failure, Outcome, Step, Unknown
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.rollout_lines import ROLLOUT_LINES
from orchestrator.report.failures import causes, failures, since_rollback
from orchestrator.report.json import result_json, runs_json
from orchestrator.report.summary import rollback_summary, runs_table
from orchestrator.report.text import render_text
from orchestrator.report.views import ResultView
from tests.runs import ended, planned, started

OUTCOMES: dict[str, Outcome] = {
    "a": Deployed("v", read_back=True),
    "b": Blocked("left alone: v9 was deployed since"),
    "c": Unknown("not seen to end"),
}


def test_a_rollback_is_reported_in_a_line_and_in_json() -> None:
    first = replace(started("2", units=3), verb="rollback", rolls_back="1")
    ends = [event for key, outcome in OUTCOMES.items() for event in (planned(key), UnitEnded(2.0, key, outcome))]
    back = fold([first, *ends, RunEnded(3.0, 3)])
    said = "rolled back by run 2: 1 function; 1 left alone: b: v9 was deployed since; 1 unknown"
    assert rollback_summary(back) == said
    assert result_json(back)["rolls_back"] == "1"
    document = result_json(fold([started("1")]), back)["rollback"]
    assert (document["run_id"], document["exit_code"]) == ("2", 3)
    assert document["functions"] == [
        {"function": "a", "version_id": "v", "outcome": "deployed"},
        {
            "function": "b",
            "version_id": "",
            "outcome": "blocked",
            "outcome_reason": "left alone: v9 was deployed since",
        },
        {"function": "c", "version_id": "", "outcome": "unknown", "outcome_reason": "not seen to end"},
    ]


def test_its_beginning_is_logged() -> None:
    line = ROLLOUT_LINES[RollbackBegun](RollbackBegun(1.0, "2", "3 of 60 failed"))
    assert line == ("warning", "rolling back", {"rollback": "2", "reason": "3 of 60 failed"})


ADVICE = f"look at the function's logs; the version {SERVES_LATEST}"


@pytest.mark.parametrize(
    ("rolled_back_to", "back", "said"),
    [
        ("", None, ADVICE),
        ("v7", None, "look at the function's logs; rolled back since then: version v7 now serves $latest"),
        ("", Deployed("v8"), "look at the function's logs; rolled back since then: version v8 now serves $latest"),
        ("", Failed(Step.CREATE, Failure("refused")), ADVICE),
    ],
)
def test_what_serves_now_is_said(rolled_back_to: str, back: Outcome | None, said: str) -> None:
    failed = Failed(Step.VERIFY, Failure("its handler failed", kind="verification", advice=ADVICE), rolled_back_to)
    state = fold([started("1"), planned("a"), UnitEnded(2.0, "a", failed), ended(1)])
    taken = fold([started("2"), planned("a", action=Action.COPY), UnitEnded(3.0, "a", back)]) if back else None
    assert failures(state, taken).splitlines()[-1] == f"    advice: {said}"
    (row,) = result_json(state, taken)["functions"]
    assert row["failure"]["advice"] == said


# what the rollback selected, its exit code, and the states of the chain's runs and of the rollback
@pytest.mark.parametrize(
    ("patterns", "code", "again", "states", "named"),
    [
        ((), 0, False, ["rolled back", "rolled back", "done"], True),
        (("a",), 0, False, ["done", "interrupted", "done"], True),
        ((), 1, False, ["done", "interrupted", "failed"], True),
        ((), 3, False, ["done", "interrupted", "interrupted"], True),
        ((), None, False, ["done", "interrupted", "interrupted"], True),
        ((), 0, True, ["done", "interrupted", "rolled back"], False),
    ],
)
def test_a_run_that_somebody_took_back_names_the_rollback(
    tmp_path: Path, patterns: tuple[str, ...], code: int | None, again: bool, states: list[str], named: bool
) -> None:
    identity = Identity(selection=Selection(patterns))
    with open_store(tmp_path) as store:
        store.start_run(started("1", at=1.0)).append(ended(3, at=1.5))
        store.start_run(replace(started("2", at=2.0), resumes="1")).append(ended(0, at=2.5))
        back = store.start_run(replace(started("3", at=3.0), verb="rollback", rolls_back="2", identity=identity))
        if code is not None:
            back.append(ended(code, at=3.5))
        if again:
            store.start_run(replace(started("4", at=4.0), verb="rollback", rolls_back="3")).append(ended(0, at=4.5))
        runs = {run["run_id"]: run for run in runs_json(store.runs())["runs"]}
        assert [runs[run_id]["state"] for run_id in ("2", "1", "3")] == states
        assert ("rolled back by" in runs_table(store.runs())) == (named or again)
        assert [runs[run_id].get("rolled_back_by", "") for run_id in ("1", "2")] == ["3" if named else ""] * 2
        chain = store.chain_state("1")
        by = store.taken_back_by(chain)
    document = result_json(chain, by)
    assert (document["state"], "rollback" in document) == (states[0], named)
    shown = str(render_text(ResultView(chain, history=True, back=by), None, Outlet(Redactor())))
    assert ("rolled back  by run 3" in shown) == named


@pytest.mark.parametrize("end", ["anyway", "all the same"], ids=["today", "in earlier records"])
def test_what_a_version_served_is_replaced_by_what_serves_since(end: str) -> None:
    failure = Failure("m", kind="verification", advice=f"check its logs; the version serves $latest {end}")
    assert since_rollback(failure, "v9").advice == (
        "check its logs; rolled back since then: version v9 now serves $latest"
    )


@pytest.mark.parametrize(
    ("step", "kind", "what"),
    [
        (Step.VERIFY, "verification", "failed verification"),
        (Step.VERIFY, "", "failed in step verify"),
        (Step.TRACK, "INVALID_ARGUMENT", "failed in step track, INVALID_ARGUMENT"),
    ],
)
def test_the_step_is_named_where_the_kind_does_not_imply_it(step: Step, kind: str, what: str) -> None:
    unit = UnitState("f", outcome=Failed(step, Failure("no", kind=kind)))
    (reported,) = causes([unit])
    assert reported.what == what
