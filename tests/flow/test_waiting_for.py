"""What a function waits for, according to its journal at each moment of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from orchestrator.journal.condition_events import OutageBegan
from orchestrator.journal.events import (
    Breached,
    BytesSent,
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    StepRetried,
    StepStarted,
    UnitEnded,
)
from orchestrator.journal.rollout_events import RunPaused, VersionVerified
from orchestrator.model import Change, ChangeKind, Gate, Rollout, Step, Verdict
from orchestrator.planning.why.facts import WaitingFor, WaitsFor
from orchestrator.planning.why.waiting import LiveRun, live_run, what_it_waits_for
from orchestrator.ports import CommandEnd
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import EPOCH_S, Bench, sources
from tests.runs import planned, started

W = WaitsFor


def stored(bench: Bench, rollout: Rollout) -> list[Event]:
    """Return what the journal of a run would have, including its first record."""
    first = replace(
        started(units=len(bench.plan.units), at=EPOCH_S), waves=rollout.waves, max_failures=rollout.max_failures
    )
    return [first, *(event for event in bench.events if not isinstance(event, BytesSent | StepStarted))]


def waits(events: Sequence[Event], key: str) -> list[WaitingFor]:
    """Return what it waits for after each event, as soon as the plan has it."""
    live, found = LiveRun(), list[WaitingFor]()
    for event in events:
        live.apply(event)
        reported = what_it_waits_for(live, key, packs=True, now_s=event.at)
        found += [reported] if reported is not None else []
    return found


def kinds(events: Sequence[Event], key: str) -> list[WaitsFor]:
    return [kind for kind, _ in groupby(one.kind for one in waits(events, key))]


def test_one_function_from_its_package_to_its_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    bench.deploy(sources(tmp_path, 1))
    found = kinds(stored(bench, Rollout()), "f000")
    calls = [W.ANSWER, W.OPERATION, W.ANSWER, W.OPERATION]  # of the Function, and of its Version
    assert [kind for kind in found if kind is not W.SLOT] == [W.PACKAGE, *calls, W.END]


def test_the_second_of_two_waits_for_the_one_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:5", quotas=Quotas(10, 1, 20))
    manifest = sources(tmp_path, 2) + "\n[limits]\noperations_per_folder = 1\n"
    bench.limits = bench.load(manifest).limits
    bench.deploy(manifest)
    events = stored(bench, Rollout())
    reported = [one.words for key in ("f000", "f001") for one in waits(events, key) if one.kind is W.SLOT]
    assert any("folder folder has 1 of 1 in flight" in words for words in reported), reported


def test_a_function_of_the_second_wave_waits_for_the_first_the_pause_and_the_gate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    bench.commands.ends = [CommandEnd(0, "fine", 3.0)]
    rollout = Rollout(waves=(1, "100%"), pause_s=60.0, gate=Gate(("./gate.sh",), tmp_path))
    bench.deploy(sources(tmp_path, 2), rollout=rollout)
    events = stored(bench, rollout)
    last = [event.key for event in events if isinstance(event, UnitEnded)][-1]
    assert kinds(events, last)[:4] == [W.WAVE, W.PAUSE, W.GATE, W.WAVE]
    reported = [one.words for one in waits(events, last) if one.kind is W.WAVE]
    under_way = "its wave (2 of 2); wave 1 is in progress, {} of 1 functions have ended"
    assert under_way.format(0) in reported
    assert under_way.format(1) in reported
    pause = next(one for one in waits(events, last) if one.kind is W.PAUSE)
    assert pause.words == "the pause of 1m after wave 1; then its wave (2 of 2)"
    assert datetime.fromisoformat(pause.until) - datetime.fromisoformat(pause.since) == timedelta(seconds=60)
    gate = next(one for one in waits(events, last) if one.kind is W.GATE)
    assert gate.words == "the gate after wave 1; then its wave (2 of 2)"


@pytest.mark.parametrize("seed", range(4))
def test_at_any_moment_it_is_reported_and_agrees_with_what_is_asked_for(tmp_path: Path, seed: int) -> None:
    """For every function, after every record: an Operation while one is in flight, its end when that is written."""
    bench = Bench(tmp_path, seed=seed, quotas=Quotas(10, 2, 20))
    rollout = Rollout(waves=(1, "50%", "100%"))
    bench.deploy(sources(tmp_path, 4), rollout=rollout)
    events = stored(bench, rollout)
    live = LiveRun()
    for event in events:
        live.apply(event)
        for key, unit in live.run.units.items():
            reported = what_it_waits_for(live, key, packs=True, now_s=event.at)
            assert reported is not None
            assert (reported.kind is W.END) == (unit.outcome is not None)
            in_flight = unit.operations.keys() - unit.done.keys()
            if unit.outcome is None:
                assert (reported.kind is W.OPERATION) == bool(in_flight)
                assert not in_flight or reported.operation_id in in_flight
            if reported.kind is W.WAVE:
                assert not unit.requests


def at(seconds: float) -> float:
    return EPOCH_S + seconds


def waiting_for(*events: Event, key: str = "a", now_s: float = at(1), packs: bool = False) -> WaitingFor | None:
    plan = [started(units=1, at=EPOCH_S), planned("a", at=EPOCH_S)]
    return what_it_waits_for(live_run([*plan, *events]), key, packs=packs, now_s=now_s)


@pytest.mark.parametrize(
    ("events", "kind", "words"),
    [
        ([OutageBegan(at(1), "no route")], W.CLOUD, "the cloud does not respond: no route"),
        ([Breached(at(1), "2 of 9 failed")], W.NOTHING, "the run starts nothing more: 2 of 9 failed"),
        ([Breached(at(1), "2 of 9 failed", "rollback")], W.ROLLBACK, "the rollback of the run: 2 of 9 failed"),
        ([], W.SLOT, "an Operation slot: folder b1gfolder has 0 in flight; not requested yet: 1"),
    ],
)
def test_what_stops_a_whole_run(events: Iterable[Event], kind: WaitsFor, words: str) -> None:
    reported = waiting_for(*events)
    assert reported is not None
    assert (reported.kind, reported.words) == (kind, words)


def test_an_upload_that_is_tried_again_says_why() -> None:
    reported = waiting_for(StepRetried(at(1), "a", Step.UPLOAD, 1, 2.0, "503"), packs=True)
    assert reported is not None
    assert (reported.kind, reported.words) == (W.PACKAGE, "its package, which is being made and stored, after: 503")


def test_a_unit_that_no_plan_has_waits_for_nothing() -> None:
    assert waiting_for(RunPaused(at(1), "a person"), key="b") is None


def of_a_call(*, error: str = "", verdict: Verdict | None = None, done: bool = True) -> list[Event]:
    """Return a version that is requested, made, verified; then its promoted tag is to move."""
    facts = "a", "createVersion", "d4e-a"
    changes = (
        Change(ChangeKind.VERSION),
        Change(ChangeKind.VERIFY, {}, {"$latest": None}),
        Change(ChangeKind.TAG, {}, {"good": None}),
    )
    return [
        started(units=1, at=EPOCH_S),
        replace(planned("a", at=EPOCH_S), changes=changes),
        Requested(at(1), *facts, "key", 1),
        *([StepRetried(at(2), "a", Step.CREATE, 1, 4.0, error)] if error else []),
        *([OperationAccepted(at(3), "a", "createVersion", "op1", "d4e-a", "v1")] if not error else []),
        *([OperationDone(at(5), "a", "op1", 2.0)] if not error and done else []),
        *([VersionVerified(at(6), "a", "v1", verdict, change=1)] if verdict is not None else []),
    ]


@pytest.mark.parametrize(
    ("events", "kind", "words", "now_s"),
    [
        (of_a_call()[:3], W.ANSWER, "the response to createVersion", 1),
        (of_a_call(error="503"), W.RETRY, "the next attempt of createVersion (attempt 2), after: 503", 3),
        (of_a_call(error="503"), W.SLOT, "an Operation slot: ", 9),
        (of_a_call(done=False), W.OPERATION, "Operation op1 (createVersion)", 4),
        (of_a_call(), W.VERIFICATION, "the verification of version v1", 6),
        (of_a_call(verdict=Verdict.PASSED), W.TAGS, "its tags: good", 7),
    ],
)
def test_each_moment_of_a_call(events: Sequence[Event], kind: WaitsFor, words: str, now_s: float) -> None:
    reported = what_it_waits_for(live_run(events), "a", packs=False, now_s=at(now_s))
    assert reported is not None
    assert reported.kind is kind
    assert reported.words.startswith(words)
