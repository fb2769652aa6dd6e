from __future__ import annotations

from dataclasses import replace

import pytest
from opentelemetry.trace import StatusCode

from orchestrator.journal.events import Event, OperationAccepted, StepFinished, StepRetried, StepStarted, UnitEnded
from orchestrator.journal.rollout_events import GateEnded, RollbackBegun, VersionVerified, WaveStarted
from orchestrator.model import Action, Blocked, Cancelled, Deployed, Outcome, Pruned, Step, Unchanged, Unknown, Verdict
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import MARK
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.telemetry.names import root_of
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started, step, whole_run
from tests.telemetry import attributes, sent
from tests.unit.redaction.test_redactor import IAM, LOCKBOX

AT = STARTED_AT
RUN_1_TRACE, RUN_1_SPAN = 0x41E15E297A44DACA1C37BC85C473459A, 0x2E370E0376C6FF0B


def test_a_deployed_function_has_a_span_of_each_step_with_what_the_cloud_said() -> None:
    found = sent([started(), WaveStarted(AT, 1, 3, 1), *deployment("auth"), ended()])
    assert (found.root.name, found.root.status.status_code) == ("deploy", StatusCode.OK)
    function = found.named("function auth")
    assert attributes(function) == {
        "function": "auth", "name": "auth", "folder_id": "b1gfolder", "function_id": "d4e-auth", "wave": 1,
        "action": "new version", "reason": "the source changed", "base_version_id": "base-auth", "outcome": "deployed",
        "version_id": "version-auth",
    }  # fmt: skip
    steps = found.below(function)
    assert [span.name for span in steps] == ["package", "upload", "queue", "create", "queue", "create", "track"]
    _, upload, _, refused, _, create, track = (attributes(span) for span in steps)
    assert (upload["bucket"], upload["size_bytes"], upload["existed"]) == ("packages", 10_000_000, False)
    assert (refused["request_id"], refused["idempotency_key"]) == ("request-1", "key-auth")
    assert steps[3].status.description == "too many requests"
    assert [(event.name, attributes(event)["wait_s"]) for event in steps[3].events] == [("step_retried", 0.5)]
    assert {name: create[name] for name in ("call", "operation_id", "version_id", "request_id", "change")} == {
        "call": "createVersion", "operation_id": "operation-auth", "version_id": "version-auth",
        "request_id": "request-2", "change": 0,
    }  # fmt: skip
    assert (track["operation_id"], track["seconds"]) == ("operation-auth", 1.9)
    assert (steps[0].start_time, steps[0].end_time) == (round(AT * 1e9), round((AT + 0.1) * 1e9))


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Deployed("v"), StatusCode.OK),
        (Pruned(3), StatusCode.OK),
        (failed("refused"), StatusCode.ERROR),
        (Blocked("refused"), StatusCode.UNSET),
        (Cancelled("refused"), StatusCode.UNSET),
        (Unknown("refused", "o"), StatusCode.UNSET),
    ],
)
def test_the_status_of_a_function_is_its_outcome(outcome: Outcome, status: StatusCode) -> None:
    function = sent([started(), planned("auth"), UnitEnded(AT + 1, "auth", outcome), ended(1)]).named("function auth")
    assert function.status.status_code is status
    assert (function.status.description == "refused") == (status is StatusCode.ERROR)


def test_a_failure_has_the_ids_that_support_asks_for() -> None:
    facts = attributes(sent([started(), *deployment("auth", outcome=failed()), ended(1)]).named("function auth"))
    assert {name: facts[name] for name in ("error_kind", "error_step", "operation_id", "request_id")} == {
        "error_kind": "INVALID_ARGUMENT", "error_step": "track", "operation_id": "operation-9",
        "request_id": "request-9",
    }  # fmt: skip
    assert (facts["server_trace_id"], facts["client_request_id"], facts["http_status"]) == ("trace-9", "client-9", 400)


def test_a_function_that_is_unchanged_has_no_span() -> None:
    packed = StepFinished(AT, "auth", Step.PACKAGE, 0.5)
    unchanged = [planned("auth", action=Action.UNCHANGED), packed, UnitEnded(AT, "auth", Unchanged("v"))]
    found = sent([started(), *unchanged, ended()])
    assert found.spans == (found.root,)


def test_reading_back_has_a_span_where_it_shows_another_outcome() -> None:
    assert "observe" not in {span.name for span in sent(whole_run("auth")).spans}
    found = sent([started(), *deployment("auth"), UnitEnded(AT + 8, "auth", failed("gone", Step.READ_BACK)), ended(1)])
    (seen,) = [span for span in found.below(found.named("function auth")) if span.name == "observe"]
    assert (attributes(seen)["outcome"], seen.status.description) == ("failed", "gone")


