"""Which Version is live after a run: what the account of a run says of each function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, UnitEnded
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Blocked, Change, ChangeKind, Deployed, Failed, Step, Unknown
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.accounts import account_of
from tests.runs import STARTED_AT, account, ended, failed, failure, planned, started

T = STARTED_AT
VERSION = (Change(ChangeKind.VERSION),)
FIRST = replace(planned("f"), action=Action.CREATE, base_version_id="", changes=VERSION)
NEXT = replace(planned("f"), changes=VERSION)
REQUESTED = Requested(T + 1, "f", "createVersion", "d4e-f", "key-f", 0)
ACCEPTED = OperationAccepted(T + 1, "f", "createVersion", "op-f", "d4e-f", "new-f", "request-f")
DONE, BAD = OperationDone(T + 2, "f", "op-f", 1.0), OperationDone(T + 2, "f", "op-f", 1.0, "build failed")


def after(events: Sequence[Event]) -> tuple[str, str]:
    (one,) = account([started(), *events, ended(1)]).functions
    return one.live, one.live_version_id


@pytest.mark.parametrize(
    ("events", "live"),
    [
        ([NEXT, REQUESTED, ACCEPTED, DONE, UnitEnded(T + 2, "f", Deployed("new-f"))], ("new", "new-f")),
        ([NEXT, REQUESTED, ACCEPTED, DONE, UnitEnded(T + 3, "f", failed(step=Step.VERIFY))], ("new", "new-f")),
        ([NEXT, UnitEnded(T + 2, "f", Deployed("new-f"))], ("new", "new-f")),
        ([replace(NEXT, action=Action.RETAG, changes=()), UnitEnded(T + 2, "f", Deployed("x"))], ("old", "base-f")),
        ([NEXT, REQUESTED, ACCEPTED, BAD, UnitEnded(T + 2, "f", failed())], ("old", "base-f")),
        ([FIRST, REQUESTED, ACCEPTED, BAD, UnitEnded(T + 2, "f", failed())], ("none", "")),
        ([NEXT, REQUESTED, UnitEnded(T + 2, "f", failed(step=Step.CREATE))], ("old", "base-f")),
        ([FIRST, REQUESTED, UnitEnded(T + 2, "f", failed(step=Step.CREATE))], ("none", "")),
        ([NEXT, REQUESTED, ACCEPTED, UnitEnded(T + 2, "f", failed())], ("unknown", "")),
        ([NEXT, REQUESTED, UnitEnded(T + 2, "f", Unknown("lost"))], ("unknown", "")),
        ([NEXT, REQUESTED, ACCEPTED, DONE, UnitEnded(T + 3, "f", failed(step=Step.READ_BACK))], ("unknown", "")),
        ([NEXT, UnitEnded(T, "f", Blocked("edited by hand"))], ("old", "base-f")),
        ([replace(NEXT, base_version_id="", changes=()), UnitEnded(T, "f", Blocked("no access"))], ("unknown", "")),
        ([NEXT, REQUESTED, ACCEPTED, DONE, UnitEnded(T + 3, "f", Failed(Step.VERIFY, failure(), "copy-f"))],
         ("old", "copy-f")),
    ],
)  # fmt: skip
def test_what_is_live_follows_from_the_events(events: list[Event], live: tuple[str, str]) -> None:
    assert after(events) == live


@pytest.mark.parametrize(
    ("events", "live"),
    [
        ([UnitEnded(T + 9, "f", Deployed("copy-f"))], ("old", "copy-f")),
        ([replace(ACCEPTED, version_id="copy-f", operation_id="op-c")], ("unknown", "")),
        ([UnitEnded(T + 9, "f", Blocked("left alone: edited since"))], ("new", "new-f")),
    ],
)
def test_a_rollback_of_the_run_counts_even_for_functions_that_are_known(
    events: list[Event], live: tuple[str, str]
) -> None:
    found, back, known = Accounting(), RunState(), {}  # type: ignore[var-annotated]  # its values are the account's
    first: list[Event] = [started(), NEXT, REQUESTED, ACCEPTED, DONE, UnitEnded(T + 3, "f", failed(step=Step.VERIFY))]
    for event in first:
        found(event)
    assert account_of(found, T + 5, known=known).functions[0].live == "new"
    for later in (started("R2"), replace(NEXT, action=Action.COPY), *events):
        back.apply(later)
    (one,) = account_of(found, T + 5, known=known, back=back).functions
    assert (one.live, one.live_version_id) == live
