from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import (
    BytesSent,
    Event,
    OperationAccepted,
    OperationDone,
    Requested,
    StepFinished,
    StepStarted,
    UnitEnded,
)
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import fold
from orchestrator.model import (
    Blocked,
    Cancelled,
    Change,
    ChangeKind,
    Deployed,
    Outcome,
    Step,
    Unchanged,
    Unknown,
    Verdict,
)
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started, whole_run

A_RUN = whole_run("auth", "billing", "mailer")


def test_a_run_tells_its_facts() -> None:
    state = fold([started(units=2), ended(3, reason="interrupted")])
    assert (state.run_id, state.verb, state.total, state.program) == (RUN_ID, "deploy", 2, "0.1.0")
    assert (state.endpoint, state.manifest) == ("https://api.cloud.yandex.net", "deploy.toml")
    assert (state.started_at, state.ended_at) == (STARTED_AT, STARTED_AT + 8.4)
    assert (state.exit_code, state.reason) == (3, "interrupted")


def test_a_run_that_has_not_ended_has_no_exit_code() -> None:
    state = fold(A_RUN[:-1])
    assert (state.ended_at, state.exit_code) == (None, None)


def test_a_unit_tells_what_was_planned() -> None:
    unit = fold([planned("auth")]).units["auth"]
    assert (unit.name, unit.folder_id, unit.function_id) == ("auth", "b1gfolder", "d4e-auth")
    assert (unit.action, unit.reason) == ("new version", "the source changed")
    assert (unit.base_version_id, unit.fingerprint) == ("base-auth", "1:abc")


def test_seconds_of_a_repeated_step_add_up() -> None:
    unit = fold(A_RUN).units["auth"]
    assert unit.seconds[Step.QUEUE] == pytest.approx(1.5)
    assert unit.seconds[Step.CREATE] == pytest.approx(0.5)
    assert unit.work_s == pytest.approx(3.1)


def test_a_unit_tells_its_requests_operations_and_package() -> None:
    unit = fold(A_RUN).units["mailer"]
    assert [(r.call, r.idempotency_key, r.attempt) for r in unit.requests] == [("createVersion", "key-mailer", 1)] * 2
    assert list(unit.operations) == ["operation-mailer"]
    assert unit.done["operation-mailer"].seconds == pytest.approx(1.9)
    assert unit.package is not None
    assert (unit.package.bucket, unit.package.object) == ("packages", "functions/mailer.zip")
    assert (unit.retries, unit.retry_reason) == (1, "too many requests")
    assert (unit.sent_bytes, unit.size_bytes) == (10_000_000, 10_000_000)


VERSIONS: list[tuple[Outcome | None, str]] = [
    (None, "accepted"),
    (Deployed("made"), "made"),
    (Unchanged("found"), "found"),
    (Unknown("lost", version_id="perhaps"), "perhaps"),
    (Unknown("lost"), "accepted"),
    (Cancelled(), "accepted"),
]


def test_a_version_that_a_tag_was_moved_to_was_not_made() -> None:
    moved = OperationAccepted(1.0, "f", "setTag", "o", "d4e", "former")
    assert fold([moved, UnitEnded(2.0, "f", Blocked("left alone"))]).units["f"].version_id == ""


@pytest.mark.parametrize(("outcome", "version_id"), VERSIONS)
def test_the_version_is_the_outcomes_else_the_operations(outcome: Outcome | None, version_id: str) -> None:
    unit = fold([OperationAccepted(1.0, "f", "createVersion", "o", "d4e", "accepted")]).units["f"]
    unit.outcome = outcome
    assert unit.version_id == version_id


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ([], "not begun"),
        ([Verdict.PASSED], "done"),
        ([Verdict.FAILED], "failed"),
        ([Verdict.INCONCLUSIVE], "asked for"),
        ([Verdict.INCONCLUSIVE, Verdict.PASSED], "done"),
    ],
)
def test_what_became_of_a_verification_is_its_last_verdict(verdicts: list[Verdict], outcome: str) -> None:
    changes = (Change(ChangeKind.VERSION), Change(ChangeKind.VERIFY))
    reported = [VersionVerified(1.0, "f", "v", verdict, change=1) for verdict in verdicts]
    version, verify = fold([replace(planned("f"), changes=changes), *reported]).units["f"].changes
    assert (version.outcome, verify.outcome) == ("not begun", outcome)


def test_a_later_outcome_replaces_an_earlier_one() -> None:
    state = fold([UnitEnded(1.0, "f", Deployed("v")), UnitEnded(2.0, "f", failed())])
    assert state.outcomes == {"failed": 1}
    assert state.ended == 1


@given(st.integers(0, len(A_RUN)))
def test_any_prefix_folds_and_its_counters_are_right(length: int) -> None:
    state = fold(A_RUN[:length])
    units = state.units.values()
    assert state.outcomes == Counter(outcome_name(unit.outcome) for unit in units if unit.outcome is not None)
    assert state.steps == Counter(unit.step for unit in units if unit.step is not None)
    assert state.ended == sum(state.outcomes.values())
    assert set(state.running) == {unit.key for unit in units if unit.started_at is not None and unit.outcome is None}


@given(st.lists(st.sampled_from([*A_RUN, *deployment("auth", outcome=Blocked("b")), ended(1)])))
def test_events_in_any_order_fold(events: list[Event]) -> None:
    state = fold(events)
    assert all(count > 0 for count in [*state.outcomes.values(), *state.steps.values()])
    assert state.ended == sum(state.outcomes.values()) <= len(state.units)
    assert all(unit.step is None for unit in state.units.values() if unit.outcome is not None)


def test_folding_in_two_parts_is_folding_at_once() -> None:
    state = fold(A_RUN[:20])
    for event in A_RUN[20:]:
        state.apply(event)
    assert state == fold(A_RUN)


def test_a_kind_that_is_not_known_changes_nothing() -> None:
    class Newer(Event):
        pass

    state = fold(A_RUN)
    state.apply(Newer(1.0))
    assert state == fold(A_RUN)


def test_the_steps_can_be_reported_without_step_started() -> None:
    """A journal has no StepStarted: what a killed run was doing follows from its requests and operations."""
    events: list[Event] = [
        Requested(1.0, "new", "create", "", "k", 1),
        Requested(2.0, "new", "createVersion", "d4e", "k", 1),
        OperationAccepted(3.0, "new", "createVersion", "o", "d4e"),
        OperationDone(4.0, "new", "o", 1.0),
    ]
    steps = [fold(events[:length]).units["new"].step for length in range(1, 5)]
    assert steps == [Step.FUNCTION, Step.CREATE, Step.TRACK, None]
    assert fold(events[:3]).units["new"].step_since == pytest.approx(3.0)


def test_the_end_of_another_step_leaves_the_current_one() -> None:
    state = fold([StepStarted(1.0, "f", Step.TRACK), StepFinished(2.0, "f", Step.BUILD, 1.0)])
    assert state.units["f"].step is Step.TRACK


def test_an_ended_unit_enters_no_step_again() -> None:
    state = fold([UnitEnded(1.0, "f", Cancelled()), StepStarted(2.0, "f", Step.TRACK)])
    assert (state.steps, state.running) == ({}, {})


def test_bytes_of_an_unknown_unit_make_no_unit() -> None:
    assert fold([BytesSent(1.0, "f", 1, 2)]).units == {}
