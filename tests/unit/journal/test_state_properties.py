"""Folding events in pieces, interleaved, cut off, or from the journal leads to the same state."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.event_json import from_dict, to_dict
from orchestrator.journal.events import BytesSent, Event, RunEnded, RunStarted, StepStarted, UnitEnded
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.model import Blocked, Cancelled, Deployed, Failed, Failure, Outcome, Step, Unchanged, Unknown
from orchestrator.planning.resume import accepted, taken_over, to_resume
from tests.runs import deployment, ended, started

OUTCOMES: list[Outcome] = [
    Deployed("v"), Deployed("v", read_back=True), Unchanged("v"), Failed(Step.TRACK, Failure("no")),
    Blocked("it would"), Cancelled(), Unknown("lost", "o", "v"),
]  # fmt: skip
streams = st.lists(
    st.tuples(st.integers(0, 22), st.lists(st.sampled_from(OUTCOMES), max_size=3)), min_size=1, max_size=6
).map(lambda units: [_stream(f"f{number}", *unit) for number, unit in enumerate(units)])


def _stream(key: str, length: int, outcomes: list[Outcome]) -> list[Event]:
    """Return a unit's events: some of them, with the outcomes that were reported."""
    found = deployment(key)[:length]
    return [*found, *(UnitEnded(9.0, key, outcome) for outcome in outcomes)]


def interleaved(streams: list[list[Event]], rng: random.Random) -> list[Event]:
    """Mix streams, keeping the order of each."""
    left = [list(stream) for stream in streams if stream]
    mixed: list[Event] = []
    while left:
        stream = rng.choice(left)
        mixed.append(stream.pop(0))
        left = [one for one in left if one]
    return mixed


def reported(state: RunState) -> dict[str, Any]:
    found = asdict(state)
    found["units"] = dict(sorted(found["units"].items()))
    found["running"] = dict(sorted(found["running"].items()))
    return found


@given(streams, st.randoms(), st.randoms())
def test_the_order_between_units_means_nothing(
    streams: list[list[Event]], one: random.Random, other: random.Random
) -> None:
    states = [reported(fold(interleaved(streams, rng))) for rng in (one, other)]
    for state in states:  # except the waves, which follow the order of the plan
        turns = [unit.pop("turn") for unit in state["units"].values()]
        assert sorted(turn for turn in turns if turn) == list(range(1, state["turns"] + 1))
        for unit in state["running"].values():
            del unit["turn"]
    assert states[0] == states[1]


@given(streams, st.randoms(), st.integers(0, 150))
def test_what_was_folded_is_folded_on(streams: list[list[Event]], rng: random.Random, cut: int) -> None:
    events = interleaved(streams, rng)
    state = fold(events[:cut])
    for event in events[cut:]:
        state.apply(event)
    assert reported(state) == reported(fold(events))


@given(streams, st.randoms())
def test_the_counters_are_those_of_the_units(streams: list[list[Event]], rng: random.Random) -> None:
    state = fold(interleaved(streams, rng))
    units = state.units.values()
    assert state.ended == sum(unit.outcome is not None for unit in units) == sum(state.outcomes.values())
    assert set(state.running) == {unit.key for unit in units if unit.outcome is None and unit.started_at is not None}
    steps = [unit.step for unit in units if unit.step is not None]
    assert state.steps == {step: steps.count(step) for step in set(steps)}


@given(streams, st.randoms(), st.integers(0, 150))
def test_a_torn_off_end_leaves_undone_what_has_not_ended(
    streams: list[list[Event]], rng: random.Random, cut: int
) -> None:
    whole = interleaved(streams, rng)
    state = fold(whole[:cut])
    left = to_resume(state)
    last: Mapping[str, Outcome] = {event.key: event.outcome for event in whole[:cut] if isinstance(event, UnitEnded)}
    for key in state.units:
        over = isinstance(last.get(key), Unchanged | Failed) or last.get(key) == Deployed("v", read_back=True)
        if isinstance(last.get(key), Blocked):  # what was to be made, and cannot be made now, is still left
            over = not state.units[key].fingerprint
        assert (key in left) != over
    # What is taken over describes the rest completely, so that the new run can be resumed too.
    again = fold(taken_over(left, 0.0))
    assert set(again.units) == set(left)
    assert {key: [one.operation_id for one in known] for key, known in accepted(again.units).items()} == {
        key: [one.operation_id for one in known] for key, known in accepted(left).items()
    }


@given(streams, st.randoms())
def test_the_journal_gives_back_what_it_was_reported(streams: list[list[Event]], rng: random.Random) -> None:
    events = [started(units=len(streams)), *interleaved(streams, rng), ended()]
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        first, *rest = events
        assert isinstance(first, RunStarted)
        journal = store.start_run(first)
        for event in rest:
            journal.append(event)
        found = list(store.events(first.run_id))
    kept = [event for event in events if not isinstance(event, BytesSent | StepStarted)]
    assert found == kept
    assert isinstance(found[-1], RunEnded)


@given(streams, st.randoms())
def test_events_come_back_from_json(streams: list[list[Event]], rng: random.Random) -> None:
    for event in interleaved(streams, rng):
        assert from_dict(orjson.loads(orjson.dumps(to_dict(event)))) == event
