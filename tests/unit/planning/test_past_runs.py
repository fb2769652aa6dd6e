"""Which run has made a version: one that sent the call, got the answer, or followed the Operation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.planning.why.facts import PastOperation, PastRun, SentCall, WaitingFor, WaitsFor
from orchestrator.planning.why.past_runs import continued, maker_of, still_waited

OPEN, DONE = "not seen to end", "done"


def run(number: int, *, sent: str = "", ended: str = "", key: str = "k", version_id: str = "v") -> PastRun:
    """Return a run that begins at that minute, sends the call ten seconds later, and knows the Operation as `ended`."""
    at = f"2026-11-27T03:{number:02}:{{}}+00:00"
    return PastRun(
        f"r{number}", "deploy", "done", at.format("00"), f"by{number}", "", "new version", "", "",
        operations=(PastOperation("op", "createVersion", ended, "", version_id, key),) if ended else (),
        sent=(SentCall("createVersion", sent, at.format("10"), answered=bool(ended)),) if sent else (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "minute", "maker", "followed_by"),
    [
        ([run(1, sent="k", ended=DONE)], 1, "r1", ""),
        ([run(1, sent="k", ended=OPEN), run(2, ended=DONE)], 1, "r1", "r2"),  # found by its id
        ([run(1, sent="k"), run(2, sent="k", ended=DONE)], 1, "r1", "r2"),  # killed before it got the answer
        ([run(1, sent="k"), run(2, sent="k", ended=DONE)], 2, "r2", ""),  # killed before it had sent anything
        ([run(1, sent="k"), run(2, sent="k", ended=DONE)], 0, "r1", "r2"),  # clocks that differ
        ([run(1, sent="k"), run(2, sent="k", ended=OPEN), run(3, ended=DONE)], 1, "r1", "r3"),
        ([run(1, sent="k"), run(2, sent="k", ended=OPEN)], 1, "r1", "r2"),  # its end is not known yet
        ([run(1, sent="other"), run(2, sent="k", ended=DONE)], 1, "r2", ""),  # another body
        ([run(1, sent=""), run(2, ended=DONE, key="")], 1, "r2", ""),  # a former program's record
        ([run(1, sent="k", ended="failed")], 1, "", ""),
        ([run(1, sent="k", ended=DONE, version_id="w")], 1, "", ""),
        (
            [run(1, sent="k", ended=DONE), run(2, sent="k", ended=DONE), run(3, sent="k")],
            3,
            "r1",
            "",
        ),  # read later
    ],
)
def test_who_has_made_a_version(runs: list[PastRun], minute: int, maker: str, followed_by: str) -> None:
    created_at = f"2026-11-27T03:{minute:02}:12+00:00"
    for order in (runs, runs[::-1]):
        found = maker_of(order, "v", created_at)
        assert ((found.run_id, found.followed_by) if found is not None else ("", "")) == (maker, followed_by)
        assert found is None or found.by == f"by{maker[1:]}"


@pytest.mark.parametrize(
    ("newer", "rolled_back_by", "kind", "waits"),
    [
        ([], "", WaitsFor.APPROVAL, True),
        (["cancelled", "failed", "blocked", ""], "", WaitsFor.APPROVAL, True),
        (["deployed"], "", WaitsFor.APPROVAL, False),
        (["failed", "unchanged"], "", WaitsFor.APPROVAL, False),
        ([], "r9", WaitsFor.APPROVAL, False),
        (["deployed"], "r9", WaitsFor.OPERATION, True),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_paused_run_is_waited_for_until_another_has_settled_the_function(
    newer: list[str], rolled_back_by: str, kind: WaitsFor, waits: bool, known: bool
) -> None:
    past = [replace(run(9 - number), outcome=outcome) for number, outcome in enumerate(newer)]
    past += [replace(run(1), outcome="cancelled", rolled_back_by=rolled_back_by)] * known
    past += [replace(run(0), outcome="deployed")] * known
    if rolled_back_by and not known:
        return
    assert still_waited([WaitingFor("r1", kind, "")], past) == [WaitingFor("r1", kind, "")] * waits


def test_the_advice_of_a_run_that_was_rolled_back_is_about_the_present() -> None:
    failed = replace(run(1), advice="look at the logs; the version serves $latest anyway")
    assert continued(failed, taken_up_by="", rolled_back_by="").advice == failed.advice
    since = continued(failed, taken_up_by="r2", rolled_back_by="r3")
    assert (since.advice, since.taken_up_by, since.rolled_back_by) == ("look at the logs", "r2", "r3")
