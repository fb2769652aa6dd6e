"""The engine deletes old versions: several at once, never by force, and reports those that cannot be deleted."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrator.errors import Code
from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, UnitEnded
from orchestrator.journal.state import fold
from orchestrator.model import (
    LATEST,
    Action,
    Blocked,
    Cancelled,
    ChangeKind,
    Deployed,
    Failed,
    Limits,
    Pruned,
    Step,
    Unchanged,
    Unknown,
)
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.planning.resume import to_resume
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Fate, Fault, Trouble
from tests.engine import Bench
from tests.prunes import prune, run_events

HEAD = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
source = "src"
"""
TWO = PrunePolicy(keep=2, runs=1)


def manifest(number: int, names: str = "ab") -> str:
    return HEAD + "".join(f'[functions.fun-{name}]\nenvironment = {{ N = "{number}" }}\n' for name in names)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.py").write_text("def handler(event, context):\n    return 1\n")
    return Bench(tmp_path, durations="fixed:1")


def deployed(bench: Bench, times: int, names: str = "ab") -> list[list[Event]]:
    """Deploy this many times, each time something else. Returns the events of the runs, the newest first."""
    runs: list[list[Event]] = []
    for number in range(times):
        outcomes = bench.deploy(manifest(number, names))
        assert all(isinstance(one, Deployed) for one in outcomes.values())
        runs.insert(0, run_events(bench, number))
    return runs


