"""When to poll: what is learned about how long Operations take."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.knowledge import Knowledge, from_json
from orchestrator.engine.quotas.slots import LimitKey
from orchestrator.engine.tracking.durations import Durations, Kind, Learned, next_poll_s
from orchestrator.engine.tracking.tracker import length_of
from orchestrator.model import Operation

lengths = st.lists(st.floats(0.01, 600.0), max_size=50)


def polls(durations: Durations, until_s: float, price_s: float = 0.013) -> list[float]:
    """Return the ages at which one Operation is polled."""
    ages, age = [], 0.0
    while age < until_s:
        age += next_poll_s(durations, age, price_s, least_s=0.05, most_s=30.0)
        ages.append(age)
    return ages


@given(lengths, st.floats(0.0, 1000.0), st.floats(0.0, 1000.0))
def test_the_hazard_grows_with_age_and_begins_at_nothing(known: list[float], one: float, other: float) -> None:
    durations = Durations(known)
    young, old = sorted((one, other))
    assert durations.hazard(0.0) == 0.0
    assert 0.0 <= durations.hazard(young) <= durations.hazard(old) < math.inf


@given(lengths, st.floats(0.0, 2000.0), st.floats(0.0001, 10.0))
def test_a_look_comes_neither_at_once_nor_never(known: list[float], age_s: float, price_s: float) -> None:
    wait_s = next_poll_s(Durations(known), age_s, price_s, least_s=0.05, most_s=30.0)
    assert 0.05 <= wait_s <= max(30.0, 0.06 * age_s)


def test_nothing_is_asked_before_it_can_be_over() -> None:
    rng = random.Random(1)
    durations = Durations([10.0 + rng.random() for _ in range(100)])
    ages = polls(durations, 11.0)
    assert ages[0] > 8.0
    assert len(ages) <= 14


def test_nothing_is_asked_between_the_two_halves_of_a_mixture() -> None:
    durations = Durations([1.0] * 90 + [30.0] * 10)
    ages = polls(durations, 30.0)
    assert not [age for age in ages if 1.3 < age < 29.0]
    assert any(0.9 < age < 1.2 for age in ages)


def test_a_dearer_call_is_made_more_rarely() -> None:
    durations = Durations([random.Random(n).lognormvariate(0.7, 0.4) for n in range(200)])
    assert len(polls(durations, 6.0, 0.05)) < len(polls(durations, 6.0, 0.005)) / 2


def test_the_first_looks_are_sensible_where_nothing_is_known() -> None:
    ages = polls(Durations(), 600.0)
    assert 0.2 < ages[0] < 0.7
    assert len([age for age in ages if age < 60]) < 100
    assert len(ages) < 160  # of ten minutes, although no one expected it to last so long


def test_one_that_outlives_all_others_is_asked_for_more_and_more_rarely() -> None:
    ages = polls(Durations([2.0] * 50), 300.0)
    gaps = [later - earlier for earlier, later in pairwise(ages) if earlier > 4.0]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 5.0


def test_what_is_learned_comes_back_from_the_journal() -> None:
    knowledge = Knowledge({LimitKey("folder", "b1g"): (14, 16), LimitKey("cloud", "c"): (20, None)}, 17.5, call_s=0.25)
    for length_s in (1.25, 2.5):
        knowledge.durations.add(Kind.BUILD, length_s)
    found = from_json(knowledge.to_json())
    assert (found.limits, found.requests_per_second, found.call_s) == (knowledge.limits, 17.5, 0.25)
    assert found.durations.of(Kind.BUILD).lengths_s == (1.25, 2.5)
    assert found.durations.of(Kind.COPY).lengths_s == ()


@pytest.mark.parametrize(
    "values", [{}, {"limits": 7}, {"limits": [["folder"]]}, {"limits": [], "requests_per_second": "x", "durations": {}}]
)
def test_what_a_newer_program_has_learned_is_not_known(values: dict[str, object]) -> None:
    assert from_json(values).limits == {}


def test_times_in_whole_seconds_are_taken_for_anything_within_them() -> None:

    start = datetime(2027, 1, 1, tzinfo=UTC)
    whole = Operation("o", done=True, created_at=start, modified_at=start.replace(second=2))
    found = [length_of(whole, random.Random(seed)) for seed in range(300)]
    assert all(one is not None and 1.0 < one < 3.0 for one in found)
    assert len(set(found)) > 250
    exact = Operation("o", done=True, created_at=start, modified_at=start.replace(second=2, microsecond=500_000))
    assert length_of(exact, random.Random(1)) == 2.5
    assert length_of(Operation("o", done=True), random.Random(1)) is None


def test_the_mean_is_of_this_run() -> None:
    learned = Learned({Kind.PLAIN: [9.0] * 20})
    assert learned.mean_s == 9.0
    for _ in range(10):
        learned.add(Kind.COPY, 1.0)
    assert learned.mean_s == pytest.approx(1.0)


def test_calls_that_verify_are_learned_apart_from_operations_and_kept() -> None:
    knowledge = Knowledge()
    assert knowledge.durations.of(Kind.VERIFY).mean_s < knowledge.durations.of(Kind.PLAIN).mean_s, "no build, no slot"
    knowledge.durations.add(Kind.PLAIN, 2.0)
    knowledge.durations.called(0.25)
    assert knowledge.durations.mean_s == 2.0, "what a slot is held for"
    kept = knowledge.to_json()
    assert from_json(kept).durations.of(Kind.VERIFY).lengths_s == (0.25,)
    kept["durations"]["of a newer program"] = [1.0]
    assert from_json(kept).durations.of(Kind.PLAIN).lengths_s == (2.0,), "one unknown kind takes nothing else away"
    del kept["durations"]["verify"]  # of an earlier program
    assert from_json(kept).durations.of(Kind.PLAIN).lengths_s == (2.0,)
