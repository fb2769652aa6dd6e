"""Whole runs of the engine against the memory cloud, in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import Code, Exit
from orchestrator.journal.condition_events import SlotRefused
from orchestrator.journal.events import OperationAccepted, PackageStored, Requested, StepRetried, UnitEnded
from orchestrator.model import (
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Limits,
    Outcome,
    Rollout,
    Step,
    Storage,
    Unchanged,
    Unknown,
)
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Fate, Fault, Faults, Trouble
from orchestrator.version.stamp import read_stamp
from tests.engine import Bench, quotas_of, sources


def kinds(outcomes: Mapping[str, object]) -> Counter[str]:
    return Counter(type(outcome).__name__ for outcome in outcomes.values())


def test_all_functions_get_a_version_that_is_read_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    outcomes = bench.deploy(sources(tmp_path, 30))
    assert all(isinstance(outcome, Deployed) and outcome.read_back for outcome in outcomes.values())
    versions = bench.versions()
    assert {version["id"] for version in versions} == {
        o.version_id for o in outcomes.values() if isinstance(o, Deployed)
    }
    assert all(read_stamp(version["description"]) for version in versions)


def test_a_second_deploy_changes_nothing_and_makes_no_call_that_could(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 5)
    bench.deploy(manifest)
    before = dict(bench.wire.calls)
    outcomes = bench.deploy(manifest)
    assert kinds(outcomes) == {"Unchanged": 5}
    made = Counter(bench.wire.calls) - Counter(before)
    assert made == {"list functions": 5, "listVersions": 5, "get folder": 1}
    assert isinstance(outcomes["f000"], Unchanged)


def test_drift_is_seen_in_a_small_selection_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 2)
    bench.deploy(manifest)
    body = dict(bench.functions.sent[0][1]) | {"description": "by hand", "environment": {"HOT": "fix"}}
    bench.cloud.versions.create(body, "another-key")
    bench.pass_time(60.0)
    outcomes = bench.deploy(manifest)
    assert kinds(outcomes) == {"Blocked": 1, "Unchanged": 1}
    (blocked,) = [outcome for outcome in outcomes.values() if isinstance(outcome, Blocked)]
    assert blocked.reason.startswith("drift: ")
    assert "environment HOT" in blocked.reason
    assert kinds(bench.deploy(manifest, adopt=True)) == {"Deployed": 1, "Unchanged": 1}
    assert kinds(bench.deploy(manifest)) == {"Unchanged": 2}


def test_many_functions_are_read_in_bulk(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 40)
    bench.deploy(manifest)
    before = dict(bench.wire.calls)
    assert kinds(bench.deploy(manifest)) == {"Unchanged": 40}
    assert Counter(bench.wire.calls) - Counter(before) == {"list functions": 1, "listVersions": 1, "get folder": 1}


def test_force_makes_new_versions_once_per_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 3)
    bench.deploy(manifest)
    assert kinds(bench.deploy(manifest, force="monday")) == {"Deployed": 3}
    assert len(bench.versions()) == 6
    assert kinds(bench.deploy(manifest, force="monday")) == {"Unchanged": 3}
    assert kinds(bench.deploy(manifest)) == {"Unchanged": 3}
    assert kinds(bench.deploy(manifest, force="tuesday")) == {"Deployed": 3}


def test_a_forced_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    manifest = sources(tmp_path, 40)
    bench.deploy(manifest)

    async def interrupt(stop: Stop) -> None:
        await anyio.sleep(3.0)
        stop.request("interrupted")

    cut = kinds(bench.deploy(manifest, force="monday", meanwhile=interrupt))
    assert cut["Deployed"]
    assert cut["Cancelled"]
    assert kinds(bench.deploy(manifest, force="monday")) == {
        "Unchanged": cut["Deployed"], "Deployed": cut["Cancelled"],
    }  # fmt: skip
    assert len(bench.versions()) == 80


def test_operation_slots_are_never_passed_and_every_one_is_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    outcomes = bench.deploy(sources(tmp_path, 60))
    assert kinds(outcomes) == {"Deployed": 60}
    assert not any(isinstance(event, StepRetried) for event in bench.events)  # no refusal: quotas were observed


def test_each_refusal_of_a_slot_says_whose_limit_it_was(tmp_path: Path) -> None:
    quotas, unreported = quotas_of(Limits(operations_per_folder=3)), CloudSettings(quota_manager=False)
    bench = Bench(tmp_path, durations="fixed:2", quotas=quotas, settings=unreported)
    assert kinds(bench.deploy(sources(tmp_path, 20))) == {"Deployed": 20}
    refused = [event for event in bench.events if isinstance(event, SlotRefused)]
    assert len(refused) == sum(isinstance(event, StepRetried) for event in bench.events) > 0
    assert {event.what for event in refused} == {"folder folder"}
    assert any(event.held == 3 for event in refused)


def test_the_intent_is_written_before_the_call_and_the_operation_before_the_first_poll(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deploy(sources(tmp_path, 1))
    asked = [event for event in bench.events if isinstance(event, Requested | OperationAccepted)]
    order = [f"{type(event).__name__} {event.call}" for event in asked]
    assert order == ["Requested create", "OperationAccepted create", "Requested createVersion",
                     "OperationAccepted createVersion"]  # fmt: skip


def test_identical_packages_are_packed_and_uploaded_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 1)
    manifest += '\n[functions.twin]\nsource = "src/f0"\nentrypoint = "index.other"\n'
    bench.deploy(manifest)
    assert len(bench.packager.packed) == 1
    stored = [event for event in bench.events if isinstance(event, PackageStored)]
    assert [event.existed for event in stored] == [False, True]
    assert stored[0].object == stored[1].object == f"functions/{stored[0].sha256}.zip"


def test_a_failed_build_fails_its_function_alone_with_the_clouds_own_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f001", "f003"}))
    outcomes = bench.deploy(sources(tmp_path, 6))
    assert kinds(outcomes) == {"Deployed": 4, "Failed": 2}
    failed = outcomes["f001"]
    assert isinstance(failed, Failed)
    assert failed.step is Step.TRACK
    assert failed.failure.message.startswith("Function version build failed")
    assert failed.failure.operation_id
    assert failed.failure.request_id


def test_an_error_before_done_is_waited_out_holding_the_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:20", limits=Limits(operations_per_folder=1))
    bench.faults.settle_next("createVersion", Fate(error=Fault(Code.INTERNAL, "boom"), error_early=True))
    outcomes = bench.deploy(sources(tmp_path, 2))
    assert kinds(outcomes) == {"Failed": 1, "Deployed": 1}
    # If the slot had been released at the early error, the quota of one would have refused the second create.
    assert not any(isinstance(event, StepRetried) for event in bench.events)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.RESOURCE_EXHAUSTED])
def test_a_refusal_that_may_pass_is_tried_again_with_the_same_key(tmp_path: Path, code: Code) -> None:
    bench = Bench(tmp_path)
    bench.faults.fail_next(
        "createVersion", Trouble(refusal=Fault(code, "not now")), Trouble(refusal=Fault(code, "later"))
    )
    outcomes = bench.deploy(sources(tmp_path, 1))
    assert kinds(outcomes) == {"Deployed": 1}
    keys = [key for key, _ in bench.functions.sent]
    assert (len(keys), len(set(keys))) == (3, 1)
    assert [event.attempt for event in bench.events if isinstance(event, StepRetried)] == [1, 2]


def test_a_lost_answer_makes_no_second_version(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.faults.fail_next("createVersion", Trouble(lost=True), Trouble(lost=True))
    bench.faults.fail_next("create function", Trouble(lost=True))
    outcomes = bench.deploy(sources(tmp_path, 1))
    assert kinds(outcomes) == {"Deployed": 1}
    assert len(bench.versions()) == 1


def test_a_permanent_refusal_fails_at_once_with_every_id(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.faults.fail_next("createVersion", Trouble(refusal=Fault(Code.PERMISSION_DENIED, "Доступ запрещён")))
    outcomes = bench.deploy(sources(tmp_path, 1))
    failed = outcomes["f000"]
    assert isinstance(failed, Failed)
    assert (failed.step, failed.failure.message, failed.failure.http_status) == (Step.CREATE, "Доступ запрещён", 403)
    assert failed.failure.request_id
    assert failed.failure.server_trace_id
    assert len(bench.functions.sent) == 1


def test_a_failed_poll_is_never_the_operations_failure_and_never_resubmits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    refusals = [
        Trouble(refusal=Fault(code, "no")) for code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL)
    ]
    bench.faults.fail_next("get operation", *refusals, Trouble(lost=True))
    assert kinds(bench.deploy(sources(tmp_path, 1))) == {"Deployed": 1}
    assert len(bench.functions.sent) == 1


def test_an_operation_that_is_not_found_at_first_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3")
    bench.faults.settle_next("createVersion", Fate(hidden_s=1.5))
    assert kinds(bench.deploy(sources(tmp_path, 1))) == {"Deployed": 1}


def test_an_operation_may_be_not_found_three_times(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:3")
    unknown = Trouble(refusal=Fault(Code.NOT_FOUND, "Operation not found"))
    bench.faults.fail_next("get operation", unknown, unknown, unknown)
    assert kinds(bench.deploy(sources(tmp_path, 1))) == {"Deployed": 1}


def test_a_deadline_yields_unknown_and_the_slot_stays_taken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limits=Limits(operations_per_folder=1, operation_deadline_s=30.0))
    bench.faults.settle_next("createVersion", Fate(duration_s=10_000.0))
    outcomes = bench.deploy(sources(tmp_path, 1))
    unknown = outcomes["f000"]
    assert isinstance(unknown, Unknown)
    assert unknown.operation_id
    assert "not done after 30s" in unknown.reason


def test_what_was_unknown_but_is_live_at_the_end_counts_as_deployed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limits=Limits(operation_deadline_s=30.0))
    # The first takes longer than its deadline; the second keeps the run going until the first is live.
    bench.faults.settle_next("createVersion", Fate(duration_s=35.0))
    bench.faults.fail_next("createVersion", Trouble(), *[Trouble(refusal=Fault(Code.UNAVAILABLE, "busy"))] * 7)
    outcomes = bench.deploy(sources(tmp_path, 2))
    assert kinds(outcomes) == {"Deployed": 2}


def test_the_same_deploy_again_finds_the_operation_that_is_still_running(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:60", limits=Limits(operation_deadline_s=40.0))
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)  # makes the function, and leaves its version in flight
    assert kinds(bench.deploy(manifest)) in ({"Deployed": 1}, {"Unknown": 1})
    assert kinds(bench.deploy(manifest)) in ({"Deployed": 1}, {"Unchanged": 1})
    assert len(bench.versions()) == 1


def test_an_operation_of_an_earlier_run_that_failed_is_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 1)
    bench.faults.settle_next("createVersion", Fate(error=Fault(Code.INTERNAL, "builder died")))
    assert kinds(bench.deploy(manifest)) == {"Failed": 1}
    assert kinds(bench.deploy(manifest)) == {"Deployed": 1}
    assert [event.attempt for event in bench.events if isinstance(event, Requested)] == [1, 2]


def test_without_a_bucket_packages_go_inline(tmp_path: Path) -> None:
    bench = Bench(tmp_path, storage=Storage())
    assert kinds(bench.deploy(sources(tmp_path, 2))) == {"Deployed": 2}
    assert all("content" in body and "package" not in body for _, body in bench.functions.sent)


def test_a_stop_starts_nothing_new_and_lets_running_operations_settle(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:5")

    async def interrupt(stop: Stop) -> None:
        await anyio.sleep(9)
        stop.request("interrupted")

    outcomes = bench.deploy(sources(tmp_path, 60), meanwhile=interrupt)
    found = kinds(outcomes)
    assert set(found) == {"Deployed", "Cancelled"}
    assert found["Deployed"] == len(bench.versions())
    assert all(o.reason == "interrupted" for o in outcomes.values() if isinstance(o, Cancelled))


def test_abandoning_says_unknown_of_what_was_asked_for_and_a_new_deploy_repeats_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:5")

    async def leave(stop: Stop) -> None:
        await anyio.sleep(9)
        stop.abandon("interrupted twice")

    manifest = sources(tmp_path, 60)
    outcomes = bench.deploy(manifest, meanwhile=leave)
    assert "Unknown" in kinds(outcomes)
    assert all(o.operation_id for o in outcomes.values() if isinstance(o, Unknown))
    assert set(kinds(bench.deploy(manifest))) <= {"Deployed", "Unchanged"}
    assert len(bench.versions()) == 60


def test_a_token_that_dies_ends_the_run_as_resumable(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:5")
    dead = Trouble(refusal=Fault(Code.UNAUTHENTICATED, "The token has expired"))
    manifest = sources(tmp_path, 40)
    bench.faults.fail_next("get operation", *[Trouble()] * 30, *[dead] * 500)
    outcomes = bench.deploy(manifest)
    assert bench.result.interruption is not None
    assert set(kinds(outcomes)) <= {"Deployed", "Unknown", "Cancelled"}
    assert len(outcomes) == 40
    bench.faults._calls.clear()
    assert set(kinds(bench.deploy(manifest))) <= {"Deployed", "Unchanged"}
    assert len(bench.versions()) == 40


def test_every_units_end_is_reported_and_agrees_with_the_result(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(failing_functions={"f002"}))
    outcomes = bench.deploy(sources(tmp_path, 5))
    reported = {event.key: event.outcome for event in bench.events if isinstance(event, UnitEnded)}
    assert reported == outcomes


def test_a_version_that_somebody_else_replaced_is_not_called_deployed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    manifest = sources(tmp_path, 2)
    bench.deploy(manifest)

    async def colleague(_stop: Stop) -> None:
        await anyio.sleep(3.0)  # when the first of the two is done, and the second still running
        body = dict(bench.functions.sent[0][1]) | {"description": "by hand"}
        bench.cloud.versions.create(body, "another-key")

    bench.faults.settle_next("createVersion", Fate(duration_s=2.0), Fate(duration_s=10.0), Fate(duration_s=2.0))
    outcomes = bench.deploy(manifest, force="n", meanwhile=colleague)
    assert kinds(outcomes) == {"Deployed": 1, "Failed": 1}
    (failed,) = [o for o in outcomes.values() if isinstance(o, Failed)]
    assert "someone else is deploying too" in failed.failure.message


def test_a_journal_that_cannot_be_written_ends_the_run_and_nothing_is_asked_that_is_not_written_down(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, durations="fixed:5")
    manifest = sources(tmp_path, 40)
    bench.break_journal_after = 100
    outcomes = bench.deploy(manifest)
    assert bench.result.interruption is not None
    assert set(kinds(outcomes)) <= {"Deployed", "Unknown", "Cancelled"}
    assert len(outcomes) == 40
    written = {event.idempotency_key for event in bench.events if isinstance(event, Requested)}
    assert {key for key, _ in bench.functions.sent} <= written
    bench.break_journal_after = None
    assert set(kinds(bench.deploy(manifest))) <= {"Deployed", "Unchanged"}
    assert len(bench.versions()) == 40


def test_a_journal_that_breaks_at_the_very_end_makes_no_green_run(tmp_path: Path) -> None:
    def deployed(name: str, break_after: int | None) -> tuple[Bench, dict[str, Outcome]]:
        (folder := tmp_path / name).mkdir()
        bench = Bench(folder)
        bench.break_journal_after = break_after
        return bench, bench.deploy(sources(folder, 4))

    whole, _ = deployed("whole", None)
    assert not whole.result.unwritten
    green = 0
    for events in range(len(whole.events) - 5, len(whole.events)):
        bench, outcomes = deployed(str(events), events)
        assert bench.result.unwritten
        green += exit_code(outcomes.values(), interrupted=True) is Exit.DONE
        assert exit_code(outcomes.values(), interrupted=True, unwritten=True) is Exit.INTERRUPTED
    assert green, "all was live in one of these"


def test_a_function_that_somebody_else_has_just_made_is_found_by_its_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def colleague(_stop: Stop) -> None:
        bench.cloud.functions.create({"folderId": "folder", "name": "f000"}, "another-key")

    assert kinds(bench.deploy(sources(tmp_path, 1), meanwhile=colleague)) == {"Deployed": 1}


def test_a_named_account_and_a_secrets_latest_version_are_resolved_when_planning(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.cloud.seeds.add_secret("folder", "db", id="e6q1", version_id="e6q-new", keys=["password"])
    bench.cloud.seeds.add_service_account("folder", "runner", id="aje1")
    manifest = sources(tmp_path, 1) + (
        'service_account = "runner"\nsecrets = [{ environment_variable = "P", name = "db", key = "password" }]\n'
    )
    assert kinds(bench.deploy(manifest)) == {"Deployed": 1}
    ((_, body),) = bench.functions.sent
    assert body["serviceAccountId"] == "aje1"
    assert body["secrets"] == [{"id": "e6q1", "versionId": "e6q-new", "key": "password", "environmentVariable": "P"}]


def test_a_name_that_does_not_exist_stops_its_function_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 2) + 'service_account = "nobody"\n'
    outcomes = bench.deploy(manifest)
    assert kinds(outcomes) == {"Deployed": 1, "Blocked": 1}
    assert 'no service account named "nobody"' in str(outcomes["f001"])


def test_a_tag_that_is_missing_is_moved_without_a_new_version(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 2)
    bench.deploy(manifest)
    tagged = manifest + 'tags = ["stable", "blue"]\n'
    outcomes = bench.deploy(tagged)
    assert kinds(outcomes) == {"Unchanged": 1, "Deployed": 1}
    assert len(bench.versions()) == 2
    assert {frozenset(version["tags"]) for version in bench.versions()} == {
        frozenset({"$latest"}),
        frozenset({"$latest", "stable", "blue"}),
    }
    assert kinds(bench.deploy(tagged)) == {"Unchanged": 2}


def test_a_copy_with_other_settings_is_made_once_and_knows_its_code_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    copied = manifest.replace('source = "src/f0"', 'version_id = "$latest"\nenvironment = { LEVEL = "debug" }')
    assert kinds(bench.deploy(copied)) == {"Deployed": 1}
    assert kinds(bench.deploy(copied)) == {"Unchanged": 1}
    from_source = manifest + 'environment = { LEVEL = "debug" }\n'
    assert kinds(bench.deploy(from_source)) == {"Unchanged": 1}


def test_the_slot_of_an_operation_that_is_late_is_free_once_it_has_ended(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", limits=Limits(operations_per_folder=1, operation_deadline_s=30.0))
    bench.faults.settle_next("createVersion", Fate(duration_s=60.0))
    outcomes = bench.deploy(sources(tmp_path, 3))
    assert kinds(outcomes) == {"Deployed": 3}  # the late one too: it is found when all is read back
    assert bench.seconds < 120


def test_an_operation_that_never_ends_does_not_hold_the_run_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", limits=Limits(operations_per_folder=1, operation_deadline_s=30.0))
    bench.faults.settle_next("createVersion", Fate(duration_s=1e6))
    outcomes = bench.deploy(sources(tmp_path, 3))
    assert kinds(outcomes) == {"Unknown": 1, "Cancelled": 2}
    assert "others wait for its slot" in bench.stop.reason


def test_operations_that_may_not_be_read_end_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    refusal = Trouble(refusal=Fault(Code.PERMISSION_DENIED, "Permission denied"))
    bench.faults.fail_next("get operation", *[refusal] * 1000)
    outcomes = bench.deploy(sources(tmp_path, 60))
    assert bench.result.interruption is not None
    assert "no permission to read Operations" in bench.result.interruption.message
    assert kinds(outcomes)["Cancelled"] > 30


def test_many_refusals_leave_a_lost_answer_its_tries(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    refused = Trouble(refusal=Fault(Code.RESOURCE_EXHAUSTED, "The limit on maximum number of active operations"))
    bench.faults.fail_next("createVersion", *[refused] * 12, Trouble(lost=True))
    assert kinds(bench.deploy(sources(tmp_path, 1))) == {"Deployed": 1}
    assert len(bench.versions()) == 1


def test_a_build_that_failed_many_times_is_asked_for_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", faults=Faults(failing_functions={"f000"}))
    manifest = sources(tmp_path, 1)
    for _ in range(8):
        assert kinds(bench.deploy(manifest)) == {"Failed": 1}
    bench.faults.failing_functions.clear()
    assert kinds(bench.deploy(manifest)) == {"Deployed": 1}


def test_what_is_not_known_of_one_wave_stops_the_next(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", limits=Limits(operation_deadline_s=30.0))
    bench.faults.settle_next("createVersion", Fate(duration_s=600.0))
    outcomes = bench.deploy(sources(tmp_path, 10), rollout=Rollout(waves=(1, "100%")))
    assert kinds(outcomes) == {"Unknown": 1, "Cancelled": 9}
    assert "is unknown: no other wave starts" in bench.stop.reason


def test_other_labels_are_another_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    (function,) = bench.cloud.functions.list({"folderId": "folder"})["functions"]
    bench.cloud.functions.delete(function["id"])
    bench.pass_time(60.0)
    assert kinds(bench.deploy(f'{manifest}labels = {{ team = "x" }}\n')) == {"Deployed": 1}
