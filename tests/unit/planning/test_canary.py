from __future__ import annotations

import pytest

from orchestrator.journal.events import Breached, RunStarted, UnitEnded
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.state import fold
from orchestrator.model import Action, Failed, Failure, Plan, Rollout, Step, Unit
from orchestrator.planning.rollout import (
    ChainWaves,
    canaries,
    canary_first,
    ends_paused,
    no_canary,
    planned_waves,
    wave_ends,
    waves_left,
)
from tests.builders import spec

UNITS = [
    Unit("ping", spec("ping", labels={"tier": "canary"}), Action.VERSION, ""),
    Unit("auth-in", spec("auth-in"), Action.VERSION, ""),
    Unit("auth-out", spec("auth-out", labels={"tier": "canary"}), Action.UNCHANGED, ""),
    Unit("last", spec("last", labels={"tier": "canary"}), Action.VERSION, ""),
]


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        ((), set()),
        (("last",), {"last"}),
        (("auth-*", "gone"), {"auth-in", "auth-out"}),
        (("label:tier=canary",), {"ping", "auth-out", "last"}),
        (("label:tier=canary", "!ping"), {"auth-out", "last"}),
        (("!auth-*",), {"ping", "last"}),
    ],
)
def test_a_canary_is_a_selection(patterns: tuple[str, ...], selected: set[str]) -> None:
    assert canaries(UNITS, Rollout(canary=patterns)) == selected


def test_canaries_start_first_and_are_a_wave_of_what_changes() -> None:
    rollout = Rollout(canary=("last", "auth-out"), waves=(1, "100%"))
    plan = canary_first(Plan(tuple(UNITS)), rollout)
    assert [unit.key for unit in plan.units] == ["auth-out", "last", "ping", "auth-in"]
    waves = planned_waves(plan, rollout)
    found = [(wave.number, wave.of, wave.canary, [one.key for one in wave.units]) for wave in waves]
    assert found == [(1, 3, True, ["last"]), (2, 3, False, ["ping"]), (3, 3, False, ["auth-in"])]
    chain = ChainWaves({"auth-in": 3}, 3, 1)
    (left,) = planned_waves(Plan((UNITS[1],)), rollout, chain)
    assert (left.number, left.of, left.canary) == (3, 3, False)


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        ((), ""),
        (("ping",), ""),
        (("auth-out",), "canary (auth-out): unchanged, so the waves begin at once"),
    ],
)
def test_a_canary_of_which_nothing_changes_is_reported(canary: tuple[str, ...], says: str) -> None:
    assert no_canary(Plan(tuple(UNITS)), Rollout(canary=canary)) == says


@pytest.mark.parametrize(
    ("units", "canary", "waves", "ends"),
    [
        (102, 2, (1, "10%", "100%"), (2, 3, 12, 102)),
        (2, 2, (1, "100%"), (2,)),
        (3, 2, (5,), (2, 3)),
    ],
)
def test_waves_are_of_what_the_canary_leaves(
    units: int, canary: int, waves: tuple[int | str, ...], ends: tuple[int, ...]
) -> None:
    assert wave_ends(units, waves, canary) == ends


def test_a_chain_keeps_its_canary() -> None:
    left = waves_left(UNITS[:1] + UNITS[3:], (4, "100%"), {"ping": 2, "last": 9}, 12, 2)
    assert [(wave.begin, wave.end, wave.is_whole, len(wave.units)) for wave in left] == [
        (0, 2, False, 1), (2, 6, False, 0), (6, 12, False, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rollout", "paused"),
    [
        (Rollout(), False),
        (Rollout(pause_s=900.0), False),
        (Rollout(pause_s=900.1), True),
        (Rollout(approval=True), True),
    ],
)
def test_what_ends_a_run_as_paused(rollout: Rollout, *, paused: bool) -> None:
    assert ends_paused(rollout) is paused


def test_a_breach_that_pauses_is_past_once_somebody_lets_the_run_go_on() -> None:
    first = RunStarted(0.0, "r1", "deploy", "sandbox", "deploy.toml", 1, "1")
    failed = UnitEnded(2.0, "f", Failed(Step.CREATE, Failure("no")))
    state = fold([first, Breached(1.0, "too many", "pause"), failed])
    said = [state.rollout.paused]
    state.apply(RunStarted(3.0, "r2", "deploy", "sandbox", "deploy.toml", 1, "1", resumes="r1", approves="r1"))
    said.append(state.rollout.paused)
    assert said == [RunPaused(1.0, "too many"), None]  # though it was killed before it recorded this
    assert (state.breach, state.rollout.then) == ("", "")
    assert state.units["f"].excused
    assert state.chain[1].approves == "r1"


def test_a_breach_that_stops_stays_so() -> None:
    first = RunStarted(0.0, "r1", "deploy", "sandbox", "deploy.toml", 1, "1")
    state = fold([first, Breached(1.0, "too many")])
    state.approve()
    assert (state.breach, state.rollout.paused) == ("too many", None)
