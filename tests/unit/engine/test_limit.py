"""One quota as a run knows it: the effects of refusals and calm."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.quotas.limit import GROWTH_CALLS, PROBE_CALLS, PROBE_MIN_S, PROOF, Limit


@dataclass
class Cloud:
    """A cloud that admits `quota` Operations, of which others use `others`. Ours are kept at the limit."""

    limit: Limit
    quota: int
    others: int = 0
    running: int = 0
    now: float = 0.0
    refusals: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def call(self) -> None:
        """Request one more, when the limit allows it."""
        self.now += 0.1
        self.running = min(self.running, self.limit.allowed - 1)  # some have ended
        granted_at = self.now
        if self.running + 1 + self.others <= self.quota:
            self.running += 1
            self.limit.accepted(self.running, self.running, self.now)
        else:
            self.refusals += 1
            self.limit.refused(self.running, granted_at, self.now, self.rng)
            self.now = max(self.now, self.limit.closed_until)

    def calls(self, count: int) -> int:
        """Make this many. Returns how many were refused."""
        before = self.refusals
        for _ in range(count):
            self.call()
        return self.refusals - before


def test_a_limit_that_is_reported_is_kept_to() -> None:
    cloud = Cloud(Limit(15, known=True), 15)
    assert cloud.calls(2000) == 0
    assert cloud.limit.allowed == 15


def test_a_reserve_is_never_touched() -> None:
    cloud = Cloud(Limit(15, known=True, reserve=4), 15)
    cloud.calls(2000)
    assert cloud.limit.allowed == 11
    assert Limit(15, reserve=20).allowed == 1


@pytest.mark.parametrize("quota", [1, 8, 15, 40, 100])
def test_a_limit_that_nobody_tells_is_found(quota: int) -> None:
    cloud = Cloud(Limit(20), quota)
    cloud.calls(GROWTH_CALLS * 100)
    assert abs(cloud.limit.allowed - quota) <= 1
    assert cloud.calls(3000) <= 3000 // PROBE_CALLS + 1


def test_after_a_refusal_it_is_tried_again_only_after_calls_and_time() -> None:
    cloud = Cloud(Limit(20), 20)
    while not cloud.refusals:
        cloud.call()
    refused_at = cloud.now
    cloud.calls(1)
    while cloud.refusals == 1:
        cloud.call()
    assert cloud.now >= refused_at + PROBE_MIN_S
    assert cloud.limit.ceiling == 21


def test_a_quota_that_was_raised_is_used() -> None:
    cloud = Cloud(Limit(20), 20)
    cloud.calls(500)
    cloud.quota = 50
    cloud.calls(3000)
    assert cloud.limit.allowed >= 49


def test_what_others_use_is_left_to_them_and_one_more() -> None:
    cloud = Cloud(Limit(20, known=True), 20)
    cloud.calls(100)
    cloud.others = 10
    while not cloud.refusals:
        cloud.call()
    cloud.calls(20)
    assert cloud.limit.shared
    assert cloud.limit.allowed < 10
    cloud.others = 0
    cloud.calls(3000)
    assert cloud.limit.allowed == 20
    assert not cloud.limit.shared


def refused_after(limit: Limit, lucky: int) -> None:
    """Nine are allowed. `lucky` calls are accepted as the tenth, because one had just ended unseen, and then one is
    not.
    """
    for running in [*range(1, 10), *[9] * 20, *[10] * lucky]:
        limit.accepted(running, running, 0.5)
    limit.refused(9, 1.0, 1.0, random.Random(1))


@pytest.mark.parametrize("lucky", [0, 1, 2, PROOF - 1])
def test_a_lucky_acceptance_is_no_proof(lucky: int) -> None:
    limit = Limit(20)
    refused_after(limit, lucky)
    assert not limit.shared
    assert (limit.allowed, limit.ceiling) == (9, 10)
    refused_after(limit, lucky)  # two lucky runs do not add up, with a refusal between them
    assert not limit.shared
    assert limit.allowed == 9


def test_what_was_proved_by_many_is_taken_by_others() -> None:
    limit = Limit(20)
    refused_after(limit, PROOF)
    assert limit.shared
    assert limit.allowed < 10


def test_where_nothing_of_ours_runs_only_time_helps() -> None:
    cloud = Cloud(Limit(5), 5, others=5)
    cloud.calls(10)
    assert cloud.now > 30  # not ten calls a second
    assert cloud.limit.allowed == 1


def test_retry_after_is_obeyed() -> None:
    limit = Limit(5)
    limit.refused(3, 0.0, 1.0, random.Random(1), retry_after_s=7.0)
    assert limit.closed_until == 8.0


def test_a_burst_of_refusals_is_one_reason() -> None:
    limit = Limit(20)
    for held in range(19, 7, -1):  # twelve of twenty that were sent at once
        limit.refused(held, 0.0, 1.0, random.Random(1))
    assert limit.allowed == 8
    assert limit.ceiling == 9
    assert limit.closed_until <= 1.0


events = st.lists(
    st.tuples(st.booleans(), st.integers(0, 40), st.floats(0.0, 100.0), st.none() | st.floats(0.0, 50.0)), max_size=200
)


@given(st.integers(1, 50), st.booleans(), st.integers(0, 60), events)
def test_whatever_happens_something_is_allowed_and_never_more_than_reported(
    assumed: int, known: bool, reserve: int, happens: list[tuple[bool, int, float, float | None]]
) -> None:
    limit, now, most = Limit(assumed, known=known, reserve=reserve), 0.0, assumed
    for accepted, held, passed_s, retry_after_s in happens:
        now += passed_s
        before = limit.allowed
        if accepted:
            limit.accepted(held, held, now)
            assert before <= limit.allowed <= before + 1
        else:
            limit.refused(held, now, now, random.Random(held), retry_after_s)
            assert limit.allowed <= before
            assert limit.closed_until >= now + (retry_after_s or 0.0) or not retry_after_s
        most = max(most, limit.allowed)
        assert limit.allowed >= 1
        if known:
            assert limit.allowed <= max(1, assumed - reserve)
