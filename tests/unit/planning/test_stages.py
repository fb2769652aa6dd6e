"""Which changes of a unit wait for the second stage of a run."""

from __future__ import annotations

import pytest

from orchestrator.model import Action, Change, ChangeKind, Rollout, Unit
from orchestrator.planning.stages import Staging, second_stage, staging_of
from tests.builders import spec

CREATE, UPDATE, VERSION, TAG, VERIFY = (
    ChangeKind.FUNCTION, ChangeKind.UPDATE, ChangeKind.VERSION, ChangeKind.TAG, ChangeKind.VERIFY,
)  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "staging", "index"),
    [
        ((CREATE, VERSION, VERIFY, TAG), Staging.WHOLE, 4),
        ((TAG, UPDATE, VERSION), Staging.WHOLE, 3),
        ((CREATE, VERSION, VERIFY, TAG, TAG), Staging.TWO_PHASE, 3),
        ((TAG, TAG), Staging.TWO_PHASE, 0),
        ((UPDATE,), Staging.TWO_PHASE, 1),
        ((TAG, UPDATE, VERSION), Staging.BACK, 2),
        ((VERSION,), Staging.BACK, 0),
        ((TAG, TAG), Staging.BACK, 2),
    ],
)
def test_the_second_stage_begins_with(kinds: tuple[ChangeKind, ...], staging: Staging, index: int) -> None:
    unit = Unit("f", spec(), Action.VERSION, "", changes=tuple(map(Change, kinds)))
    assert second_stage(unit, staging) == index


def test_a_run_that_takes_back_has_no_two_phases() -> None:
    assert staging_of(Rollout(two_phase=True), back=True) is Staging.BACK
    assert staging_of(Rollout(two_phase=True), back=False) is Staging.TWO_PHASE
    assert staging_of(Rollout(), back=False) is Staging.WHOLE
