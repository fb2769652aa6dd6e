"""A resumed prune deletes no more than was agreed to, including what it is deleting already."""

from __future__ import annotations

import pytest

from orchestrator.model import Function
from orchestrator.planning.prune.plan import FunctionPrune, PrunePlan, only
from orchestrator.planning.prune.rule import JudgedVersion, Why


@pytest.mark.parametrize(
    ("why", "detail", "agreed", "goes"),
    [
        (Why.OLD, "", True, True),
        (Why.OLD, "", False, False),
        (Why.CHANGING, "DELETING", True, True),  # requested, and its end is not known
        (Why.CHANGING, "DELETING", False, False),
        (Why.CHANGING, "CREATING", True, False),
        (Why.TAGGED, "stable", True, False),
    ],
)
def test_of_a_prune_that_is_taken_up_goes_what_was_agreed_to(why: Why, detail: str, agreed: bool, goes: bool) -> None:
    function = Function("d4e", "thumbnailer", "folder")
    plan = PrunePlan((FunctionPrune("thumbnailer", function, (JudgedVersion("v", None, 0, why, detail),)),))
    assert only(plan, {"d4e": ["v"] if agreed else []}).goes == goes
