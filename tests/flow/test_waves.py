"""What comes first in a rollout, and what comes between its waves: canary, pauses, gates, second verifications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.journal.events import Breached, UnitEnded
from orchestrator.journal.rollout_events import GateEnded, PauseBegan, RunPaused, WaveStarted
from orchestrator.model import Cancelled, Deployed, Failed, Gate, Inconclusive, Rollout, Step, Verdict
from orchestrator.ports import CommandEnd
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Faults
from tests.engine import Bench, sources
from tests.published import published

GATE = Gate(("./gate.sh",), Path())
PASSED, UNSURE, BAD = CommandEnd(0, "fine", 1.0), CommandEnd(75, "no data yet", 1.0), CommandEnd(1, "5xx: 3 %", 1.0)
HANGS = CommandEnd(None, "waiting", 300.0)


def bench_of(tmp_path: Path, *gate: CommandEnd, **how: Any) -> Bench:
    bench = Bench(tmp_path, durations="fixed:2", **how)
    bench.commands.ends = list(gate)
    return bench


def names(outcomes: dict[str, Any]) -> str:
    """Return one letter for each function: its outcome."""
    return "".join(type(outcomes[key]).__name__[0] for key in sorted(outcomes))


def found(bench: Bench, kind: type) -> list[Any]:
    return [event for event in bench.events if isinstance(event, kind)]


def test_the_canary_is_the_first_wave_and_the_others_are_of_what_is_left(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.deploy(sources(tmp_path, 12), rollout=Rollout(canary=("f007", "f009"), waves=(1, "50%", "100%")))
    waves = [(one.number, one.waves, one.units, one.canary) for one in found(bench, WaveStarted)]
    assert waves == [(1, 4, 2, True), (2, 4, 1, False), (3, 4, 4, False), (4, 4, 5, False)]
    assert {event.key for event in found(bench, UnitEnded)[:2]} == {"f007", "f009"}


def test_where_nothing_of_the_canary_changes_the_waves_begin(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.deploy(sources(tmp_path, 4), rollout=Rollout(canary=("label:tier=canary",), waves=(1, "100%")))
    assert [(one.units, one.canary) for one in found(bench, WaveStarted)] == [(1, False), (3, False)]


@pytest.mark.parametrize("max_failures", [None, 5, "50%"])
def test_a_canary_that_fails_breaches_whatever_is_allowed(tmp_path: Path, max_failures: int | str | None) -> None:
    bench = bench_of(tmp_path, faults=Faults(failing_functions={"f003"}))
    outcomes = bench.deploy(sources(tmp_path, 6), rollout=Rollout(canary=("f003",), max_failures=max_failures))
    assert names(outcomes) == "CCCFCC"
    assert bench.result.breach == "the canary f003 failed"


def test_a_canary_that_cannot_be_packed_lets_nothing_start(tmp_path: Path) -> None:
    manifest = sources(tmp_path, 4)
    (tmp_path / "src" / "f2" / "index.py").rename(tmp_path / "src" / "f2" / "other.py")
    outcomes = bench_of(tmp_path).deploy(manifest, rollout=Rollout(canary=("f002",), max_failures=3))
    assert names(outcomes) == "CCFC"


def test_a_short_pause_is_waited_for_and_reported(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    outcomes = bench.deploy(sources(tmp_path, 4), rollout=Rollout(waves=(2, "100%"), pause_s=900.0))
    assert (names(outcomes), bench.result.paused) == ("DDDD", None)
    (pause,), (_, second) = found(bench, PauseBegan), found(bench, WaveStarted)
    assert (pause.wave, pause.seconds, second.at - pause.at) == (1, 900.0, 900.0)


@pytest.mark.parametrize(
    ("rollout", "says"),
    [
        (Rollout(waves=(2, "100%"), approval=True), "wave 1 of 2 has ended: it waits for approval"),
        (Rollout(waves=(2, "100%"), pause_s=901.0), "wave 1 of 2 has ended: it pauses until 2026-09-21"),
    ],
)
def test_an_approval_and_a_long_pause_end_the_run_as_paused(tmp_path: Path, rollout: Rollout, says: str) -> None:
    bench = bench_of(tmp_path)
    outcomes = bench.deploy(sources(tmp_path, 4), rollout=rollout)
    assert names(outcomes) == "DDCC"
    assert all(one.read_back for one in outcomes.values() if isinstance(one, Deployed))
    (paused,) = found(bench, RunPaused)
    assert paused == bench.result.paused
    assert paused.reason.startswith(says)
    assert (paused.until > 0) is (rollout.pause_s > 0)
    assert found(bench, Breached) == []


def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    async def stop_it(stop: Stop) -> None:
        await anyio.sleep(60)
        stop.request("interrupted")

    bench = bench_of(tmp_path)
    rollout = Rollout(waves=(2, "100%"), pause_s=600.0)
    outcomes = bench.deploy(sources(tmp_path, 4), rollout=rollout, meanwhile=stop_it)
    assert (names(outcomes), bench.result.paused) == ("DDCC", None)
    assert bench.seconds < 120


@pytest.mark.parametrize(
    ("end", "on_inconclusive", "outcomes", "verdict", "then"),
    [
        (PASSED, "pause", "DDDD", Verdict.PASSED, ""),
        (BAD, "pause", "DDCC", Verdict.FAILED, "the gate of wave 1 of 2 exited with 1: 5xx: 3 %"),
        (HANGS, "pause", "DDCC", Verdict.FAILED, "the gate of wave 1 of 2 did not respond within 5m: waiting"),
        (UNSURE, "pause", "DDCC", Verdict.INCONCLUSIVE, "paused"),
        (UNSURE, "fail", "DDCC", Verdict.INCONCLUSIVE, "the gate is inconclusive about wave 1 of 2"),
        (UNSURE, "pass", "DDDD", Verdict.INCONCLUSIVE, ""),
    ],
)
def test_what_a_gate_says_of_a_wave(
    tmp_path: Path, end: CommandEnd, on_inconclusive: str, outcomes: str, verdict: Verdict, then: str
) -> None:
    bench = bench_of(tmp_path, end, PASSED)
    rollout = Rollout(waves=(2, "100%"), gate=GATE, on_inconclusive=on_inconclusive)
    assert names(bench.deploy(sources(tmp_path, 4), rollout=rollout)) == outcomes
    assert found(bench, GateEnded)[0].verdict is verdict
    assert len(bench.commands.requests) == (2 if outcomes == "DDDD" else 1)  # the last wave is judged, too
    assert (bench.result.paused is not None) is (then == "paused")
    assert bench.result.breach.startswith(then if then != "paused" else "")


def test_the_last_gate_breaches_though_all_is_deployed(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, PASSED, BAD)
    outcomes = bench.deploy(sources(tmp_path, 4), rollout=Rollout(waves=(2, "100%"), gate=GATE))
    assert names(outcomes) == "DDDD"
    assert bench.result.breach == "the gate of wave 2 of 2 exited with 1: 5xx: 3 %"


def test_a_gate_is_reported_what_its_published_schema_says(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, PASSED, PASSED, faults=Faults(failing_functions={"f001"}))
    bench.environment = "prod"
    bench.deploy(sources(tmp_path, 4), rollout=Rollout(waves=(2, "100%"), max_failures=2, gate=GATE))
    first, last = bench.commands.requests
    reported = json.loads(first.stdin)
    assert (published(reported), reported["wave"], reported["waves"]) == ("gate", 1, 2)
    assert reported["environment"] == "prod"
    assert reported["folders"] == sorted({one["folder_id"] for one in reported["functions"]})
    assert reported["counts"] == {"functions": 4, "deployed": 1, "failed": 1, "inconclusive": 0, "left": 2}
    assert [(one["function"], one["outcome"]) for one in reported["functions"]] == [
        ("f000", "deployed"),
        ("f001", "failed"),
    ]
    assert reported["functions"][0]["version_id"]
    assert reported["functions"][0]["function_id"]
    assert [one["function"] for one in reported["failures"]] == ["f001"]
    assert json.loads(last.stdin)["counts"]["left"] == 0
    assert first.facts["ORCHESTRATOR_WAVE"] == "1"


def test_a_gate_that_is_cut_off_after_the_last_wave_leaves_what_resume_takes_up(tmp_path: Path) -> None:
    async def stop_it(stop: Stop) -> None:
        await anyio.sleep(60)
        stop.request("interrupted")

    bench = bench_of(tmp_path, CommandEnd(0, "", 3600.0))
    outcomes = bench.deploy(sources(tmp_path, 2), rollout=Rollout(gate=GATE), meanwhile=stop_it)
    assert [one.read_back for one in outcomes.values() if isinstance(one, Deployed)] == [False, False]
    assert found(bench, GateEnded) == []


def test_a_breach_that_pauses_asks_somebody(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, faults=Faults(failing_functions={"f000"}))
    outcomes = bench.deploy(sources(tmp_path, 4), rollout=Rollout(waves=(1, "100%"), on_breach="pause"))
    assert names(outcomes) == "FCCC"
    (breached,), (paused,) = found(bench, Breached), found(bench, RunPaused)
    assert breached.then == "pause"
    assert paused.reason == breached.reason


def checked(tmp_path: Path, count: int) -> str:
    """Return functions that a command verifies, and that are promoted then."""
    smoke = tmp_path / "smoke.sh"
    smoke.write_text("#!/bin/sh\n")
    smoke.chmod(0o755)
    return sources(tmp_path, count).replace(
        "create = true\n",
        'create = true\nverify = { command = ["./smoke.sh"], attempts = 1, safe = true }\npromote = ["stable"]\n',
    )


@pytest.mark.parametrize(
    ("second", "on_inconclusive", "first", "paused"),
    [
        (PASSED, "pause", Deployed, False),
        (BAD, "pause", Failed, False),
        (UNSURE, "pause", Inconclusive, True),
        (UNSURE, "fail", Failed, False),
        (UNSURE, "pass", Deployed, False),
    ],
)
def test_what_is_inconclusive_is_verified_once_more_at_the_end_of_its_wave(
    tmp_path: Path, second: CommandEnd, on_inconclusive: str, first: type, *, paused: bool
) -> None:
    bench = bench_of(tmp_path, UNSURE, second, PASSED)
    rollout = Rollout(waves=(1, "100%"), on_inconclusive=on_inconclusive, max_failures=5)
    outcomes = bench.deploy(checked(tmp_path, 2), rollout=rollout)
    assert isinstance(outcomes["f000"], first)
    assert isinstance(outcomes["f001"], Cancelled if paused else Deployed)
    assert (bench.result.paused is not None) is paused
    if isinstance(outcomes["f000"], Failed):
        assert outcomes["f000"].step is Step.VERIFY
    promoted = [version for version in bench.versions() if "stable" in version["tags"]]
    assert len(promoted) == sum(isinstance(one, Deployed) for one in outcomes.values())
