"""A plan as Markdown: untrusted text is no markup, it fits into a comment, and what is left out is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.state import fold
from orchestrator.model import Action, Failure, Plan, Rollout, Step, Unchanged, Unit, WayBack, WayBackKind
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.markdown.pieces import code
from orchestrator.report.markdown.render import MAX_CHARS, render_markdown
from orchestrator.report.views import PlanView, ResultView, RunsView, SavedPlanView
from tests.builders import spec
from tests.runs import deployment, ended, failed, started

OUTLET = Outlet(Redactor())


def unit(key: str, action: Action = Action.VERSION, reason: str = "memory 128MB → 256MB", **more: object) -> Unit:
    way = WayBack(WayBackKind.COPY) if action is Action.VERSION else None
    made = Unit(key, spec(key, folder_id="b1g"), action, reason, way_back=way)
    return replace(made, **more)  # type: ignore[arg-type]  # of a test's own spelling


def text(*units: Unit, facts: dict[str, str] | None = None, **given: object) -> str:
    view = PlanView(Plan(units), **given)  # type: ignore[arg-type]  # the same
    return render_markdown(view if facts is None else SavedPlanView(facts, view, b"{}"), None, OUTLET)


def test_a_saved_plan_is_a_table_with_what_it_is_and_until_when() -> None:
    blocked = unit("bad", Action.BLOCKED, "edited by hand", failure=Failure("edited by hand", advice="--adopt bad@d4e"))
    failed = unit("mad", Action.BLOCKED, "no such file", failed_step=Step.PACKAGE)
    reported = text(
        blocked, failed, unit("auth"), unit("bill"), unit("same", Action.UNCHANGED, "as wanted"),
        facts={"plan": "3f2a", "expires": "2026-11-28T23:00:00Z", "commit": ""},
        rollout=Rollout(waves=(1, "100%")), warnings=("a | b",),
    )  # fmt: skip
    assert reported.splitlines() == [
        "### Plan `3f2a`: **2** new version, **1** unchanged, **2** blocked",
        "",
        "- expires: `2026-11-28T23:00:00Z`",
        "",
        "| function | action | reason | rollback |",
        "| --- | --- | --- | --- |",
        "| `auth` | new version | `memory 128MB → 256MB` | `by a copy of the previous version` |",
        "| `bill` | new version | `memory 128MB → 256MB` | `by a copy of the previous version` |",
        "| `bad` | blocked | `edited by hand; --adopt bad@d4e` |  |",
        "| `mad` | failed | `no such file` |  |",
        "",
        "- `2 waves; a wave with a failure is the last one`",
        "- `wave 1: 1 function: auth`",
        "- `wave 2: 1 function: bill`",
        "- warning: `a \\| b`",
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        "<script>alert(1)</script>", "![x](https://evil)", "@everyone #1", "a | b", "`x` ``y``", "`", "| --- |", "a\nb",
        "**bold** _it_", "</td>\r\n# head", "::error::x", "\u202eabc",
    ],
)  # fmt: skip
def test_foreign_text_is_in_a_code_span_of_one_cell(foreign: str) -> None:
    reported = text(unit("f", reason=foreign), facts={"plan": "3f2a", "manifest": foreign})
    (line,) = (line for line in reported.splitlines() if line.startswith("| `f`"))
    cells = line.replace("\\|", "").split("|")
    assert len(cells) == 6, line
    span = cells[3].strip()
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert fence
    assert span.endswith(fence)
    assert fence not in span[len(fence) : -len(fence)].strip().replace("`" * (len(fence) + 1), "")
    assert not [line for line in reported.splitlines() if line.startswith(("# ", "<", "!", "::"))]


def test_a_code_span_of_nothing_is_nothing_and_a_long_one_loses_its_end() -> None:
    assert (code(""), code("  ")) == ("", "")
    assert (code("x"), code("`x"), code("a`b")) == ("`x`", "`` `x ``", "``a`b``")
    assert len(code("x" * 1000)) == 403


@pytest.mark.parametrize("reason", ["because", "|" * 400])
@pytest.mark.parametrize("count", [10, 600])
def test_it_fits_into_a_comment_and_says_what_is_left_out(count: int, reason: str) -> None:
    units = [unit(f"function-with-a-long-name-{number:05}", reason=reason) for number in range(count)]
    reported = text(*units, warnings=tuple(f"warning {number} {'w' * 300}" for number in range(count)))
    assert len(reported) <= MAX_CHARS
    shown = reported.count("| `function-with")
    if shown < count:
        assert f"… and {count - shown} more functions\n" in reported
    assert f"**{count}** new version" in reported


def test_one_cause_has_one_row_and_its_functions_are_counted_where_it_is_cut_off() -> None:
    failure = Failure("the build failed", advice="run it by hand")
    failed = [unit(f"f{n}", action=Action.BLOCKED, reason=failure.message, failure=failure) for n in range(7)]
    rows = [line for line in text(*failed).splitlines() if line.startswith("| `")]
    assert rows == [
        "| `7 functions: f0, f1, f2, f3, f4 and 2 more` | blocked | `the build failed; run it by hand` |  |"
    ]
    many = [unit(f"function-with-a-long-name-{number:05}", reason="|" * 400) for number in range(200)]
    reported = text(*many, *failed)
    assert f"… and {207 - reported.count('| `function-with')} more functions" in reported


def test_what_is_no_plan_is_as_on_a_terminal() -> None:
    assert render_markdown(RunsView(()), None, OUTLET) == "```\nno runs yet\n```"


def test_a_result_is_counts_causes_the_next_command_and_a_table() -> None:
    events = [started(units=3), *deployment("auth"), *deployment("bill", outcome=failed(detail="1\nlast | line"))]
    events += [*deployment("same", outcome=Unchanged("v")), ended(1)]
    view = ResultView(fold(events), next_step="`orchestrator deploy` is a new run", warnings=("beware",))
    what, then = "failed in step track, INVALID_ARGUMENT", "grant iam.serviceAccounts.user"
    assert render_markdown(view, None, OUTLET).splitlines() == [
        "### `deploy`, failed: **1** unchanged, **1** deployed, **1** failed",
        "",
        "- run: `20261125T030000-a1b2c3`",
        "- exit code: `1`",
        "- took: `8.4 s`",
        "- next: `` `orchestrator deploy` is a new run ``",
        "",
        "| functions | what | cause | next |",
        "| --- | --- | --- | --- |",
        f"| 1: `bill` | {what} | `Service account is not available; last \\| line` | `{then}` |",
        "",
        "- warning: `beware`",
        "",
        "<details><summary>2 functions, without those that are unchanged</summary>",
        "",
        "| function | outcome | version | seconds |",
        "| --- | --- | --- | --- |",
        "| `auth` | deployed | `version-auth` | 3.1 |",
        "| `bill` | failed | `version-bill` | 3.1 |",
        "",
        "</details>",
    ]


def test_a_large_result_fits_into_a_comment_and_says_what_is_left_out() -> None:
    keys = [f"function-with-a-long-name-{number:05}" for number in range(1500)]
    letters = ["".join(chr(ord("a") + int(digit)) for digit in key[-5:]) for key in keys]  # numbers do not differ
    units = zip(keys, letters, strict=True)
    events = [event for key, why in units for event in deployment(key, outcome=failed(f"because {why} {'|' * 300}"))]
    reported = render_markdown(ResultView(fold([started(units=1500), *events, ended(1)])), None, OUTLET)
    assert len(reported) <= MAX_CHARS
    assert "… and 1480 functions of 1480 other causes" in reported
    assert "more functions" in reported
    assert reported.endswith("</details>")
