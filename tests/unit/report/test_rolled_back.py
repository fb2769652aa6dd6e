"""The state of a function after a rollback, by the outcome of each of its changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.events import Event, OperationAccepted, OperationDone, UnitEnded
from orchestrator.journal.state import RunState, fold
from orchestrator.model import (
    SERVES_LATEST,
    Action,
    Blocked,
    Cancelled,
    Change,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Outcome,
    Step,
    Unchanged,
    Unknown,
)
from orchestrator.planning.back.rollback import NOT_BACK
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.json import result_json
from orchestrator.report.markdown.render import render_markdown
from orchestrator.report.rolled_back import copy_of, parts_back
from orchestrator.report.summary import headline, rollback_summary, run_table
from orchestrator.report.text import render_text
from orchestrator.report.views import ResultView
from tests.runs import ended, planned, started

CHANGES = (
    Change(ChangeKind.TAG, {"stable": "v2"}, {"stable": "v1"}),
    Change(ChangeKind.UPDATE, {"labels": {}}, {"labels": {"a": "b"}}),
    Change(ChangeKind.VERSION, {"$latest": "v2"}, {"$latest": None}),
)
LEFT = Failed(Step.READ_BACK, Failure("left alone: access stays as it is: why", kind=NOT_BACK))
OVERTAKEN = Failed(Step.READ_BACK, Failure("v9 serves $latest", kind="overtaken"))
REFUSED = Failed(Step.CREATE, Failure("refused"))
BLOCKED = Blocked("left alone: the tag was moved since")
OUR_PARTS = ["tag stable", "labels", "version"]

# outcome of the rollback's unit, how many of its changes are done, what is back, the table's word, the serving copy
ROWS: dict[str, tuple[Outcome | None, int, list[str], str, str]] = {
    "all is back": (Deployed("v3"), 3, OUR_PARTS, "yes", "v3"),
    "it was back": (Unchanged("v1"), 0, [], "yes", ""),
    "access was left": (LEFT, 3, OUR_PARTS, "in part", "v3"),
    "the version was refused": (REFUSED, 2, OUR_PARTS[:2], "in part", ""),
    "the first call was refused": (REFUSED, 0, [], "no", ""),
    "somebody deployed over it": (OVERTAKEN, 3, [], "no", ""),
    "blocked on the way": (BLOCKED, 1, OUR_PARTS[:1], "in part", ""),
    "blocked before": (BLOCKED, 0, [], "no", ""),
    "no end was seen": (Unknown("why", "o"), 2, OUR_PARTS[:2], "unknown", ""),
    "cancelled": (Cancelled("why"), 0, [], "unknown", ""),
    "it has not ended": (None, 1, OUR_PARTS[:1], "unknown", ""),
}


def rollback(outcome: Outcome | None, done: int, *, key: str = "a", base: str = "v2") -> RunState:
    events: list[Event] = [replace(started("2"), verb="rollback", rolls_back="1")]
    events.append(replace(planned(key, action=Action.COPY), changes=CHANGES, base_version_id=base))
    for number, change in enumerate(CHANGES[:done]):
        version_id = "v3" if change.kind is ChangeKind.VERSION else ""
        events.append(OperationAccepted(2.0, key, str(change.kind), f"o{number}", "", version_id, change=number))
        events.append(OperationDone(2.5, key, f"o{number}", 0.5))
    return fold([*events, *([UnitEnded(3.0, key, outcome), ended(1)] if outcome is not None else [])])


@pytest.mark.parametrize("name", ROWS)
def test_each_change_tells_what_is_back(name: str) -> None:
    outcome, done, parts, word, copy = ROWS[name]
    back = rollback(outcome, done)
    assert (parts_back(back.units["a"]), copy_of(back.units["a"])) == (parts, copy)
    run = fold([started("1"), planned("a"), UnitEnded(2.0, "a", Deployed("v2")), ended(1)])
    head, row = run_table(run, back).splitlines()
    assert row[head.index("rolled back") :].split("  ")[0] == word
    (reported,) = result_json(run, back)["rollback"]["functions"]
    assert reported.get("back_in_part") == (parts if word == "in part" else None)


def test_what_a_rollback_that_was_gone_on_with_has_made_serves_where_it_was_seen_to() -> None:
    assert copy_of(rollback(BLOCKED, 3, base="v3").units["a"]) == "v3"
    assert copy_of(rollback(BLOCKED, 3, base="v9").units["a"]) == ""  # someone has deployed since


def test_the_line_says_what_is_back_and_why_the_rest_is_not() -> None:
    parts = "tag stable, labels, version back, but access stays as it is: why"
    assert rollback_summary(rollback(LEFT, 3)) == f"rolled back in part by run 2: 1 function: a: {parts}"
    whole = rollback(Deployed("v3"), 3, key="b")
    both = replace(
        whole, units={**whole.units, **rollback(LEFT, 3).units, "c": rollback(REFUSED, 0, key="c").units["c"]}
    )
    said = f"rolled back by run 2: 1 function; 1 in part: a: {parts}; 1 left alone: c: refused"
    assert rollback_summary(both) == said


def test_every_form_says_so() -> None:
    back = rollback(LEFT, 3)
    failed = Failed(Step.VERIFY, Failure("its handler failed", advice=f"look at it; the version {SERVES_LATEST}"))
    run = fold([started("1"), planned("a"), UnitEnded(2.0, "a", failed), ended(1)])
    for text in (
        render_text(ResultView(run, back=back), None, Outlet(Redactor())),
        render_markdown(ResultView(run, back=back), None, Outlet(Redactor())),
    ):
        assert "rolled back in part by run 2" in str(text)
        assert "look at it; rolled back since then: version v3 now serves $latest" in str(text)
        assert SERVES_LATEST not in str(text)
    assert headline(back).startswith("1 function: 1 partly rolled back")
    assert "partly rolled back" in run_table(back)
    assert result_json(back)["outcomes"] == {"failed": 1}  # as programs read it
