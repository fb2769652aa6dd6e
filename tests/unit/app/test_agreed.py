"""Consent given to a rollback also applies when it is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.session import back
from orchestrator.app.session.options import RunOptions
from orchestrator.function.access import ROLE
from orchestrator.journal.events import unit_planned
from orchestrator.journal.state import fold
from orchestrator.model import Action, Change, ChangeKind, Unit
from tests.builders import spec


@pytest.mark.parametrize(("given", "opened"), [(True, True), (None, False)])
def test_what_a_rollback_was_to_open_is_opened_by_whoever_goes_on_with_it(given: bool | None, opened: bool) -> None:
    change = Change(ChangeKind.ACCESS, {"public": {ROLE: None if given else True}}, {"public": {ROLE: given}})
    unit = Unit("f", spec("f"), Action.UPDATE, "", changes=(change,))
    begun = fold([unit_planned(0.0, unit, {})])
    options = RunOptions("rollback", Path("deploy.toml"), wider=("g*",))
    agreed = back._agreed(options, begun)["wider"]
    assert ("f" in agreed, "g1" in agreed, "h" in agreed) == (opened, True, False)
    assert "f" not in back._agreed(options)["wider"]
