"""Repeated equal refusals stop the calls that would be refused too, and nothing else; in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.journal.condition_events import BreakerOpened
from orchestrator.model import ApiRequest, Cancelled, Deployed, Failed, Limits, Operation, Outcome, Rollout
from tests.engine import Bench, RecordingFunctions, sources

DENIED = "Permission denied"


class Refusing(RecordingFunctions):
    """A cloud that refuses the calls in `refuses` at once."""

    def __init__(self, bench: Bench, refuses: Callable[[ApiRequest, str], bool]) -> None:
        super().__init__(bench.wire)
        self._cloud_of = bench.cloud
        self._refuses = refuses

    async def send(self, request: ApiRequest, *, idempotency_key: str, **given: Any) -> Operation:
        folder = request.body.get("folderId") or self._folder(str(request.body.get("functionId", "")))
        if self._refuses(request, folder):
            raise CloudError(DENIED, call=request.call, code=Code.PERMISSION_DENIED, http_status=403)
        return await super().send(request, idempotency_key=idempotency_key, **given)

    def _folder(self, function_id: str) -> str:
        return str(self._cloud_of.functions.get(function_id)["folderId"]) if function_id else ""


def by_kind(outcomes: dict[str, Outcome], keys: object = None) -> Counter[str]:
    chosen = set(keys) if isinstance(keys, list | set) else set(outcomes)
    return Counter(type(outcome).__name__ for key, outcome in outcomes.items() if key in chosen)


def in_folders(manifest: str, folder: Callable[[int], str], count: int) -> str:
    for number in range(count):
        name = f"[functions.f{number:03}]\n"
        manifest = manifest.replace(name, f'{name}folder_id = "{folder(number)}"\n')
    return manifest


@pytest.mark.parametrize("slots", [1, 5, 15])
def test_five_runtimes_that_are_refused_stop_no_other_runtime(tmp_path: Path, slots: int) -> None:
    manifest = sources(tmp_path, 100)
    for number in range(5):
        name = f"[functions.f{number:03}]\n"
        manifest = manifest.replace(name, f'{name}runtime = "python27"\n')
    bench = Bench(tmp_path, durations="fixed:1", limits=Limits(operations_per_folder=slots))
    outcomes = bench.deploy(manifest)
    assert by_kind(outcomes) == {"Failed": 5, "Deployed": 95}
    assert bench.result.breach == ""
    assert not [event for event in bench.events if isinstance(event, BreakerOpened)]


def test_no_rights_in_one_folder_leaves_the_other_alone(tmp_path: Path) -> None:
    manifest = in_folders(sources(tmp_path, 60), lambda number: ("bad", "good")[number % 2], 60)
    bench = Bench(tmp_path, durations="fixed:1")
    bench.functions = Refusing(bench, lambda _request, folder: folder == "bad")
    outcomes = bench.deploy(manifest)
    bad = {f"f{number:03}" for number in range(0, 60, 2)}
    assert by_kind(outcomes, set(outcomes) - bad) == {"Deployed": 30}
    found = by_kind(outcomes, bad)
    assert found["Failed"] + found["Cancelled"] == 30
    assert found["Cancelled"] >= 10
    (opened,) = [event for event in bench.events if isinstance(event, BreakerOpened)]
    assert (opened.folder_id, opened.step.value) == ("bad", "function")
    assert found["Cancelled"] <= opened.left <= found["Cancelled"] + 2
    assert opened.reason.endswith(f"in folder bad, step function: PERMISSION_DENIED: {DENIED}")
    assert bench.result.breach == f"{opened.reason}; {found['Cancelled']} more were not tried"
    assert bench.stop.reason == ""
    reasons = {outcome.reason for outcome in outcomes.values() if isinstance(outcome, Cancelled)}
    assert reasons == {opened.reason}


def test_both_folders_may_be_refused(tmp_path: Path) -> None:
    manifest = in_folders(sources(tmp_path, 60), lambda number: ("one", "two")[number % 2], 60)
    bench = Bench(tmp_path, durations="fixed:1")
    bench.functions = Refusing(bench, lambda _request, _folder: True)
    outcomes = bench.deploy(manifest)
    assert by_kind(outcomes).keys() == {"Failed", "Cancelled"}
    opened = [event for event in bench.events if isinstance(event, BreakerOpened)]
    assert {event.folder_id for event in opened} == {"one", "two"}
    assert "folder one" in bench.result.breach
    assert "folder two" in bench.result.breach


def test_what_one_kind_of_change_is_refused_for_is_no_reason_against_another(tmp_path: Path) -> None:
    """An account that may make versions, but no functions, can deploy existing functions."""
    bench = Bench(tmp_path, durations="fixed:1")
    bench.deploy(sources(tmp_path, 20))
    bench.functions = Refusing(bench, lambda request, _folder: request.call == "create function")
    changed = sources(tmp_path, 60).replace('memory = "128MB"', 'memory = "256MB"')
    outcomes = bench.deploy(changed)
    assert by_kind(outcomes, [f"f{number:03}" for number in range(20)]) == {"Deployed": 20}
    assert by_kind(outcomes)["Cancelled"] >= 20


@pytest.mark.parametrize("max_failures", [30, "100%"])
def test_a_declared_limit_is_the_only_one(tmp_path: Path, max_failures: int | str) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.functions = Refusing(bench, lambda _request, _folder: True)
    outcomes = bench.deploy(sources(tmp_path, 30), rollout=Rollout(max_failures=max_failures))
    assert by_kind(outcomes) == {"Failed": 30}
    assert bench.result.breach == ""


def test_once_one_was_accepted_refusals_are_those_functions_own(tmp_path: Path) -> None:
    """Roles can be granted for single functions: twenty refusals say nothing about the others."""
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 60)
    bench.deploy(manifest)
    ids = {
        function["name"]: function["id"] for function in bench.cloud.functions.list({"folderId": "folder"})["functions"]
    }
    lacking = {ids[f"f{number:03}"] for number in range(1, 31)}
    bench.functions = Refusing(bench, lambda request, _folder: request.body.get("functionId") in lacking)
    outcomes = bench.deploy(manifest.replace('memory = "128MB"', 'memory = "256MB"'))
    assert by_kind(outcomes) == {"Failed": 30, "Deployed": 30}
    assert all(isinstance(outcome, Failed | Deployed) for outcome in outcomes.values())


def test_what_is_refused_in_a_rollback_ends_nothing_else(tmp_path: Path) -> None:
    bench, manifest = Bench(tmp_path, durations="fixed:1", limits=Limits(operations_per_folder=1)), sources(tmp_path, 8)
    bench.deploy(manifest)
    bench.deploy(manifest.replace('memory = "128MB"', 'memory = "256MB"'))
    refused = set[str]()

    def refuses(request: ApiRequest, _folder: str) -> bool:
        if len(refused) < 5:
            refused.add(str(request.body["functionId"]))
        return request.body["functionId"] in refused

    bench.functions = Refusing(bench, refuses)
    assert by_kind(bench.roll_back(bench.events)) == {"Failed": 5, "Deployed": 3}
