"""The board of a job, as text and as JSON."""

from __future__ import annotations

from orchestrator.job.contract import JobStatus
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Blocked, Deployed, Outcome, Unknown
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.board import board_json, board_text, statuses
from orchestrator.report.text import render_text
from orchestrator.report.views import BoardView
from tests.runs import deployment, failed, started

BOARD = (
    JobStatus("auth", "b1g", "python312", "done"),
    JobStatus("bill", "b1g", "python312", "old tags", "tags still serve an old runtime: stable (python37, d4e1)"),
    JobStatus("cart", "b1g", "python37", "waiting"),
    JobStatus("docs", "b1h", "python37", "waiting"),
    JobStatus("edge", "b1h", "python38", "skipped", "vendor code (owner ann, until 2027-03-01)"),
)


def last_run(key: str, outcome: Outcome) -> RunState:
    state: RunState = fold([started(units=1), *deployment(key, outcome=outcome)])
    state.units[key].folder_id = "b1g"
    return state


def test_the_board_counts_per_runtime_and_folder_and_lists_what_is_left() -> None:
    assert (
        board_text(BOARD, width=160)
        == """\
5 functions: 1 done, 1 old tags, 2 waiting, 1 skipped

runtime    folder  done  old tags  waiting  failed  skipped
python312  b1g        1         1        0       0        0
python37   b1g        0         0        1       0        0
python37   b1h        0         0        1       0        0
python38   b1h        0         0        0       0        1

waiting  runtime   folder
cart     python37  b1g
docs     python37  b1h

skipped  runtime   folder  why
edge     python38  b1h     vendor code (owner ann, until 2027-03-01)

old tags  runtime    folder  why
bill      python312  b1g     tags still serve an old runtime: stable (python37, d4e1)"""
    )


def test_an_empty_board_says_so() -> None:
    assert board_text((), width=160) == "no function uses or used these runtimes"


def test_what_failed_in_the_last_run_and_still_waits_has_failed_with_the_reason() -> None:
    text = board_text(statuses(BOARD, last_run("cart", failed("the build failed"))), width=160)
    assert "5 functions: 1 done, 1 old tags, 1 waiting, 1 failed, 1 skipped" in text
    assert "cart    python37  b1g     track: the build failed" in text


def test_what_was_blocked_has_failed() -> None:
    data = board_json(statuses(BOARD, last_run("cart", Blocked("a field is not known"))))
    (row,) = [row for row in data["functions"] if row["function"] == "cart"]
    assert (row["status"], row["note"]) == ("failed", "a field is not known")


def test_an_unknown_outcome_still_waits_and_says_why() -> None:
    data = board_json(statuses(BOARD, last_run("cart", Unknown("not seen to end"))))
    (row,) = [row for row in data["functions"] if row["function"] == "cart"]
    assert (row["status"], row["note"]) == ("waiting", "not seen to end")


def test_what_failed_once_and_is_done_by_now_is_done() -> None:
    assert board_json(statuses(BOARD, last_run("auth", failed())))["totals"]["done"] == 1


def test_a_success_of_the_last_run_does_not_hide_that_it_waits_again() -> None:
    assert board_json(statuses(BOARD, last_run("cart", Deployed("d4e2"))))["totals"]["waiting"] == 2


def test_the_same_name_in_another_folder_is_another_function() -> None:
    state = last_run("docs", failed())
    assert board_json(statuses(BOARD, state))["totals"]["failed"] == 0


def test_the_json_has_totals_counts_and_every_function() -> None:
    data = board_json(BOARD)
    assert data["totals"] == {"done": 1, "old tags": 1, "waiting": 2, "failed": 0, "skipped": 1}
    assert data["counts"][0] == {
        "runtime": "python312", "folder_id": "b1g", "done": 1, "old tags": 1, "waiting": 0, "failed": 0, "skipped": 0,
    }  # fmt: skip
    assert data["functions"][4] == {
        "function": "edge", "folder_id": "b1h", "runtime": "python38", "status": "skipped",
        "note": "vendor code (owner ann, until 2027-03-01)",
    }  # fmt: skip


def test_a_job_without_a_board_says_so() -> None:
    text = render_text(BoardView((), 'job "nightly" has no board'), None, Outlet(Redactor()))
    assert str(text) == 'job "nightly" has no board'
