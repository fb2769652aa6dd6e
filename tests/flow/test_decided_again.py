"""`$latest` is read right before a version is requested: what someone has deployed since the plan is not lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.journal.events import OperationAccepted
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.state import fold
from orchestrator.model import ApiRequest, Blocked, Deployed, Failed, Limits, Operation, Outcome, Unchanged, Verdict
from orchestrator.ports import Guard, unguarded
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import Wire
from orchestrator.sandbox.memory.faults import Fate
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.stamp import read_stamp
from tests.clouds import body
from tests.engine import Bench, RecordingFunctions, sources

ONE_AT_A_TIME = Limits(operations_per_folder=1, operations_per_cloud=1)
COPIES = '[jobs.bigger]\nrun = "mass_redeploy"\nfunctions = ["*"]\nfolders = ["folder"]\n'


def bench_of(tmp_path: Path) -> Bench:
    return Bench(tmp_path, durations="fixed:10", limits=ONE_AT_A_TIME)


def id_of(bench: Bench, name: str) -> str:
    (function,) = bench.cloud.functions.list({"folderId": "folder", "filter": f'name="{name}"'})["functions"]
    return str(function["id"])


def latest(bench: Bench, name: str) -> dict[str, Any]:
    return dict(bench.cloud.versions.by_tag({"functionId": id_of(bench, name), "tag": "$latest"}))


def hotfix(bench: Bench, name: str, **fields: Any) -> str:
    """Make a version as another user would, in one second, with a slot beyond our own."""
    quotas, bench.cloud.active.quotas = bench.cloud.active.quotas, Quotas(100, 100, 100)
    bench.faults.settle_next("createVersion", Fate(duration_s=1.0))
    try:
        made = bench.cloud.versions.create(body(id_of(bench, name), **fields))
    finally:
        bench.cloud.active.quotas = quotas
    return str(made["metadata"]["functionVersionId"])


def meanwhile(act: Callable[[], Any], after_s: float = 2.0) -> Callable[[Stop], Any]:
    async def wait(_stop: Stop) -> None:
        await anyio.sleep(after_s)
        act()

    return wait


def changed(manifest: str) -> str:
    return manifest.replace("128MB", "256MB")


def outcome_of_two(bench: Bench, manifest: str, act: Callable[[], Any]) -> Outcome:
    """Deploy two functions in turn; while the first is made, someone changes the second."""
    bench.deploy(manifest)
    outcomes = bench.deploy(changed(manifest), meanwhile=meanwhile(act))
    assert isinstance(outcomes["f000"], Deployed)
    return outcomes["f001"]


def test_a_hotfix_of_a_function_that_waits_for_its_slot_is_not_overwritten(tmp_path: Path) -> None:
    bench, made = bench_of(tmp_path), list[str]()
    outcome = outcome_of_two(
        bench, sources(tmp_path, 2), lambda: made.append(hotfix(bench, "f001", environment={"FIX": "1"}))
    )
    assert isinstance(outcome, Blocked)
    assert f"changed since the plan: version {made[0]} was made at " in outcome.reason
    assert f" by {bench.settings.subject}" in outcome.reason
    assert latest(bench, "f001")["id"] == made[0]
    assert not [event for event in bench.events if isinstance(event, OperationAccepted) and event.key == "f001"]


def test_what_somebody_else_has_deployed_already_is_unchanged(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)

    def the_same() -> None:
        sent = next(sent for _, sent in reversed(bench.functions.sent) if sent["functionId"] == id_of(bench, "f001"))
        unit = next(unit for unit in bench.plan.units if unit.key == "f001")
        fields = {name: value for name, value in sent.items() if name != "functionId"}
        fields |= {"resources": {"memory": str(256 << 20)}, "description": f"[orchestrator:1:{unit.fingerprint}]"}
        hotfix(bench, "f001", **fields)

    outcome = outcome_of_two(bench, sources(tmp_path, 2), the_same)
    assert outcome == Unchanged(latest(bench, "f001")["id"])


def checked(manifest: str) -> str:
    """Return the manifest with verification and promotion for every function."""
    return manifest.replace(
        "create = true\n", 'create = true\nverify = { payload = {}, safe = true }\npromote = ["stable"]\n'
    )


def test_what_somebody_else_has_deployed_already_is_verified_and_promoted_all_the_same(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.cloud.seeds.calls.answer(body={})

    def the_same() -> None:
        sent = next(sent for _, sent in reversed(bench.functions.sent) if sent["functionId"] == id_of(bench, "f001"))
        unit = next(unit for unit in bench.plan.units if unit.key == "f001")
        fields = {name: value for name, value in sent.items() if name not in ("functionId", "tag")}
        fields |= {"resources": {"memory": str(256 << 20)}, "description": f"[orchestrator:1:{unit.fingerprint}]"}
        hotfix(bench, "f001", **fields)

    outcome = outcome_of_two(bench, checked(sources(tmp_path, 2)), the_same)
    live = latest(bench, "f001")
    assert outcome == Deployed(live["id"], read_back=True)
    assert set(live["tags"]) == {"$latest", "stable"}
    verdicts = [event for event in bench.events if isinstance(event, VersionVerified) and event.key == "f001"]
    assert [(one.version_id, one.verdict) for one in verdicts] == [(live["id"], Verdict.PASSED)]


def test_a_copy_from_a_new_base_takes_the_ring_tag_that_this_lacks(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.cloud.seeds.calls.answer(body={})
    manifest = checked(sources(tmp_path, 2))
    bench.deploy(manifest)
    fix = meanwhile(lambda: hotfix(bench, "f001", environment={"FIX": "1"}, tag=["orc-b"]))
    job = COPIES + 'force = true\nenvironment = { LEVEL = "debug" }\n'
    outcomes = bench.run_job(manifest + job, "bigger", meanwhile=fix)
    assert all(isinstance(outcome, Deployed) and outcome.read_back for outcome in outcomes.values())
    tags = {version["id"]: set(version.get("tags", ())) for version in bench.versions()}
    live = latest(bench, "f001")
    assert tags[live["id"]] == {"$latest", "orc-a", "stable"}
    assert live["environment"] == {"FIX": "1", "LEVEL": "debug"}
    assert {"orc-b"} in tags.values()  # the hotfix keeps its own


def test_a_copy_is_made_from_the_new_base_with_all_that_it_has(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    manifest = sources(tmp_path, 2)
    bench.deploy(manifest)
    made = list[str]()
    fix = meanwhile(lambda: made.append(hotfix(bench, "f001", environment={"FIX": "1"})))
    job = COPIES + 'force = true\nenvironment = { LEVEL = "debug" }\n'
    outcomes = bench.run_job(job, "bigger", meanwhile=fix)
    assert all(isinstance(outcome, Deployed) and outcome.read_back for outcome in outcomes.values())
    assert latest(bench, "f001")["environment"] == {"FIX": "1", "LEVEL": "debug"}
    assert next(sent["versionId"] for _, sent in reversed(bench.functions.sent)) == made[0]
    unit = fold(bench.events).units["f001"]
    assert unit.base_version_id == made[0]
    assert unit.changes[-1].change.before["$latest"] == made[0]
    stamp = read_stamp(latest(bench, "f001")["description"])
    assert stamp is not None
    assert str(stamp) == unit.fingerprint


def test_a_copy_that_changes_what_the_other_has_changed_is_blocked(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.deploy(sources(tmp_path, 2))
    fix = meanwhile(lambda: hotfix(bench, "f001", environment={"LEVEL": "trace"}))
    job = COPIES + 'force = true\nenvironment = { LEVEL = "debug" }\n'
    outcome = bench.run_job(job, "bigger", meanwhile=fix)["f001"]
    assert isinstance(outcome, Blocked)
    assert "it changes the same settings: environment" in outcome.reason
    assert latest(bench, "f001")["environment"] == {"LEVEL": "trace"}


class Overtaken(RecordingFunctions):
    """Someone deploys at the moment between our check and our call."""

    def __init__(self, wire: Wire, act: Callable[[], Any]) -> None:
        super().__init__(wire)
        self._act = act

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        if request.call == "createVersion":
            self._act()
            await anyio.sleep(2.0)
        return await super().send(request, idempotency_key=idempotency_key, guard=guard)


@pytest.mark.parametrize("count", [1, 12])
def test_what_no_look_could_see_is_said_when_it_is_read_back(tmp_path: Path, count: int) -> None:
    """Few functions are read back one by one, many by whole folders."""
    bench, made = Bench(tmp_path, durations="fixed:10"), list[str]()
    manifest = sources(tmp_path, count)
    bench.deploy(manifest)

    def once() -> None:
        if not made:
            made.append(hotfix(bench, "f000", environment={"FIX": "1"}))

    bench.functions = Overtaken(bench.wire, once)
    outcomes = bench.deploy(changed(manifest))
    outcome = outcomes.pop("f000")
    assert isinstance(outcome, Failed)
    assert outcome.failure.kind == "overwritten"
    assert outcome.overwritten == made[0]
    assert f"version {made[0]} was made by other means after the plan" in outcome.failure.message
    assert f'version_id = "{made[0]}"' in outcome.failure.advice
    assert all(isinstance(other, Deployed) for other in outcomes.values())


def test_each_function_is_looked_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    manifest = sources(tmp_path, 60)
    bench.deploy(manifest)
    before = bench.wire.calls.get("getVersionByTag", 0)
    bench.deploy(changed(manifest))
    assert bench.wire.calls["getVersionByTag"] - before == 60
