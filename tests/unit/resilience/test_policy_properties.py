"""Rules that are true for every error and every run, whatever the tables of `policy` contain."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine import verdicts
from orchestrator.engine.breaker import ALIKE, Refusal, alike
from orchestrator.errors import CloudError, Code, Exit
from orchestrator.model import Blocked, Cancelled, Deployed, Failed, Failure, Outcome, Step, Unchanged, Unknown
from orchestrator.planning.rollout import wave_ends
from orchestrator.resilience import policy
from orchestrator.resilience.policy import ErrorClass

texts = st.sampled_from(
    ["", "Превышена квота", "<html>502 Bad Gateway</html>", "number of functions", "active operations", "rate"]
) | st.text(max_size=80)
errors = st.builds(
    CloudError, texts, call=st.sampled_from(["createVersion", "get operation", "put object"]),
    code=st.none() | st.sampled_from(Code), http_status=st.none() | st.integers(100, 599), sent=st.booleans(),
    retry_after_s=st.none() | st.floats(0, 3600), quota=texts,
)  # fmt: skip
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Deployed, st.just("v"), read_back=st.booleans()),
    st.builds(Unchanged, st.just("v")),
    st.builds(Failed, st.sampled_from(Step), st.builds(Failure, texts)),
    st.builds(Blocked, texts),
    st.builds(Cancelled, texts),
    st.builds(Unknown, texts),
)
_FINAL = {
    Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.PERMISSION_DENIED,
    Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE, Code.UNIMPLEMENTED, Code.DATA_LOSS,
}  # fmt: skip


@given(errors)
def test_what_is_not_known_to_be_permanent_is_transient(error: CloudError) -> None:
    assert (policy.judge(error) is ErrorClass.PERMANENT) == (error.code in _FINAL)


@given(errors, st.integers(1, 100))
def test_only_refusals_and_lost_answers_are_repeated_and_not_for_ever(error: CloudError, attempt: int) -> None:
    again = policy.worth_retrying(error, attempt)
    assert again <= (policy.judge(error) in (ErrorClass.REFUSED, ErrorClass.UNSURE))
    assert not policy.worth_retrying(error, policy.MAX_REFUSALS)
    if again and attempt > 1:
        assert policy.worth_retrying(error, attempt - 1)


@given(errors)
def test_what_may_have_been_acted_on_is_never_called_a_refusal(error: CloudError) -> None:
    if policy.judge(error) is ErrorClass.REFUSED and error.code is not Code.RESOURCE_EXHAUSTED:
        assert not error.sent


@given(errors)
def test_an_answer_that_means_something_is_no_silence(error: CloudError) -> None:
    if policy.is_silence(error):
        assert policy.judge(error) in (ErrorClass.UNSURE, ErrorClass.REFUSED)
        assert error.code in (None, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


@given(st.integers(1, 60), st.integers(0, 1 << 32), st.none() | st.floats(0, 3600))
def test_waits_are_bounded_jittered_and_never_shorter_than_the_server_asks(
    attempt: int, seed: int, retry_after_s: float | None
) -> None:
    wait_s = policy.backoff_s(attempt, random.Random(seed), retry_after_s)
    span = min(30.0, 0.5 * 2 ** (attempt - 1))
    assert wait_s >= (retry_after_s or 0.0)
    assert span / 2 <= wait_s <= max(span, retry_after_s or 0.0)


shares = st.integers(1, 60) | st.integers(1, 100).map(lambda share: f"{share}%")


@given(st.integers(0, 500), st.lists(shares, max_size=6))
def test_waves_take_every_unit_once_and_none_is_empty(units: int, waves: list[int | str]) -> None:
    ends = wave_ends(units, waves)
    assert (ends[-1] if ends else 0) == units
    assert all(earlier < later for earlier, later in pairwise((0, *ends)))


@given(st.integers(0, 100), st.integers(1, 100), st.none() | shares | st.just(0))
def test_one_failure_more_never_makes_a_run_go_on(failed: int, units: int, allowed: int | str | None) -> None:
    if verdicts.breach(failed, units, allowed):
        assert verdicts.breach(failed + 1, units, allowed)
        assert failed
    assert not verdicts.breach(failed, units, "100%") or failed > units


@given(st.lists(outcomes, max_size=12), st.booleans(), st.randoms())
def test_the_exit_code_is_of_all_outcomes_in_whatever_order(
    found: list[Outcome], interrupted: bool, rng: random.Random
) -> None:
    code = verdicts.exit_code(found, interrupted=interrupted)
    shuffled = list(found)
    rng.shuffle(shuffled)
    assert verdicts.exit_code(shuffled, interrupted=interrupted) is code
    if any(isinstance(one, Unknown) for one in found):
        assert code is Exit.INTERRUPTED
    elif code is Exit.DONE:
        assert all(isinstance(one, Deployed | Unchanged) for one in found)
    else:
        assert code is Exit.INTERRUPTED or any(isinstance(one, Failed | Blocked | Cancelled) for one in found)


refusals = st.sampled_from([None, Refusal("A", "x"), Refusal("A", "y"), Refusal("B", "x")])


@given(st.lists(refusals, max_size=9))
def test_only_five_refusals_of_the_same_words_are_alike(ends: list[Refusal | None]) -> None:
    last = ends[-ALIKE:]
    assert (alike(ends) is not None) == (len(last) == ALIKE and len(set(last)) == 1 and last[0] is not None)
