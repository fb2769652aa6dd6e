"""A report in words: questions that its text and its Markdown must answer."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.journal.events import UnitEnded
from orchestrator.journal.rollout_events import GateBegan, GateEnded, PauseBegan, VersionVerified, WaveStarted
from orchestrator.model import Verdict
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.tables import tables_of
from orchestrator.report.account.values import Account
from orchestrator.report.account.view import ReportView
from orchestrator.report.formats import FORMATS
from tests.runs import STARTED_AT, account, failed
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


def told(found: Account, form: str) -> str:
    return FORMATS[form]()(ReportView(found), None, Outlet(Redactor()))


def test_the_text_answers_what_bound_it_what_was_slow_and_what_failed_first() -> None:
    text = told(account(RUN), "text")
    for line in (
        "time           19.0 s, of which 7.0 s at the end of waves, while the next one waited for the last functions",
        "longest        b, 7.0 s of work",
        "polling        1 operation seen as done 0.4 s late in total (8 % of their time)",
        "first failure  b",
    ):
        assert line in text
    for row in (
        ("bound by folder b1gfolder: all 2 operations in use", "5.0 s", "26 %"), ("pauses between waves", "4.0 s"),
        ("b", "failed", "7.0 s", "0.0 s", "track 6.9 s"), ("cloud b1c", "20 (quota-manager)", "2"),
        ("gate", "16.0 s", "2.0 s", "after wave 1, passed: fine"),
        ("failed", "1", "3", "1.5 s", "b", "it answered 502"), ("passed", "1", "1", "0.4 s", "a"),
    ):  # fmt: skip
        assert any(all(cell in line for cell in row) for line in text.splitlines()), row


def test_failures_stand_one_under_the_other_whatever_the_width() -> None:
    text = told(account(RUN), "text")
    assert (
        "failures:\n1 function failed in step track, INVALID_ARGUMENT: b\n    no such account: `x`|y\n"
        "    operation operation-b, request id request-b\n    name another\n\nslowest"
    ) in text


def test_the_markdown_tells_the_same_and_foreign_text_stands_in_code() -> None:
    text = told(account(RUN), "markdown")
    assert text.startswith(f"## Run `{account(RUN).run_id}`: failed\n\n19.0 s, of which")
    assert "| bound by folder b1gfolder: all 2 operations in use | 5.0 s | 26 % |" in text
    assert "``no such account: `x`\\|y``" in text
    for table in tables_of(account(RUN)):
        rows = [line for line in text.splitlines() if line.startswith(f"| {table.head[0]} |")]
        assert rows, table.title


def test_a_name_that_is_markup_stays_a_name() -> None:
    found = account(RUN)
    named = replace(found.functions[0], function="[x](http://y) @all <b>")
    text = told(replace(found, functions=(named,)), "markdown")
    assert "| `[x](http://y) @all <b>` |" in text


def test_a_comment_takes_no_more_than_it_has_room_for() -> None:
    found = account(RUN)
    causes = tuple(replace(found.causes[0], message="x" * 390, first=str(number)) for number in range(300))
    text = told(replace(found, causes=causes), "markdown")
    assert len(text) <= 60_000
    assert "more lines" in text[-200:]
