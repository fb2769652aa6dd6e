"""How much time a run has left: Operations in their slots, verifications in parallel, pauses between waves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import OperationDone, UnitEnded
from orchestrator.journal.rollout_events import PauseBegan, VersionVerified, WaveStarted
from orchestrator.model import LATEST, Change, ChangeKind, Deployed, Rollout, Unit, Verdict
from orchestrator.report.display.outlook import Outlook
from tests.speed.test_prediction import units

VERIFIED = (
    Change(ChangeKind.VERSION, {LATEST: "v"}, {LATEST: None}),
    Change(ChangeKind.VERIFY, {}, {LATEST: None}),
    Change(ChangeKind.TAG, {"stable": ""}, {"stable": None}),
)


def outlook(rollout: Rollout, *, verify_s: float = 0.5, allowed: float = 10.0, count: int = 100) -> Outlook:
    found = Outlook(Learned({Kind.PLAIN: [2.0] * 20, Kind.TAG: [1.0] * 20, Kind.VERIFY: [verify_s] * 20}))
    found.plan(changing(count), {"folder": "cloud"}, rollout)
    found(LimitChanged(0.0, "folder folder", allowed, "declared"))
    found(LimitChanged(0.0, "requests per second", 1000.0, "declared"))
    return found


def changing(count: int) -> list[Unit]:
    return [replace(unit, changes=VERIFIED) for unit in units(count)]


@pytest.mark.parametrize(
    ("verify_s", "at_once", "seconds"),
    [
        (0.5, 4, 30.0),  # a version and a tag each in one of ten slots; verification runs in parallel
        (4.0, 4, 100.0),  # four verifications at once
        (4.0, 20, 30.0),
    ],
)
def test_verification_holds_no_slot_and_promotion_does(verify_s: float, at_once: int, seconds: float) -> None:
    assert outlook(Rollout(verify_at_once=at_once), verify_s=verify_s).seconds(0.0) == seconds


def test_each_change_that_is_made_counts_not_only_whole_functions() -> None:
    found = outlook(Rollout(two_phase=True))
    for number in range(100):
        found(OperationDone(1.0, f"folder-{number}", "op", 2.0, change=0))
        found(OperationDone(1.0, f"folder-{number}", "op", 2.0, change=0))  # reported again
        found(OperationDone(1.0, f"folder-{number}", "op", 2.0, error="it failed", change=2))
    assert found.seconds(1.0) == 12.5  # verified four at a time, and a tag each
    for number in range(100):
        found(VersionVerified(1.0, f"folder-{number}", "v", Verdict.INCONCLUSIVE, change=1))
        found(VersionVerified(1.0, f"folder-{number}", "v", Verdict.PASSED, change=1))
    assert found.seconds(1.0) == 10.0
    assert found.share(1.0) == pytest.approx(2 / 3)


def test_pauses_count_where_the_run_waits_for_them_itself() -> None:
    found = outlook(Rollout(pause_s=60.0))
    found(WaveStarted(0.0, 2, 4, 10))
    assert found.seconds(0.0) == 150.0
    assert found.share(0.0) == 0.0, "waves of the runs before are no part of this one"
    found(PauseBegan(10.0, 2, 60.0))
    assert found.seconds(30.0) == 130.0
    assert found.pause_until == 70.0


@pytest.mark.parametrize("rollout", [Rollout(approval=True), Rollout(pause_s=3600.0)])
def test_a_run_that_ends_as_paused_is_over_with_its_wave(rollout: Rollout) -> None:
    found = outlook(rollout)
    found(WaveStarted(0.0, 1, 2, 10))
    assert found.seconds(0.0) == 3.0
    assert found.share(0.0) is None
    found(WaveStarted(0.0, 2, 2, 100))
    assert found.seconds(0.0) == 30.0


def test_nothing_is_left_of_what_has_ended() -> None:
    found = outlook(Rollout(), count=1)
    assert found.seconds(0.0) == 2.0, "never less than one Operation"
    found(UnitEnded(1.0, "folder-0", Deployed("v")))
    assert found.seconds(1.0) is None
    assert found.share(1.0) is None
