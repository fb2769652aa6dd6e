from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.condition_events import (
    BreakerOpened,
    LeaseLost,
    LeaseTaken,
    LimitChanged,
    LongWait,
    OutageBegan,
    OutageEnded,
    SlotRefused,
)
from orchestrator.journal.event_json import EVENTS, from_dict, outcome_from_dict, outcome_to_dict, to_dict
from orchestrator.journal.events import Breached, Event, UnitEnded, UnitsUnchanged
from orchestrator.journal.rollout_events import (
    GateBegan,
    GateEnded,
    GivenUp,
    PauseBegan,
    RollbackBegun,
    RunPaused,
    VersionVerified,
    WaveStarted,
)
from orchestrator.model import (
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Failure,
    Inconclusive,
    Outcome,
    Step,
    Unchanged,
    Unknown,
    Verdict,
)
from tests.runs import RUN_ID, deployment, ended, failed, started, whole_run

OUTCOMES: list[Outcome] = [
    Deployed("v1", read_back=True),
    Unchanged("v0"),
    failed(detail="line 1\nline 2"),
    Blocked("it would lose its network"),
    Cancelled(),
    Unknown("the answer was lost", "operation-1", "version-1"),
    Inconclusive("401: no right to invoke it", "version-1"),
    Failed(Step.VERIFY, Failure("it answered 502"), rolled_back_to="version-0"),
    Failed(Step.READ_BACK, Failure("replaced", kind="overwritten"), overwritten="version-1"),
]
A_RUN = [
    started(units=1),
    UnitsUnchanged(1.0, (("f", "f", "b1g", "d4e", "version-1", "print", "up to date"),)),
    WaveStarted(1.0, 1, 3, 10, folders={"b1g": 10}),
    BreakerOpened(1.0, "b1g", Step.CREATE, "refused alike", 12),
    OutageBegan(1.0, "no answer"),
    LongWait(1.0, 30.0, "asks to slow down"),
    OutageEnded(9.0, 8.0),
    LeaseTaken(9.0, 3, 10),
    LeaseLost(9.0, "taken over"),
    LimitChanged(9.0, "folder b1g", 14.0, "refused"),
    SlotRefused(9.0, "folder b1g", 14),
    Breached(9.0, "3 of 10 failed"),
    GivenUp(9.0, 7),
    VersionVerified(9.0, "f", "version-1", Verdict.FAILED, "it answered 502", 3, 1.5, 1),
    PauseBegan(9.0, 1, 300.0),
    GateBegan(9.0, 2),
    GateEnded(9.0, 2, Verdict.INCONCLUSIVE, 300.0, None, "waiting for metrics"),
    RunPaused(9.0, "wave 1 of 3 waits for approval", 1),
    RollbackBegun(9.0, RUN_ID, "3 of 10 failed"),
    *deployment("f"),
    ended(1, reason="stopped"),
]


def through_json(event: Event) -> Event:
    return from_dict(orjson.loads(orjson.dumps(to_dict(event))))


@pytest.mark.parametrize("event", A_RUN, ids=lambda event: event.kind)
def test_an_event_comes_back_from_json_as_it_was(event: Event) -> None:
    assert through_json(event) == event


def test_every_kind_is_in_the_table_above() -> None:
    assert {event.kind for event in A_RUN} == set(EVENTS)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert outcome_from_dict(outcome_to_dict(outcome)) == outcome
    assert through_json(UnitEnded(1.0, "f", outcome)) == UnitEnded(1.0, "f", outcome)


@given(st.text(), st.text(), st.sampled_from(Step))
def test_any_text_of_a_failure_comes_back(message: str, detail: str, step: Step) -> None:
    event = UnitEnded(1.0, "f", Failed(step, Failure(message, detail=detail)))
    assert through_json(event) == event


def test_a_kind_of_a_newer_program_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        from_dict({"kind": "unit_promoted", "at": 1.0, "key": "f"})


@pytest.mark.parametrize("event", A_RUN, ids=lambda event: event.kind)
def test_fields_of_a_newer_program_are_passed_over(event: Event) -> None:
    data: dict[str, Any] = to_dict(event) | {"added_later": 1}
    if "outcome" in data:
        data["outcome"] |= {"added_later": 1}
    assert from_dict(data) == event


def test_a_failure_may_have_fields_of_a_newer_program() -> None:
    data = outcome_to_dict(failed())
    data["failure"] |= {"added_later": 1}
    assert outcome_from_dict(data) == failed()


def test_a_step_is_stored_as_its_name() -> None:
    data = to_dict(deployment("f")[1])
    assert orjson.loads(orjson.dumps(data))["step"] == "package"


@pytest.mark.parametrize("name", EVENTS)
def test_the_kind_is_no_field_of_its_own(name: str) -> None:
    assert "kind" not in {field.name for field in fields(EVENTS[name])}


def test_a_whole_run_says_its_id_once() -> None:
    assert [to_dict(event)["run_id"] for event in whole_run("f") if "run_id" in to_dict(event)] == [RUN_ID]
