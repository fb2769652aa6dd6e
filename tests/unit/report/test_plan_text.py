"""A plan for people and for programs: order, columns, waves, and the output of builds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from orchestrator.function.fields import in_words
from orchestrator.model import (
    Action,
    Change,
    ChangeKind,
    Failure,
    Gate,
    HttpCheck,
    Plan,
    Rollout,
    SettingChange,
    Step,
    Undeclared,
    Unit,
    Verify,
)
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.json import plan_json, render_json
from orchestrator.report.plan_text import plan_text
from orchestrator.report.views import PlanView
from tests.builders import function, settings, spec

MADE_WITH = "runtime python312, entrypoint index.handler, timeout 10s"


def unit(key: str, action: Action = Action.VERSION, *, folder_id: str = "b1g", name: str = "", **more: object) -> Unit:
    made = Unit(key, spec(key, folder_id=folder_id, name=name or key), action, "because")
    return replace(made, **more)  # type: ignore[arg-type]  # of a test's own spelling


def text(*units: Unit, whole: bool = True, **given: object) -> str:
    view = PlanView(Plan(units), **given)  # type: ignore[arg-type]  # the same
    return plan_text(Outlet(Redactor()).value(view), whole=whole)


def test_changes_come_first_sorted_by_folder_and_name_and_unchanged_is_a_count() -> None:
    reported = text(
        unit("zoo", folder_id="b1ga"),
        unit("ark", Action.BLOCKED, folder_id="b1ga"),
        unit("bee", folder_id="b1gb", name="prod-bee"),
        unit("ape", Action.UNCHANGED, folder_id="b1ga"),
        unit("ant", Action.CREATE, folder_id="b1gb"),
    )
    assert reported.splitlines() == [
        "  b1ga  zoo             new version  because",
        f"  b1gb  ant             create       because: {MADE_WITH}, memory 128MB",
        "  b1gb  bee (prod-bee)  new version  because",
        "  b1ga  ark             blocked      because",
        "plan: 1 create, 2 new version, 1 unchanged, 1 blocked",
    ]


def test_what_a_rollback_would_leave_alone_of_a_function_is_counted() -> None:
    left = Failure("left alone: the tag stable was moved to v9 since", advice="look at it")
    one = unit("ant", Action.COPY, changes=(Change(ChangeKind.VERSION),), failure=left)
    reported = text(one, unit("bee", Action.COPY), back=True).splitlines()
    assert reported[0].endswith("because; left alone: the tag stable was moved to v9 since; look at it")
    assert reported[-1] == "plan: 2 copy, 1 left alone in part"
    assert plan_json(PlanView(Plan((one,)), back=True))["units"][0]["left_alone"] == left.message


def test_of_a_new_function_is_reported_what_it_gets_and_never_a_value_of_a_variable() -> None:
    made = settings(memory_bytes=256 << 20, environment={"TOKEN": "hunter2"}, service_account_id="aje1")
    one = unit("ant", Action.CREATE)
    one = replace(one, spec=replace(one.spec, settings=made))
    reported = f"because: {MADE_WITH}, service account aje1, memory 256MB"
    assert text(one).splitlines()[0].endswith(reported)
    assert text(one, verbose=True).splitlines()[0].endswith(f"{reported}, environment: +TOKEN")


def test_one_folder_has_no_column() -> None:
    assert text(unit("ant")).splitlines() == ["  ant  new version  because", "plan: 1 new version"]


def test_verbose_names_what_is_unchanged() -> None:
    units = [unit(f"f{number:03}", Action.UNCHANGED) for number in range(100)]
    assert text(*units) == "plan: 100 unchanged"
    assert text(*units, verbose=True).count("  unchanged    because") == 100


def test_before_a_run_the_first_changes_and_the_first_blocked_are_shown() -> None:
    units = [unit(f"f{n:03}") for n in range(30)] + [unit(f"g{n:03}", Action.BLOCKED) for n in range(25)]
    lines = text(*units, whole=False).splitlines()
    assert sum(" new version " in line for line in lines) == 20
    assert sum(" blocked " in line for line in lines[:-3]) == 20
    assert lines[-3:] == ["  … and 10 more", "  … and 5 more blocked", "plan: 30 new version, 25 blocked"]
    assert "more" not in text(*units)


def test_what_a_failed_build_has_printed_is_shown_once() -> None:
    failure = Failure("the build failed", kind="build", advice="run it by hand", detail="compiling\n\x1b[31merror")
    failed = [unit(key, Action.BLOCKED, failure=failure, failed_step=Step.BUILD) for key in ("ant", "bee")]
    assert text(*failed).splitlines() == [
        "  2 functions failed: ant, bee: because; run it by hand",
        "      | compiling",
        "      | error",
        "plan: 2 failed",
    ]


def test_one_cause_of_many_functions_is_reported_once() -> None:
    build = Failure("the build failed", kind="build", advice="run it by hand", detail="compiling", request_id="r1")
    secret = Failure('folder b1g has no secret named "x"', kind="name")
    failed = [
        unit(f"f{n}", Action.BLOCKED, reason=build.message, failure=replace(build, request_id=f"r{n}"),
             failed_step=Step.BUILD) for n in range(7)
    ]  # fmt: skip
    blocked = [unit(f"s{n}", Action.BLOCKED, reason=secret.message, failure=secret) for n in range(2)]
    alone = unit("zoo", Action.BLOCKED, reason=secret.message, failure=replace(secret, advice="make it"))
    named = text(*failed, *blocked, alone).splitlines()
    assert named == [
        '  zoo  blocked      folder b1g has no secret named "x"; make it',
        "  7 functions failed: f0, f1, f2, f3, f4 and 2 more: the build failed; run it by hand",
        "      | compiling",
        '  2 functions blocked: s0, s1: folder b1g has no secret named "x"',
        "plan: 3 blocked, 7 failed",
    ]
    assert ": f0, f1, f2, f3, f4, f5, f6: the" in text(*failed, verbose=True)
    many = [
        unit(f"f{cause}-{n}", Action.BLOCKED, reason=f"r{cause}", failure=replace(secret, advice=str(cause)))
        for cause in range(25) for n in range(2)
    ]  # fmt: skip
    assert "  … and 10 more blocked" in text(*many, whole=False).splitlines()


UNITS = tuple(unit(f"f{number:03}") for number in range(12))


@pytest.mark.parametrize(
    ("rollout", "lines"),
    [
        (Rollout(), []),
        (Rollout(max_failures=0), ["1 wave; stops at the first failure"]),
        (
            Rollout(waves=(1, "50%", "100%"), pause_s=600.0),
            [
                "3 waves, 10m apart; a wave with a failure is the last one",
                "  wave 1: 1 function: f000",
                "  wave 2: 5 functions: f001, f002, f003, f004, f005",
                "  wave 3: 6 functions: f006, f007, f008, f009, f010 and 1 more",
            ],
        ),
        (
            Rollout(waves=(11, "100%"), max_failures="2%"),
            [
                "2 waves; stops when more than 2% of the functions in the waves so far have failed",
                "  wave 1: 11 functions: f000, f001, f002, f003, f004 and 6 more",
                "  wave 2: 1 function: f011",
            ],
        ),
    ],
)
def test_the_waves_are_reported(rollout: Rollout, lines: list[str]) -> None:
    reported = text(*UNITS, rollout=rollout).splitlines()
    assert reported[12:-1] == lines
    assert reported[-1] == "plan: 12 new version"


GATE = Gate(("./gate.sh", "a b"), Path(), 30.0)
IN_TWO = "in two phases: all new versions, then the tags; if a function fails, all are rolled back"
SPLIT = "this is not atomic: tags move one by one, and $latest is new before any tag moves"


@pytest.mark.parametrize(
    ("rollout", "reported", "document"),
    [
        (Rollout(), "", {}),
        (Rollout(approval=True), "", {"approval": True}),  # with one wave, nothing follows it
        (
            Rollout(waves=(1, "100%"), approval=True),
            "2 waves; after each wave the run ends as paused (exit 3) until `promote` continues it;",
            {"approval": True, "ends_paused": True},
        ),
        (
            Rollout(waves=(1, "100%"), pause_s=3600.0),
            "2 waves; after each wave the run ends as paused (exit 3) for 1h; then `promote` continues it;",
            {"ends_paused": True},
        ),
        (
            Rollout(max_failures=0, on_breach="rollback"),
            "1 wave; stops at the first failure and rolls back",
            {"on_breach": "rollback"},
        ),
        (Rollout(max_failures=0, on_breach="pause"), "1 wave; a breach pauses the run;", {"on_breach": "pause"}),
        (
            Rollout(waves=(1, "100%"), gate=GATE),
            "2 waves; the gate ./gate.sh 'a b' runs after each wave, also the last, at most 30s;",
            {"gate": {"command": ["./gate.sh", "a b"], "timeout_s": 30.0}},
        ),
        (
            Rollout(waves=(1, "100%"), two_phase=True, gate=GATE),
            f"2 waves of tag moves; the gate ./gate.sh 'a b' runs before tags move, at most 30s; {IN_TWO}; {SPLIT};",
            {"two_phase": True, "waves_of": "tag moves", "notes": [SPLIT]},
        ),
        (Rollout(two_phase=True), f"1 wave; {IN_TWO}; {SPLIT}", {"two_phase": True}),
    ],
)
def test_what_decides_the_night_is_reported(rollout: Rollout, reported: str, document: dict[str, object]) -> None:
    line, *_ = text(*UNITS, rollout=rollout).splitlines()[12:]
    assert line.startswith(reported or "plan:")
    found = plan_json(PlanView(Plan(UNITS), rollout=rollout))
    keys = ("approval", "ends_paused", "on_breach", "gate", "two_phase", "waves_of", "notes")
    assert {key: found[key] for key in document} == document
    assert document or not any(key in found for key in keys)


def test_what_is_not_done_is_in_no_wave() -> None:
    units = (unit("ant", Action.UNCHANGED), unit("ark", Action.BLOCKED), unit("bee"), unit("cat"))
    found = plan_json(PlanView(Plan(units), rollout=Rollout(waves=(1, "100%"), pause_s=5.0)))
    assert found["waves"] == [{"wave": 1, "functions": ["bee"]}, {"wave": 2, "functions": ["cat"]}]
    assert (found["max_failures"], found["pause_s"]) == (None, 5.0)
    assert found["stops"] == "a wave with a failure is the last one"
    assert found["warnings"] == []
    view = PlanView(Plan(()), warnings=("token=abcdefgh is odd",))
    assert orjson.loads(render_json(view, None, Outlet(Redactor())))["warnings"] == ["token=[redacted] is odd"]


def test_what_the_manifest_does_not_have_is_counted_and_named_when_asked() -> None:
    undeclared = (Undeclared("b1g", (function("old-api"), function("old-job")), 7),)
    line = "live in the folder, not in the manifest: 9, of which 2 made by this tool"
    assert text(unit("ant"), undeclared=undeclared).splitlines()[1:-1] == [f"{line} (--verbose lists them)"]
    assert f"{line}: old-api, old-job\n" in text(unit("ant"), undeclared=undeclared, verbose=True)
    found = plan_json(PlanView(Plan(()), undeclared=undeclared))["undeclared"]
    assert found == [
        {
            "folder_id": "b1g",
            "functions": [
                {"name": "old-api", "function_id": "id-old-api"},
                {"name": "old-job", "function_id": "id-old-job"},
            ],
            "others": 7,
        }
    ]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (Undeclared("b1g", (function("old"),), 0), "not in the manifest: 1 (--verbose lists them)"),
        (Undeclared("b1g", (), 7), "not in the manifest: 7, none known to be made by this tool"),
    ],
)
def test_who_made_it_is_said_where_it_is_known(found: Undeclared, line: str) -> None:
    assert text(undeclared=(found,)).splitlines()[0] == f"live in the folder, {line}"
    both = text(undeclared=(found, replace(found, folder_id="b1h"))).splitlines()
    assert [row.partition(",")[0] for row in both[:2]] == ["live in folder b1g", "live in folder b1h"]


MAKES = Change(ChangeKind.VERSION, {"$latest": "v1"}, {"$latest": None})
VERIFIES = Change(ChangeKind.VERIFY, {}, {"$latest": None})


def moves(tag: str) -> Change:
    return Change(ChangeKind.TAG, {tag: "v1"}, {tag: None})


@pytest.mark.parametrize(
    ("verify", "changes", "then"),
    [
        (None, (MAKES,), ""),
        (None, (MAKES, moves("stable")), "; then stable moves unverified, since no `verify` is declared"),
        (Verify(), (MAKES, VERIFIES), "; then verified by a call"),
        (Verify(), (MAKES, VERIFIES, moves("stable")), "; then verified by a call, then stable moves"),
        (Verify(http=HttpCheck()), (VERIFIES, moves("stable")), "; then verified by an HTTP call, then stable moves"),
        (Verify(command=("./x",)), (MAKES, VERIFIES, moves("a"), moves("stable")),
            "; then verified by a command, then a, stable move"),
        (None, (moves("other"),), ""),  # a tag of `tags` that the live version lacks
    ],
)  # fmt: skip
def test_what_follows_a_version_is_said(verify: Verify | None, changes: tuple[Change, ...], then: str) -> None:
    desired = spec("ant", verify=verify, promote=("a", "stable"))
    first = text(unit("ant", spec=desired, changes=changes)).splitlines()[0]
    assert first == f"  ant  new version  because{then}"


@pytest.mark.parametrize(
    ("called_by", "tags", "changes", "met"),
    [
        ("$latest", (), (MAKES, VERIFIES), "users call $latest: they get the new version before it is verified"),
        ("$latest", (), (MAKES, moves("stable")), "users call $latest: they get the new version before its tags move"),
        ("stable", (), (MAKES, VERIFIES, moves("stable")),
            "users call the tag stable: they get the new version once it has moved"),
        ("live", ("live",), (MAKES, VERIFIES),
            "users call the tag live, which `tags` moves at once: they get the new version before it is verified"),
        ("old", (), (MAKES, VERIFIES),
            "users call the tag old, which does not move: they do not get the new version"),
        ("$latest", (), (VERIFIES,), ""),
        ("$latest", (), (MAKES,), ""),
    ],
)  # fmt: skip
def test_when_users_meet_a_new_version_is_said(
    called_by: str, tags: tuple[str, ...], changes: tuple[Change, ...], met: str
) -> None:
    desired = spec("ant", verify=Verify(), promote=("stable",), called_by=called_by, settings=settings(tags=tags))
    lines = text(unit("ant", spec=desired, changes=changes), unit("bee", spec=desired, changes=changes)).splitlines()
    assert [line for line in lines if "users" in line] == ([f"ant, bee: {met}"] if met else [])


def test_a_plan_without_verification_says_so() -> None:
    assert "verification is skipped (--no-verify)" in text(unit("ant"), skips_verification=True)
    view = PlanView(Plan((unit("ant", spec=spec("ant", promote=("stable",)), changes=(MAKES, moves("stable"))),)))
    document = plan_json(replace(view, skips_verification=True))
    assert (document["skips"], document["units"][0]["then"]) == (
        ["verification"],
        "then stable moves unverified, since no `verify` is declared",
    )


CHANGED = (
    SettingChange("~", "memory", "128MB → 256MB"),
    SettingChange("+", "service account", "aje1"),
    SettingChange("-", "environment", "OLD"),
)


def test_settings_that_change_stand_below_as_a_diff() -> None:
    reported = "memory 128MB → 256MB"
    one = unit(
        "f",
        reason="made by hand: memory 128MB → 256MB; a tag",
        settings=CHANGED,
        settings_text="memory 128MB → 256MB",
    )
    assert text(one).splitlines()[:4] == [
        "  f  new version  made by hand; a tag",
        "      ~ memory          128MB → 256MB",
        "      + service account aje1",
        "      - environment     OLD",
    ]
    alone = replace(one, reason="memory 128MB → 256MB", settings=CHANGED[:1])
    assert text(alone).splitlines()[0] == "  f  new version  ~ memory 128MB → 256MB"
    two = replace(one, reason=reported, settings=CHANGED[:2])
    assert text(two).splitlines()[0] == "  f  new version  settings changed"


def test_changes_of_the_function_itself_and_new_tags_are_parts_of_the_diff() -> None:
    labels = Change(ChangeKind.UPDATE, {"labels": {"team": "a", "x": None}}, {"labels": {"team": "b", "x": "1"}})
    version = Change(ChangeKind.VERSION, {"$latest": "d4e1", "orc-a": "", "new": "", "stable": "d4e1"}, {})
    scaling = Change(ChangeKind.SCALING, {"scaling": {"stable": {"zone_instances": 3}}}, {"scaling": {"stable": None}})
    public = Change(ChangeKind.ACCESS, {"public": {"r": None}}, {"public": {"r": True}})
    reason = "; ".join(["code: a.py; memory 128MB → 256MB", *map(in_words, (labels, scaling, public))])
    one = unit("f", reason=reason, changes=(labels, version, scaling, public), settings=CHANGED[:1])
    one = replace(one, settings_text="memory 128MB → 256MB")
    assert text(one, verbose=True).splitlines()[:7] == [
        "  f  new version  code: a.py",
        "      ~ memory  128MB → 256MB",
        "      ~ label   team: a → b",
        "      + label   x: 1",
        "      - scaling stable: zone_instances 3",
        "      ~ public  no → yes",
        "      + tag     new",
    ]
    alone = unit("f", Action.UPDATE, reason=in_words(public), changes=(public,))
    assert text(alone).splitlines()[0].endswith("  ~ public no → yes")


def test_of_many_settings_the_first_are_reported_and_with_verbose_all() -> None:
    many = tuple(SettingChange("+", "environment", f"N{number}") for number in range(9))
    one = unit("f", settings=many, settings_text="because")
    assert text(one).splitlines()[5:7] == [
        "      + environment N4",
        "      … and 4 settings more (--verbose lists them)",
    ]
    assert len(text(one, verbose=True).splitlines()) == len(text(one).splitlines()) + 3
