"""What is told of a rollback, and of a run that would be rolled back."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.journal.events import RunEnded, UnitEnded
from orchestrator.journal.rollout_events import RollbackBegun
from orchestrator.journal.state import fold
from orchestrator.model import Blocked, Deployed, Outcome, Unknown
from orchestrator.report.json import result_json
from orchestrator.report.rollout_lines import ROLLOUT_LINES
from orchestrator.report.summary import told_of_rollback
from tests.runs import planned, started

OUTCOMES: dict[str, Outcome] = {
    "a": Deployed("v", read_back=True),
    "b": Blocked("left alone: v9 was deployed since"),
    "c": Unknown("not seen to end"),
}


def test_a_rollback_is_told_in_a_line_and_in_json() -> None:
    first = replace(started("2", units=3), verb="rollback", rolls_back="1")
    ends = [event for key, outcome in OUTCOMES.items() for event in (planned(key), UnitEnded(2.0, key, outcome))]
    back = fold([first, *ends, RunEnded(3.0, 3)])
    said = "rolled back by run 2: 1 function; 1 left alone: b: v9 was deployed since; 1 not seen to end"
    assert told_of_rollback(back) == said
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