def test_runs_of_a_chain_are_linked_by_ids_that_follow_from_the_runs() -> None:
    first = sent([started("run-1"), RollbackBegun(AT + 1, "run-2", "breach"), ended(5)], run_id="run-1")
    second = sent([replace(started("run-2"), rolls_back="run-1", resumes="run-0"), ended()], run_id="run-2")
    for found, run_id in ((first, "run-1"), (second, "run-2")):
        assert (found.root.context.trace_id, found.root.context.span_id) == root_of(run_id)
    linked = [(attributes(link), (link.context.trace_id, link.context.span_id)) for link in second.root.links]
    assert linked == [
        ({"link": "resumes", "run_id": "run-0"}, root_of("run-0")),
        ({"link": "rolls_back", "run_id": "run-1"}, root_of("run-1")),
    ]
    (link,) = first.root.links
    assert (link.context.span_id, attributes(link)["link"]) == (root_of("run-2")[1], "rolled_back_by")
    assert root_of("run-1") == (RUN_1_TRACE, RUN_1_SPAN), "links of former programs lead there"


def test_what_was_built_before_the_run_began_is_in_its_time() -> None:
    built = [StepFinished(AT, "auth", Step.BUILD, 4.0), StepFinished(AT, "auth", Step.PACKAGE, 0.5)]
    found = sent([replace(started(), planned_s=5.0), planned("auth"), *built, *deployment("auth")[1:], ended()])
    assert found.root.start_time == round((AT - 5) * 1e9)
    names = [span.name for span in found.below(found.named("function auth"))]
    assert names == ["build", "package", "package", "upload", "queue", "create", "queue", "create", "track"]


def test_changes_that_are_made_at_once_keep_their_ids_apart() -> None:
    events: list[Event] = [started(), planned("auth")]
    events += [StepStarted(AT, "auth", Step.DELETE, change) for change in (1, 2)]
    events += [StepFinished(AT + 1, "auth", Step.DELETE, 1.0, change=change) for change in (1, 2)]
    events += [OperationAccepted(AT + 1, "auth", "deleteVersion", f"o{n}", "d4e", change=n) for n in (1, 2)]
    found = sent([*events, UnitEnded(AT + 2, "auth", Pruned(2)), ended()])
    deletions = map(attributes, found.below(found.named("function auth")))
    assert {(facts["change"], facts["operation_id"]) for facts in deletions} == {(1, "o1"), (2, "o2")}


def test_a_retry_within_a_step_is_an_event_of_it() -> None:
    retried = StepRetried(AT + 1, "auth", Step.UPLOAD, 1, 0.5, "HTTP 503", "request-7")
    uploaded = [StepStarted(AT, "auth", Step.UPLOAD), retried, StepFinished(AT + 2, "auth", Step.UPLOAD, 2.0)]
    span = sent([started(), planned("auth"), *uploaded, UnitEnded(AT + 2, "auth", Deployed("v")), ended()]).named(
        "upload"
    )
    assert [(event.timestamp, attributes(event)["request_id"]) for event in span.events] == [
        (round((AT + 1) * 1e9), "request-7")
    ]
    assert span.status.is_ok


def test_a_verification_that_fails_is_the_status_of_its_step() -> None:
    verified = VersionVerified(AT + 3, "auth", "v", Verdict.FAILED, "HTTP 500", 2)
    events = [planned("auth"), *step("auth", Step.VERIFY, 1.0, AT + 2), verified, UnitEnded(AT + 3, "auth", failed())]
    span = sent([started(), *events, ended(1)]).named("verify")
    assert (span.status.description, attributes(span)["verdict"], attributes(span)["attempts"]) == (
        "HTTP 500", "failed", 2,
    )  # fmt: skip


def test_a_gate_has_a_span_of_its_own() -> None:
    gate = GateEnded(AT + 9, 2, Verdict.FAILED, 4.0, 1, "too many errors")
    span = sent([started(), gate, ended(5)]).named("gate")
    assert (span.start_time, span.status.description) == (round((AT + 5) * 1e9), "too many errors")
    assert attributes(span) == {"wave": 2, "verdict": "failed", "exit_code": 1}


def test_a_run_that_is_cut_off_ends_where_its_events_do() -> None:
    found = sent([started(), *deployment("auth")[:12]], close=True)
    assert {span.name for span in found.spans} >= {"deploy", "function auth", "upload"}
    assert found.root.end_time == found.named("function auth").end_time
    assert found.root.status.status_code is StatusCode.UNSET


def test_no_secret_is_in_a_span() -> None:
    redactor = Redactor()
    redactor.add(LOCKBOX)
    outcome = failed(f"psql {LOCKBOX} with {IAM}\nrefused")
    events = [started(), WaveStarted(AT, 1, 2, 1), *deployment("auth", outcome=outcome), ended(1, reason=LOCKBOX)]
    found = sent(events, outlet=Outlet(redactor))
    written = "".join(span.to_json() for span in found.spans)
    assert LOCKBOX not in written
    assert IAM not in written
    assert found.named("function auth").status.description == f"psql {MARK} with {MARK}\\nrefused"
    assert found.root.status.description == MARK
    assert attributes(found.root)["run_id"] == RUN_ID