def left(bench: Bench) -> dict[str, list[str]]:
    """Return the `N` of each function's versions, the oldest first."""
    names = {one["id"]: one["name"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    for version in bench.versions():
        found[names[version["functionId"]]].append(version["environment"]["N"])
    return found


def version_id(bench: Bench, number: int, name: str = "fun-a") -> str:
    ids = {one["name"]: one["id"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    own = (one for one in bench.versions() if one["functionId"] == ids[name])
    return next(str(one["id"]) for one in own if one["environment"]["N"] == str(number))


def test_old_ones_go_and_are_seen_to_be_gone(bench: Bench) -> None:
    runs = deployed(bench, 6)
    assert prune(bench, manifest(5), TWO, runs) == dict.fromkeys(("fun-a", "fun-b"), Pruned(4, read_back=True))
    assert left(bench) == {"fun-a": ["4", "5"], "fun-b": ["4", "5"]}


def test_a_second_prune_has_nothing_to_do(bench: Bench) -> None:
    runs = deployed(bench, 6)
    prune(bench, manifest(5), TWO, runs)
    assert prune(bench, manifest(5), TWO, runs) == {}


def test_the_next_deployment_finds_what_is_live_as_it_was(bench: Bench) -> None:
    runs = deployed(bench, 6)
    prune(bench, manifest(5), TWO, runs)
    assert all(isinstance(one, Unchanged) for one in bench.deploy(manifest(5)).values())


def test_each_of_the_last_runs_can_still_be_rolled_back(bench: Bench) -> None:
    runs = [*deployed(bench, 6, "c"), *deployed(bench, 6, "b"), *deployed(bench, 6, "a")]
    of_each = [runs[0], runs[6], runs[12]]  # the last of each function
    prune(bench, manifest(5, "abc"), PrunePolicy(keep=1, runs=1), runs)
    assert left(bench) == {f"fun-{name}": ["4", "5"] for name in "abc"}
    for events in of_each:
        (outcome,) = bench.roll_back(events).values()
        assert isinstance(outcome, Deployed)
    latest = [one for one in bench.versions() if LATEST in one.get("tags", ())]
    assert {one["environment"]["N"] for one in latest} == {"4"}


def test_what_the_last_runs_of_a_function_have_found_and_made_is_there(bench: Bench) -> None:
    runs = deployed(bench, 8, "a")
    prune(bench, manifest(7, "a"), PrunePolicy(keep=1, runs=3), runs)
    assert left(bench) == {"fun-a": ["4", "5", "6", "7"]}


def test_what_was_pruned_is_nothing_to_take_back(bench: Bench) -> None:
    runs = deployed(bench, 6)
    prune(bench, manifest(5), TWO, runs)
    assert touched_by(fold(run_events(bench, 9))) == {}


def test_what_it_does_stands_in_the_journal_before_it_is_asked_for(bench: Bench) -> None:
    runs = deployed(bench, 4, "a")
    prune(bench, manifest(3, "a"), TWO, runs)
    state = fold(run_events(bench, 9)).units["fun-a"]
    assert state.action == Action.PRUNE
    assert [change.outcome for change in state.changes] == ["done", "done"]
    assert {change.change.kind for change in state.changes} == {ChangeKind.DELETE}
    asked = [one for one in bench.events if isinstance(one, Requested)]
    assert len({one.idempotency_key for one in asked}) == len(asked) == 2
    assert state.version_id == ""  # a deleted version does not serve


def test_a_version_that_gets_a_tag_meanwhile_stays_and_is_named(bench: Bench) -> None:
    runs = deployed(bench, 6)
    tagged = version_id(bench, 1)

    def tag() -> None:
        bench.cloud.state.move_tags(_function(bench, "fun-a"), {"kept": tagged}, "2027-01-01T00:00:00Z")

    outcomes = prune(bench, manifest(5), TWO, runs, between=tag)
    failed = outcomes["fun-a"]
    assert isinstance(failed, Failed)
    assert failed.step is Step.DELETE
    assert tagged in failed.failure.detail
    assert left(bench) == {"fun-a": ["1", "4", "5"], "fun-b": ["4", "5"]}


def test_one_that_is_gone_already_is_no_failure(bench: Bench) -> None:
    runs = deployed(bench, 6, "a")
    gone = version_id(bench, 1)
    outcomes = prune(bench, manifest(5, "a"), TWO, runs, between=lambda: bench.cloud.state.drop_version(gone))
    assert outcomes == {"fun-a": Pruned(4, read_back=True)}


def test_an_operation_that_somebody_begins_meanwhile_blocks_its_function(bench: Bench) -> None:
    runs = deployed(bench, 6)
    version = version_id(bench, 5)
    outcomes = prune(bench, manifest(5), TWO, runs, between=lambda: bench.cloud.versions.set_tag(version, {"tag": "x"}))
    assert isinstance(outcomes["fun-a"], Blocked)
    assert outcomes["fun-b"] == Pruned(4, read_back=True)
    assert left(bench)["fun-a"] == ["0", "1", "2", "3", "4", "5"]


def test_an_operation_that_is_under_way_keeps_all_versions_of_its_function(bench: Bench) -> None:
    runs = deployed(bench, 6)
    bench.cloud.versions.set_tag(version_id(bench, 0), {"tag": "x"})
    assert prune(bench, manifest(5), TWO, runs) == {"fun-b": Pruned(4, read_back=True)}


def test_what_somebody_else_is_deleting_is_left_to_them(bench: Bench) -> None:
    runs = deployed(bench, 6, "a")
    deleting = version_id(bench, 1)
    bench.cloud.versions.delete(deleting)
    assert bench.cloud.versions.get(deleting)["status"] == "DELETING"
    with pytest.raises(Fault, match="is DELETING"):
        bench.cloud.versions.delete(deleting)
    assert prune(bench, manifest(5, "a"), TWO, runs) == {"fun-a": Pruned(3, read_back=True)}
    assert left(bench) == {"fun-a": ["4", "5"]}


def test_refusals_of_rights_are_not_asked_for_again_and_again(bench: Bench) -> None:
    runs = deployed(bench, 30, "a")
    denied = Trouble(Fault(Code.PERMISSION_DENIED, "Permission denied"))
    bench.cloud.faults.fail_next("deleteVersion", *[denied] * 100)
    outcomes = prune(bench, manifest(29, "a"), TWO, runs)
    failed = outcomes["fun-a"]
    assert isinstance(failed, Failed)
    assert "not tried" in failed.failure.detail
    assert bench.wire.calls["deleteVersion"] <= Limits().operations_per_function


def test_one_that_cannot_be_deleted_stops_no_other(bench: Bench) -> None:
    runs = deployed(bench, 16, "a")  # more are deleted at once
    broken = Fault(Code.FAILED_PRECONDITION, "no")
    bench.cloud.faults.settle_next("deleteVersion", Fate(), Fate(error=broken), Fate())
    outcomes = prune(bench, manifest(15, "a"), TWO, runs)
    failed = outcomes["fun-a"]
    assert isinstance(failed, Failed)
    assert failed.failure.message == "not deleted: no"
    assert len(failed.failure.detail.splitlines()) == 1
    assert len(left(bench)["fun-a"]) == 3
    assert prune(bench, manifest(15, "a"), TWO, runs) == {"fun-a": Pruned(1, read_back=True)}


def test_answers_that_are_lost_and_clouds_that_are_busy_delete_nothing_else(bench: Bench) -> None:
    runs = deployed(bench, 8)
    busy = Trouble(Fault(Code.UNAVAILABLE, "busy"))
    bench.cloud.faults.fail_next("deleteVersion", Trouble(lost=True), busy, Trouble(lost=True), busy)
    bench.cloud.faults.fail_next("get operation", *[busy] * 3)
    assert prune(bench, manifest(7), TWO, runs) == dict.fromkeys(("fun-a", "fun-b"), Pruned(6, read_back=True))
    assert left(bench) == {"fun-a": ["6", "7"], "fun-b": ["6", "7"]}


@pytest.mark.parametrize("at_s", [0.0, 0.3, 0.8, 1.2, 1.9, 2.7, 3.5])
def test_a_prune_that_is_stopped_tells_what_is_left(bench: Bench, at_s: float) -> None:
    runs = deployed(bench, 26, "a")

    async def stop(stop: Stop) -> None:
        await anyio.sleep(at_s)
        stop.request("somebody said so")

    (outcome,) = prune(bench, manifest(25, "a"), TWO, runs, meanwhile=stop).values()
    state = fold(run_events(bench, 99, 3))
    gone = 26 - len(left(bench)["fun-a"])
    if gone < 24:
        assert isinstance(outcome, Cancelled)
        assert to_resume(state).keys() == {"fun-a"}
        assert gone == sum(isinstance(one, OperationDone) for one in bench.events)
    else:
        assert outcome == Pruned(24, read_back=True)


@pytest.mark.parametrize("at_s", [0.4, 1.3, 2.2, 3.4])
def test_a_prune_that_is_left_at_once_says_what_is_unknown(bench: Bench, at_s: float) -> None:
    runs = deployed(bench, 26, "a")

    async def leave(stop: Stop) -> None:
        await anyio.sleep(at_s)
        stop.abandon("killed")

    (outcome,) = prune(bench, manifest(25, "a"), TWO, runs, meanwhile=leave).values()
    begun = [one for one in bench.events if isinstance(one, OperationAccepted)]
    ended = [one for one in bench.events if isinstance(one, OperationDone)]
    assert isinstance(outcome, Unknown if len(begun) > len(ended) else Cancelled | Pruned)
    bench.pass_time(5.0)
    rest = prune(bench, manifest(25, "a"), TWO, runs)
    assert all(isinstance(one, Pruned) for one in rest.values())
    assert left(bench) == {"fun-a": ["24", "25"]}


def test_several_versions_of_one_function_go_at_once_within_its_quota(bench: Bench) -> None:
    runs = deployed(bench, 42, "a")
    prune(bench, manifest(41, "a"), TWO, runs)
    at_once, most = 0, 0
    for event in bench.events:
        at_once += isinstance(event, OperationAccepted) - isinstance(event, OperationDone)
        most = max(most, at_once)
    assert most == Limits().operations_per_function
    assert bench.seconds < 40 / most * 1.5 + 2


def test_what_is_still_listed_at_the_end_is_no_success(bench: Bench) -> None:
    runs = deployed(bench, 4, "a")
    kept = dict(bench.cloud.state.versions[version_id(bench, 0)])

    def put_back(event: Event) -> None:
        if isinstance(event, UnitEnded):
            bench.cloud.state.put_version(kept)

    emit = bench.emit

    def heard(event: Event) -> None:
        emit(event)
        put_back(event)

    bench.emit = heard  # type: ignore[method-assign]  # someone interferes at this moment
    (outcome,) = prune(bench, manifest(3, "a"), TWO, runs).values()
    assert isinstance(outcome, Failed)
    assert outcome.step is Step.READ_BACK


def _function(bench: Bench, name: str) -> str:
    found = {one["name"]: one["id"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    return str(found[name])
