from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, StepFinished, UnitEnded
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState, fold
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    Change,
    ChangeKind,
    Deployed,
    Failed,
    Failure,
    Outcome,
    Pruned,
    Step,
    Unchanged,
    Unknown,
)
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import MARK
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.failures import failures
from orchestrator.report.json import render_json, result_json, runs_json
from orchestrator.report.plain_text import cells, time_span
from orchestrator.report.summary import folder_table, headline, run_table, runs_table
from orchestrator.report.text import render_text
from orchestrator.report.views import ResultView
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started, whole_run
from tests.unit.redaction.test_redactor import IAM


def run_of(outcomes: dict[str, Outcome | None], *, run_ended: bool = True) -> RunState:
    events: list[Event] = [started(units=len(outcomes))]
    for key, outcome in outcomes.items():
        events.append(planned(key))
        if outcome is not None:
            events.append(UnitEnded(STARTED_AT + 1, key, outcome))
    return fold([*events, *([ended(1)] if run_ended else [])])


MIXED = run_of({
    "f": failed(), "u": Unknown("the answer was lost", "operation-u"), "b": Blocked("it would lose its network"),
    "d": Deployed("version-d"), "s": Unchanged("version-s"), "c": Cancelled(), "n": None,
})  # fmt: skip


def test_the_headline_counts_and_says_how_long() -> None:
    state = run_of({"a": Deployed("v"), "b": Deployed("v"), "c": failed()})
    assert headline(state) == "3 functions: 2 deployed, 1 failed in 8.4 s"


def test_what_a_rollback_has_done_is_rolled_back() -> None:
    state = replace(run_of({"auth": Deployed("v"), "bill": Unchanged("v")}), verb="rollback")
    assert headline(state) == "2 functions: 1 unchanged, 1 rolled back in 8.4 s"
    assert [line.split()[1:3] for line in run_table(state).splitlines()[1:]] == [["unchanged", "v"], ["rolled", "back"]]


def test_the_headline_of_one_function_is_singular() -> None:
    assert headline(fold(whole_run("auth"))) == "1 function: 1 deployed in 8.4 s"


def test_the_headline_of_a_killed_run_says_what_has_not_ended() -> None:
    assert headline(run_of({"a": Deployed("v"), "b": None}, run_ended=False)) == "2 functions: 1 deployed, 1 not ended"


def test_the_headline_counts_functions_that_were_not_even_planned() -> None:
    assert headline(fold([started(units=12)])) == "12 functions: 12 not ended"


def test_the_headline_says_why_a_run_stopped() -> None:
    assert headline(fold([started(units=0), ended(3, reason="interrupted")])) == (
        "0 functions: nothing to do in 8.4 s (interrupted)"
    )


def test_of_a_prune_it_is_reported_how_many_versions_were_deleted() -> None:
    changes = tuple(Change(ChangeKind.DELETE, {one: ""}, {one: None}) for one in ("v1", "v2", "v3"))
    prunes = [replace(planned(key), action=Action.PRUNE, changes=changes) for key in ("gone", "tagged")]
    v1 = [
        OperationAccepted(STARTED_AT, "tagged", ChangeKind.DELETE, "operation-1", "id-tagged", "v1", change=0),
        OperationDone(STARTED_AT + 1, "tagged", "operation-1", 1.0, change=0),
    ]
    ends: list[Outcome] = [Pruned(3), Failed(Step.DELETE, Failure("2 of 3 versions could not be deleted"))]
    ended_units = [UnitEnded(STARTED_AT + 1, one.key, end) for one, end in zip(prunes, ends, strict=True)]
    state = fold([started(units=2), *prunes, *v1, *ended_units, ended(1)])
    assert headline(state).startswith("2 functions: 1 pruned, 1 failed, 4 of 6 versions deleted in ")
    assert [line.split()[:5] for line in run_table(state).splitlines()[1:]] == [
        ["gone", "pruned", "3", "of", "3"],
        ["tagged", "failed", "1", "of", "3"],
    ]


