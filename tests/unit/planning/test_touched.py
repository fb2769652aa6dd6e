"""What a chain of runs may have changed if records of lost machines, which may be behind, are all that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.events import Event, OperationAccepted, RunEnded, UnitEnded
from orchestrator.journal.state import fold
from orchestrator.model import Cancelled, Change, ChangeKind, Deployed
from orchestrator.planning.back.touched import touched_by
from tests.runs import STARTED_AT, planned, started

OWN = Change(ChangeKind.UPDATE, {"labels": {"team": "a"}}, {"labels": {"team": "b"}})
VERSION = Change(ChangeKind.VERSION, {"$latest": "base-f"}, {"$latest": None})
PLANNED = replace(planned("f"), changes=(OWN, VERSION))
MADE = OperationAccepted(STARTED_AT, "f", ChangeKind.VERSION, "operation", "d4e-f", "version", change=0)
SECOND = replace(started("second"), resumes="first")


@pytest.mark.parametrize(
    ("then", "recorded", "own", "perhaps"),
    [
        ((), True, True, True),  # killed: it may have done anything that it had planned
        ((), False, None, None),  # a journal has all requests
        ((SECOND, replace(PLANNED, changes=(VERSION,)), MADE), True, True, False),  # the labels were there by then
        ((SECOND, replace(PLANNED, changes=(VERSION,)), MADE), False, False, False),
        ((SECOND, PLANNED, UnitEnded(STARTED_AT, "f", Deployed("version", read_back=True))), True, True, True),
        ((SECOND, PLANNED, UnitEnded(STARTED_AT, "f", Cancelled())), True, None, None),
    ],
)
def test_what_a_record_does_not_tell_may_have_been_done_unless_it_was_still_to_be_done_later(
    then: tuple[Event, ...], recorded: bool, own: bool | None, perhaps: bool | None
) -> None:
    events: list[Event] = [replace(started("first"), recorded=recorded), PLANNED, *then]
    if then:
        events.append(RunEnded(STARTED_AT, 0, ""))
    found = touched_by(fold(events)).get("f")
    assert (None if found is None else found.own == (OWN,)) == own
    assert (None if found is None else found.perhaps) == perhaps
