"""The benchmark's attainable figures, compared with every possible way where these can be counted."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.speed.frontier import bound_s, makespan_s, polled


@pytest.mark.parametrize(
    ("lengths", "slots", "expected"), [([1, 2, 3], 1, 6), ([3, 3, 1, 1], 2, 4), ([1, 1, 3], 2, 4), ([3, 1, 1], 2, 3)]
)
def test_slots_take_the_next_as_soon_as_one_ends(lengths: list[float], slots: int, expected: float) -> None:
    assert makespan_s(lengths, slots) == expected


def test_being_late_costs_only_where_something_waits() -> None:
    assert makespan_s([1, 1], 1, lambda length: length + 0.5) == 2.5
    assert makespan_s([1, 1], 2, lambda length: length + 0.5) == 1


@pytest.mark.parametrize(
    ("lengths", "slots", "rate", "expected"),
    [([1, 1, 1, 1], 2, None, 2), ([1, 5], 2, None, 5), ([0.1] * 41, 20, 10, 3.1), ([0.1] * 4, 20, 10, 0.1)],
)
def test_the_bound_is_the_work_the_longest_or_the_rate(
    lengths: list[float], slots: int, rate: float | None, expected: float
) -> None:
    assert bound_s(lengths, slots, rate) == pytest.approx(expected)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8, unique=True), st.floats(1.0, 5.0))
def test_no_polls_are_better_than_those_that_are_chosen(numbers: list[int], budget: float) -> None:
    lengths = sorted(float(number) for number in numbers)
    seen_s = polled(lengths, budget)

    def late_and_polls(times: tuple[float, ...]) -> tuple[float, float]:
        late = sum(next(at for at in times if at >= length) - length for length in lengths)
        return late, sum(next(n for n, at in enumerate(times, 1) if at >= length) for length in lengths) / len(lengths)

    late, polls = late_and_polls(tuple(sorted({seen_s(length) for length in lengths})))
    assert polls <= budget
    ways = [
        late_and_polls((*some, lengths[-1]))
        for count in range(len(lengths))
        for some in combinations(lengths[:-1], count)
    ]
    assert all(other_late >= late for other_late, other_polls in ways if other_polls <= polls)


@pytest.mark.parametrize("budget", [2.0, 4.0, 8.0])
def test_polls_that_are_allowed_are_used(budget: float) -> None:
    lengths = [1.0 + number / 100 for number in range(300)]
    times = sorted(set(map(polled(lengths, budget), lengths)))
    used = sum(sum(at < length for at in times) + 1 for length in lengths) / len(lengths)
    assert budget - 0.5 < used <= budget
