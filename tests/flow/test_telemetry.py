"""Runs of the real engine in virtual time, as spans and metrics."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.trace import StatusCode

from orchestrator.journal.events import Event, OperationAccepted, OperationDone, RunEnded, StepFinished, UnitEnded
from orchestrator.model import Gate, Rollout
from orchestrator.ports import CommandEnd
from orchestrator.report.telemetry.names import ATTRIBUTES, METRICS, SPAN_EVENTS
from orchestrator.sandbox.memory.faults import Faults, Rates
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench, sources
from tests.runs import started
from tests.telemetry import attributes, measured, sent

COUNT = 24


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """A run with waves, a pause, a gate, refusals, lost answers, failures and retries."""
    root = tmp_path_factory.mktemp("run")
    faults = Faults(Rates(unavailable=0.05, lost=0.03, throttled=0.03), seed=7, failing_functions={"f005", "f011"})
    bench = Bench(root, durations="lognormal:2,0.4", faults=faults, quotas=Quotas(10, 3, 4))
    bench.commands.ends = [CommandEnd(0, "fine", 5.0)] * 3
    rollout = Rollout(waves=(2, "50%", "100%"), pause_s=30.0, max_failures=5, gate=Gate(("./gate.sh",), Path()))
    bench.deploy(sources(root, COUNT), rollout=rollout)
    first, last = min(event.at for event in bench.events), max(event.at for event in bench.events)
    return [started(units=COUNT, at=first), *bench.events, RunEnded(last, 1, "2 failed")]


def test_a_run_is_one_trace_of_functions_and_their_steps(events: list[Event]) -> None:
    found = sent(events)
    root = found.root
    assert len({span.context.trace_id for span in found.spans}) == 1
    assert (root.name, root.status.status_code, root.status.description) == ("deploy", StatusCode.ERROR, "2 failed")
    kinds = Counter(span.name.split()[0] for span in found.below(root))
    assert kinds == {"function": COUNT, "gate": 3}
    steps = Counter(str(event.step) for event in events if isinstance(event, StepFinished))
    below = [step for function in found.below(root) for step in found.below(function)]
    assert Counter(step.name for step in below) == steps
    assert len(found.spans) == 1 + COUNT + 3 + sum(steps.values())
    for span in found.spans:
        assert span.start_time is not None
        assert span.end_time is not None
        assert (root.start_time or 0) <= span.start_time <= span.end_time <= (root.end_time or 0)


def test_each_operation_is_in_two_steps_with_the_ids_that_the_cloud_gave(events: list[Event]) -> None:
    found = sent(events)
    asked = {one.operation_id: one for one in events if isinstance(one, OperationAccepted)}
    done = {one.operation_id: one for one in events if isinstance(one, OperationDone)}
    steps = [(span, facts) for span in found.spans if {"operation_id", "step"} <= (facts := attributes(span)).keys()]
    asking = {facts["operation_id"]: facts for _, facts in steps if facts["step"] != "track"}
    tracked = {facts["operation_id"]: (span, facts) for span, facts in steps if facts["step"] == "track"}
    assert asking.keys() == tracked.keys() == asked.keys() == done.keys()
    for operation_id, facts in asking.items():
        event = asked[operation_id]
        ids = {name: facts.get(name, "") for name in ("call", "function_id", "version_id", "request_id")}
        assert ids == {name: getattr(event, name) for name in ids}
        span, track = tracked[operation_id]
        assert (track["polls"], track["function"]) == (done[operation_id].polls, asked[operation_id].key)
        assert span.status.is_ok == (not done[operation_id].error)
    assert sum(one.polls for one in done.values()) > len(done)


def test_a_failure_is_the_status_of_the_function_and_has_its_ids(events: list[Event]) -> None:
    found = sent(events)
    failed, fine = found.named("function f005"), found.named("function f004")
    assert (failed.status.status_code, fine.status.status_code) == (StatusCode.ERROR, StatusCode.OK)
    assert failed.status.description
    facts = attributes(failed)
    assert (facts["outcome"], facts["error_step"], facts["wave"]) == ("failed", "track", 2)
    assert facts["operation_id"] in {one.operation_id for one in events if isinstance(one, OperationAccepted)}
    assert attributes(fine)["outcome"] == "deployed"


def test_all_names_are_documented_ones(events: list[Event]) -> None:
    found = sent(events)
    root = found.root
    kinds = {"gate": "gate"} | {str(step): "step" for step in {s.step for s in events if isinstance(s, StepFinished)}}
    for span in found.spans:
        kind = "run" if span is root else "function" if span.name.startswith("function ") else kinds[span.name]
        assert set(attributes(span)) <= set(ATTRIBUTES[kind]), span.name
        assert {event.name for event in span.events} <= set(SPAN_EVENTS.get(kind, ())), span.name
    assert {"wave_started", "pause_began"} <= {event.name for event in root.events}
    assert any(event.name == "step_retried" for span in found.spans for event in span.events)


def test_the_metrics_count_what_the_events_say(events: list[Event]) -> None:
    found = measured(events)
    assert set(found) == {metric.name for metric in METRICS}
    by_name = {metric.name: metric for metric in METRICS}
    for name, points in found.items():
        assert {word for point in points for word, _ in point} <= set(by_name[name].attributes)
    outcomes = {one.key: one.outcome for one in events if isinstance(one, UnitEnded)}
    assert sum(found["orchestrator.functions"].values()) == len(outcomes) == COUNT
    assert found["orchestrator.functions"][("outcome", "failed"),] == 2
    assert set(found["orchestrator.operations.active"].values()) == {0}
    assert {point[1] for point in found["orchestrator.operations.active"]} == {("scope", "cloud"), ("scope", "folder")}
    polls = sum(one.polls for one in events if isinstance(one, OperationDone))
    assert sum(found["orchestrator.polls"].values()) == polls
    count, total_s = map(sum, zip(*found["orchestrator.step.duration"].values(), strict=True))
    steps = [one for one in events if isinstance(one, StepFinished)]
    assert count == len(steps)
    assert total_s == pytest.approx(sum(one.seconds for one in steps))


def test_operations_in_flight_are_counted_while_they_are(events: list[Event]) -> None:
    accepted = [at for at, event in enumerate(events) if isinstance(event, OperationAccepted)]
    part = events[: accepted[2] + 1]
    done = sum(isinstance(event, OperationDone) for event in part)
    assert set(measured(part)["orchestrator.operations.active"].values()) == {3 - done}
    assert set(measured(part)["orchestrator.operations.limit"].values()) == {15, 20}
