"""A report in words: questions that its text and its Markdown must answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import OperationAccepted, RunEnded, UnitEnded
from orchestrator.journal.rollout_events import (
    GateBegan,
    GateEnded,
    PauseBegan,
    RunPaused,
    VersionVerified,
    WaveStarted,
)
from orchestrator.model import Change, ChangeKind, Step, Verdict
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.run_facts import facts_of
from orchestrator.report.account.tables import part_words, tables_of
from orchestrator.report.account.values import Account
from orchestrator.report.account.view import ReportView
from orchestrator.report.formats import FORMATS
from orchestrator.report.html.page_data import page_data
from tests.runs import STARTED_AT, account, ended, failed, planned, started
from tests.unit.report.test_account import limits, operation, run_of

T = STARTED_AT
BAD = failed("no such account: `x`|y", operation_id="operation-b", request_id="request-b", advice="name another")
RUN = run_of(
    limits(2), [WaveStarted(T, 1, 2, 2)], operation("a", 0, 0, 5, 4.5), operation("b", 0, 0, 7),
    operation("c", 0, 5, 12),
    [UnitEnded(T + 7, "b", BAD)], [VersionVerified(T + 6, "a", "new-a", Verdict.PASSED, "", 1, 0.4)],
    [VersionVerified(T + 7, "b", "new-b", Verdict.FAILED, "it answered 502", 3, 1.5)], [PauseBegan(T + 12, 1, 4.0)],
    [GateBegan(T + 16, 1), GateEnded(T + 18, 1, Verdict.PASSED, 2.0, 0, "p99 120 ms\nfine")],
    keys="abc", end=19, code=1,
)  # fmt: skip


def reported(found: Account, form: str) -> str:
    return FORMATS[form]()(ReportView(found), None, Outlet(Redactor()))


def test_the_text_answers_what_bound_it_what_was_slow_and_what_failed_first() -> None:
    text = reported(account(RUN), "text")
    for line in (
        "time           19.0 s, of which 7.0 s at the end of waves, while the next one waited for the last functions",
        "longest        b, 7.0 s of work",
        "polling        the end of an Operation was noticed 0.4 s late on average (1 Operation)",
        "first failure  b, 7.0 s after the start: no such account: `x`|y",
        "verification   passed 1, failed 1, inconclusive 0, not declared 1",
        "began          2026-11-18 11:06:40 UTC",
        "ended          2026-11-18 11:06:59 UTC",
    ):
        assert line in text
    for row in (
        ("at the limit of folder b1gfolder (2 Operations)", "5.0 s", "26 %"), ("pauses between waves", "4.0 s"),
        ("b", "failed", "7.0 s", "0.0 s", "track 6.9 s"), ("cloud b1c", "20 (quota-manager)  20 ", "2"),
        ("gate", "16.0 s", "2.0 s", "after wave 1, passed: fine"),
        ("failed", "1", "3", "1.5 s", "b", "it answered 502"), ("passed", "1", "1", "0.4 s", "a"),
    ):  # fmt: skip
        assert any(all(cell in line for cell in row) for line in text.splitlines()), row


def test_failures_stand_one_under_the_other_whatever_the_width() -> None:
    text = reported(account(RUN), "text")
    assert (
        "failures:\n1 function failed in step track, INVALID_ARGUMENT: b\n    no such account: `x`|y\n"
        "    operation operation-b, request id request-b\n    name another\n\nlive state of what failed:\n"
    ) in text


def test_the_markdown_tells_the_same_and_foreign_text_stands_in_code() -> None:
    text = reported(account(RUN), "markdown")
    assert text.startswith(f"## Run `{account(RUN).run_id}`: failed\n\n19.0 s, of which")
    assert "| at the limit of folder b1gfolder (2 Operations) | 5.0 s | 26 % |" in text
    assert "``no such account: `x`\\|y``" in text
    for table in tables_of(account(RUN)):
        rows = [line for line in text.splitlines() if line.startswith(f"| {table.head[0]} |")]
        assert rows, table.title


def test_a_name_that_is_markup_stays_a_name() -> None:
    found = account(RUN)
    named = replace(found.functions[0], function="[x](http://y) @all <b>")
    text = reported(replace(found, functions=(named,)), "markdown")
    assert "| `[x](http://y) @all <b>` |" in text


def failing(*ends: tuple[str, str]) -> Account:
    """A run in which functions fail, each with its own message, as it is verified."""
    events = [UnitEnded(T + 5, key, failed(message, Step.VERIFY)) for key, message in ends]
    return account(run_of(events, keys="".join(key for key, _ in ends), code=1))


def test_functions_with_one_cause_and_messages_of_their_own_keep_them() -> None:
    found = failing(("a", "version 17: bad answer 17"), ("b", "version 41: bad answer 41"))
    assert len(found.causes) == 1
    assert "    a: version 17: bad answer 17\n    b: version 41: bad answer 41\n" in reported(found, "text")
    text = reported(found, "markdown")
    assert "| `a` | `version 17: bad answer 17` |" in text
    assert "| `b` | `version 41: bad answer 41` |" in text


def test_many_messages_of_one_cause_are_counted() -> None:
    found = failing(*((key, f"bad answer {number}") for number, key in enumerate("abcdefghijkl")))
    assert "    j: bad answer 9\n    and 2 more\n" in reported(found, "text")
    assert "and 2 more functions" in reported(found, "markdown")
    shared = failing(("a", "bad answer 1"), ("b", "bad answer 1"))
    assert "a, b\n    bad answer 1\n" in reported(shared, "text")


def test_what_is_live_of_a_failed_function_is_a_line() -> None:
    rows = [" ".join(line.split()) for line in reported(account(RUN), "text").splitlines()]
    assert "b failed its new version is live new-b" in rows
    row = "| `a` | `failed` | `its old version is live` | `base-a` |"
    assert row in reported(failing(("a", "bad answer")), "markdown")


def test_a_limit_that_changed_is_named_with_both_values() -> None:
    def words(*later: float) -> str:
        changes = [LimitChanged(T + 1, "folder b1gfolder", allowed, "others use it") for allowed in later]
        work = [operation(key, 0, 5 * number, 5 * number + 5) for number, key in enumerate("ab")]
        found = account(run_of(limits(1), changes, *work, keys="ab", end=10))
        return next(part_words(found, part) for part in found.parts if part.part == "bound")

    assert words() == "at the limit of folder b1gfolder (1 Operation)"
    assert words(0) == "at the limit of folder b1gfolder (1 Operation, later 0)"
    assert words(0, 1) == "at the limit of folder b1gfolder (0 to 1 Operation)"


@pytest.mark.parametrize(
    ("kinds", "skips", "said"),
    [
        ({"a": ["createVersion", "verify"], "b": ["createVersion"]}, (),
         "passed 0, failed 0, inconclusive 0, not reached 1, not declared 1"),
        ({"a": ["createVersion"], "b": ["createVersion"]}, ("verification",), "verification is skipped (--no-verify)"),
        ({"a": ["update"]}, (), "nothing to verify: no new versions"),
        ({"a": ["createVersion"]}, (), "nothing to verify: no new versions"),  # it was not reached
        ({}, (), ""),
    ],
)  # fmt: skip
def test_verifications_are_counted(kinds: dict[str, list[str]], skips: tuple[str, ...], said: str) -> None:
    plans = [
        replace(planned(key), changes=tuple(Change(ChangeKind(kind)) for kind in some)) for key, some in kinds.items()
    ]
    made = [OperationAccepted(T + 1, "b", "createVersion", "o", "d4e-b", "new-b")] if "b" in kinds else []
    found = account([started(units=len(plans)), *plans, *made, ended(1)])
    assert facts_of(replace(found, skips=skips))["verification"] == said


def test_every_form_says_the_result_in_the_words_of_show() -> None:
    begun = replace(started(units=1, at=T), verb="rollback", rolls_back="R1", left_out=3, planned_s=2.0)
    found = account([begun, planned("a"), *operation("a", 0, 0, 5), ended()])
    assert facts_of(found)["left out"] == "3 functions by the selection"
    assert facts_of(replace(found, left_out=0, disabled=1))["left out"] == "1 function with enabled = false"
    for form in ("text", "markdown"):
        text = reported(found, form)
        for said in ("1 function: 1 rolled back", "run R1", "2.0 s before it began", "3 functions by the selection"):
            assert said in text, (form, said)
        assert "deployed" not in text
        assert "verification" not in text
    page = page_data(found, lambda value: value)
    assert ["result", "1 function: 1 rolled back"] in page["facts"]
    assert page["texts"][page["functions"][0][6]] == "rolled back"


def test_why_it_paused_is_said_once() -> None:
    paused = RunPaused(T + 6, "wave 1 of 2 has ended: it waits for approval", 1)
    found = account([started(), WaveStarted(T, 1, 2, 1), planned("a"), *operation("a", 0, 0, 5), paused, ended(3)])
    text = reported(found, "text")
    assert "after wave 1" not in text
    assert text.count("wave 1 of 2 has ended: it waits for approval") == 1
    found = account([started(), WaveStarted(T, 1, 2, 1), planned("a"), *operation("a", 0, 0, 5), paused,
                     RunEnded(T + 7, 3, paused.reason)])  # fmt: skip
    assert facts_of(found)["paused"] == paused.reason
    assert "stopped" not in facts_of(found)


def test_what_to_do_next_is_in_every_form() -> None:
    found = replace(account(RUN), next=("orchestrator deploy --failed", "orchestrator rollback R"))
    said = "`orchestrator deploy --failed`, or `orchestrator rollback R`"
    assert f"  next           {said}\n" in reported(found, "text")
    assert said in reported(found, "markdown")


def test_a_comment_takes_no_more_than_it_has_room_for() -> None:
    found = account(RUN)
    causes = tuple(replace(found.causes[0], advice="x" * 390, first=str(number)) for number in range(300))
    text = reported(replace(found, causes=causes), "markdown")
    assert len(text) <= 60_000
    assert "more lines" in text[-200:]
