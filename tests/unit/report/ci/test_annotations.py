"""Findings: each with its line, and never more than a CI shows."""

from __future__ import annotations

from dataclasses import replace

import orjson

from orchestrator.errors import Mistake
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Action, Blocked, Failure, Outcome, Place, Step, Unit
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.ci.annotations import (
    ANNOTATIONS_MAX,
    Finding,
    at_most_ten,
    findings_of_mistakes,
    findings_of_plan,
    findings_of_run,
    shown_findings,
)
from orchestrator.report.ci.code_quality import code_quality_report
from orchestrator.report.ci.recognised import CiFiles
from tests.builders import spec
from tests.runs import deployment, failed, started

OUTLET = Outlet(Redactor())


def state(outcomes: dict[str, Outcome]) -> RunState:
    events = [event for key, outcome in outcomes.items() for event in deployment(key, outcome=outcome)]
    return fold([started(units=len(outcomes)), *events])


def test_a_mistake_has_its_line_and_its_key() -> None:
    mistake = Mistake("deploy.toml", 3, "functions.a.memry", "unknown key")
    assert findings_of_mistakes([mistake]) == [
        Finding("deploy.toml", 3, "mistake in the manifest", "functions.a.memry", "unknown key", is_function=False)
    ]


def test_a_plan_tells_what_is_blocked_where_it_is_declared() -> None:
    good = Unit("good", spec("good"), Action.VERSION, "memory")
    declared = spec("bad", place=Place("teams/a.toml", 7))
    bad = Unit("bad", declared, Action.BLOCKED, "edited by hand", failure=Failure("x", advice="--adopt bad@d4e"))
    torn = replace(bad, failure=Failure("x"), failed_step=Step.PACKAGE)
    assert findings_of_plan([good, bad, torn]) == [
        Finding("teams/a.toml", 7, "blocked", "bad", "edited by hand\n--adopt bad@d4e"),
        Finding("teams/a.toml", 7, "failed in step package", "bad", "edited by hand"),
    ]


def test_above_ten_equal_findings_are_one_and_the_rest_is_a_number() -> None:
    ten = [Finding("a.toml", line, "blocked", f"f{line}", "edited") for line in range(ANNOTATIONS_MAX)]
    assert at_most_ten(ten) == ten
    others = [replace(ten[0], about=f"g{number}", text=f"cause {number}") for number in range(20)]
    shown = at_most_ten([*ten, *others])
    assert shown[0] == Finding("a.toml", 0, "blocked", "10 functions", "f0, f1, f2, f3, f4, f5, f6, f7, f8, f9\nedited")
    assert shown[1:-1] == others[:8]
    assert shown[-1] == Finding("", 0, "12 more functions", "", "see the job's log and summary")
    assert at_most_ten([*ten, ten[0]])[1:] == []


def test_a_run_tells_each_failure_or_where_there_are_many_each_cause() -> None:
    places = {"f0": Place("deploy.toml", 5)}
    few = state({"f0": failed(advice=""), "f1": Blocked("a base"), "good": deployment("good")[-1].outcome})  # type: ignore[attr-defined]  # the last event ends the unit
    assert shown_findings(list(few.units.values()), places) == [
        Finding("deploy.toml", 5, "failed in step track, INVALID_ARGUMENT", "f0", "Service account is not available"),
        Finding("", 0, "blocked", "f1", "a base"),
    ]
    many = state({f"f{number}": failed() for number in range(ANNOTATIONS_MAX + 1)})
    units = list(many.units.values())
    (one,) = shown_findings(units, places)
    assert (one.file, one.line, one.about) == ("deploy.toml", 5, "11 functions")
    assert one.text.startswith("f0, f1, f2, ")
    assert len(findings_of_run(units, places)) == ANNOTATIONS_MAX + 1


def test_of_very_many_causes_the_last_annotation_counts_the_rest() -> None:
    units = list(state({f"f{n}": failed("because " + "x" * n) for n in range(30)}).units.values())
    shown = shown_findings(units, {})
    assert len(shown) == ANNOTATIONS_MAX
    assert (shown[-1].check, shown[-1].text[:17]) == ("21 more causes", "21 more functions")


def test_a_code_quality_report_has_what_gitlab_documents() -> None:
    mistake = Finding("deploy.toml", 0, "mistake in the manifest", "functions.a", "unknown key", is_function=False)
    function = Finding("deploy.toml", 9, "blocked", "a", "made by run 17")
    again = replace(function, line=12, text="made by run 18")
    rows = orjson.loads(code_quality_report([mistake, function, again], CiFiles(), OUTLET))
    assert [set(row) for row in rows] == [{"description", "check_name", "fingerprint", "severity", "location"}] * 2
    assert [row["location"]["lines"]["begin"] for row in rows] == [1, 9]
    assert [row["description"] for row in rows] == ["functions.a: unknown key", "a: blocked: made by run 17"]
    assert {row["severity"] for row in rows} <= {"info", "minor", "major", "critical", "blocker"}
    assert len({row["fingerprint"] for row in rows}) == 2
    assert orjson.loads(code_quality_report([], CiFiles(), OUTLET)) == []
