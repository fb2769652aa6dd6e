"""New versions are called before they count as deployed, and promoted after that: each row of the
meaning of answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.engine.read_back import read_back
from orchestrator.errors import Code
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import Requested, StepRetried
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import (
    Action,
    Blocked,
    Cancelled,
    ChangeKind,
    Deployed,
    Failed,
    Inconclusive,
    Outcome,
    Step,
    Unchanged,
    Unknown,
    Verdict,
)
from orchestrator.ports import CommandEnd
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.invocation.calls import Denied, LateRouting, Matching
from orchestrator.sandbox.invocation.service import INVOKE
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.version.adoption import Adoption
from tests.clouds import body
from tests.engine import Bench, InlinePackager, sources

EVENT = 'verify = { payload = { n = 1 }, expect = { ok = true }, timeout = "5s" }\n'


def bench_of(tmp_path: Path) -> Bench:
    return Bench(tmp_path, durations="fixed:2")


def manifest(bench: Bench, *lines: str, count: int = 1) -> str:
    tables = sources(bench.root, count)
    return (
        tables.replace("[defaults]", "[templates.checked]\n" + "\n".join(lines) + "\n[defaults]")
        .replace("[functions.", "[functions.")
        .replace("\nsource", '\nuse = ["checked"]\nsource')
    )


def answered(bench: Bench, **answer: Any) -> None:
    bench.cloud.seeds.calls.answer(**({"body": {"ok": True}} | answer))


def only(outcomes: Mapping[str, Outcome]) -> Outcome:
    (outcome,) = outcomes.values()
    return outcome


def verdicts(bench: Bench) -> list[VersionVerified]:
    return [event for event in bench.events if isinstance(event, VersionVerified)]


def tags(bench: Bench) -> dict[str, set[str]]:
    return {version["id"]: set(version.get("tags", ())) for version in bench.versions()}


def edit(bench: Bench) -> None:
    path = bench.root / "src" / "f0" / "index.py"
    path.write_text(path.read_text() + "#\n")
    bench.packager = InlinePackager(bench.root / "zips")


def smoke(bench: Bench) -> str:
    path = bench.root / "smoke.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return 'verify = { command = ["./smoke.sh", "x"] }\n'


def test_a_version_that_answers_as_expected_is_deployed_and_then_promoted(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    seen: list[Any] = []

    def handler(event: Any, _context: object) -> Any:
        seen.append(event)
        return {"ok": True, "more": 1}

    bench.cloud.seeds.calls.handle(handler)
    text = manifest(bench, EVENT, 'promote = ["stable", "live"]')
    outcome = only(bench.deploy(text))
    assert isinstance(outcome, Deployed)
    assert outcome.read_back
    assert seen == [{"n": 1}]
    assert tags(bench) == {outcome.version_id: {"$latest", "orc-a", "stable", "live"}}
    kinds = [type(event).__name__ for event in bench.events if isinstance(event, VersionVerified | Requested)]
    assert kinds == ["Requested", "Requested", "VersionVerified", "Requested", "Requested"]
    assert isinstance(only(bench.deploy(text)), Unchanged)
    assert len(seen) == 1


def test_ring_tags_take_turns_and_promoted_ones_follow(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT, 'promote = ["stable"]')
    first = only(bench.deploy(text))
    edit(bench)
    second = only(bench.deploy(text))
    assert isinstance(first, Deployed)
    assert isinstance(second, Deployed)
    assert tags(bench) == {first.version_id: {"orc-a"}, second.version_id: {"$latest", "orc-b", "stable"}}
    assert [sent["tag"] for _, sent in bench.functions.sent] == [["orc-a"], ["orc-b"]]
    edit(bench)
    third = only(bench.deploy(text))
    assert isinstance(third, Deployed)
    assert tags(bench)[third.version_id] == {"$latest", "orc-a", "stable"}


def test_it_is_called_by_its_ring_tag_and_by_none_of_the_users(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench, tag="orc-a")
    answered(bench, body={"ok": False})
    assert isinstance(only(bench.deploy(manifest(bench, EVENT, 'tags = ["alpha"]'))), Deployed)


FAILED = [
    ({"status": 502, "body": {"errorMessage": "boom"}, "headers": {"X-Function-Error": "true"}}, "its handler failed"),
    ({"body": {"ok": False}}, "does not match `expect`"),
    ({"body": "no JSON"}, "no JSON"),
    ({"delay_s": 6.0}, "did not respond within 5 s"),
    ({"status": 504}, "HTTP 504"),
]


@pytest.mark.parametrize(("answer", "why"), FAILED)
def test_what_fails_is_final_and_promotes_nothing(tmp_path: Path, answer: dict[str, Any], why: str) -> None:
    bench = bench_of(tmp_path)
    answered(bench, **answer)
    outcome = only(bench.deploy(manifest(bench, EVENT, 'promote = ["stable"]')))
    assert isinstance(outcome, Failed)
    assert (outcome.step, outcome.failure.kind) == (Step.VERIFY, "verification")
    assert why in outcome.failure.message
    assert bench.invocations.calls == 1
    assert [one.verdict for one in verdicts(bench)] == [Verdict.FAILED]
    assert list(tags(bench).values()) == [{"$latest", "orc-a"}]


@pytest.mark.parametrize("code", [Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.INTERNAL, Code.NOT_FOUND])
def test_what_the_platform_answers_in_place_of_user_code_counts_as_no_attempt(tmp_path: Path, code: Code) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    bench.faults.fail_next(INVOKE, *[Trouble(refusal=Fault(code, "not now"))] * 5)
    assert isinstance(only(bench.deploy(manifest(bench, EVENT))), Deployed)
    assert bench.invocations.calls == 6
    assert [event.step for event in bench.events if isinstance(event, StepRetried)] == [Step.VERIFY] * 5


def test_a_cloud_that_never_has_room_is_inconclusive_in_the_end(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    bench.cloud.seeds.calls.live_calls = 10_000
    outcome = only(bench.deploy(manifest(bench, EVENT)))
    assert isinstance(outcome, Inconclusive)
    assert "HTTP 429" in outcome.reason
    assert bench.seconds < 300


def test_a_busy_cloud_is_called_less_at_once(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    running, most = 0, []

    class Counting:
        async def invoke(self, request: Any) -> Any:
            nonlocal running
            running += 1
            most.append(running)
            try:
                return await client.invoke(request)
            finally:
                running -= 1

    client = bench.invocations
    bench.invocations = Counting()  # type: ignore[assignment]  # the same port
    answered(bench, delay_s=1.0)
    busy = Trouble(refusal=Fault(Code.RESOURCE_EXHAUSTED, "no room"))
    bench.faults.fail_next(INVOKE, busy, busy)
    outcomes = bench.deploy(manifest(bench, EVENT, count=12))
    assert {type(outcome) for outcome in outcomes.values()} == {Deployed}
    assert max(most[:4]) == 4
    assert max(most[5:8]) == 1


@pytest.mark.parametrize("status", [400, 413])
def test_what_was_never_called_as_it_should_be_is_inconclusive(tmp_path: Path, status: int) -> None:
    bench = bench_of(tmp_path)
    answered(bench, status=status)
    outcome = only(bench.deploy(manifest(bench, EVENT, 'promote = ["stable"]')))
    assert isinstance(outcome, Inconclusive)
    assert bench.invocations.calls == 2  # again at the end of the wave
    assert list(tags(bench).values()) == [{"$latest", "orc-a"}]


def test_an_account_that_may_not_call_is_reported_which_role_it_needs(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    bench.cloud.seeds.calls.denied.add(Denied(bench.cloud.settings.subject))
    outcome = only(bench.deploy(manifest(bench, EVENT)))
    assert isinstance(outcome, Inconclusive)
    assert "HTTP 403" in outcome.reason
    assert "functions.functionInvoker" in outcome.reason


def test_answers_that_are_lost_use_up_the_attempts(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    bench.faults.fail_next(INVOKE, *[Trouble(lost=True)] * 6)
    outcome = only(bench.deploy(manifest(bench, EVENT.replace("timeout", "attempts = 3, timeout"))))
    assert isinstance(outcome, Inconclusive)
    assert "called 3 times" in outcome.reason


@pytest.mark.parametrize("missing", [True, False])
def test_a_tag_that_routes_late_is_waited_for(tmp_path: Path, missing: bool) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT)
    for _ in range(2):  # so that the ring tag was routed elsewhere before
        assert isinstance(only(bench.deploy(text)), Deployed)
        edit(bench)
    bench.cloud.seeds.calls.late.append(LateRouting(Matching(), 8.0, missing))
    calls = bench.invocations.calls
    assert isinstance(only(bench.deploy(text)), Deployed)
    assert bench.invocations.calls > calls + 1
    assert verdicts(bench)[-1].attempts > 1


def test_an_http_call_is_made_as_its_users_make_it_and_can_be_reported_from_theirs(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    seen: list[Any] = []

    def handler(event: Any, _context: object) -> Any:
        seen.append(event)
        return {"statusCode": 201, "body": "all is well"}

    bench.cloud.seeds.calls.handle(handler)
    http = 'verify = { http = { method = "PUT", headers = { X-A = "b" }, query = { q = "1" }, body = "hi", '
    text = manifest(bench, http + 'expect_status = 201, expect_body = "is well" } }\n')
    assert isinstance(only(bench.deploy(text)), Deployed)
    (event,) = seen
    assert (event["httpMethod"], event["queryStringParameters"]["q"], event["body"]) == ("PUT", "1", "hi")
    headers = {name.lower(): value for name, value in event["headers"].items()}
    assert (headers["x-a"], headers["x-orchestrator-verify"]) == ("b", "run")


def test_user_code_that_answers_503_itself_is_not_called_twice(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.cloud.seeds.calls.handle(lambda _event, _context: {"statusCode": 503, "body": "down"})
    outcome = only(bench.deploy(manifest(bench, "verify = { http = { } }\n")))
    assert isinstance(outcome, Failed)
    assert "it returned HTTP 503, not 200: down" in outcome.failure.message
    assert bench.invocations.calls == 1


def test_without_room_for_a_ring_tag_it_is_called_through_latest(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    ten = ", ".join(f'"t{number}"' for number in range(10))
    outcome = only(bench.deploy(manifest(bench, EVENT, f"tags = [{ten}]")))
    assert isinstance(outcome, Deployed)
    assert not {"orc-a", "orc-b"} & tags(bench)[outcome.version_id]


def test_another_version_that_takes_latest_meanwhile_makes_it_inconclusive(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    ten = ", ".join(f'"t{number}"' for number in range(10))
    answered(bench, delay_s=4.0)

    async def meanwhile(_stop: Stop) -> None:
        await anyio.sleep(5.0)  # the version is made at about 4.5 s, and answers at 8.5 s
        bench.cloud.versions.create(body(bench.versions()[0]["functionId"]), "theirs")

    outcome = only(bench.deploy(manifest(bench, EVENT, f"tags = [{ten}]"), meanwhile=meanwhile))
    assert isinstance(outcome, Inconclusive)
    assert ["took $latest while" in one.reason for one in verdicts(bench)] == [True, False]
    assert "has taken $latest" in outcome.reason
    assert bench.invocations.calls == 1


def test_a_command_gets_the_facts_and_judges(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    text = manifest(bench, smoke(bench))
    outcome = only(bench.deploy(text))
    assert isinstance(outcome, Deployed)
    (request,) = bench.commands.requests
    assert (request.command, request.folder) == (("./smoke.sh", "x"), bench.root)
    assert request.facts["ORCHESTRATOR_VERSION_ID"] == outcome.version_id
    assert (request.facts["ORCHESTRATOR_TAG"], request.facts["ORCHESTRATOR_FUNCTION"]) == ("orc-a", "f000")
    assert bench.invocations.calls == 0


@pytest.mark.parametrize(
    ("ends", "expected", "why"),
    [
        ([CommandEnd(1, "no login", 0.0)], Failed, "failed with exit status 1: no login"),
        ([CommandEnd(0, "", 60.0)], Failed, "did not end within 30 s"),
        ([CommandEnd(75, "later", 0.0), CommandEnd(0, "", 0.0)], Deployed, ""),
        ([CommandEnd(75, "later", 0.0)] * 6, Inconclusive, "has no result yet (exit status 75): later"),
        ([CommandEnd(127, "not found", 0.0)] * 2, Inconclusive, "did not run: not found"),
    ],
)
def test_what_the_end_of_a_command_means(tmp_path: Path, ends: list[CommandEnd], expected: type, why: str) -> None:
    bench = bench_of(tmp_path)
    bench.commands.ends = list(ends)
    outcome = only(bench.deploy(manifest(bench, smoke(bench))))
    assert isinstance(outcome, expected)
    assert why in str(outcome)


def test_a_live_version_without_a_verdict_is_verified_and_promoted_without_another(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT, 'promote = ["stable"]')
    bench.skips_verification = True
    made = only(bench.deploy(manifest(bench, EVENT)))
    assert isinstance(made, Deployed)
    assert bench.invocations.calls == 0
    bench.skips_verification = False
    assert only(bench.deploy(text)) == Deployed(made.version_id, read_back=True)
    assert [unit.action for unit in bench.plan.units] == [Action.VERIFY]
    assert [event.call for event in bench.events if isinstance(event, Requested)] == [ChangeKind.TAG]
    assert tags(bench) == {made.version_id: {"$latest", "orc-a", "stable"}}
    bench.passed.clear()  # the journal is lost, and there is no record: it is called again, and nothing else happens
    assert only(bench.deploy(text)) == Deployed(made.version_id, read_back=True)
    assert bench.invocations.calls == 2


def test_a_failed_version_is_verified_again_and_not_made_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.cloud.seeds.calls.answer(body={"ok": False}, times=1)
    answered(bench)
    text = manifest(bench, EVENT)
    assert isinstance(only(bench.deploy(text)), Failed)
    assert isinstance(only(bench.deploy(text)), Deployed)
    assert len(bench.versions()) == 1


def test_a_run_that_stops_between_version_and_verdict_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT, 'promote = ["stable"]')

    async def meanwhile(stop: Stop) -> None:
        await anyio.sleep(3)  # the version is requested
        stop.request("interrupted")

    stopped = only(bench.deploy(text, meanwhile=meanwhile))
    assert isinstance(stopped, Cancelled)
    assert "was made, but not verified yet" in stopped.reason
    outcome = only(bench.deploy(text))
    assert isinstance(outcome, Deployed)
    assert len(bench.versions()) == 1
    assert bench.invocations.calls == 1


def test_whichever_event_is_the_last_that_is_written_the_next_run_does_what_is_missing(tmp_path: Path) -> None:
    """A kill between any two events: never a second version, never deployed without having passed."""
    events = 1
    number = 0
    while number < events:
        root = tmp_path / str(number)
        root.mkdir()
        bench = bench_of(root)
        answered(bench)
        text = manifest(bench, EVENT, 'promote = ["stable"]')
        bench.break_journal_after = number or None
        bench.deploy(text)
        events = events if number else len(bench.events)
        bench.break_journal_after = None
        known = set(bench.passed)
        outcome = only(bench.deploy(text))
        assert isinstance(outcome, Deployed | Unchanged)
        assert tags(bench) == {outcome.version_id: {"$latest", "orc-a", "stable"}}
        assert outcome.version_id in bench.passed
        assert bench.invocations.calls <= 2 - (outcome.version_id in known)
        number += 1
    assert number > 15


@pytest.mark.parametrize("passed", [True, False])
def test_what_is_not_known_to_have_passed_is_not_read_back_as_deployed(tmp_path: Path, passed: bool) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    made = only(bench.deploy(manifest(bench, EVENT)))
    assert isinstance(made, Deployed)
    unknown = {"f000": Unknown("its answer was lost")}

    async def main() -> Mapping[str, Outcome]:
        return await read_back(bench.world(), bench.plan, bench.live, unknown, {made.version_id} if passed else ())

    assert run(main) == ({"f000": made} if passed else unknown)


def test_a_tag_that_somebody_has_moved_away_is_not_moved_back_in_silence(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT, 'promote = ["stable"]')
    first = only(bench.deploy(text))
    edit(bench)
    second = only(bench.deploy(text))
    assert isinstance(first, Deployed)
    assert isinstance(second, Deployed)
    bench.pass_time(60)
    bench.cloud.versions.set_tag(first.version_id, {"tag": "stable"}, "by hand")
    bench.pass_time(60)
    outcome = only(bench.deploy(text))
    assert isinstance(outcome, Blocked)
    assert f"the tag stable was moved by hand: to {first.version_id} at 20" in outcome.reason
    assert f"--adopt f000@{first.version_id}" in outcome.reason
    assert "stable" in tags(bench)[first.version_id]
    again = only(bench.deploy(text, adopt=Adoption(versions=frozenset({("f000", first.version_id)}))))
    assert again == Deployed(second.version_id, read_back=True)
    assert "stable" in tags(bench)[second.version_id]


def test_what_a_job_copies_is_verified_and_promoted_as_the_manifest_says(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    answered(bench)
    text = manifest(bench, EVENT, 'promote = ["stable"]')
    first = only(bench.deploy(text))
    assert isinstance(first, Deployed)
    job = '[jobs.bigger]\nrun = "mass_redeploy"\nfunctions = ["*"]\nfolders = ["folder"]\nenvironment = { A = "b" }\n'
    second = only(bench.run_job(text + job, "bigger"))
    assert isinstance(second, Deployed)
    assert [(one.version_id, one.verdict) for one in verdicts(bench)] == [(second.version_id, Verdict.PASSED)]
    assert [sent["tag"] for _, sent in bench.functions.sent] == [["orc-a"], ["orc-b"]]
    assert tags(bench) == {first.version_id: {"orc-a"}, second.version_id: {"$latest", "orc-b", "stable"}}


def test_verification_holds_no_operation_slot(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.limits = type(bench.limits)(operations_per_folder=1, operations_per_cloud=1)
    answered(bench, delay_s=4.5)
    outcomes = bench.deploy(manifest(bench, EVENT, count=6))
    assert {type(outcome) for outcome in outcomes.values()} == {Deployed}
    assert not [event for event in bench.events if isinstance(event, LimitChanged) and event.reason == "refused"]
    assert bench.seconds < 6 * (2 + 2 + 4.5)