def test_the_table_shows_outcome_version_and_the_seconds_of_work() -> None:
    assert run_table(fold(whole_run("auth"))).splitlines() == [
        "function  outcome   version       total",
        "auth      deployed  version-auth    3.1",
    ]


def test_with_timings_it_shows_each_step_and_the_total_is_still_without_the_queue() -> None:
    assert run_table(fold(whole_run("auth")), timings=True).splitlines() == [
        "function  outcome   version       package  upload  queue  create  track  total",
        "auth      deployed  version-auth      0.1     0.5    1.5     0.5    2.0    3.1",
    ]


def test_the_seconds_of_a_run_count_its_planning_and_builds() -> None:
    events = [replace(started(), planned_s=100.0), *whole_run("auth")[1:]]
    assert headline(fold(events)) == "1 function: 1 deployed in 1 min 48 s"


def test_who_only_waited_is_not_among_the_slowest() -> None:
    keys = [f"f{number:03}" for number in range(100)]
    events: list[Event] = [started(units=100)]
    for key in keys:
        events += [
            StepFinished(STARTED_AT, key, Step.QUEUE, 900.0 if key == "f000" else 1.0),
            StepFinished(STARTED_AT, key, Step.TRACK, 0.5 if key == "f000" else 1.0),
            UnitEnded(STARTED_AT, key, Deployed("v")),
        ]
    assert "f000" not in run_table(fold([*events, ended()]))


def test_what_everybody_must_see_stands_last() -> None:
    first_letters = [line[0] for line in run_table(MIXED).splitlines()[1:]]  # each unit is named after its outcome
    assert first_letters == ["s", "d", "n", "c", "b", "u", "f"]
    assert counts_in_order() == ["unchanged", "deployed", "not ended", "cancelled", "blocked", "unknown", "failed"]


def counts_in_order() -> list[str]:
    return list(result_json(MIXED)["outcomes"])


def test_a_run_without_functions_has_no_table() -> None:
    assert (run_table(RunState()), failures(RunState())) == ("", "")


def test_names_of_every_script_are_aligned() -> None:
    keys = ("auth", "оплата", "関数")
    lines = run_table(run_of(dict.fromkeys(keys, Deployed("v")))).splitlines()
    assert {cells(line.split("deployed")[0]) for line in lines[1:]} == {cells(lines[0].split("outcome")[0])}


def test_long_names_give_way_in_a_narrow_terminal() -> None:
    state = run_of({"a-function-with-a-very-long-name-indeed-1": Deployed("v"), "b": Deployed("v")})
    lines = run_table(state, width=40).splitlines()
    assert all(cells(line) <= 40 for line in lines)
    assert lines[1].startswith("a-funct")
    assert "…" in lines[1]


def many(count: int) -> RunState:
    keys = [f"function-{number:03}" for number in range(count)]
    special: dict[int, Outcome] = {7: failed(), 8: Unknown("lost"), 9: Blocked("adopt")}
    events: list[Event] = [started(units=count)]
    for number, key in enumerate(keys):
        outcome = special.get(number, Deployed("v"))
        events += [StepFinished(STARTED_AT, key, Step.TRACK, float(number)), UnitEnded(STARTED_AT, key, outcome)]
    return fold([*events, ended(1)])


def test_up_to_sixty_functions_are_all_shown() -> None:
    assert len(run_table(many(60)).splitlines()) == 61


def test_of_more_the_slowest_and_those_that_need_a_look_are_shown() -> None:
    lines = run_table(many(100)).splitlines()
    names = [line.split()[0] for line in lines[1:-2]]
    assert names[-3:] == ["function-009", "function-008", "function-007"]
    assert names[:-3] == [f"function-{number:03}" for number in range(80, 100)]
    assert lines[-1].endswith(f"see all: `orchestrator show {RUN_ID} --all`")
    assert "showing 23 of 100 functions" in lines[-1]


def test_everything_shows_everything() -> None:
    assert len(run_table(many(100), everything=True).splitlines()) == 101


# --- failures --------------------------------------------------------------------------------------------------------


IDS = "request id request-9, server trace id trace-9, client request id client-9"


