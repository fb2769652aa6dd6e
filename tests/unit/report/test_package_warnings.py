"""Warnings about packages, and what rules exclude from them: in the plan, the summary, JSON, and the journal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.event_json import from_dict, to_dict
from orchestrator.journal.events import UnitPlanned, unit_planned
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Action, Plan, Rollout, Tree, Unit
from orchestrator.model.live_state import indexed
from orchestrator.planning.planner import build
from orchestrator.report.json import plan_json, result_json
from orchestrator.report.plan_text import plan_text
from orchestrator.report.summary import warnings
from orchestrator.report.views import PlanView
from tests.builders import function, settings, source, spec

NODE = Tree("a" * 64, 10, ("other.js", "package.json"), left_out=(".DS_Store", "tests/"), warnings=("it is odd",))
MISSING = (
    'entrypoint "index.handler": the package has no index.js or index.mjs or index.cjs or index.ts; not an error,'
    " because package.json may make it in the cloud"
)


def planned(*keys: str) -> Plan:
    desired = {
        key: spec(key, settings=settings(runtime="nodejs22", entrypoint="index.handler"), code=source()) for key in keys
    }
    return build(desired, indexed([function(key) for key in keys], []), dict.fromkeys(keys, NODE), {})


def view(plan: Plan, *, verbose: bool = False) -> PlanView:
    return PlanView(plan, rollout=Rollout(), verbose=verbose)


@pytest.mark.parametrize(
    ("runtime", "beside", "action"),
    [
        ("nodejs22", "package.json", Action.VERSION),
        ("golang123", "other.go", Action.VERSION),
        ("php82", "composer.json", Action.VERSION),
        ("nodejs22", "other.txt", Action.BLOCKED),
        ("golang123", "other.txt", Action.BLOCKED),
        ("php82", "other.txt", Action.BLOCKED),
    ],
)
def test_an_entry_file_that_is_missing_is_a_warning_where_it_may_be_made(
    runtime: str, beside: str, action: Action
) -> None:
    desired = spec(settings=settings(runtime=runtime, entrypoint="index.handler"), code=source())
    (unit,) = build({"f": desired}, indexed([function()], []), {"f": Tree("a" * 64, 1, (beside,))}, {}).units
    said = unit.failure.message if unit.failure is not None else unit.warnings[0]
    assert unit.action is action
    assert said.startswith('entrypoint "index.handler": the package has no index.')


def test_the_plan_says_equal_warnings_once_and_counts_what_is_left_out() -> None:
    lines = plan_text(view(planned("a", "b")), whole=True).splitlines()
    assert lines[2:5] == [
        "warning: a, b: it is odd",
        f"warning: a, b: {MISSING}",
        "left out of the packages of 2 functions: 4 paths (--verbose lists them)",
    ]


def test_verbose_names_what_is_left_out() -> None:
    lines = plan_text(view(planned("a"), verbose=True), whole=True).splitlines()
    assert "left out of a: .DS_Store, tests/" in lines


def test_what_is_not_sent_is_not_warned_of_unless_asked() -> None:
    plan = planned("a")
    unchanged = Plan((replace(plan.units[0], action=Action.UNCHANGED),))
    assert plan_text(view(unchanged), whole=True).splitlines() == ["plan: 1 unchanged"]
    assert "warning: a: it is odd" in plan_text(view(unchanged, verbose=True), whole=True)


def test_programs_get_both() -> None:
    (row,) = plan_json(view(planned("a")))["units"]
    assert (row["warnings"], row["left_out"]) == (["it is odd", MISSING], [".DS_Store", "tests/"])


def folded(unit: Unit) -> RunState:
    event = from_dict(to_dict(unit_planned(1.0, unit, {})))
    assert isinstance(event, UnitPlanned)
    return fold([event])


def test_the_summary_says_them_again() -> None:
    state = folded(planned("a").units[0])
    assert warnings(state) == f"warning: a: it is odd\nwarning: a: {MISSING}"
    assert result_json(state)["functions"][0]["warnings"] == ["it is odd", MISSING]


def test_a_former_journal_has_none() -> None:
    data = to_dict(unit_planned(1.0, planned("a").units[0], {}))
    del data["warnings"]
    event = from_dict(data)
    assert isinstance(event, UnitPlanned)
    assert event.warnings == ()
