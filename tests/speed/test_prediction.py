"""The prediction of `plan --simulate` matches what then happens, within 15 %."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engine.knowledge import Knowledge
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.engine.tracking.durations import Kind
from orchestrator.model import (
    LATEST,
    Action,
    BucketPackage,
    Change,
    ChangeKind,
    Fingerprint,
    FunctionSpec,
    Gate,
    Limits,
    Place,
    Plan,
    Rollout,
    Settings,
    Unit,
    Verify,
    VersionCopy,
    WayBack,
    WayBackKind,
)
from orchestrator.model.live_state import LiveState
from orchestrator.prediction import predict as prediction
from orchestrator.prediction.predict import predict
from orchestrator.report.plan_text import prediction_text
from orchestrator.sandbox.memory.quotas import Quotas
from tests.long import LONG, short_first
from tests.speed.virtual import FAST, measure

SETTINGS = Settings("python312", "index.handler", 128 << 20)
NEW = Change(ChangeKind.VERSION, {LATEST: "v"}, {LATEST: None})
LIMITS = Limits(requests_per_second=1000.0, polls_per_second=1000.0)


def units(count: int, folder: str = "folder", action: Action = Action.VERSION) -> list[Unit]:
    """Return units of a plan. Copies copy what is live."""
    code = VersionCopy("v") if action is Action.COPY else BucketPackage("b", "o")
    found = []
    for number in range(count):
        key = f"{folder}-{number}"
        spec = FunctionSpec(key, f"f{number}", folder, SETTINGS, code, Place("", 0))
        digest = Fingerprint("5" * 16, f"{number:016}")
        unit = Unit(key, spec, action, "", digest, function_id=f"d4e{number}", base_version_id="v", changes=(NEW,))
        found.append(unit)
    return found


def known(lengths: list[float], kind: Kind = Kind.PLAIN) -> Knowledge:
    knowledge = Knowledge(call_s=0.004)
    for length_s in lengths:
        knowledge.durations.add(kind, length_s)
    return knowledge


def allowed(folder: int, cloud: int, *folders: str) -> dict[LimitKey, int]:
    scopes = {LimitKey("folder", name): folder for name in folders or ("folder",)}
    return {**scopes, LimitKey("cloud", "cloud"): cloud}


@pytest.mark.parametrize(
    ("durations", "slots"),
    short_first(1, [("9*fixed:1+1*fixed:30", 15), ("lognormal:2,0.6", 5), ("lognormal:2,0.4", 15), ("fixed:0.5", 5)]),
)
def test_what_is_predicted_happens(tmp_path: Path, durations: str, slots: int) -> None:
    limits, quotas = replace(FAST, operations_per_folder=slots), Quotas(10, slots, 20)
    first = measure(tmp_path / "1", 150, durations, limits=limits, quotas=quotas)
    found = predict(
        Plan(tuple(units(300))),
        LiveState(clouds={"folder": "cloud"}),
        limits,
        Rollout(),
        first.knowledge,
        allowed(slots, 20),
    )
    then = measure(tmp_path / "2", 300, durations, limits=limits, quotas=quotas, knowledge=first.knowledge)
    assert found.learned
    assert 0.85 <= found.seconds / then.makespan_s <= 1.15
    assert found.seconds <= found.p90_s
    assert found.busy <= slots


def test_what_bounds_it_and_what_more_would_give() -> None:
    knowledge = known([2.0] * 50)
    found = predict(
        Plan(tuple(units(150))), LiveState(clouds={"folder": "cloud"}), LIMITS, Rollout(), knowledge, allowed(15, 20)
    )
    assert found.bound is not None
    assert (found.bound.what, found.bound.limit, round(found.bound.seconds)) == ("folder folder", 15, 20)
    assert found.raised is not None
    assert found.raised[0] == 20
    assert found.raised[1] == pytest.approx(found.seconds * 15 / 20, rel=0.1)
    assert found.rollback_s == pytest.approx(20.0, rel=0.1), "no copy was made yet: as long as code without a build"
    assert prediction_text(found) == (
        f"simulated: {found.seconds:.0f} s (p90 {found.p90_s:.0f} s), 20 s of it limited by the 15 operations of"
        f" folder folder; with 20 it would take {found.raised[1]:.0f} s; {found.busy:.1f} Operations at once on average"
        f"\n  rolling back everything would take {found.rollback_s:.0f} s"
    )


@LONG
def test_two_folders_are_bound_by_their_cloud() -> None:
    both = [*units(100, "one"), *units(100, "two")]
    live = LiveState(clouds={"one": "cloud", "two": "cloud"})
    found = predict(Plan(tuple(both)), live, LIMITS, Rollout(), known([2.0] * 50), allowed(15, 20, "one", "two"))
    assert found.bound is not None
    assert (found.bound.what, round(found.bound.seconds)) == ("cloud cloud", 20)
    assert found.raised is not None
    assert found.raised[0] == 30


@LONG
def test_a_slow_rate_and_one_long_operation_are_named() -> None:
    slow = replace(LIMITS, requests_per_second=2.0)
    live = LiveState(clouds={"folder": "cloud"})
    found = predict(Plan(tuple(units(100))), live, slow, Rollout(), known([0.5] * 9), allowed(15, 20))
    assert found.bound is not None
    assert found.bound.what == "requests per second"
    assert "limited by 2 requests per second" in prediction_text(found)
    one = predict(Plan(tuple(units(3))), live, LIMITS, Rollout(), known([9.0] * 9), allowed(15, 20))
    assert "limited by the longest Operation" in prediction_text(one)
    assert one.raised is None


def test_kinds_take_what_they_took() -> None:
    live, knowledge = LiveState(clouds={"folder": "cloud"}), known([0.2] * 20, Kind.COPY)
    for _ in range(20):
        knowledge.durations.add(Kind.PLAIN, 20.0)
    copies = Plan(tuple(units(15, action=Action.COPY)))
    assert predict(copies, live, LIMITS, Rollout(), knowledge, allowed(15, 20)).seconds < 2
    assert predict(Plan(tuple(units(15))), live, LIMITS, Rollout(), knowledge, allowed(15, 20)).seconds > 19


def test_tags_alone_take_what_tags_took() -> None:
    moved = (Change(ChangeKind.TAG, {"stable": ""}, {"stable": "v"}),)
    tags = Plan(tuple(replace(unit, changes=moved) for unit in units(30, action=Action.RETAG)))
    live, knowledge = LiveState(clouds={"folder": "cloud"}), known([2.0] * 9, Kind.TAG)
    found = predict(tags, live, LIMITS, Rollout(), knowledge, allowed(15, 20))
    assert found.seconds == pytest.approx(4.0, rel=0.2)  # thirty on fifteen slots: two rounds of 2 s


def test_verification_takes_its_time_too() -> None:
    live, knowledge = LiveState(clouds={"folder": "cloud"}), known([2.0] * 20)
    checks = Change(ChangeKind.VERIFY, {}, {"$latest": "v"})
    alone = [replace(unit, changes=(checks,)) for unit in units(40, action=Action.VERIFY)]
    alone = [replace(unit, spec=replace(unit.spec, verify=Verify())) for unit in alone]
    found = predict(Plan(tuple(alone)), live, LIMITS, Rollout(verify_at_once=4), knowledge, allowed(15, 20))
    assert found.seconds == pytest.approx(40 / 4 * 0.4, rel=0.3)  # 0.3 s each, with two reads of $latest
    assert found.busy == 0.0


def test_new_functions_waves_and_pauses_count() -> None:
    live, knowledge = LiveState(clouds={"folder": "cloud"}), known([1.0] * 20)
    changes = (Change(ChangeKind.FUNCTION), NEW)
    created = units(10, action=Action.CREATE)
    new = [replace(unit, function_id=None, base_version_id=None, changes=changes) for unit in created]
    waves = Rollout(waves=(5, "100%"), pause_s=60.0)
    assert predict(Plan(tuple(new)), live, LIMITS, waves, knowledge, allowed(15, 20)).seconds > 62


@LONG
def test_many_are_sampled_and_nothing_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    live, knowledge = LiveState(clouds={"folder": "cloud"}), known([2.0] * 50)
    plan = Plan(tuple(units(200)))
    monkeypatch.setattr(prediction, "_RUNS_MAX", 5)  # all durations are equal: chance plays no part
    whole = predict(plan, live, LIMITS, Rollout(), knowledge, allowed(15, 20))
    monkeypatch.setattr(prediction, "FUNCTIONS_MAX", 100)
    sampled = predict(plan, live, LIMITS, Rollout(), knowledge, allowed(15, 20))
    assert sampled.functions == 200
    assert sampled.seconds == pytest.approx(whole.seconds, rel=0.1)
    assert sampled.bound is not None
    assert sampled.bound.seconds == pytest.approx(2.0 * 200 / 15)
    unchanged = [replace(unit, action=Action.UNCHANGED) for unit in units(3)]
    nothing = predict(Plan(tuple(unchanged)), live, LIMITS, Rollout(), knowledge, allowed(15, 20))
    assert prediction_text(nothing) == "simulated: nothing to do"


@LONG
def test_pauses_between_waves_count_once_however_many_functions_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "FUNCTIONS_MAX", 60)
    plan, live = Plan(tuple(units(600))), LiveState(clouds={"folder": "cloud"})
    waves = Rollout(waves=("50%", "100%"), pause_s=100.0)
    found = predict(plan, live, LIMITS, waves, known([2.0] * 20), allowed(15, 20))
    assert found.seconds == pytest.approx(100.0 + 2.0 * 600 / 15, rel=0.1)


def test_a_guess_is_called_one() -> None:
    found = predict(
        Plan(tuple(units(30))), LiveState(clouds={"folder": "cloud"}), LIMITS, Rollout(), Knowledge(), allowed(15, 20)
    )
    assert "a guess: no run has measured such Operations" in prediction_text(found)


STABLE = Change(ChangeKind.TAG, {"stable": "older"}, {"stable": None})
VERIFIED = (
    Change(ChangeKind.VERSION, {LATEST: "v", "orc-a": "v"}, {LATEST: None, "orc-a": None}),
    Change(ChangeKind.VERIFY, {}, {LATEST: None}),
    STABLE,
)


def verified_units(count: int) -> list[Unit]:
    """Return units whose new Versions take a ring tag, are verified, and get a tag that another Version has."""
    found = []
    for unit in units(count):
        settings = replace(SETTINGS, tags=("orc-a",))
        spec = replace(unit.spec, settings=settings, verify=Verify({"a": 1}, {"b": 2}), promote=("stable",))
        found.append(replace(unit, spec=spec, changes=VERIFIED))
    return found


def known_calls(seconds: float) -> Knowledge:
    knowledge = known([2.0] * 20)
    for _ in range(20):
        knowledge.durations.add(Kind.TAG, 0.5)
        knowledge.durations.add(Kind.COPY, 1.0)
        knowledge.durations.called(seconds)
    return knowledge


CLOUD = LiveState(clouds={"folder": "cloud"})


def test_verification_holds_no_slot_promotion_does_and_a_rollback_takes_tags_first() -> None:
    plan = Plan(tuple(verified_units(60)))
    found = predict(plan, CLOUD, LIMITS, Rollout(), known_calls(0.1), allowed(15, 20))
    assert (found.verified, found.verify_learned) == (60, True)
    assert found.verify_each_s == pytest.approx(0.1)
    assert found.seconds == pytest.approx(60 * 2.5 / 15, rel=0.15)
    assert found.rollback_s == pytest.approx(60 * (0.5 + 0.5 + 1.0) / 15, rel=0.2), "two tags and a copy each"
    text = prediction_text(found)
    assert "60 functions verified, 0.1 s each\n" in text
    assert f"rolling back everything would take {found.rollback_s:.1f} s" in text


@LONG
def test_slow_verifications_bound_it_and_more_at_once_would_help() -> None:
    plan = Plan(tuple(verified_units(60)))
    found = predict(plan, CLOUD, LIMITS, Rollout(), known_calls(3.0), allowed(15, 20))
    assert found.bound is not None
    assert (found.bound.what, found.bound.limit, found.bound.seconds) == ("verifications at once", 4, 45.0)
    assert found.raised is not None
    assert found.raised[0] == 8
    assert found.raised[1] < 0.65 * found.seconds
    assert "45 s of it limited by 4 verifications at once; with 8 it would take" in prediction_text(found)


@LONG
def test_what_nobody_can_foresee_is_said_and_not_counted() -> None:
    gate = Gate(("./gate.sh",), Path(), 120.0)
    plan, asks = Plan(tuple(verified_units(30))), Rollout(waves=(1, "10%", "100%"), gate=gate, pause_s=60.0)
    found = predict(plan, CLOUD, LIMITS, asks, known_calls(0.1), allowed(15, 20))
    at_once = predict(plan, CLOUD, LIMITS, replace(asks, pause_s=0.0), known_calls(0.1), allowed(15, 20))
    assert (found.waves, found.paused_s, found.gates, found.gates_most_s) == (3, 120.0, 3, 360.0)
    assert found.seconds == pytest.approx(at_once.seconds + 120.0)
    text = prediction_text(found)
    assert "2 min of that is pauses between 3 waves" in text
    assert "not counted: the gate runs 3 times, 6 min in total at most" in text
    approved = predict(plan, CLOUD, LIMITS, replace(asks, approval=True), known_calls(0.1), allowed(15, 20))
    assert (approved.approvals, approved.paused_s) == (2, 0.0)
    assert approved.seconds == pytest.approx(at_once.seconds), "an approval counts as no time, and all waves count"
    assert "not counted: waiting for approval 2 times" in prediction_text(approved)


def test_a_long_pause_counts_though_the_run_ends_there_as_paused() -> None:
    plan, waits = Plan(tuple(units(30))), Rollout(waves=("50%", "100%"), pause_s=3600.0)
    found = predict(plan, CLOUD, LIMITS, waits, known([2.0] * 20), allowed(15, 20))
    assert 3604 <= found.seconds <= 3606


def test_the_canary_is_a_wave_and_of_two_phases_tags_are_the_last() -> None:
    plan, knowledge = Plan(tuple(verified_units(30))), known_calls(0.1)
    canary = predict(plan, CLOUD, LIMITS, Rollout(canary=("folder-7",)), knowledge, allowed(15, 20))
    assert canary.waves == 2
    assert canary.seconds == pytest.approx(2.6 + 0.5 + 2 * 2.5, rel=0.15)
    phases = predict(plan, CLOUD, LIMITS, Rollout(two_phase=True), knowledge, allowed(15, 20))
    assert phases.seconds == pytest.approx(2 * 2.0 + 0.1 + 2 * 0.5, rel=0.2)


def test_of_what_cannot_be_made_again_a_rollback_moves_tags_only() -> None:
    gone = WayBack(WayBackKind.TAGS, "the cloud no longer makes versions with runtime python37")
    plan = Plan(tuple(replace(unit, way_back=gone) for unit in verified_units(30)))
    found = predict(plan, CLOUD, LIMITS, Rollout(), known_calls(0.1), allowed(15, 20))
    assert found.rollback_s == pytest.approx(30 * (0.5 + 0.5) / 15, rel=0.25)
    none = Plan(tuple(replace(unit, way_back=replace(gone, kind=WayBackKind.NONE)) for unit in units(3)))
    assert predict(none, CLOUD, LIMITS, Rollout(), known_calls(0.1), allowed(15, 20)).rollback_s is None


def test_a_verification_of_what_is_live_alone_has_no_rollback() -> None:
    only = (Change(ChangeKind.VERIFY, {}, {LATEST: "v"}),)
    plan = Plan(tuple(replace(u, action=Action.VERIFY, changes=only) for u in verified_units(8)))
    found = predict(plan, CLOUD, LIMITS, Rollout(), known_calls(1.0), allowed(15, 20))
    assert found.seconds == pytest.approx(2.0, rel=0.1)
    assert found.rollback_s is None
    assert "limited by 4 verifications at once" in prediction_text(found)


@pytest.mark.parametrize(
    ("ends", "size", "waves"),
    [
        ((30,), 30, (30,)),
        ((1, 500, 5000), 600, (1, 60, 600)),
        ((1, 2, 5000), 600, (1, 2, 600)),
    ],
)
def test_a_sample_has_the_waves_of_its_plan(ends: tuple[int, ...], size: int, waves: tuple[int, ...]) -> None:
    assert prediction._unpaused(Rollout(canary=("a",), approval=True), ends, size) == Rollout(waves=waves)