def test_a_failure_is_shown_with_everything_to_act_on() -> None:
    state = run_of({"auth": failed("the build failed", Step.BUILD, detail="npm ERR! one\nnpm ERR! two")})
    assert failures(state).splitlines() == [
        "1 function failed in step build, INVALID_ARGUMENT: auth",
        "    the build failed",
        f"    operation operation-9, HTTP 400, {IDS}",
        "    advice: grant iam.serviceAccounts.user",
        "    detail:",
        "      | npm ERR! one",
        "      | npm ERR! two",
    ]


EQUAL = [
    ("service account aje12345678901234567 is missing", "service account aje76543210987654321 is missing"),
    ("function auth: no such runtime", "function billing: no such runtime"),
    ("version 6f1c2b1e-9a57-4f0a-8d5b-0c7d6a1e2f3b", "version 00000000-9a57-4f0a-8d5b-0c7d6a1e2f3b"),
    ("not done after 900 s", "not done after 901 s"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_errors_that_differ_in_ids_only_are_one(one: str, other: str) -> None:
    text = failures(run_of({"auth": failed(one), "billing": failed(other, request_id="request-8")}))
    assert text.startswith("2 functions failed in step track, INVALID_ARGUMENT: auth, billing\n")
    assert "    auth: operation operation-9, HTTP 400, request id request-9" in text
    assert "    billing: operation operation-9, HTTP 400, request id request-8" in text


@pytest.mark.parametrize(
    "other", [failed("another message"), failed(kind="INTERNAL"), failed(step=Step.CREATE), Blocked("adopt")]
)
def test_errors_that_differ_otherwise_are_not(other: Outcome) -> None:
    assert failures(run_of({"auth": failed(), "billing": other})).count("function ") == 2


def test_of_many_functions_ten_are_named() -> None:
    text = failures(run_of({f"f{number:02}": failed() for number in range(25)}))
    assert text.startswith("25 functions failed in step track, INVALID_ARGUMENT: f00, f01,")
    assert text.splitlines()[0].endswith("f09 and 15 more")


def test_what_differs_within_a_group_is_shown_of_each() -> None:
    text = failures(
        run_of({
            "a": failed("somebody made version d4eaaaaaaaaaaaaaaaaa", advice="--adopt a@d4eaaaaaaaaaaaaaaaaa"),
            "b": failed("somebody made version d4ebbbbbbbbbbbbbbbbb", advice="--adopt b@d4ebbbbbbbbbbbbbbbbb"),
        })
    )  # fmt: skip
    for part in (
        "    a: somebody made version d4eaaaaaaaaaaaaaaaaa\n", "    b: somebody made version d4ebbbbbbbbbbbbbbbbb\n",
        "    advice for a: --adopt a@d4eaaaaaaaaaaaaaaaaa\n", "    advice for b: --adopt b@d4ebbbbbbbbbbbbbbbbb",
    ):  # fmt: skip
        assert part in text
    blocked = failures(run_of({name: Blocked(f"let it go with --adopt {name}@v1") for name in ("a", "b")}))
    assert blocked.splitlines()[1:] == ["    a: let it go with --adopt a@v1", "    b: let it go with --adopt b@v1"]


def test_of_what_differs_ten_are_shown_and_those_alike_are_one() -> None:
    lines = failures(run_of({f"f{number:02}": failed(f"not done after {number} s") for number in range(25)}))
    assert "    f09: not done after 9 s\n    and 15 more\n" in lines
    assert "f10:" not in lines
    half = failures(run_of({f"f{number}": failed(f"not done after {number % 2} s") for number in range(4)}))
    assert "    f0, f2: not done after 0 s\n    f1, f3: not done after 1 s\n" in half
    assert half.count("advice") == 1


def test_the_most_frequent_error_stands_last() -> None:
    state = run_of({"a": failed("common"), "b": failed("rare"), "c": failed("common")})
    assert [block.split(" function")[0] for block in failures(state).split("\n\n")] == ["1", "2"]


def test_details_that_differ_say_whose_the_shown_one_is() -> None:
    state = run_of({"a": failed(detail="line of a"), "b": failed(detail="line of b")})
    assert "    detail (of a):\n      | line of a" in failures(state)


# the outcome of createVersion, sent after createFunction was done; what its Operation is → the Operation shown
VERSION = Requested(STARTED_AT + 2, "auth", "createVersion", "d4e-auth", "key-2", 1, 1)
ACCEPTED = OperationAccepted(STARTED_AT + 2, "auth", "createVersion", "operation-2", "d4e-auth", "version", "", 1)
OF_TWO: list[tuple[Outcome, list[Event], str]] = [
    (failed(step=Step.CREATE, operation_id=""), [VERSION], ""),
    (failed(step=Step.CREATE, operation_id=""), [], ""),  # refused before it was sent
    (failed(step=Step.UPLOAD, operation_id=""), [], ""),
    (failed(step=Step.FUNCTION, operation_id="operation-1"), [], "operation-1"),
    (failed(step=Step.TRACK, operation_id="operation-2"), [VERSION, ACCEPTED], "operation-2"),
    (failed(step=Step.READ_BACK, operation_id=""), [VERSION, ACCEPTED], "operation-2"),
    (Unknown("the answer was lost"), [VERSION], ""),
    (Unknown("not done after 900 s"), [VERSION, ACCEPTED], "operation-2"),
]


@pytest.mark.parametrize(("outcome", "more", "operation"), OF_TWO, ids=range(len(OF_TWO)))
def test_an_operation_is_shown_where_it_belongs_to_what_failed(
    outcome: Outcome, more: list[Event], operation: str
) -> None:
    changes = (Change(ChangeKind.FUNCTION), Change(ChangeKind.VERSION))
    state = fold([
        started(),
        replace(planned("auth", action=Action.CREATE), changes=changes),
        Requested(STARTED_AT, "auth", "create", "", "key-1", 1, 0),
        OperationAccepted(STARTED_AT, "auth", "create", "operation-1", "d4e-auth", "", "", 0),
        OperationDone(STARTED_AT + 1, "auth", "operation-1", 1.0),
        *more,
        UnitEnded(STARTED_AT + 3, "auth", outcome),
    ])  # fmt: skip
    assert next(iter(state.units["auth"].operations)) == "operation-1"
    assert re.findall(r"operation (operation-\d)", failures(state)) == ([operation] if operation else [])


def test_unknown_and_blocked_functions_are_explained_too() -> None:
    text = failures(MIXED)
    assert "1 function unknown: u\n    the answer was lost\n    operation operation-u" in text
    assert "1 function blocked: b\n    it would lose its network" in text


def test_an_unknown_end_names_the_operation_that_was_accepted() -> None:
    state = fold([started(), *deployment("auth", outcome=Unknown("not done after 900 s"))])
    assert "    operation operation-auth" in failures(state)


def test_messages_cannot_command_the_terminal_and_show_no_secret() -> None:
    state = run_of({"auth": failed(f"\x1b[2J bad {IAM}", detail=f"TOKEN={IAM}\n\x1b]0;x\x07")})
    text = render_text(ResultView(state), None, Outlet(Redactor()))
    assert "\x1b" not in text
    assert IAM not in text
    assert text.count(MARK) == 2


# --- for programs ----------------------------------------------------------------------------------------------------


def test_the_json_of_a_run_says_everything() -> None:
    reported = orjson.loads(orjson.dumps(result_json(fold(whole_run("auth")))))
    (function,) = reported.pop("functions")
    (link,) = reported.pop("chain")
    assert link == {name: reported[name] for name in ("run_id", "started_at", "ended_at", "exit_code")}
    nothing = {"functions": [], "labels": [], "left_by": "", "job": "", "parameters": {}, "variables": {}}
    about: dict[str, object] = dict.fromkeys(("manifest_path", "environment", "user", "host", "commit"), "")
    about |= {"folders": [], "clouds": [], "selection": nothing}
    assert {name: reported.pop(name) for name in about} == about
    assert (reported.pop("state"), reported.pop("breach"), reported.pop("given_up")) == ("done", "", False)
    assert reported == {
        "run_id": RUN_ID, "verb": "deploy", "endpoint": "https://api.cloud.yandex.net", "manifest": "deploy.toml",
        "program": "0.1.0",
        "resumes": "", "started_at": "2026-11-18T11:06:40.000+00:00", "ended_at": "2026-11-18T11:06:48.400+00:00",
        "exit_code": 0, "reason": "", "total": 1, "disabled": 0, "outcomes": {"deployed": 1},
    }  # fmt: skip
    assert function["seconds"] == {"package": 0.1, "upload": 0.5, "queue": 1.5, "create": 0.5, "track": 2.0}
    assert (function["function"], function["outcome"], function["version_id"]) == ("auth", "deployed", "version-auth")
    assert function["operation_ids"] == ["operation-auth"]
    assert function["requests"][0] == {"call": "createVersion", "idempotency_key": "key-auth", "attempt": 1}
    assert function["package"]["object"] == "functions/auth.zip"
    assert function["action"] == Action.VERSION


def test_the_json_of_a_failure_is_whole_and_shows_no_secret() -> None:
    view = ResultView(run_of({"auth": failed(f"bad {IAM}")}))
    (function,) = orjson.loads(render_json(view, None, Outlet(Redactor())))["functions"]
    assert (function["outcome"], function["failed_step"]) == ("failed", "track")
    assert function["failure"]["message"] == f"bad {MARK}"
    assert function["failure"]["server_trace_id"] == "trace-9"


def test_the_json_tells_why_a_function_is_unknown_and_which_has_not_ended() -> None:
    reported = {function["function"]: function for function in result_json(MIXED)["functions"]}
    assert reported["u"]["outcome_reason"] == "the answer was lost"
    assert reported["n"]["outcome"] == "not ended"


RUN = RunSummary(
    RUN_ID, "deploy", "https://api", STARTED_AT, STARTED_AT + 95, 1, 12, "0.1.0", {"failed": 1, "deployed": 11}
)


HEAD = "outcomes"
BEGAN, AT = "started (UTC)      ", "2026-11-18 11:06:40"


def test_runs_are_listed_one_a_line() -> None:
    killed = replace(RUN, id="20261124T0300", ended_at=None, exit_code=None, outcomes={})
    assert runs_table([RUN, killed]).splitlines() == [
        f"run                     {BEGAN}  verb    state              took  functions  exit  {HEAD:<21}  endpoint",
        f"{RUN_ID}  {AT}  deploy  failed       1 min 35 s         12     1  11 deployed, 1 failed  https://api",
        f"20261124T0300           {AT}  deploy  interrupted           -         12     -  {'-':<21}  https://api",
    ]  # fmt: skip


def test_the_json_of_runs_has_times_that_programs_read() -> None:
    (run,) = runs_json([RUN])["runs"]
    assert (run["run_id"], run["started_at"]) == (RUN_ID, "2026-11-18T11:06:40.000+00:00")
    assert (run["exit_code"], run["functions"], run["outcomes"]) == (1, 12, {"failed": 1, "deployed": 11})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (8.44, "8.4 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"),
     (7800, "2 h 10 min")],
)  # fmt: skip
def test_spans_read_as_people_say_them(seconds: float, text: str) -> None:
    assert time_span(seconds) == text


def test_where_there_are_several_folders_outcomes_are_counted_by_folder() -> None:
    where = {"a1": "b1ga", "a2": "b1ga", "b1": "b1gb"}
    outcomes: dict[str, Outcome] = {"a1": Deployed("v"), "a2": failed(), "b1": Deployed("v")}
    state = fold([
        started(units=3),
        *(replace(planned(key), folder_id=folder) for key, folder in where.items()),
        *(UnitEnded(STARTED_AT + 1, key, outcome) for key, outcome in outcomes.items()),
        ended(1),
    ])  # fmt: skip
    assert [line.split() for line in folder_table(state).splitlines()] == [
        ["folder", "deployed", "failed", "all"], ["b1ga", "1", "1", "2"], ["b1gb", "1", "-", "1"],
    ]  # fmt: skip
    assert folder_table(MIXED) == ""
    assert folder_table(state) in render_text(ResultView(state), None, Outlet(Redactor()))
